//! Every fault at every call of an upgrade, and every second fault after it; each case is run to rest
//! on the simulated engine, and then the invariants of the transaction must hold ([`check`]).
//!
//! A fault-free run counts the calls. Then each call in turn meets each [`Fault`]; what is called
//! after it, by the rollback, by the recovery of a new process or by the background's mending, are
//! the calls that the second faults of the pairs are tried at.
//!
//! What is left out: second faults at a look between two like looks of a wait (the first and the last of
//! such a row are tried), pairs of faults that differ in words or time alone
//! ([`Call::faults_of_pairs`]), pairs that begin before create (such a fault ends the upgrade), pairs
//! over the other originals and with other clients, of an original of `--rm` those whose second fault
//! comes at a look, three faults, an engine that carries a call out
//! after its client gave up, and live-restore.
//!
//! That it can fail is proved by `compat-tests/mutants.sh`.

mod case;
mod check;
mod tally;
mod told;
mod unseen;

use case::{Activity, Case, Companions, Obstacle, Replacement, Trial};
use check::problems;
use tally::Tally;

use super::simulated::{Call, Fault};

const POLICIES: [&str; 4] = ["no", "always", "on-failure:3", "unless-stopped"];

/// Runs one case, counts it, and notes what is wrong with its end.
fn run(tally: &mut Tally, case: Case, faults: &[(usize, Fault)]) -> Trial {
    let trial = case.run(faults);
    tally.count(case, faults, &trial, &problems(case, &trial));
    trial
}

/// The upgrade without a fault.
fn faultless(tally: &mut Tally, case: Case) -> Vec<Call> {
    let trial = run(tally, case, &[]);
    assert_eq!(
        trial.is_upgraded(),
        case.is_good(),
        "{case:?}: {:?}",
        trial.answer
    );
    assert!(trial.calls.len() > 20, "{case:?}: {:?}", trial.calls);
    assert!(!trial.tells_of_address(), "{case:?}: {:?}", trial.answer);
    trial.calls
}

/// Every single fault of the engine, of the process and of dockerd.
fn singles(tally: &mut Tally, case: Case) {
    for (at, call) in faultless(tally, case).iter().enumerate() {
        for fault in call.faults() {
            run(tally, case, &[(at, fault)]);
        }
    }
}

/// Everything that another client may do, at every call.
fn interference(tally: &mut Tally, case: Case) {
    for at in 0..faultless(tally, case).len() {
        for fault in Fault::of_people() {
            run(tally, case, &[(at, fault)]);
        }
    }
}

/// Every pair of faults, the first of which comes at the first call of `what` or later, and `is_mine`.
fn pairs(tally: &mut Tally, case: Case, what: &str, is_mine: impl Fn(usize) -> bool) {
    pairs_with(tally, case, what, is_mine, |_| true);
}

/// As [`pairs`], of those whose second fault comes at a call that `is_second`.
fn pairs_with(
    tally: &mut Tally,
    case: Case,
    what: &str,
    is_mine: impl Fn(usize) -> bool,
    is_second: impl Fn(&Call) -> bool,
) {
    let calls = faultless(tally, case);
    let begin = calls.iter().position(|call| call.what == what);
    for at in begin.expect("such a call")..calls.len() {
        if within_row(&calls, at) || !is_mine(at) {
            continue;
        }
        for first in calls[at].faults_of_pairs() {
            // A trial of its own: which calls come after the first fault?
            let after = case.run(&[(at, first)]).calls;
            for (then, call) in after.iter().enumerate().skip(at + 1) {
                if within_row(&after, then) || !is_second(call) {
                    continue;
                }
                for second in call.faults_of_pairs() {
                    run(tally, case, &[(at, first), (then, second)]);
                }
            }
        }
    }
}

/// Whether the call is a look between two like looks.
fn within_row(calls: &[Call], at: usize) -> bool {
    let is_like = |other: Option<&Call>| other == Some(&calls[at]);
    let (before, after) = (at.checked_sub(1), at + 1);
    !calls[at].mutates()
        && is_like(before.and_then(|before| calls.get(before)))
        && is_like(calls.get(after))
}

const GOOD: Replacement = Replacement::Serves;

fn running(policy: &'static str, replacement: Replacement) -> Case {
    Case {
        activity: Activity::Running,
        policy,
        replacement,
        is_auto_removed: false,
        obstacle: None,
        companions: Companions::Nobody,
        has_gap: false,
        goes_back: false,
    }
}

#[test]
fn one_fault_over_a_running_original() {
    let mut tally = Tally::default();
    for policy in POLICIES {
        singles(&mut tally, running(policy, GOOD));
    }
    tally.conclude("single faults, running", 1000);
}

#[test]
fn one_fault_over_a_failing_replacement() {
    let mut tally = Tally::default();
    for policy in POLICIES {
        singles(&mut tally, running(policy, Replacement::Exits));
        singles(&mut tally, running(policy, Replacement::Missing));
    }
    tally.conclude("single faults, failing replacement", 3000);
}

#[test]
fn one_fault_over_an_original_that_does_not_run() {
    let mut tally = Tally::default();
    for activity in [
        Activity::Stopped,
        Activity::NeverStarted,
        Activity::Paused,
        Activity::Restarting,
    ] {
        for policy in POLICIES {
            let policy = match (activity, policy) {
                // Nothing restarts what has no policy.
                (Activity::Restarting, "no") => continue,
                // With a limit, the engine gives up by itself.
                (Activity::Restarting, "on-failure:3") => "on-failure",
                _ => policy,
            };
            for replacement in [GOOD, Replacement::Exits] {
                // What is never started does not fail.
                let is_started = matches!(activity, Activity::Paused | Activity::Restarting);
                if replacement != GOOD && !is_started {
                    continue;
                }
                singles(
                    &mut tally,
                    Case {
                        activity,
                        ..running(policy, replacement)
                    },
                );
            }
        }
    }
    tally.conclude("single faults, not plainly running", 6500);
}

/// What is gone back to is good, or fails.
#[test]
fn one_fault_over_going_back() {
    let mut tally = Tally::default();
    let back = |activity, policy, replacement| Case {
        activity,
        goes_back: true,
        ..running(policy, replacement)
    };
    for case in [
        back(Activity::Running, "always", GOOD),
        back(Activity::Running, "on-failure:3", Replacement::Exits),
        back(Activity::Paused, "unless-stopped", GOOD),
        back(Activity::Stopped, "always", GOOD),
        Case {
            is_auto_removed: true,
            ..back(Activity::Running, "no", Replacement::Exits)
        },
    ] {
        singles(&mut tally, case);
    }
    tally.conclude("single faults, going back", 1500);
}

#[test]
fn another_client_interferes() {
    let mut tally = Tally::default();
    for activity in [Activity::Running, Activity::Stopped, Activity::Paused] {
        for policy in ["no", "always"] {
            for replacement in [GOOD, Replacement::Exits] {
                interference(
                    &mut tally,
                    Case {
                        activity,
                        ..running(policy, replacement)
                    },
                );
            }
        }
    }
    tally.conclude("another client", 4000);
}

/// Somebody asks for the original back at every call, and then each fault comes at every call after.
#[test]
fn it_is_cancelled() {
    let mut tally = Tally::default();
    let mut accepted = 0;
    for activity in [
        Activity::Running,
        Activity::Stopped,
        Activity::Paused,
        Activity::Restarting,
    ] {
        for replacement in [GOOD, Replacement::Exits] {
            let case = Case {
                activity,
                ..running("always", replacement)
            };
            for at in 0..faultless(&mut tally, case).len() {
                let trial = run(&mut tally, case, &[(at, Fault::Cancelled)]);
                accepted += usize::from(trial.is_cancelled);
                // What was refused changed nothing.
                let is_good = case.is_good() && !trial.is_cancelled;
                assert_eq!(
                    trial.is_upgraded(),
                    is_good,
                    "{case:?} at {at}: {:?}",
                    trial.answer
                );
            }
        }
    }
    assert!(accepted > 100, "only {accepted} were not refused");
    tally.conclude("cancelled", 300);
}

#[test]
fn it_is_cancelled_and_then_a_fault_comes() {
    let mut tally = Tally::default();
    let case = running("always", GOOD);
    for at in 0..faultless(&mut tally, case).len() {
        let first = (at, Fault::Cancelled);
        let trial = case.run(&[first]);
        if !trial.is_cancelled || within_row(&trial.calls, at) {
            continue;
        }
        for (then, call) in trial.calls.iter().enumerate().skip(at + 1) {
            if within_row(&trial.calls, then) {
                continue;
            }
            for second in call.faults_of_pairs() {
                run(&mut tally, case, &[first, (then, second)]);
            }
        }
    }
    tally.conclude("cancelled, then a fault", 1500);
}

/// An address below the original's is free, and is occupied by a placeholder.
#[test]
fn one_fault_over_placeholders() {
    let mut tally = Tally::default();
    for activity in [Activity::Running, Activity::Paused, Activity::Restarting] {
        for replacement in [GOOD, Replacement::Exits, Replacement::Missing] {
            let case = Case {
                activity,
                has_gap: true,
                ..running("always", replacement)
            };
            singles(&mut tally, case);
            interference(&mut tally, case);
            for at in 0..faultless(&mut tally, case).len() {
                run(&mut tally, case, &[(at, Fault::Cancelled)]);
            }
        }
    }
    tally.conclude("placeholders", 5000);
}

/// A single fault, and whatever another client may do.
#[test]
fn what_may_not_be_upgraded_is_never_touched() {
    let mut tally = Tally::default();
    let refused = [
        (Obstacle::Depended, Activity::Running),
        (Obstacle::Survived, Activity::Stopped),
    ];
    for (obstacle, activity) in refused {
        let is_auto_removed = obstacle == Obstacle::Depended;
        // One of `--rm` has no policy.
        let policy = if is_auto_removed { "no" } else { "always" };
        let case = Case {
            activity,
            is_auto_removed,
            obstacle: Some(obstacle),
            ..running(policy, GOOD)
        };
        let trial = run(&mut tally, case, &[]);
        assert!(trial.is_refused(), "{case:?}: {:?}", trial.answer);
        for (at, call) in trial.calls.iter().enumerate() {
            let mut faults = call.faults();
            // What a person starts may be upgraded.
            if activity != Activity::Stopped {
                faults.extend(Fault::of_people());
            }
            for fault in faults {
                run(&mut tally, case, &[(at, fault)]);
            }
        }
    }
    tally.conclude("what may not be upgraded", 100);
}

fn auto_removed(activity: Activity, replacement: Replacement) -> Case {
    Case {
        activity,
        is_auto_removed: true,
        // One of `--rm` has no policy.
        ..running("no", replacement)
    }
}

#[test]
fn one_fault_over_an_original_of_rm() {
    let mut tally = Tally::default();
    for activity in [Activity::Running, Activity::Paused, Activity::NeverStarted] {
        for replacement in [GOOD, Replacement::Exits, Replacement::Missing] {
            // What is never started does not fail.
            if activity == Activity::NeverStarted && replacement != GOOD {
                continue;
            }
            for has_gap in [false, true] {
                let case = Case {
                    has_gap,
                    ..auto_removed(activity, replacement)
                };
                singles(&mut tally, case);
                for at in 0..faultless(&mut tally, case).len() {
                    run(&mut tally, case, &[(at, Fault::Cancelled)]);
                }
            }
        }
    }
    tally.conclude("single faults, --rm", 3000);
}

#[test]
fn two_faults_over_an_original_of_rm() {
    let mut tally = Tally::default();
    let case = auto_removed(Activity::Running, GOOD);
    pairs_with(&mut tally, case, "create", |_| true, Call::mutates);
    tally.conclude("pairs, --rm", 3000);
}

#[test]
fn two_faults_over_a_failing_replacement_of_rm() {
    let mut tally = Tally::default();
    let case = auto_removed(Activity::Running, Replacement::Exits);
    pairs_with(&mut tally, case, "start", |_| true, Call::mutates);
    tally.conclude("pairs, failing replacement, --rm", 3000);
}

/// One that depends on the original, of each kind, and what becomes of both.
#[test]
fn one_fault_over_a_companion() {
    let mut tally = Tally::default();
    for (how, policy) in [
        ("NetworkMode", "always"),
        ("IpcMode", "unless-stopped"),
        ("PidMode", "always"),
        ("Links", "no"),
    ] {
        let case = Case {
            companions: Companions::One(how, Activity::Running),
            ..running(policy, GOOD)
        };
        singles(&mut tally, case);
    }
    tally.conclude("single faults, a companion", 2000);
}

#[test]
fn one_fault_over_companions_that_do_not_run_or_are_nested() {
    let mut tally = Tally::default();
    let joined = |activity| Companions::One("NetworkMode", activity);
    for (activity, companions, replacement) in [
        (Activity::Running, joined(Activity::Stopped), GOOD),
        (
            Activity::Running,
            joined(Activity::NeverStarted),
            Replacement::Exits,
        ),
        (
            Activity::Running,
            joined(Activity::Paused),
            Replacement::Exits,
        ),
        (Activity::Paused, joined(Activity::Running), GOOD),
        (Activity::Stopped, joined(Activity::Stopped), GOOD),
        (Activity::Running, Companions::Nested, GOOD),
        (Activity::Running, Companions::Nested, Replacement::Exits),
    ] {
        let case = Case {
            activity,
            companions,
            ..running("always", replacement)
        };
        singles(&mut tally, case);
    }
    tally.conclude("single faults, other companions", 3000);
}

/// Somebody else is at the leader, while others depend on it.
#[test]
fn another_client_interferes_with_a_leader() {
    let mut tally = Tally::default();
    for replacement in [GOOD, Replacement::Exits] {
        let case = Case {
            companions: Companions::One("NetworkMode", Activity::Running),
            ..running("always", replacement)
        };
        interference(&mut tally, case);
    }
    tally.conclude("another client at a leader", 500);
}

/// Of the calls that the first fault comes at, every twelfth: the ways are long.
#[test]
fn two_faults_over_a_companion() {
    let mut tally = Tally::default();
    let case = Case {
        companions: Companions::One("NetworkMode", Activity::Running),
        ..running("always", GOOD)
    };
    pairs(&mut tally, case, "create", |at| at % 12 == 0);
    tally.conclude("pairs, a companion", 1000);
}

#[test]
fn two_faults_over_a_running_original() {
    let mut tally = Tally::default();
    pairs(&mut tally, running("always", GOOD), "create", |_| true);
    tally.conclude("pairs, running", 6500);
}

#[test]
fn two_faults_over_a_stopped_original() {
    let mut tally = Tally::default();
    let stopped = Case {
        activity: Activity::Stopped,
        ..running("always", GOOD)
    };
    pairs(&mut tally, stopped, "create", |_| true);
    tally.conclude("pairs, stopped", 3300);
}

/// Before start, what the replacement does makes no difference. The way back is long, so two tests
/// share it.
fn two_faults_over_a_failing_replacement(part: usize) {
    let mut tally = Tally::default();
    let is_mine = |at| at % 2 == part;
    pairs(
        &mut tally,
        running("always", Replacement::Exits),
        "start",
        is_mine,
    );
    tally.conclude("pairs, failing replacement", 8000);
}

#[test]
fn two_faults_over_a_failing_replacement_even_calls() {
    two_faults_over_a_failing_replacement(0);
}

#[test]
fn two_faults_over_a_failing_replacement_odd_calls() {
    two_faults_over_a_failing_replacement(1);
}

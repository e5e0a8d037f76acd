//! Every state that an engine can show, and where the repairs lead from it.

mod members;
mod stand_in;

use super::{Next as NextOfAll, Observed as ObservedOfAll, decide as decide_all, *};
use crate::upgrade::marker::{Original, Specifications};

/// What was seen of a transaction of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Observed {
    original: Option<Sight>,
    replacement: Option<Sight>,
    verdict: Verdict,
}

/// What to do next with one member.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Verify,
    Repair(Repair),
    Rest(Rest),
}

fn decide(marker: &Marker, observed: &Observed) -> Next {
    let Observed {
        original,
        replacement,
        verdict,
    } = observed.clone();
    let observed = ObservedOfAll {
        members: vec![Pair {
            original,
            replacement,
            stand_in: None,
        }],
        verdict,
        ended_again: false,
    };
    match decide_all(std::slice::from_ref(marker), &observed) {
        NextOfAll::Verify => Next::Verify,
        NextOfAll::Repair(at, repair) => {
            assert_eq!(at, 0, "{repair:?}");
            Next::Repair(repair)
        }
        NextOfAll::Rest(rest) => Next::Rest(rest),
    }
}

const NAME: &str = "web";

const STATUSES: [Status; 7] = [
    Status::Created,
    Status::Running,
    Status::Paused,
    Status::Restarting,
    Status::Exited,
    Status::Removing,
    Status::Dead,
];

const VERDICTS: [Verdict; 3] = [Verdict::Pending, Verdict::Passed, Verdict::Failed];

const RUN_STATES: [RunState; 3] = [RunState::Running, RunState::Paused, RunState::Stopped];

/// More repairs than any way has.
const REPAIRS: usize = 12;

fn marker(run_state: RunState) -> Marker {
    Marker {
        transaction: "t".to_owned(),
        leader: "1".repeat(64),
        deadline: 0,
        owner: None,
        original: Original {
            id: "1".repeat(64),
            name: NAME.to_owned(),
            image: "nginx:1".to_owned(),
            image_id: "sha256:a".to_owned(),
            run_state,
            restart_policy: RestartPolicy::named("always"),
            addresses: Vec::new(),
        },
        role: None,
        monitor: 0,
        healthy_deadline: 0,
        stop_timeout: 10,
        pinned: Vec::new(),
        restart_policy: Some(RestartPolicy::named("always")),
        replaced_at: None,
        generations: Vec::new(),
        specifications: Specifications::default(),
        older: Vec::new(),
        companions: Vec::new(),
    }
}

/// No container, or one of each name, status and restart policy.
fn sights() -> Vec<Option<Sight>> {
    let mut sights = vec![None];
    for name in [NAME, "web.refit-new", "web.refit-old", "renamed"] {
        for status in STATUSES {
            for policy in ["no", "always", "unless-stopped"] {
                sights.push(Some(Sight {
                    name: name.to_owned(),
                    status,
                    restart_policy: RestartPolicy::named(policy),
                }));
            }
        }
    }
    sights
}

/// Calls `check` with every state, but for two containers of one name, which no engine has.
fn for_each_state(mut check: impl FnMut(&Marker, &Observed)) -> usize {
    let mut count = 0;
    let sights = sights();
    for run_state in RUN_STATES {
        let marker = marker(run_state);
        for original in &sights {
            for replacement in &sights {
                if let (Some(original), Some(replacement)) = (original, replacement)
                    && original.name == replacement.name
                {
                    continue;
                }
                for verdict in VERDICTS {
                    let observed = Observed {
                        original: original.clone(),
                        replacement: replacement.clone(),
                        verdict,
                    };
                    check(&marker, &observed);
                    count += 1;
                }
            }
        }
    }
    count
}

fn is_active(sight: Option<&Sight>) -> bool {
    sight.is_some_and(|sight| sight.status.is_active())
}

/// Asserts that a repair is safe to do in a state.
fn assert_is_safe(marker: &Marker, observed: &Observed, repair: Repair) {
    let seen = format!(
        "{repair:?} of {observed:?}, {:?}",
        marker.original.run_state
    );
    let (original, replacement) = (observed.original.as_ref(), observed.replacement.as_ref());
    match repair {
        Repair::Commit => {
            let original = original.expect(&seen);
            let replacement = replacement.expect(&seen);
            assert_eq!(replacement.name, NAME, "{seen}");
            assert_eq!(original.name, marker.old_name(), "{seen}");
            assert!(!original.status.is_active(), "{seen}");
            let is_stopped = marker.original.run_state == RunState::Stopped;
            let is_good = observed.verdict == Verdict::Passed
                && matches!(replacement.status, Status::Running | Status::Paused);
            assert!(is_stopped || is_good, "{seen}");
            assert_ne!(observed.verdict, Verdict::Failed, "{seen}");
            assert!(!is_half_removed(replacement), "{seen}");
        }
        Repair::StartOriginal | Repair::PauseOriginal => {
            assert_ne!(original.expect(&seen).name, marker.old_name(), "{seen}");
            assert!(!is_active(replacement), "{seen}");
            assert_ne!(marker.original.run_state, RunState::Stopped, "{seen}");
        }
        Repair::Unpark | Repair::Rearm => assert!(original.is_some(), "{seen}"),
        Repair::RemoveReplacement => {
            assert_eq!(original.expect(&seen).name, NAME, "{seen}");
            assert!(replacement.is_some() && !is_active(replacement), "{seen}");
        }
        Repair::PauseReplacement => {
            assert_eq!(replacement.expect(&seen).name, NAME, "{seen}");
            assert!(!is_active(original), "{seen}");
            assert_ne!(marker.original.run_state, RunState::Stopped, "{seen}");
        }
        Repair::UnnameReplacement => assert!(!is_active(replacement), "{seen}"),
        Repair::DisarmReplacement | Repair::StopReplacement => {
            assert!(original.is_some() && replacement.is_some(), "{seen}");
        }
        Repair::RemoveOriginal | Repair::Revive | Repair::RemoveStandIn => {
            panic!("{seen}: there is no stand-in");
        }
    }
}

/// What an engine makes of a repair. It neither updates nor starts what is half removed.
fn repaired(marker: &Marker, mut observed: Observed, repair: Repair) -> Observed {
    let of_original = matches!(
        repair,
        Repair::Unpark
            | Repair::Rearm
            | Repair::StartOriginal
            | Repair::PauseOriginal
            | Repair::Commit
    );
    let slot = if of_original {
        &mut observed.original
    } else {
        &mut observed.replacement
    };
    let sight = slot.as_mut().expect("a repair is of a container");
    let is_half_removed = matches!(sight.status, Status::Removing | Status::Dead);
    match repair {
        Repair::RemoveReplacement | Repair::Commit => *slot = None,
        Repair::UnnameReplacement => sight.name = marker.new_name(),
        Repair::Unpark => sight.name.clone_from(&marker.original.name),
        _ if is_half_removed => {}
        Repair::DisarmReplacement => sight.restart_policy = RestartPolicy::named("no"),
        Repair::Rearm => sight.restart_policy = marker.original.restart_policy.clone(),
        Repair::StopReplacement => sight.status = Status::Exited,
        Repair::StartOriginal => sight.status = Status::Running,
        Repair::PauseOriginal | Repair::PauseReplacement => sight.status = Status::Paused,
        Repair::RemoveOriginal | Repair::Revive | Repair::RemoveStandIn => {
            panic!("{repair:?}: there is no stand-in");
        }
    }
    let names = [&observed.original, &observed.replacement].map(|s| s.as_ref().map(|s| &s.name));
    assert!(
        names[0].is_none() || names[0] != names[1],
        "{repair:?} of a name that is taken"
    );
    observed
}

/// One way from a state to its rest.
struct Way {
    repairs: Vec<Repair>,
    rest: Rest,
    end: Observed,
}

/// The ways from a state to its rest; there are two where verification may pass or fail.
fn ways(marker: &Marker, start: &Observed) -> Vec<Way> {
    let mut ways = Vec::new();
    let mut open = vec![(start.clone(), Vec::new())];
    while let Some((observed, mut repairs)) = open.pop() {
        match decide(marker, &observed) {
            Next::Rest(rest) => ways.push(Way {
                repairs,
                rest,
                end: observed,
            }),
            Next::Verify => {
                assert_eq!(observed.verdict, Verdict::Pending, "verified twice");
                for verdict in [Verdict::Passed, Verdict::Failed] {
                    let observed = Observed {
                        verdict,
                        ..observed.clone()
                    };
                    open.push((observed, repairs.clone()));
                }
            }
            Next::Repair(repair) => {
                assert_is_safe(marker, &observed, repair);
                repairs.push(repair);
                assert!(
                    repairs.len() <= REPAIRS,
                    "no rest from {start:?}, {:?}: {repairs:?}",
                    marker.original.run_state
                );
                open.push((repaired(marker, observed, repair), repairs));
            }
        }
    }
    ways
}

#[test]
fn every_state_comes_safely_to_rest() {
    let mut safe = 0;
    let states = for_each_state(|marker, observed| safe += ways(marker, observed).len());
    assert!(states > 1000, "only {states} states were looked at");
    assert!(safe >= states, "only {safe} ways from {states} states");
}

#[test]
fn a_rest_is_what_it_says() {
    let mut rests = [0; 3];
    for_each_state(|marker, observed| {
        for Way { repairs, rest, end } in ways(marker, observed) {
            let seen = format!("{observed:?}, {:?}: {repairs:?}", marker.original.run_state);
            match rest {
                Rest::Committed => {
                    rests[0] += 1;
                    assert!(end.original.is_none(), "{seen}");
                    assert!(end.replacement.is_some(), "{seen}");
                }
                Rest::RolledBack => {
                    rests[1] += 1;
                    let original = end.original.expect(&seen);
                    assert_eq!(original.name, NAME, "{seen}");
                    assert_eq!(
                        original.restart_policy, marker.original.restart_policy,
                        "{seen}"
                    );
                    if marker.original.run_state != RunState::Stopped {
                        assert!(original.status.is_active(), "{seen}");
                    }
                    assert_eq!(end.replacement, None, "{seen}");
                }
                Rest::HandsOff(why) => {
                    rests[2] += 1;
                    assert!(!why.is_empty(), "{seen}");
                }
            }
        }
    });
    assert!(rests.iter().all(|count| *count > 100), "{rests:?}");
}

/// Hands off means that nothing was done, not that half of it was; but for an original that is down
/// with its replacement, which is brought back up, under the name that it has.
#[test]
fn hands_off_comes_first() {
    let mut brought_up = 0;
    for_each_state(|marker, observed| {
        for Way { repairs, rest, end } in ways(marker, observed) {
            if !matches!(rest, Rest::HandsOff(_)) || repairs.is_empty() {
                continue;
            }
            let seen = format!("{observed:?}, {:?}: {repairs:?}", marker.original.run_state);
            assert_eq!(observed.verdict, Verdict::Failed, "{seen}");
            assert!(!repairs.contains(&Repair::DisarmReplacement), "{seen}");
            assert!(!is_active(end.replacement.as_ref()), "{seen}");
            let (before, after) = (observed.original.as_ref(), end.original.as_ref());
            let (before, after) = (before.expect(&seen), after.expect(&seen));
            let is_parked = before.name == marker.old_name();
            assert!(is_parked || before.name == after.name, "{seen}");
            let is_up = after.status.is_active();
            assert!(
                is_up || marker.original.run_state == RunState::Stopped,
                "{seen}"
            );
            brought_up += 1;
        }
    });
    assert!(brought_up > 50, "only {brought_up}");
}

/// A replacement that is kept keeps its restart policy, and is never stopped.
#[test]
fn a_way_goes_forward_or_back_but_not_both() {
    for_each_state(|marker, observed| {
        for Way { repairs, .. } in ways(marker, observed) {
            let back = [Repair::DisarmReplacement, Repair::StopReplacement];
            let is_both = repairs.contains(&Repair::Commit)
                && repairs.iter().any(|repair| back.contains(repair));
            assert!(
                !is_both,
                "{observed:?}, {:?}: {repairs:?}",
                marker.original.run_state
            );
        }
    });
}

/// What a step of the transaction leaves, and the ways from there.
#[test]
fn the_longest_way_back() {
    let observed = Observed {
        original: Some(Sight {
            name: "web.refit-old".to_owned(),
            status: Status::Exited,
            restart_policy: RestartPolicy::named("unless-stopped"),
        }),
        replacement: Some(Sight {
            name: NAME.to_owned(),
            status: Status::Restarting,
            restart_policy: RestartPolicy::named("always"),
        }),
        verdict: Verdict::Failed,
    };
    let ways = ways(&marker(RunState::Paused), &observed);
    let [way] = ways.as_slice() else {
        panic!("one way back");
    };
    assert_eq!(way.rest, Rest::RolledBack);
    assert_eq!(
        way.repairs,
        [
            Repair::DisarmReplacement,
            Repair::StopReplacement,
            Repair::UnnameReplacement,
            Repair::Unpark,
            Repair::Rearm,
            Repair::StartOriginal,
            Repair::PauseOriginal,
            Repair::RemoveReplacement,
        ]
    );
}

/// The process died between the first repair of a rollback and the second.
#[test]
fn a_replacement_that_was_disarmed_is_not_committed_without_its_policy() {
    let of = |name: &str, status, policy: &str| {
        Some(Sight {
            name: name.to_owned(),
            status,
            restart_policy: RestartPolicy::named(policy),
        })
    };
    let mut observed = Observed {
        original: of("web.refit-old", Status::Exited, "unless-stopped"),
        replacement: of(NAME, Status::Running, "no"),
        verdict: Verdict::Pending,
    };
    let mut marker = marker(RunState::Running);
    let next = decide(&marker, &observed);
    assert_eq!(next, Next::Repair(Repair::StopReplacement));
    observed.replacement = of(NAME, Status::Running, "always");
    assert_eq!(decide(&marker, &observed), Next::Verify);
    // One that was never to have a policy, and the marker of a version that did not note it.
    observed.replacement = of(NAME, Status::Running, "no");
    for given in [Some(RestartPolicy::named("no")), None] {
        marker.restart_policy = given;
        assert_eq!(decide(&marker, &observed), Next::Verify);
    }
}

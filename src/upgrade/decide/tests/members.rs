//! Transactions of several members: whatever stands there, every repair is safe, and all go the same
//! way.

use proptest::prelude::*;

use super::{NextOfAll, ObservedOfAll, *};

/// More repairs than any way of three members has.
const MANY: usize = 3 * REPAIRS;

/// The markers of a leader and two companions.
fn markers(run_states: [RunState; 3]) -> Vec<Marker> {
    let member = |(at, run_state): (usize, RunState)| {
        let marker = marker(run_state);
        Marker {
            original: Original {
                id: at.to_string().repeat(64),
                name: format!("m{at}"),
                ..marker.original
            },
            leader: "0".repeat(64),
            ..marker
        }
    };
    run_states.into_iter().enumerate().map(member).collect()
}

/// A container of a member, by what its name is: the member's, one of the two of the steps', or a
/// person's.
fn sight(at: usize, name: usize, status: Status, policy: &str) -> Sight {
    let names = [
        format!("m{at}"),
        format!("m{at}.refit-new"),
        format!("m{at}.refit-old"),
        format!("renamed{at}"),
    ];
    Sight {
        name: names[name].clone(),
        status,
        restart_policy: RestartPolicy::named(policy),
    }
}

fn any_sight(at: usize, person: bool) -> impl Strategy<Value = Option<Sight>> {
    let policy = prop::sample::select(vec!["no", "always", "unless-stopped"]);
    let names: usize = if person { 4 } else { 3 };
    let sight = (0..names, prop::sample::select(&STATUSES[..]), policy)
        .prop_map(move |(name, status, policy)| sight(at, name, status, policy));
    let is_there = if person { 0.9 } else { 0.97 };
    prop::option::weighted(is_there, sight)
}

fn any_pair(at: usize, person: bool) -> impl Strategy<Value = Pair> {
    (any_sight(at, person), any_sight(at, person))
        .prop_filter("two of one name", |(original, replacement)| {
            let name = |sight: &Option<Sight>| sight.as_ref().map(|sight| sight.name.clone());
            original.is_none() || name(original) != name(replacement)
        })
        .prop_map(|(original, replacement)| Pair {
            original,
            replacement,
            stand_in: None,
        })
}

fn any_state(person: bool) -> impl Strategy<Value = (Vec<Marker>, ObservedOfAll)> {
    let run_states = [(); 3].map(|()| prop::sample::select(&RUN_STATES[..]));
    let pairs = [0, 1, 2].map(|at| any_pair(at, person));
    let verdict = prop::sample::select(&VERDICTS[..]);
    (run_states, pairs, verdict).prop_map(|(run_states, pairs, verdict)| {
        let observed = ObservedOfAll {
            members: pairs.to_vec(),
            verdict,
            ended_again: false,
        };
        (markers(run_states), observed)
    })
}

/// The repairs that lead to the rest, with it and what stands there then; each is safe for its member
/// and for the others. Verification, where it is asked for, passes or fails as `is_good` says.
fn way(
    markers: &[Marker],
    start: &ObservedOfAll,
    is_good: bool,
) -> (Vec<(usize, Repair)>, Rest, ObservedOfAll) {
    let mut observed = start.clone();
    let mut repairs = Vec::new();
    loop {
        match decide_all(markers, &observed) {
            NextOfAll::Rest(rest) => return (repairs, rest, observed),
            NextOfAll::Verify => {
                assert_eq!(observed.verdict, Verdict::Pending, "verified twice");
                observed.verdict = if is_good {
                    Verdict::Passed
                } else {
                    Verdict::Failed
                };
            }
            NextOfAll::Repair(at, repair) => {
                assert_fits(markers, &observed, at, repair);
                repairs.push((at, repair));
                assert!(repairs.len() <= MANY, "no rest from {start:?}: {repairs:?}");
                let Pair {
                    original,
                    replacement,
                    ..
                } = observed.members[at].clone();
                let one = Observed {
                    original,
                    replacement,
                    verdict: observed.verdict,
                };
                let one = repaired(&markers[at], one, repair);
                observed.members[at] = Pair {
                    original: one.original,
                    replacement: one.replacement,
                    stand_in: None,
                };
            }
        }
    }
}

/// Whether a repair is safe as far as the other members go.
fn assert_fits(markers: &[Marker], observed: &ObservedOfAll, at: usize, repair: Repair) {
    let seen = format!("{repair:?} of {at} in {observed:?}");
    let leader = &observed.members[0];
    let is_up = |sight: &Option<Sight>| is_active(sight.as_ref());
    match repair {
        Repair::Commit if at > 0 => assert_eq!(leader.original, None, "{seen}"),
        Repair::Commit => {
            for (marker, pair) in markers.iter().zip(&observed.members) {
                let replacement = pair.replacement.as_ref().expect(&seen);
                assert_eq!(replacement.name, marker.original.name, "{seen}");
                assert!(!is_up(&pair.original), "{seen}");
                let runs = marker.original.run_state != RunState::Stopped;
                assert!(!runs || is_up(&pair.replacement), "{seen}");
            }
        }
        Repair::StartOriginal => {
            assert!(!is_up(&observed.members[at].replacement), "{seen}");
            let leader_ran = markers[0].original.run_state != RunState::Stopped;
            // What is half removed cannot be started; the engine of these tests leaves it so.
            let is_broken = leader.original.as_ref().is_some_and(is_half_removed);
            assert!(
                at == 0 || !leader_ran || is_up(&leader.original) || is_broken,
                "{seen}"
            );
        }
        Repair::RemoveReplacement => {
            assert!(!is_up(&observed.members[at].replacement), "{seen}");
            assert!(observed.members[at].original.is_some(), "{seen}");
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever state a crash or a person left.
    #[test]
    fn all_come_safely_to_rest((markers, observed) in any_state(true), is_good in any::<bool>()) {
        way(&markers, &observed, is_good);
    }

    /// Where nobody interfered, nothing is left half-way.
    #[test]
    fn all_go_the_same_way((markers, observed) in any_state(false), is_good in any::<bool>()) {
        let (repairs, rest, end) = way(&markers, &observed, is_good);
        match rest {
            Rest::Committed => {
                let kept = |pair: &Pair| pair.original.is_none();
                prop_assert!(end.members.iter().all(kept), "{repairs:?}");
                let back = [Repair::DisarmReplacement, Repair::StopReplacement];
                prop_assert!(!repairs.iter().any(|(_, repair)| back.contains(repair)));
            }
            Rest::RolledBack => {
                for (marker, pair) in markers.iter().zip(&end.members) {
                    prop_assert_eq!(&pair.replacement, &None);
                    let original = pair.original.as_ref().expect("it is back");
                    prop_assert_eq!(&original.name, &marker.original.name);
                    let runs = marker.original.run_state != RunState::Stopped;
                    prop_assert!(!runs || original.status.is_active());
                }
                // The journal goes last.
                let removed: Vec<_> = repairs
                    .iter()
                    .filter(|(_, repair)| *repair == Repair::RemoveReplacement)
                    .map(|(at, _)| *at)
                    .collect();
                prop_assert!(removed.is_sorted_by(|a, b| a > b), "{repairs:?}");
            }
            Rest::HandsOff(why) => prop_assert!(!why.is_empty()),
        }
    }
}

/// What depends on others is stopped before them, and started after them.
#[test]
fn the_way_back_of_three() {
    let markers = markers([RunState::Running; 3]);
    let pair = |at| Pair {
        original: Some(sight(at, 2, Status::Exited, "unless-stopped")),
        replacement: Some(sight(at, 0, Status::Running, "always")),
        stand_in: None,
    };
    let observed = ObservedOfAll {
        members: (0..3).map(pair).collect(),
        verdict: Verdict::Failed,
        ended_again: false,
    };
    let (repairs, rest, _) = way(&markers, &observed, false);
    assert_eq!(rest, Rest::RolledBack);
    let of = |repair| {
        let of = repairs.iter().filter(|(_, done)| *done == repair);
        of.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    assert_eq!(of(Repair::StopReplacement), [2, 1, 0]);
    assert_eq!(of(Repair::StartOriginal), [0, 1, 2]);
    assert_eq!(of(Repair::RemoveReplacement), [2, 1, 0]);
    assert_eq!(repairs.len(), 3 * 7);
}

/// The leader's original is gone: the others follow, whatever they do since.
#[test]
fn an_interrupted_commit_is_finished() {
    let markers = markers([RunState::Running; 3]);
    let pair = |at| Pair {
        original: (at > 0).then(|| sight(at, 2, Status::Exited, "unless-stopped")),
        replacement: Some(sight(at, 0, Status::Exited, "always")),
        stand_in: None,
    };
    let mut observed = ObservedOfAll {
        members: (0..3).map(pair).collect(),
        verdict: Verdict::Pending,
        ended_again: false,
    };
    let (repairs, rest, _) = way(&markers, &observed, false);
    assert_eq!(rest, Rest::Committed);
    assert_eq!(repairs, [(1, Repair::Commit), (2, Repair::Commit)]);
    // A person took one in hand.
    observed.members[1].original = Some(sight(1, 3, Status::Running, "always"));
    let (repairs, rest, _) = way(&markers, &observed, false);
    assert!(matches!(rest, Rest::HandsOff(why) if why.contains("renamed1")));
    assert_eq!(repairs, [(2, Repair::Commit)]);
}

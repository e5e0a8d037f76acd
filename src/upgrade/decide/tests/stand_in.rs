//! Transactions of an original of `--rm`: whatever stands there, the stand-in goes last, and only when
//! something runs in its place.

use super::{NextOfAll, ObservedOfAll, *};

/// No container, or one of each of these names and statuses.
fn containers(names: &[&str], statuses: &[Status]) -> Vec<Option<Sight>> {
    let sight = |name: &&str, status: &Status| Sight {
        name: (*name).to_owned(),
        status: *status,
        restart_policy: RestartPolicy::named("no"),
    };
    let sights = names
        .iter()
        .flat_map(|name| statuses.iter().map(move |status| Some(sight(name, status))));
    std::iter::once(None).chain(sights).collect()
}

fn of_rm(run_state: RunState) -> Marker {
    let marker = marker(run_state);
    Marker {
        original: Original {
            restart_policy: RestartPolicy::named("no"),
            ..marker.original
        },
        restart_policy: Some(RestartPolicy::named("no")),
        ..marker
    }
}

/// Calls `check` with every state, but for two containers of one name, which no engine has.
fn for_each_state(mut check: impl FnMut(&Marker, &ObservedOfAll)) -> usize {
    let mut count = 0;
    let never_started = [Status::Created];
    for run_state in [RunState::Running, RunState::Paused] {
        let marker = of_rm(run_state);
        for original in containers(&[NAME, "renamed"], &STATUSES) {
            for replacement in containers(&[NAME, "web.refit-new", "renamed"], &STATUSES) {
                for stand_in in containers(&["web.refit-old", "renamed"], &never_started) {
                    let all = [&original, &replacement, &stand_in];
                    let name = |sight: &Option<Sight>| sight.as_ref().map(|s| s.name.clone());
                    let mut names: Vec<String> = all.into_iter().filter_map(name).collect();
                    let there = names.len();
                    names.sort_unstable();
                    names.dedup();
                    if names.len() < there {
                        continue;
                    }
                    for verdict in VERDICTS {
                        for ended_again in [false, true] {
                            let observed = ObservedOfAll {
                                members: vec![Pair {
                                    original: original.clone(),
                                    replacement: replacement.clone(),
                                    stand_in: stand_in.clone(),
                                }],
                                verdict,
                                ended_again,
                            };
                            check(&marker, &observed);
                            count += 1;
                        }
                    }
                }
            }
        }
    }
    count
}

/// What an engine makes of a repair; asserts that it is safe.
fn repaired(observed: &ObservedOfAll, repair: Repair) -> ObservedOfAll {
    let seen = format!("{repair:?} of {observed:?}");
    let mut after = observed.clone();
    let Pair {
        original,
        replacement,
        stand_in,
    } = &mut after.members[0];
    let status = |sight: &Option<Sight>| sight.as_ref().map(|sight| sight.status);
    match repair {
        Repair::RemoveOriginal => {
            assert!(
                !is_active(original.as_ref()) && stand_in.is_some(),
                "{seen}"
            );
            *original = None;
        }
        Repair::Revive => {
            assert!(original.is_none() && stand_in.is_some(), "{seen}");
            assert!(!is_active(replacement.as_ref()), "{seen}");
            let named = replacement.as_ref().is_some_and(|r| r.name == NAME);
            assert!(!named, "{seen}: the name is taken");
            *original = Some(Sight {
                name: NAME.to_owned(),
                status: Status::Created,
                restart_policy: RestartPolicy::named("no"),
            });
        }
        Repair::StartOriginal => {
            let original = original.as_mut().expect(&seen);
            assert_ne!(
                original.name, "web.refit-old",
                "{seen}: it is never started"
            );
            original.status = Status::Running;
        }
        Repair::PauseOriginal => original.as_mut().expect(&seen).status = Status::Paused,
        Repair::Commit => {
            assert!(original.is_none(), "{seen}");
            assert_eq!(observed.verdict, Verdict::Passed, "{seen}");
            let good = [Some(Status::Running), Some(Status::Paused)];
            assert!(good.contains(&status(replacement)), "{seen}");
            assert!(stand_in.take().is_some(), "{seen}");
        }
        Repair::RemoveStandIn => {
            assert!(is_active(original.as_ref()), "{seen}");
            assert!(replacement.is_none() && stand_in.take().is_some(), "{seen}");
        }
        Repair::RemoveReplacement => {
            assert!(original.is_some() || stand_in.is_some(), "{seen}");
            assert!(!is_active(replacement.as_ref()), "{seen}");
            *replacement = None;
        }
        // The engine deletes it.
        Repair::StopReplacement => assert!(replacement.take().is_some(), "{seen}"),
        Repair::PauseReplacement => replacement.as_mut().expect(&seen).status = Status::Paused,
        // Renamed while the engine deletes it, the replacement may keep the name from others.
        Repair::UnnameReplacement | Repair::Rearm | Repair::Unpark | Repair::DisarmReplacement => {
            panic!("{seen}")
        }
    }
    after
}

#[test]
fn every_state_comes_safely_to_rest() {
    let mut rests = [0; 3];
    let states = for_each_state(|marker, start| {
        // Without a stand-in, an original that has ended is one of any other kind.
        let Pair {
            original, stand_in, ..
        } = &start.members[0];
        let has_ended = original.as_ref().is_some_and(|o| !o.status.is_active());
        if stand_in.is_none() && has_ended {
            return;
        }
        let mut open = vec![(start.clone(), 0)];
        while let Some((observed, repairs)) = open.pop() {
            assert!(repairs <= REPAIRS, "no rest from {start:?}");
            match decide_all(std::slice::from_ref(marker), &observed) {
                NextOfAll::Verify => {
                    for verdict in [Verdict::Passed, Verdict::Failed] {
                        let observed = ObservedOfAll {
                            verdict,
                            ..observed.clone()
                        };
                        open.push((observed, repairs + 1));
                    }
                }
                NextOfAll::Repair(at, repair) => {
                    assert_eq!(at, 0);
                    open.push((repaired(&observed, repair), repairs + 1));
                }
                NextOfAll::Rest(rest) => {
                    let pair = &observed.members[0];
                    let seen = format!("{rest:?} from {start:?}: {pair:?}");
                    match rest {
                        Rest::Committed => {
                            rests[0] += 1;
                            assert!(pair.original.is_none() && pair.stand_in.is_none(), "{seen}");
                            assert!(pair.replacement.is_some(), "{seen}");
                        }
                        Rest::RolledBack => {
                            rests[1] += 1;
                            let original = pair.original.as_ref().expect(&seen);
                            assert_eq!(original.name, NAME, "{seen}");
                            assert!(original.status.is_active(), "{seen}");
                            assert!(
                                pair.replacement.is_none() && pair.stand_in.is_none(),
                                "{seen}"
                            );
                        }
                        // What is down is never left without what it could be brought back from.
                        Rest::HandsOff(_) => {
                            rests[2] += 1;
                            assert_eq!(
                                pair.stand_in.is_some(),
                                start.members[0].stand_in.is_some(),
                                "{seen}"
                            );
                        }
                    }
                }
            }
        }
    });
    assert!(states > 2000, "only {states} states were looked at");
    assert!(rests.iter().all(|count| *count > 50), "{rests:?}");
}

/// From a failure while the replacement runs, to the original that is created again.
#[test]
fn the_longest_way_back() {
    let sight = |name: &str, status| {
        Some(Sight {
            name: name.to_owned(),
            status,
            restart_policy: RestartPolicy::named("no"),
        })
    };
    let marker = of_rm(RunState::Paused);
    let mut observed = ObservedOfAll {
        members: vec![Pair {
            original: sight(NAME, Status::Removing),
            replacement: sight("web.refit-new", Status::Running),
            stand_in: sight("web.refit-old", Status::Created),
        }],
        verdict: Verdict::Failed,
        ended_again: false,
    };
    let mut repairs = Vec::new();
    let next = |observed: &ObservedOfAll| decide_all(std::slice::from_ref(&marker), observed);
    while let NextOfAll::Repair(_, repair) = next(&observed) {
        observed = repaired(&observed, repair);
        repairs.push(repair);
    }
    assert_eq!(next(&observed), NextOfAll::Rest(Rest::RolledBack));
    assert_eq!(
        repairs,
        [
            Repair::RemoveOriginal,
            Repair::StopReplacement,
            Repair::Revive,
            Repair::StartOriginal,
            Repair::PauseOriginal,
            Repair::RemoveStandIn,
        ]
    );
}

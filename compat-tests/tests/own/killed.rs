//! The helper dies half-way: in the end, the upgrade is committed or taken back, and something runs.

use std::{process::Command, thread, time::Duration};

use compat_tests::{Answer, engines, repeat, variable};
use serde_json::Value;

use crate::rig::{LONG, MONITOR, Own, watched};

/// It ended well, whichever way: what it tells of itself is so.
fn assert_ended(own: &Own, id: &str) -> Value {
    let status = own.until_it_rests();
    let is_new = own.text("/Id") != id;
    match status["State"].as_str() {
        Some("upgraded") => {
            assert!(is_new, "{status}");
            assert!(!own.scenario.exists(id));
        }
        Some("failed") => {
            assert!(!is_new, "{status}");
            assert_ne!(status["Rollback"], "incomplete", "{status}");
        }
        // It was lost before it had done anything, and its caller was told so.
        _ => assert!(!is_new, "{status}"),
    }
    status
}

/// Does something to a helper that stands still before the stop, by which its upgrade fails and its
/// container is left as it was; what its caller was told.
fn untouched_where(own: &Own, act: impl Fn(&str)) -> String {
    let (answer, run) = own.before_the_stop(act);
    assert_eq!(answer.status, 500, "{}", answer.text);
    assert_ne!(answer.text_of("Rollback"), "incomplete", "{}", answer.text);
    assert_ended(own, &run[0]);
    assert_eq!(own.run_of(), run);
    answer.text_of("message")
}

/// Kills the helper of an upgrade to this image at a moment, in a way, while there is plenty of time.
fn killed(own: &Own, image: &str, moment: &dyn Fn(&str), kill: impl FnMut()) -> Option<Answer> {
    killed_within(own, (image, LONG), moment, kill)
}

/// As [`killed`], of an upgrade that is watched for so long.
fn killed_within(
    own: &Own,
    (image, monitor): (&str, Duration),
    moment: &dyn Fn(&str),
    mut kill: impl FnMut(),
) -> Option<Answer> {
    let id = own.text("/Id");
    let image = watched(&own.image(image), monitor);
    thread::scope(|scope| {
        let asked = scope.spawn(|| own.try_upgrade(&image).ok());
        moment(&id);
        kill();
        asked.join().expect("no panic there")
    })
}

/// Until the container that was asked to be upgraded runs no more.
fn until_stopped(own: &Own, id: &str) {
    own.scenario.until("it is stopped", |scenario| {
        scenario.document(id)["State"]["Running"] == false
    });
}

/// Until another container has its name, and runs.
fn until_started(own: &Own, id: &str) {
    let path = format!("/containers/{}/json", own.name);
    own.scenario.until("the replacement runs", |scenario| {
        let seen = scenario.ask("GET", &path).json();
        seen["Id"].is_string() && seen["Id"] != id && seen["State"]["Running"] == true
    });
}

#[test]
fn a_helper_that_is_killed_comes_back_and_ends_what_it_began() {
    let own = Own::new("own-killed", &[]);
    for _ in 0..repeat() {
        for moment in [until_stopped, until_started] {
            let id = own.text("/Id");
            let answer = killed(&own, own.other(), &|id| moment(&own, id), || {
                assert!(own.kill_helper());
            });
            // The caller was answered before the stop.
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 202, "{}", answer.text);
            let status = assert_ended(&own, &id);
            assert_eq!(status["Transaction"], answer.json()["Transaction"]);
        }
    }
}

#[test]
fn whenever_a_helper_is_killed_something_runs_in_the_end() {
    let own = Own::new("own-killed-ever", &[]);
    let (mut kills, mut upgrades) = (0, 0);
    for round in 0..6 * repeat() {
        let id = own.text("/Id");
        let moment = |_: &str| {
            drop(own.pause_helper());
            own.unpause_helper();
            thread::sleep(Duration::from_millis(round as u64 * 337 % 2500));
        };
        killed_within(&own, (own.other(), MONITOR), &moment, || {
            kills += usize::from(own.kill_helper());
        });
        let status = assert_ended(&own, &id);
        upgrades += usize::from(status["State"] == "upgraded");
    }
    println!(
        "{kills} of {} helpers were killed, {upgrades} upgrades were committed",
        6 * repeat()
    );
    assert!(kills > 0);
}

#[test]
fn a_helper_that_is_killed_before_the_stop_costs_nothing() {
    let own = Own::new("own-killed-early", &[]);
    for _ in 0..repeat() {
        untouched_where(&own, |_| {
            assert!(own.kill_helper());
            own.unpause_helper();
        });
    }
}

#[test]
fn a_helper_that_is_removed_before_the_stop_leaves_nothing() {
    let own = Own::new("own-removed", &[]);
    for _ in 0..repeat() {
        let told = untouched_where(&own, |helper| own.scenario.remove(helper));
        assert!(told.contains("the helper"), "{told}");
    }
}

#[test]
fn a_helper_that_somebody_kills_for_good_is_followed_by_another() {
    let own = Own::new("own-followed", &[]);
    let health = r#"HEALTHCHECK --interval=300ms --retries=100 CMD ["/refit", "no-such-command"]"#;
    own.build("unhealthy", &format!("{}\n{health}", own.serve()));
    let kill = || {
        own.scenario.docker(&["kill", &own.helper()]);
    };
    for _ in 0..repeat() {
        let which = own.other();
        let id = own.text("/Id");
        let moment = |id: &str| {
            until_started(&own, id);
            own.until_it_answers();
        };
        // The new Refit runs, and would stop itself if it took the upgrade back.
        killed(&own, which, &moment, kill);
        let status = assert_ended(&own, &id);
        assert_eq!(status["State"], "upgraded", "{status}");
        assert_eq!(own.which(), which);

        let id = own.text("/Id");
        killed(&own, "unhealthy", &moment, kill);
        let status = assert_ended(&own, &id);
        assert_eq!(status["State"], "failed", "{status}");
        assert_eq!(status["Rollback"], "restored");
        own.scenario.assert_original(&own.name, &id);
    }
}

#[test]
fn a_helper_comes_back_when_dockerd_is_killed() {
    let own = Own::new("own-dockerd", &[]);
    let id = own.text("/Id");
    let restart = || {
        engines::manage("kill");
        engines::manage("start");
    };
    killed(&own, "new", &|id| until_started(&own, id), restart);
    assert_ended(&own, &id);
}

#[test]
fn another_refit_leaves_the_helper_alone() {
    let own = Own::new("own-other", &[]);
    let id = own.text("/Id");
    let recover = || {
        let output = Command::new(variable("REFIT_BIN"))
            .args(["recover", "--engine", &own.scenario.engine()])
            .output()
            .expect("refit");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let left = format!("{}: left to another", own.name);
        assert!(lines.contains(&left), "{lines}");
    };
    killed(&own, "new", &|id| until_started(&own, id), recover);
    let status = assert_ended(&own, &id);
    assert_eq!(status["State"], "upgraded", "{status}");
}

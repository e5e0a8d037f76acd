//! What verification makes of what happens between two looks, or during one.

use std::time::Duration;

use refit::upgrade::{Failure, Rollback, Step, Upgrades};
use serde_json::{Value, json};

use crate::{
    engine, request,
    simulated::{Fault, Verb, Whom},
};

/// Upgrades to this command with a `Monitor` of 300 ms, which is four looks, and this fault at one of
/// them; it must fail.
async fn failure(cmd: &Value, look: usize, fault: Option<Fault>) -> Failure {
    let engine = engine();
    let id = engine.run("web", &json!({ "Image": "web:1" }));
    engine.world().subject.clone_from(&id);
    // The calls up to start are the same, whatever the replacement is.
    let first_look = 1 + calls_until_start().await;
    engine.world().faults = fault
        .map(|fault| (first_look + look, fault))
        .into_iter()
        .collect();
    let mut request = request(&json!({ "Cmd": cmd }));
    request.monitor = Duration::from_millis(300);
    let run = Upgrades::new(engine.clone()).begin("web".to_owned(), request);
    let failure = run
        .outcome
        .await
        .expect("an outcome")
        .expect_err("a failure");
    assert_eq!(
        (failure.step, failure.rollback),
        (Step::Verify, Rollback::Restored),
        "{failure}"
    );
    assert_eq!(engine.inspect("web")["Id"], json!(id));
    failure
}

async fn calls_until_start() -> usize {
    let engine = engine();
    engine.run("web", &json!({ "Image": "web:1" }));
    let upgrade = crate::upgrade(&engine, &json!({ "Cmd": ["other"] })).await;
    upgrade.expect("an upgrade");
    let calls = engine.world().calls.clone();
    calls
        .iter()
        .position(|call| call.what == "start")
        .expect("a start")
}

#[tokio::test(start_paused = true)]
async fn the_last_look_is_begun_when_the_time_is_over() {
    // Its end is before that of the time, and after what the third look has seen.
    let late = Fault::Late(Duration::from_millis(200));
    for fault in [None, Some(late)] {
        let failure = failure(&json!(["exit", "3", "270"]), 2, fault).await;
        assert!(failure.message.contains("exit code 3"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_somebody_started_again_has_ended() {
    let start = Fault::Person {
        verb: Verb::Start,
        whom: Whom::Replacement,
    };
    let failure = failure(&json!(["exit", "3", "150"]), 2, Some(start)).await;
    let told = "its process ended with exit code 3 and was started again by somebody";
    assert!(failure.message.contains(told), "{failure}");
}

/// Rolls back to an original that cannot stay up any more: each of its runs ends after 100 ms. So many of
/// its starts are answered later than that.
async fn rolled_back_to_one_that_ends(late_starts: usize) -> Failure {
    let late = Fault::Late(Duration::from_millis(200));
    let mut faults = Vec::new();
    loop {
        let engine = engine();
        let id = engine.run("web", &json!({ "Image": "web:1" }));
        engine.world().faults.clone_from(&faults);
        engine.before_create(|world| {
            let original = world.containers.iter_mut().find(|c| c.name == "web");
            original.expect("the original").config["Cmd"] = json!(["exit", "5", "100"]);
        });
        let upgrade = crate::upgrade(&engine, &json!({ "Cmd": ["missing"] })).await;
        let failure = upgrade.expect_err("a failure");
        if faults.len() == late_starts {
            return failure;
        }
        let world = engine.world();
        let starts = world.calls.iter().enumerate();
        let mut starts = starts.filter(|(_, call)| call.what == "start" && call.subject == id);
        let (at, _) = starts.nth(faults.len()).expect("one more start");
        faults.push((at, late));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_last_start_of_an_original_did_is_looked_at() {
    for late_starts in [0, 5] {
        let failure = rolled_back_to_one_that_ends(late_starts).await;
        assert_eq!(failure.rollback, Rollback::Restored, "{failure}");
    }
    let failure = rolled_back_to_one_that_ends(6).await;
    assert_eq!(failure.rollback, Rollback::Incomplete, "{failure}");
    let told = "each time its process ended with exit code 5";
    assert!(failure.message.contains(told), "{failure}");
}

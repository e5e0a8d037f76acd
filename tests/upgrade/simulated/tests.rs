//! The simulated engine does what the real ones were measured to do.

use std::time::Duration;

use refit::engine::{Engine, EngineError, RestartPolicy, Status, StopOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    Container, Fault, Simulated,
    fault::{Call, Death},
};

fn engine() -> Simulated {
    let engine = Simulated::new();
    for (reference, cmd) in [
        ("serves", json!(["serve"])),
        ("stubborn", json!(["stubborn"])),
        ("crashes", json!(["exit", "1", "20"])),
        ("missing", json!(["missing"])),
    ] {
        let config = json!({ "Cmd": cmd, "Volumes": { "/anonymous": {} } });
        engine.world().tag(reference, reference, &config);
    }
    engine
}

fn with_policy(image: &str, policy: &str) -> Value {
    json!({ "Image": image, "HostConfig": {
        "NetworkMode": "app", "RestartPolicy": { "Name": policy, "MaximumRetryCount": 0 },
    } })
}

fn status(engine: &Simulated, name: &str) -> Option<Status> {
    engine.world().find(name).map(|container| container.status)
}

fn address(engine: &Simulated, name: &str) -> Value {
    engine.inspect(name)["NetworkSettings"]["Networks"]["app"]["IPAddress"].clone()
}

const QUICK: StopOptions = StopOptions {
    timeout: Some(1),
    signal: None,
};

/// What becomes of a container when the daemon restarts.
#[tokio::test(start_paused = true)]
async fn restart_policies_over_a_restart_of_the_daemon() {
    let (up, down) = (Status::Running, Status::Exited);
    let graceful = Death::Graceful;
    let cases = [
        ("no", "running", graceful, down),
        ("always", "running", graceful, up),
        ("always", "running", Death::Killed, up),
        ("always", "stopped", graceful, up),
        ("always", "stopped", Death::Killed, up),
        ("always", "created", graceful, Status::Created),
        ("on-failure", "stopped", graceful, up),
        ("unless-stopped", "running", graceful, up),
        ("unless-stopped", "running", Death::Killed, down),
        ("unless-stopped", "stopped", graceful, down),
    ];
    for (policy, before, how, after) in cases {
        let engine = engine();
        let id = engine.make("web", &with_policy("stubborn", policy));
        if before != "created" {
            engine.start(&id).await.expect("a start");
        }
        if before == "stopped" {
            engine.stop(&id, &QUICK).await.expect("a stop");
            assert_eq!(engine.inspect("web")["State"]["ExitCode"], 137);
        }
        engine.world().die(how);
        let away = engine.start(&id).await;
        assert!(
            matches!(away, Err(EngineError::Unreachable { .. })),
            "{away:?}"
        );
        engine.await_reachable().await.expect("back");
        assert_eq!(
            status(&engine, "web"),
            Some(after),
            "{policy}, {before}, {how:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_its_time_and_a_lost_answer_does_not_end_it() {
    let engine = engine();
    let id = engine.run("web", &with_policy("stubborn", "no"));
    engine.world().faults = vec![(0, Fault::Lost { done: true })];
    let lost = engine.stop(&id, &QUICK).await;
    assert!(matches!(lost, Err(EngineError::Unknown { .. })), "{lost:?}");
    assert_eq!(status(&engine, "web"), Some(Status::Running));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(status(&engine, "web"), Some(Status::Exited));
}

#[tokio::test(start_paused = true)]
async fn one_that_crashes_is_restarted_later_each_time_until_it_is_stopped() {
    let engine = engine();
    let id = engine.run("web", &with_policy("crashes", "always"));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(status(&engine, "web"), Some(Status::Restarting));
    assert_eq!(engine.inspect("web")["RestartCount"], 3);
    // Measured on 20.10 and 26.1.
    let renamed = engine.rename(&id, "other").await;
    assert!(renamed.is_err_and(|error| error.is_not_found()));
    let no = RestartPolicy::named("no");
    engine
        .update_restart_policy(&id, &no)
        .await
        .expect("an update");
    engine.stop(&id, &QUICK).await.expect("a stop");
    engine.rename(&id, "other").await.expect("a rename");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(status(&engine, "other"), Some(Status::Exited));
}

#[tokio::test(start_paused = true)]
async fn an_address_is_the_lowest_free_one_from_start_to_end() {
    let engine = engine();
    let first = engine.run("first", &with_policy("serves", "no"));
    engine.run("second", &with_policy("serves", "no"));
    let third = engine.make("third", &with_policy("serves", "no"));
    assert_eq!(address(&engine, "second"), "10.0.0.3");
    assert_eq!(address(&engine, "third"), "");
    engine.stop(&first, &QUICK).await.expect("a stop");
    engine.start(&third).await.expect("a start");
    assert_eq!(address(&engine, "third"), "10.0.0.2");
}

#[tokio::test(start_paused = true)]
async fn only_what_was_made_up_for_a_container_goes_with_it() {
    let engine = engine();
    let first = engine.make("first", &with_policy("serves", "no"));
    let mounts = engine.inspect("first")["Mounts"].clone();
    let volume = mounts[0]["Name"].as_str().expect("a volume").to_owned();
    let held = json!({ "Image": "serves", "HostConfig": {
        "Binds": [format!("{volume}:/anonymous"), "data:/data"],
    } });
    let second = engine.make("second", &held);
    engine.remove(&first, true).await.expect("a removal");
    assert!(
        engine.world().volumes.contains(&volume),
        "it is held by name"
    );
    engine.remove(&second, true).await.expect("a removal");
    let left = engine.world().volumes.len();
    assert_eq!(left, 2, "the one that was held by name, and data");
    let third = engine.make("third", &with_policy("serves", "no"));
    engine.remove(&third, true).await.expect("a removal");
    assert_eq!(engine.world().volumes.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_of_rm_is_gone_when_it_ends_and_when_the_daemon_restarts() {
    let body = json!({ "Image": "serves", "HostConfig": { "AutoRemove": true } });
    let engine = engine();
    let id = engine.run("web", &body);
    engine.stop(&id, &QUICK).await.expect("a stop");
    assert_eq!(status(&engine, "web"), None);
    engine.make("web", &body);
    engine.world().die(Death::Graceful);
    engine.await_reachable().await.expect("back");
    assert_eq!(status(&engine, "web"), None);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_refuses() {
    let engine = engine();
    let id = engine.run("web", &with_policy("serves", "no"));
    let status_of = |result: Result<(), EngineError>| match result {
        Err(EngineError::Refused { status, .. }) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status_of(engine.remove(&id, false).await), 409);
    let other = engine.make("other", &with_policy("missing", "no"));
    assert_eq!(status_of(engine.rename(&other, "web").await), 409);
    assert_eq!(status_of(engine.start(&other).await), 400);
    let failed = engine.inspect("other");
    assert_eq!(failed["State"]["Status"], "created");
    assert_eq!(failed["State"]["ExitCode"], 127);
    engine.pause(&id).await.expect("a pause");
    assert_eq!(status_of(engine.start(&id).await), 409);
    engine
        .stop(&id, &QUICK)
        .await
        .expect("a stop of a paused one");
    assert!(
        !engine
            .world()
            .find("web")
            .is_some_and(Container::has_process)
    );
}

#[test]
fn a_look_has_no_fault_that_only_a_change_can_have() {
    let happened = |fault: &Fault| {
        matches!(
            fault,
            Fault::Lost { done: true } | Fault::Crash { done: true }
        )
    };
    let (look, change) = (Call::new("inspect", "web"), Call::new("stop", "web"));
    assert_eq!(look.faults().into_iter().filter(happened).count(), 0);
    assert_eq!(change.faults().into_iter().filter(happened).count(), 2);
    assert_eq!((look.faults().len(), change.faults().len()), (7, 15));
}

//! What becomes of the address where it cannot be held, or another container comes between.

use std::{sync::Arc, time::Duration};

use refit::upgrade::{Cause, Ending, Failure, Outcome, Rollback, Step, Upgrades};
use serde_json::{Value, json};

use crate::{engine, request, simulated::Simulated};

/// An engine with a `web` that is on the lowest address above these containers.
fn above(others: &[(&str, &Value)]) -> Arc<Simulated> {
    let engine = engine();
    let body = |cmd: &Value| json!({ "Image": "web:1", "Cmd": cmd, "HostConfig": { "NetworkMode": "app" } });
    for (name, cmd) in others {
        engine.run(name, &body(cmd));
    }
    engine.run("web", &body(&json!(["serve"])));
    engine
}

/// The same, where so many addresses below it are free.
fn with_gap(size: usize) -> Arc<Simulated> {
    let names: Vec<String> = (0..size).map(|number| format!("gone-{number}")).collect();
    let serve = json!(["serve"]);
    let others: Vec<(&str, &Value)> = names.iter().map(|name| (name.as_str(), &serve)).collect();
    let engine = above(&others);
    for name in &names {
        engine.world().remove_by_force(name).expect("it goes");
    }
    engine.world().changes();
    engine
}

fn address(engine: &Simulated, name: &str) -> Value {
    engine.inspect(name)["NetworkSettings"]["Networks"]["app"]["IPAddress"].clone()
}

async fn upgrade(engine: &Arc<Simulated>, is_strict: bool) -> Result<Outcome, Failure> {
    let mut request = request(&json!({ "Image": "web:2" }));
    request.require_same_address = is_strict;
    let run = Upgrades::new(engine.clone()).begin("web".to_owned(), request);
    match run.outcome.await.expect("an outcome")? {
        Ending::Upgraded(outcome) => Ok(outcome),
        other => panic!("neither a dry run nor a helper was asked for: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_lower_address_is_held_and_let_go() {
    let engine = with_gap(6);
    let outcome = upgrade(&engine, true).await.expect("an upgrade");
    assert_eq!(outcome.warnings, [""; 0]);
    assert_eq!(address(&engine, "web"), "10.0.0.8");
    let changes = engine.world().changes();
    let count = |what: &str| {
        changes
            .iter()
            .filter(|change| change.starts_with(what))
            .count()
    };
    assert_eq!(count("create web.refit-hold-"), 6, "{changes:?}");
    assert_eq!(count("remove by force web.refit-hold-"), 6, "{changes:?}");
    assert_eq!(
        (count("import "), count("remove image ")),
        (1, 1),
        "{changes:?}"
    );
}

/// What cannot be held is warned of; where no other address will do, nothing is touched.
async fn cannot_be_held(make: impl Fn() -> Arc<Simulated>, why: &str) {
    let engine = make();
    let outcome = upgrade(&engine, false).await.expect("an upgrade");
    let warnings = outcome.warnings.join("\n");
    assert_eq!(address(&engine, "web"), "10.0.0.2");
    assert!(warnings.contains("and is 10.0.0.2 now"), "{warnings}");
    assert!(warnings.contains(why), "{warnings}");

    let engine = make();
    let before = engine.inspect("web");
    let failure = upgrade(&engine, true).await.expect_err("a refusal");
    assert_eq!(
        (failure.step, failure.rollback),
        (Step::Hold, Rollback::NotNeeded)
    );
    assert_eq!(failure.cause, Cause::Failed);
    assert!(failure.message.contains(why), "{failure}");
    assert_eq!(engine.inspect("web"), before);
    let left = engine.world().containers.len();
    assert_eq!(left, 1, "{left} containers");
}

#[tokio::test(start_paused = true)]
async fn more_than_are_held() {
    cannot_be_held(|| with_gap(65), "more lower addresses than the 64").await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_there_is_no_placeholder_for() {
    let make = || {
        let engine = with_gap(1);
        engine.world().architecture = "riscv64".to_owned();
        engine
    };
    cannot_be_held(make, "no placeholder for riscv64").await;
}

/// The container below ends while the original stops.
fn with_a_leaver() -> Arc<Simulated> {
    above(&[("leaver", &json!(["exit", "0", "50"]))])
}

#[tokio::test(start_paused = true)]
async fn a_lower_address_that_becomes_free_too_late() {
    let engine = with_a_leaver();
    let outcome = upgrade(&engine, false).await.expect("an upgrade");
    let told = "the address on network app was 10.0.0.3, and is 10.0.0.2 now";
    assert_eq!(outcome.warnings, [told]);

    let engine = with_a_leaver();
    let id = engine.inspect("web")["Id"].clone();
    let failure = upgrade(&engine, true).await.expect_err("a failure");
    assert_eq!(
        (failure.step, failure.rollback),
        (Step::Verify, Rollback::Restored)
    );
    assert!(failure.message.contains(told), "{failure}");
    // Now the lower one is held.
    assert_eq!(engine.inspect("web")["Id"], id);
    assert_eq!(address(&engine, "web"), "10.0.0.3");
}

#[tokio::test(start_paused = true)]
async fn upgrades_on_one_network_leave_each_other_their_addresses() {
    let engine = with_gap(2);
    let names = ["web", "b", "c"];
    let body = json!({ "Image": "web:1", "HostConfig": { "NetworkMode": "app" } });
    for name in ["x", "y", "b", "c"] {
        engine.run(name, &body);
    }
    for name in ["x", "y"] {
        engine.world().remove_by_force(name).expect("it goes");
    }
    let before = names.map(|name| address(&engine, name));
    assert_eq!(before, ["10.0.0.4", "10.0.0.5", "10.0.0.6"]);
    let upgrades = Upgrades::new(engine.clone());
    let mut request = request(&json!({ "Image": "web:2" }));
    request.require_same_address = true;
    let runs = names.map(|name| upgrades.begin(name.to_owned(), request.clone()));
    for run in runs {
        run.outcome.await.expect("an outcome").expect("an upgrade");
    }
    assert_eq!(names.map(|name| address(&engine, name)), before);
}

/// A companion whose address is below that of the container that it is started after.
#[tokio::test(start_paused = true)]
async fn a_companion_that_has_a_lower_address() {
    for is_good in [true, false] {
        let engine = engine();
        let on_bridge = |links: &Value| json!({ "Image": "web:1", "HostConfig": { "NetworkMode": "bridge", "Links": links } });
        let id = engine.run("web", &on_bridge(&json!([])));
        engine.run("second", &on_bridge(&json!(["web:db"])));
        // The leader was started again when its address had been taken.
        engine.world().stop(&id, Duration::ZERO).expect("a stop");
        engine.run("other", &on_bridge(&json!([])));
        engine.world().start(&id).expect("a start");
        engine.world().remove_by_force("other").expect("it goes");
        engine.world().changes();
        let address = |name: &str| {
            engine.inspect(name)["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].clone()
        };
        let both = || ["web", "second"].map(address);
        assert_eq!(both(), ["10.0.0.4", "10.0.0.3"]);
        let cmd = if is_good { ["serve"] } else { ["missing"] };
        let mut request = request(&json!({ "Cmd": cmd, "Env": ["A=1"] }));
        request.require_same_address = true;
        let run = Upgrades::new(engine.clone()).begin("web".to_owned(), request);
        let ended = run.outcome.await.expect("an outcome");
        assert_eq!(ended.is_ok(), is_good, "{ended:?}");
        assert_eq!(both(), ["10.0.0.4", "10.0.0.3"], "{ended:?}");
        let left = engine.world().containers.len();
        assert_eq!(left, 2, "{left} containers");
    }
}

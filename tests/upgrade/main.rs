//! Upgrades on a simulated engine: what no real engine can be made to do at the right moment.

mod addresses;
mod behaviours;
mod explore;
mod faults;
mod generations;
mod helper;
mod identity;
mod recovery;
mod simulated;
mod verify;

use std::{sync::Arc, time::Duration};

use refit::{
    plan::check_patch,
    upgrade::{Cause, Ending, Failure, Outcome, Pull, Request, Rollback, Step, Upgrades},
};
use serde_json::{Value, json};

use behaviours::{Behaviour, behaviours, restarts, simulate};
use simulated::{Fault, Simulated};

fn request(patch: &Value) -> Request {
    Request {
        patch: check_patch(patch.as_object().expect("an object").clone()).expect("a patch"),
        pull: Pull::Never,
        monitor: Duration::ZERO,
        ..Request::default()
    }
}

async fn upgrade(engine: &Arc<Simulated>, patch: &Value) -> Result<Outcome, Failure> {
    let run = Upgrades::new(engine.clone()).begin("web".to_owned(), request(patch));
    match run.outcome.await.expect("an outcome")? {
        Ending::Upgraded(outcome) => Ok(outcome),
        other => panic!("neither a dry run nor a helper was asked for: {other:?}"),
    }
}

/// An engine with two images.
fn engine() -> Arc<Simulated> {
    let engine = Simulated::new();
    let config = json!({ "Cmd": ["serve"] });
    engine.world().tag("web:1", "sha256:1", &config);
    engine.world().tag("web:2", "sha256:2", &config);
    engine.world().add_network("app");
    Arc::new(engine)
}

#[tokio::test]
async fn a_field_from_the_future_survives_every_upgrade() {
    let engine = engine();
    let (of_config, of_host) = (json!({ "a": [null, {}] }), json!([{ "b": 1.5 }, ""]));
    let of_endpoint = json!({ "c": false });
    engine.run(
        "web",
        &json!({
            "Image": "web:1", "FromTheFuture": of_config,
            "HostConfig": { "NetworkMode": "app", "FromTheFuture": of_host },
            "NetworkingConfig": { "EndpointsConfig": { "app": { "FromTheFuture": of_endpoint } } },
        }),
    );
    for image in ["web:2", "web:1", "web:2"] {
        let outcome = upgrade(&engine, &json!({ "Image": image })).await;
        assert!(outcome.expect("an upgrade").changed);
        let after = engine.inspect("web");
        assert_eq!(after["Config"]["Image"], image);
        assert_eq!(after["Config"]["FromTheFuture"], of_config);
        assert_eq!(after["HostConfig"]["FromTheFuture"], of_host);
        let endpoint = &after["NetworkSettings"]["Networks"]["app"];
        assert_eq!(endpoint["FromTheFuture"], of_endpoint);
    }
}

#[tokio::test]
async fn a_tag_that_moves_between_plan_and_create_is_refused_and_nothing_is_touched() {
    let engine = engine();
    let id = engine.run("web", &json!({ "Image": "web:1" }));
    engine.before_create(|world| world.tag("web:2", "sha256:3", &json!({ "Cmd": ["other"] })));
    let failure = upgrade(&engine, &json!({ "Image": "web:2" })).await;
    let failure = failure.expect_err("a failure");
    assert_eq!(
        (failure.cause, failure.step),
        (Cause::Conflict, Step::Create)
    );
    assert_eq!(failure.rollback, Rollback::NotNeeded);
    assert!(failure.message.contains("web:2"), "{failure}");
    let original = engine.inspect("web");
    assert_eq!(original["Id"], json!(id));
    assert_eq!(original["State"]["Status"], "running");
    let changes = engine.world().changes();
    assert_eq!(changes, ["create web.refit-new", "remove web.refit-new"]);
    // The next one plans with what the tag names now.
    let outcome = upgrade(&engine, &json!({ "Image": "web:2" })).await;
    assert_eq!(outcome.expect("an upgrade").current.image_id, "sha256:3");
}

#[tokio::test]
async fn who_joins_it_meanwhile_is_not_cut_off() {
    let engine = engine();
    let id = engine.run("web", &json!({ "Image": "web:1" }));
    engine.before_create(|world| {
        let joins = json!({ "NetworkMode": "container:web" });
        let body = json!({ "Image": "web:1", "HostConfig": joins });
        world.by_itself(|world| world.create("mon", &body).expect("a container"));
    });
    let failure = upgrade(&engine, &json!({ "Image": "web:2" })).await;
    let failure = failure.expect_err("a failure");
    assert_eq!(
        (failure.step, failure.rollback),
        (Step::Hold, Rollback::NotNeeded)
    );
    assert!(failure.message.contains("mon has joined it"), "{failure}");
    let original = engine.inspect("web");
    assert_eq!(
        (&original["Id"], &original["State"]["Status"]),
        (&json!(id), &json!("running"))
    );
    // The next one has it as a member.
    let outcome = upgrade(&engine, &json!({ "Image": "web:2" })).await;
    assert_eq!(outcome.expect("an upgrade").companions.len(), 1);
}

#[tokio::test]
async fn what_changes_nothing_touches_nothing() {
    let engine = engine();
    engine.run(
        "web",
        &json!({ "Image": "web:1", "Env": ["A=1"], "HostConfig": { "Memory": 7 } }),
    );
    engine
        .world()
        .tag("web:same", "sha256:1", &json!({ "Cmd": ["serve"] }));
    for patch in [
        json!({}),
        json!({ "Image": "web:1" }),
        json!({ "Env": ["A=1"], "Cmd": ["serve"], "HostConfig": { "Memory": 7, "CapAdd": [] } }),
        json!({ "Image": "web:same", "Entrypoint": null, "Labels": {} }),
    ] {
        let outcome = upgrade(&engine, &patch).await.expect("an answer");
        assert!(!outcome.changed, "{patch}");
        assert_eq!(engine.world().changes(), [""; 0], "{patch}");
        let is_renamed = patch["Image"] == "web:same";
        assert_eq!(outcome.warnings.len(), usize::from(is_renamed), "{patch}");
    }
    let outcome = upgrade(&engine, &json!({ "Cmd": ["other"] })).await;
    assert!(outcome.expect("an upgrade").changed);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_is_in_the_way_of_no_upgrade() {
    let engine = engine();
    let id = engine.run("web", &json!({ "Image": "web:1" }));
    let upgrades = Upgrades::new(engine.clone());
    let calls = engine.world().calls.len();
    // When the container is known.
    engine.world().faults = vec![(calls + 2, Fault::Late(Duration::from_secs(5)))];
    let patch = json!({ "Image": "web:2" });
    let look = Request {
        dry_run: true,
        ..request(&patch)
    };
    let _dry = upgrades.begin("web".to_owned(), look);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(engine.world().calls.len() > calls + 2);
    let unknown = upgrades.report(&id).await;
    assert!(unknown.is_err(), "{unknown:?}");
    let run = upgrades.begin("web".to_owned(), request(&patch));
    let ending = run.outcome.await.expect("an outcome");
    assert!(matches!(ending, Ok(Ending::Upgraded(_))), "{ending:?}");
}

/// As it was measured on real ones: `compat-tests` plays the same on them.
#[test]
fn the_simulated_engine_does_what_real_ones_do() {
    let mut behaviours = behaviours();
    behaviours.extend(restarts());
    let differences = |behaviour: &Behaviour| behaviour.differences(&simulate(behaviour), None);
    let differences: String = behaviours.iter().map(differences).collect();
    let lines: usize = behaviours.iter().map(Behaviour::len).sum();
    println!("{} behaviours, {lines} lines", behaviours.len());
    assert!(differences.is_empty(), "\n{differences}");
    assert!(lines > 500, "only {lines} lines were played");
}

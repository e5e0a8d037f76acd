//! Going back to the generation before, and what is told of those that there were.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use refit::{
    plan::MARKER_LABEL,
    upgrade::{
        Cause, Ending, Failure, Former, Outcome, Preview, Pull, Report, Request, Rollback, Step,
        Upgrades,
    },
};
use serde_json::{Value, json};

use super::{engine, request, simulated::Simulated, upgrade};

fn going_back() -> Request {
    Request {
        go_back: true,
        ..request(&json!({}))
    }
}

async fn end(engine: &Arc<Simulated>, name: &str, request: Request) -> Result<Ending, Failure> {
    let run = Upgrades::new(engine.clone()).begin(name.to_owned(), request);
    run.outcome.await.expect("an outcome")
}

async fn go_back_with(engine: &Arc<Simulated>, request: Request) -> Result<Outcome, Failure> {
    match end(engine, "web", request).await? {
        Ending::Upgraded(outcome) => Ok(outcome),
        other => panic!("an upgrade: {other:?}"),
    }
}

async fn go_back(engine: &Arc<Simulated>) -> Result<Outcome, Failure> {
    go_back_with(engine, going_back()).await
}

async fn preview(engine: &Arc<Simulated>) -> Preview {
    let request = Request {
        dry_run: true,
        ..going_back()
    };
    match end(engine, "web", request).await.expect("a preview") {
        Ending::Planned(preview) => preview,
        other => panic!("a dry run: {other:?}"),
    }
}

async fn history(engine: &Arc<Simulated>) -> Vec<Former> {
    let report = Upgrades::new(engine.clone()).report("web").await;
    match report.expect("a report") {
        Report::Upgraded { previous, .. } | Report::Failed { previous, .. } => previous,
        other => panic!("it is at rest: {other:?}"),
    }
}

/// What a person sees of a container that is to be the same: but for the marker, and for nocopy, which
/// every upgrade adds.
fn seen(engine: &Simulated, name: &str) -> Value {
    let mut document = engine.inspect(name);
    let labels = document["Config"]["Labels"].as_object_mut();
    labels.expect("labels").shift_remove(MARKER_LABEL);
    document["HostConfig"]["Binds"] = Value::Null;
    let mounts = document["Mounts"].as_array().into_iter().flatten();
    let mut mounts: Vec<String> = mounts
        .map(|mount| format!("{} at {}", mount["Name"], mount["Destination"]))
        .collect();
    mounts.sort();
    let endpoints = &document["NetworkSettings"]["Networks"];
    json!({
        "Name": document["Name"], "Image": document["Image"], "Config": document["Config"],
        "HostConfig": document["HostConfig"], "Mounts": mounts, "Networks": endpoints,
        "Status": document["State"]["Status"],
    })
}

/// A container with something of everything.
fn of_everything(engine: &Simulated) -> String {
    let config =
        json!({ "Cmd": ["serve"], "Volumes": { "/anonymous": {} }, "Labels": { "v": "1" } });
    engine.world().tag("db:1", "sha256:db1", &config);
    let config = json!({
        "Cmd": ["serve", "2"], "Env": ["NEW=1"], "Labels": { "v": "2", "w": "2" }, "User": "me",
    });
    engine.world().tag("db:2", "sha256:db2", &config);
    engine.world().add_network("back");
    engine.run(
        "web",
        &json!({
            "Image": "db:1", "Env": ["LEVEL=info", "TOKEN=secret"], "Hostname": "db",
            "Labels": { "owner": "alice" }, "FromTheFuture": [{ "a": null }],
            "HostConfig": {
                "NetworkMode": "app", "Memory": 64 << 20, "Binds": ["data:/data"],
                "Mounts": [{ "Type": "volume", "Source": "more", "Target": "/more" }],
                "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
                "PortBindings": { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] },
            },
            "NetworkingConfig": { "EndpointsConfig": {
                "app": { "Aliases": ["www"] }, "back": { "IPAMConfig": {} },
            } },
        }),
    )
}

/// Another of everything.
fn patch() -> Value {
    json!({
        "Image": "db:2", "Env": ["LEVEL=debug", "TOKEN"], "Cmd": ["serve", "other"],
        "Labels": { "owner": null, "tier": "cache" }, "Hostname": "other",
        "HostConfig": {
            "Memory": 128 << 20, "Binds": ["other:/data", "uploads:/uploads"],
            "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            "PortBindings": { "80/tcp": null, "81/tcp": [{ "HostIp": "", "HostPort": "8081" }] },
        },
        "NetworkingConfig": { "EndpointsConfig": { "back": null } },
    })
}

/// Of mounts with one more option, the same.
fn without_nocopy(mut seen: Value) -> Value {
    seen["HostConfig"]["Mounts"] = Value::Null;
    seen["Config"]["ExposedPorts"] = Value::Null;
    seen
}

#[tokio::test]
async fn going_back_gives_back_all_that_inspect_had_and_twice_goes_forth_again() {
    let engine = engine();
    let first = of_everything(&engine);
    let original = seen(&engine, "web");
    let second = upgrade(&engine, &patch())
        .await
        .expect("an upgrade")
        .current;
    let upgraded = seen(&engine, "web");
    assert_ne!(original, upgraded);

    let back = go_back(&engine).await.expect("an upgrade");
    assert!(back.changed && back.running);
    assert_eq!(
        (&back.current.image, &*back.current.image_id),
        (&"db:1".to_owned(), "sha256:db1")
    );
    assert_eq!(back.previous, second);
    assert!(
        back.warnings[0].starts_with("volumes are as they are now"),
        "{:?}",
        back.warnings
    );
    let is_back = seen(&engine, "web");
    assert_eq!(without_nocopy(is_back.clone()), without_nocopy(original));
    assert_ne!(engine.inspect("web")["Id"], json!(first));
    for volume in ["data", "more", "other", "uploads"] {
        assert!(engine.world().volumes.contains(volume), "{volume}");
    }

    // Each further one is exactly what the one before the last was.
    let mut expected = [upgraded, is_back];
    for _ in 0..4 {
        go_back(&engine).await.expect("an upgrade");
        assert_eq!(seen(&engine, "web"), expected[0]);
        expected.reverse();
    }
    let world = engine.world();
    assert_eq!(world.violations, [""; 0]);
    assert_eq!(world.containers.len(), 1);
}

#[tokio::test]
async fn a_dry_run_of_going_back_says_what_differs_and_touches_nothing() {
    let engine = engine();
    of_everything(&engine);
    upgrade(&engine, &patch()).await.expect("an upgrade");
    engine.world().changes();
    let before = engine.inspect("web");
    let preview = preview(&engine).await;
    assert!(preview.changed && preview.steps.contains(&Step::Verify));
    let memory = preview
        .diff
        .iter()
        .find(|change| change.path == "HostConfig.Memory");
    let memory = memory.expect("it differs");
    assert_eq!(
        (&memory.from, &memory.to),
        (&json!(128 << 20), &json!(64 << 20))
    );
    assert_eq!(memory.because.to_string(), "from the generation before");
    assert_eq!(preview.create["Image"], "db:1");
    assert_eq!(engine.world().changes(), [""; 0]);
    assert_eq!(engine.inspect("web"), before);
}

#[tokio::test]
async fn ten_generations_are_known_and_each_is_told_with_its_time() {
    let engine = engine();
    let began = SystemTime::now() - Duration::from_secs(1);
    let mut ids = vec![engine.run("web", &json!({ "Image": "web:1" }))];
    for number in 1..=12 {
        let patch = json!({ "HostConfig": { "Memory": number } });
        ids.push(
            upgrade(&engine, &patch)
                .await
                .expect("an upgrade")
                .current
                .id,
        );
    }
    ids.pop();
    ids.reverse();
    let former = history(&engine).await;
    let told: Vec<&String> = former.iter().map(|former| &former.container.id).collect();
    assert_eq!(told, ids[..10].iter().collect::<Vec<_>>());
    for Former {
        replaced_at,
        is_known,
        ..
    } in &former
    {
        assert!(*is_known);
        assert!(replaced_at.is_some_and(|at| at >= began && at <= SystemTime::now()));
    }
    go_back(&engine).await.expect("an upgrade");
    assert_eq!(engine.inspect("web")["HostConfig"]["Memory"], 11);
    assert_eq!(history(&engine).await.len(), 10);
    // What fails does not make it forgotten.
    let upgrades = Upgrades::new(engine.clone());
    let run = upgrades.begin("web".to_owned(), request(&json!({ "Cmd": ["missing"] })));
    run.outcome
        .await
        .expect("an outcome")
        .expect_err("it cannot be started");
    match upgrades.report("web").await.expect("a report") {
        Report::Failed { previous, .. } => assert_eq!(previous.len(), 10),
        other => panic!("it failed: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_the_same_is_not_replaced() {
    let engine = engine();
    engine.run(
        "web",
        &json!({ "Image": "web:1", "HostConfig": { "Binds": ["data:/data"] } }),
    );
    let forced = Request {
        force: true,
        ..request(&json!({}))
    };
    go_back_with(&engine, forced).await.expect("an upgrade");
    engine.world().changes();
    let outcome = go_back(&engine).await.expect("an answer");
    assert!(!outcome.changed);
    assert_eq!(engine.world().changes(), [""; 0]);
    let forced = Request {
        force: true,
        ..going_back()
    };
    assert!(
        go_back_with(&engine, forced)
            .await
            .expect("an upgrade")
            .changed
    );
}

#[tokio::test]
async fn a_generation_that_does_not_run_any_more_is_not_gone_back_to() {
    let engine = engine();
    engine.make("web", &json!({ "Image": "web:1", "Cmd": ["missing"] }));
    upgrade(&engine, &json!({ "Cmd": ["serve"] }))
        .await
        .expect("an upgrade");
    let start = |world: &mut super::simulated::World| world.by_itself(|world| world.start("web"));
    start(&mut engine.world()).expect("it starts");
    let before = engine.inspect("web");
    let failure = go_back(&engine).await.expect_err("a failure");
    assert_eq!(
        (failure.step, failure.rollback),
        (Step::Start, Rollback::Restored)
    );
    let after = engine.inspect("web");
    assert_eq!(after["Id"], before["Id"]);
    assert_eq!(after["State"]["Status"], "running");
    assert_eq!(history(&engine).await.len(), 1);
}

/// Going back is refused, and nothing is touched.
async fn refused(engine: &Arc<Simulated>, request: Request) -> Failure {
    engine.world().changes();
    let before = engine.inspect("web");
    let failure = go_back_with(engine, request).await.expect_err("a failure");
    assert_eq!(failure.rollback, Rollback::NotNeeded);
    assert_eq!(engine.world().changes(), [""; 0]);
    assert_eq!(engine.inspect("web"), before);
    failure
}

#[tokio::test]
async fn what_was_never_upgraded_or_does_not_tell_is_not_gone_back_from() {
    let engine = engine();
    engine.run("web", &json!({ "Image": "web:1" }));
    let failure = refused(&engine, going_back()).await;
    assert_eq!((failure.cause, failure.step), (Cause::Conflict, Step::Plan));
    assert!(
        failure.message.contains("web was never upgraded"),
        "{failure}"
    );

    upgrade(&engine, &json!({ "Image": "web:2" }))
        .await
        .expect("an upgrade");
    let body = |label: &Value| {
        let labels = json!({ MARKER_LABEL: label.to_string() });
        json!({ "Image": "web:2", "Labels": labels })
    };
    let marker = engine.world().find("web").expect("it is there").marker();
    for damaged in [None, Some(json!("H4sIAAAAAAAA")), Some(json!(7))] {
        let mut marker = marker.clone();
        match damaged {
            Some(damaged) => marker["Specifications"] = damaged,
            None => drop(
                marker
                    .as_object_mut()
                    .expect("an object")
                    .shift_remove("Specifications"),
            ),
        }
        engine.world().remove_by_force("web").expect("it goes");
        engine.run("web", &body(&marker));
        let failure = refused(&engine, going_back()).await;
        assert_eq!(failure.cause, Cause::Conflict);
        for part in [
            "does not tell what the generation before",
            "web:1",
            "sha256:1",
        ] {
            assert!(failure.message.contains(part), "{failure}");
        }
        assert!(!history(&engine).await[0].is_known);
    }

    // A label that came with the image is nobody's journal.
    let labels = body(&marker)["Labels"].clone();
    let config = json!({ "Cmd": ["serve"], "Labels": labels });
    engine.world().tag("web:bad", "sha256:bad", &config);
    engine.world().remove_by_force("web").expect("it goes");
    engine.run("web", &json!({ "Image": "web:bad" }));
    let failure = refused(&engine, going_back()).await;
    assert!(failure.message.contains("is its image's"), "{failure}");
}

/// An upgrade from `web:1` to `web:2`.
async fn upgraded() -> Arc<Simulated> {
    let engine = engine();
    let body = json!({
        "Image": "web:1", "HostConfig": { "NetworkMode": "app", "Binds": ["data:/data"] },
    });
    engine.run("web", &body);
    let patch =
        json!({ "Image": "web:2", "HostConfig": { "Binds": null, "NetworkMode": "bridge" } });
    upgrade(&engine, &patch).await.expect("an upgrade");
    engine
}

fn pulling(pull: Pull) -> Request {
    Request {
        pull,
        ..going_back()
    }
}

#[tokio::test]
async fn an_image_that_is_gone_is_pulled_or_named() {
    let engine = upgraded().await;
    engine.world().forget_image("web:1");
    for request in [
        pulling(Pull::Never),
        pulling(Pull::Missing),
        pulling(Pull::Always),
        Request {
            dry_run: true,
            ..pulling(Pull::Missing)
        },
    ] {
        let failure = refused(&engine, request).await;
        assert_eq!((failure.cause, failure.step), (Cause::NotFound, Step::Pull));
        for part in ["web:1", "sha256:1", "pull or load it"] {
            assert!(failure.message.contains(part), "{failure}");
        }
    }
    // What its reference names here by now is not it.
    let config = json!({ "Cmd": ["serve"], "Labels": { "other": "1" } });
    engine.world().tag("web:1", "sha256:other", &config);
    let failure = refused(&engine, pulling(Pull::Missing)).await;
    assert_eq!(failure.cause, Cause::NotFound);

    let found = |id: &str| ("web:1".to_owned(), id.to_owned(), config.clone());
    engine.world().registry = vec![found("sha256:1")];
    let outcome = go_back_with(&engine, pulling(Pull::Missing))
        .await
        .expect("an upgrade");
    assert_eq!(
        (&*outcome.current.image, &*outcome.current.image_id),
        ("web:1", "sha256:1")
    );
    assert!(
        !outcome
            .warnings
            .iter()
            .any(|warning| warning.contains("image")),
        "{outcome:?}"
    );

    engine.world().registry = vec![("web:2".to_owned(), "sha256:3".to_owned(), config.clone())];
    engine.world().forget_image("web:2");
    let outcome = go_back_with(&engine, pulling(Pull::Missing))
        .await
        .expect("an upgrade");
    assert_eq!(
        (&*outcome.current.image, &*outcome.current.image_id),
        ("web:2", "sha256:3")
    );
    let is_told =
        |warning: &String| warning.contains("sha256:2 is gone, and web:2 is another one now");
    assert!(outcome.warnings.iter().any(is_told), "{outcome:?}");
}

#[tokio::test]
async fn an_image_that_lost_its_name_is_gone_back_to_by_its_id() {
    let engine = upgraded().await;
    let config = json!({ "Cmd": ["serve"] });
    engine.world().tag("web:kept", "sha256:1", &config);
    engine.world().tag("web:1", "sha256:moved", &config);
    let outcome = go_back(&engine).await.expect("an upgrade");
    assert_eq!(
        (&*outcome.current.image, &*outcome.current.image_id),
        ("sha256:1", "sha256:1")
    );
    let is_told = |warning: &String| warning.contains("web:1 names another image now");
    assert!(outcome.warnings.iter().any(is_told), "{outcome:?}");
    let forth = go_back(&engine).await.expect("an upgrade");
    assert_eq!(forth.current.image, "web:2");
}

#[tokio::test]
async fn a_volume_or_a_network_that_is_gone_is_named_before_anything_is_touched() {
    let engine = upgraded().await;
    engine.world().volumes.remove("data");
    let failure = refused(&engine, going_back()).await;
    assert_eq!((failure.cause, failure.step), (Cause::Conflict, Step::Plan));
    assert!(
        failure
            .message
            .contains("the volume data of the generation"),
        "{failure}"
    );
    assert!(!engine.world().volumes.contains("data"));
    engine.world().volumes.insert("data".to_owned());
    engine.world().remove_network("app");
    let failure = refused(&engine, going_back()).await;
    assert_eq!((failure.cause, failure.step), (Cause::Conflict, Step::Plan));
    assert!(
        failure.message.contains("the network app (id-of-app)"),
        "{failure}"
    );
    engine.world().add_network("app");
    go_back(&engine).await.expect("an upgrade");
}

#[tokio::test]
async fn one_of_rm_goes_back_and_forth() {
    let engine = engine();
    let body = |image: &str| json!({ "Image": image, "HostConfig": { "AutoRemove": true, "Binds": ["data:/data"] } });
    engine.run("web", &body("web:1"));
    upgrade(&engine, &json!({ "Image": "web:2" }))
        .await
        .expect("an upgrade");
    for image in ["web:1", "web:2", "web:1"] {
        let outcome = go_back(&engine).await.expect("an upgrade");
        assert_eq!(outcome.current.image, image);
        let now = engine.inspect("web");
        assert_eq!(now["HostConfig"]["AutoRemove"], true);
        assert_eq!(now["Mounts"][0]["Name"], "data");
    }
    // One that came back from its stand-in has the same generations.
    let before = history(&engine).await;
    let failure = upgrade(&engine, &json!({ "Cmd": ["missing"] }))
        .await
        .expect_err("a failure");
    assert_eq!(failure.rollback, Rollback::Restored);
    let upgrades = Upgrades::new(engine.clone());
    upgrades.recover().await;
    let outcome = go_back(&engine).await.expect("an upgrade");
    assert_eq!(outcome.current.image, "web:2");
    assert_eq!(history(&engine).await[1..], before[..]);
}

#[tokio::test]
async fn who_depends_on_it_goes_along_and_goes_back_by_itself() {
    let engine = engine();
    engine.run("web", &json!({ "Image": "web:1" }));
    let joins = json!({ "NetworkMode": "container:web" });
    engine.run("mon", &json!({ "Image": "web:1", "HostConfig": joins }));
    let patch = json!({ "Image": "web:2" });
    let run = Upgrades::new(engine.clone()).begin("mon".to_owned(), request(&patch));
    run.outcome.await.expect("an outcome").expect("an upgrade");
    upgrade(&engine, &patch).await.expect("an upgrade");
    let outcome = go_back(&engine).await.expect("an upgrade");
    assert_eq!(outcome.current.image, "web:1");
    assert_eq!(outcome.companions.len(), 1);
    assert_eq!(engine.inspect("mon")["Config"]["Image"], "web:2");
    // Its own generation before joined a web that is gone, and what stands for that is known.
    let upgrades = Upgrades::new(engine.clone());
    upgrades.recover().await;
    let run = upgrades.begin(
        "mon".to_owned(),
        Request {
            force: true,
            ..going_back()
        },
    );
    run.outcome.await.expect("an outcome").expect("an upgrade");
    let joined = json!(format!("container:{}", outcome.current.id));
    assert_eq!(engine.inspect("mon")["HostConfig"]["NetworkMode"], joined);
}

#[tokio::test]
async fn what_is_told_of_an_upgrade_has_the_labels_but_not_the_generations() {
    let engine = engine();
    let labels = json!({ "app": "shop" });
    engine.run("web", &json!({ "Image": "web:1", "Labels": labels }));
    let upgrades = Upgrades::new(engine.clone());
    let run = upgrades.begin("web".to_owned(), request(&json!({ "Image": "web:2" })));
    run.outcome.await.expect("an outcome").expect("an upgrade");
    let (told, _) = upgrades.events().listen();
    let of_event = &told[0].labels;
    assert_eq!(of_event.get("app").map(String::as_str), Some("shop"));
    assert_eq!(of_event.get(MARKER_LABEL), None);
    let labels = &engine.inspect("web")["Config"]["Labels"];
    assert!(labels.get(MARKER_LABEL).is_some());
}

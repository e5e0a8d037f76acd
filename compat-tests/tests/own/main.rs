//! Refit upgrades the container that it runs in: a helper goes on when it is stopped.

mod killed;
mod rig;

use std::fs;

use compat_tests::repeat;
use serde_json::{Value, json};

use rig::{ENGINE, LONG, Own, monitored, watched};

/// What of a container is to stay.
fn kept(own: &Own, network: &str) -> Vec<Value> {
    let mut mounts = own.scenario.inspect(&own.name, "/Mounts");
    let mounts = mounts.as_array_mut().expect("a list");
    mounts.sort_by_key(|mount| mount["Destination"].to_string());
    let places = mounts.iter().map(|mount| {
        json!([
            mount["Type"],
            mount["Name"],
            mount["Source"],
            mount["Destination"]
        ])
    });
    let mut kept: Vec<Value> = places.collect();
    for pointer in [
        "/HostConfig/PortBindings",
        "/HostConfig/RestartPolicy",
        "/HostConfig/NetworkMode",
        "/Config/Hostname",
        "/Config/Env",
        &format!("/NetworkSettings/Networks/{network}/IPAddress"),
    ] {
        kept.push(own.scenario.inspect(&own.name, pointer));
    }
    kept
}

#[test]
fn an_upgrade_goes_on_without_the_refit_that_began_it() {
    let own = Own::without_refit("own-upgrade");
    let scenario = &own.scenario;
    let [net, volume] = ["net", "data"].map(|what| scenario.named(what));
    scenario.docker(&["network", "create", &net]);
    let data = format!("{volume}:/data");
    own.run(&[
        "--network",
        &net,
        "--network-alias",
        "proxy",
        "-p",
        "18099:80",
        "-v",
        &data,
        "-v",
        "/anonymous",
        "-e",
        "LEVEL=debug",
    ]);
    let before = kept(&own, &net);
    let mut id = own.text("/Id");
    for _ in 0..repeat() {
        let which = own.other();
        let told = own.hand_over(&json!({ "Image": own.image(which) }));
        let status = own.until_it_rests();
        assert_eq!(status["State"], "upgraded", "{status}");
        assert_eq!(status["Transaction"], told["Transaction"]);
        assert_eq!(status["Generations"][0]["Id"], id);
        assert_eq!(status["Id"], own.text("/Id"));
        assert_eq!(own.which(), which);
        assert_eq!(kept(&own, &net), before);
        assert!(!scenario.exists(&id));
        // It relays, and knows its container by the earlier ID.
        let seen = own.ask("GET", &format!("/containers/{id}/json"), "");
        assert_eq!(seen.json()["Name"], format!("/{}", own.name));
        id = own.text("/Id");
    }
    scenario.forget_volume(&volume);
}

#[test]
fn an_engine_that_is_reached_over_a_network_is_so_by_the_helper() {
    let own = Own::without_refit("own-network");
    let scenario = &own.scenario;
    let [net, proxy] = ["net", "proxy"].map(|what| scenario.named(what));
    scenario.docker(&["network", "create", &net]);
    let old = own.image("old");
    let (folder, listen) = ("/run/refit:/run/refit", "tcp://0.0.0.0:2375");
    let serve = [
        "serve",
        "--engine",
        ENGINE,
        "--insecure-tcp",
        "--listen",
        listen,
    ];
    let run = ["--name", &proxy, "--network", &net, "-v", folder, &old];
    scenario.run(&[&run[..], &serve].concat());
    let address = |of: &str| {
        let pointer = format!("/NetworkSettings/Networks/{net}/IPAddress");
        scenario.text(of, &pointer)
    };
    let engine = format!("tcp://{}:2375", address(&proxy));
    let [serve, option, listen, ..] = own.arguments();
    let arguments = [&serve, &option, &listen, "--engine", &engine];
    own.run_as(&["--network", &net], &arguments);
    let before = address(&own.name);
    own.hand_over(&json!({ "Image": own.image("new") }));
    assert_eq!(own.until_it_rests()["State"], "upgraded");
    assert_eq!((own.which().as_str(), address(&own.name)), ("new", before));
}

#[test]
fn one_of_rm_is_upgraded_and_comes_back_under_another_id() {
    let own = Own::new("own-rm", &["--rm"]);
    own.build("broken", r#"ENTRYPOINT ["/refit", "no-such-command"]"#);
    own.hand_over(&json!({ "Image": own.image("new") }));
    assert_eq!(own.until_it_rests()["State"], "upgraded");
    assert_eq!(own.which(), "new");
    let id = own.text("/Id");
    own.hand_over(&watched(&own.image("broken"), LONG));
    let status = own.until_it_rests();
    assert_eq!(status["State"], "failed", "{status}");
    assert_eq!(status["Rollback"], "restored");
    assert_eq!(own.which(), "new");
    assert_ne!(own.text("/Id"), id);
    assert_eq!(
        own.scenario.inspect(&own.name, "/HostConfig/AutoRemove"),
        true
    );
}

#[test]
fn a_stream_ends_with_what_goes_on() {
    let own = Own::new("own-stream", &[]);
    let path = format!("{}?pull=never&stream=1", own.path());
    let body = monitored(&json!({ "Image": own.image("new") }));
    let answer = own.ask("POST", &path, &body);
    assert_eq!(answer.status, 200);
    let lines = answer.lines();
    let (last, steps) = lines.split_last().expect("lines");
    assert_eq!(last["aux"]["Helper"]["Name"], own.helper());
    let steps: Vec<_> = steps.iter().map(|line| line["status"].clone()).collect();
    assert_eq!(&steps[..3], ["pull", "plan", "create"], "{steps:?}");
    assert!(!steps.contains(&json!("stop")), "{steps:?}");
    assert_eq!(own.until_it_rests()["State"], "upgraded");
}

#[test]
fn what_fails_is_rolled_back_and_told_by_the_one_that_is_back() {
    let own = Own::new("own-rollback", &[]);
    own.build("broken", r#"ENTRYPOINT ["/refit", "no-such-command"]"#);
    let id = own.text("/Id");
    for round in 0..repeat() {
        let told = own.hand_over(&watched(&own.image("broken"), LONG));
        let status = own.until_it_rests();
        assert_eq!(status["State"], "failed", "{status}");
        assert_eq!(status["Transaction"], told["Transaction"]);
        assert_eq!(status["Rollback"], "restored");
        let message = status["message"].as_str().expect("a text");
        assert!(message.contains("no-such-command"), "{message}");
        own.scenario.assert_original(&own.name, &id);
        assert_eq!(own.which(), "old", "round {round}");
    }
    // Nothing is in the way of the next one.
    own.hand_over(&json!({ "Image": own.image("new") }));
    assert_eq!(own.until_it_rests()["State"], "upgraded");
    assert_eq!(own.which(), "new");
}

#[test]
fn what_is_refused_before_the_stop_has_its_own_status_and_costs_nothing() {
    let own = Own::new("own-refused", &[]);
    let scenario = &own.scenario;
    let run = own.run_of();
    let other = scenario.named("other");
    scenario.run(&["--name", &other, "-p", "18098:80", "redis:8.0"]);
    let new = own.image("new");
    let taken = json!([{ "HostPort": "18098" }]);
    for (patch, status, what) in [
        (json!({ "Env": 7 }), 400, "Env"),
        (
            json!({ "Image": "refit-test/no-such" }),
            404,
            "No such image",
        ),
        (
            json!({ "Image": new, "HostConfig": { "PortBindings": { "80/tcp": taken } } }),
            409,
            "18098",
        ),
        // These the helper meets.
        (
            json!({ "Image": new, "HostConfig": { "Memory": 1 } }),
            400,
            "emory",
        ),
        (
            json!({ "Image": new, "HostConfig": { "Runtime": "no-such" } }),
            400,
            "no-such",
        ),
    ] {
        let answer = own.upgrade(&patch);
        assert_eq!(answer.status, status, "{patch}: {}", answer.text);
        assert_eq!(answer.text_of("Rollback"), "not needed", "{}", answer.text);
        assert!(answer.text_of("message").contains(what), "{}", answer.text);
        assert!(!scenario.exists(&own.helper()), "{patch}");
    }
    let dry = own.ask(
        "POST",
        &format!("{}?dryRun=1&pull=never", own.path()),
        &json!({ "Image": new }).to_string(),
    );
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_eq!(dry.json()["Changed"], true);
    assert!(dry.json()["Plan"]["Steps"].is_array());
    let same = own.upgrade(&json!({}));
    assert_eq!(
        (same.status, same.json()["Changed"].take()),
        (200, json!(false))
    );

    own.until_it_rests();
    assert_eq!(own.run_of(), run);
}

#[test]
fn while_the_helper_works_others_are_refused_and_a_cancel_has_it_go_back() {
    let own = Own::new("own-underway", &[]);
    let (told, run) = own.before_the_stop(|helper| {
        let second = own.upgrade(&json!({ "Image": own.image(own.other()) }));
        assert_eq!(second.status, 409, "{}", second.text);
        for container in [own.name.as_str(), &own.helper(), &helper[..12]] {
            let path = format!("/containers/{container}/stop");
            let refused = own.ask("POST", &path, "");
            assert_eq!(refused.status, 409, "{}", refused.text);
            let told = refused.text_of("message");
            assert!(told.contains("an upgrade of"), "{told}");
        }
        let cancelled = own.ask("DELETE", &own.path(), "");
        assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    });
    assert_eq!(told.status, 500, "{}", told.text);
    let message = told.text_of("message");
    assert!(message.contains("cancelled"), "{message}");
    assert_ne!(told.text_of("Rollback"), "incomplete");
    let status = own.until_it_rests();
    assert_eq!(status["State"], "failed", "{status}");
    assert_eq!(own.run_of(), run);
}

#[test]
fn the_refit_that_is_back_keeps_others_from_what_the_helper_verifies() {
    let own = Own::new("own-guarded", &[]);
    let id = own.text("/Id");
    // Long enough to be asked meanwhile.
    let change = json!({
        "Image": own.image("new"),
        "UpgradeConfig": { "Monitor": 8_000_000_000_u64 },
    });
    let target = format!("{}?pull=never&t=5", own.path());
    let answer = own.ask("POST", &target, &change.to_string());
    assert_eq!(answer.status, 202, "{}", answer.text);
    let path = format!("/containers/{}/json", own.name);
    own.scenario.until("the new one answers", |_| {
        let seen = own.try_ask("GET", &path, "");
        seen.is_ok_and(|seen| seen.status == 200 && seen.text_of("Id") != id)
    });
    let old = format!("{}.refit-old", own.name);
    let nobody = r#"?filters={"label":["refit.no-such"]}"#;
    let prune = format!("/containers/prune{nobody}");
    let [stop, start] = [(&own.name, "stop"), (&old, "start")]
        .map(|(container, verb)| format!("/containers/{container}/{verb}"));
    for path in [&prune, &stop, &start] {
        let refused = own.ask("POST", path, "");
        assert_eq!(refused.status, 409, "{path}: {}", refused.text);
        let told = refused.text_of("message");
        assert!(told.contains("an upgrade of"), "{told}");
    }
    let status = own.ask("GET", &own.path(), "");
    assert_eq!(status.text_of("State"), "unfinished", "{}", status.text);

    assert_eq!(own.until_it_rests()["State"], "upgraded");
    own.scenario.until("others may go on", |_| {
        own.ask("POST", &prune, "").status == 200
    });
}

#[test]
fn whom_refit_depends_on_is_upgraded_with_it() {
    let own = Own::without_refit("own-companion");
    let scenario = &own.scenario;
    let leader = scenario.named("vpn");
    scenario.run(&[
        "--name",
        &leader,
        "--restart",
        "always",
        "refit-test/before",
    ]);
    own.run(&["--network", &format!("container:{leader}")]);
    let ids = [&leader, &own.name].map(|name| scenario.text(name, "/Id"));
    let target = format!("/containers/{leader}/upgrade?pull=never&t=5");
    let after = monitored(&json!({ "Image": "refit-test/after" }));
    let answer = own.ask("POST", &target, &after);
    assert_eq!(answer.status, 202, "{}", answer.text);
    let helper = format!("{leader}.refit-helper");
    scenario.until("the helper is done", |s| !s.exists(&helper));
    let status = own.until_it_rests();
    assert_eq!(status["State"], "upgraded", "{status}");
    assert_eq!(scenario.text(&leader, "/Config/Image"), "refit-test/after");
    for (name, id) in [&leader, &own.name].into_iter().zip(&ids) {
        assert_ne!(scenario.text(name, "/Id"), *id);
        assert!(!scenario.exists(id));
    }
    let joined = format!("container:{}", scenario.text(&leader, "/Id"));
    assert_eq!(own.text("/HostConfig/NetworkMode"), joined);
}

#[test]
fn a_helper_that_cannot_be_made_or_started_leaves_everything_as_it_is() {
    let own = Own::without_refit("own-helpless");
    let scenario = &own.scenario;
    let program = own.program();
    let arguments = own.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    own.run_as(&["--entrypoint", &program.inside], &arguments);
    let run = own.run_of();
    let untouched = |what: &str, status: u16| {
        let answer = own.upgrade(&json!({ "Image": own.image("new") }));
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.text_of("Rollback"), "not needed");
        assert!(answer.text_of("message").contains(what), "{}", answer.text);
        assert_eq!(own.run_of(), run);
    };
    let label = scenario.label();
    scenario.docker(&["create", "--name", &own.helper(), &label, "busybox"]);
    untouched("refit-helper", 409);
    // Whoever made it keeps it.
    scenario.docker(&["rm", &own.helper()]);
    fs::remove_file(&program.outside).expect("remove it");
    untouched("no such file", 500);
    own.until_it_rests();
}

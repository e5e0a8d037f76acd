//! What is told, and when.

use compat_tests::{MARKER, Scenario, repeat, same::Running};
use serde_json::{Value, json};

use super::{IMAGES, assert_tells, event, events, fail, now, ours, run, upgrade};

/// `docker events` with these arguments through Refit, of events from now on.
fn follow(scenario: &Scenario, arguments: &[&str]) -> Running {
    let follow = ["events", "--since", &now(), "--format", "{{json .}}"];
    let side = scenario.through();
    side.docker(&[&follow[..], arguments].concat()).start()
}

#[test]
fn an_upgrade_and_a_rollback_are_told_once_each_as_they_happen() {
    let scenario = Scenario::new("told-live");
    let name = scenario.named("web");
    let mut id = run(&scenario, &name);
    let filter = format!("container={name}");
    let mut stream = follow(&scenario, &["--filter", &filter]);
    for round in 1..=repeat() {
        let [from, to] = [IMAGES[(round + 1) % 2], IMAGES[round % 2]];
        let old = id;
        upgrade(&scenario, &name, to);
        id = scenario.text(&name, "/Id");
        stream.until_times(r#""Action":"upgrade","#, round);
        let failed = fail(&scenario, &name);
        stream.until_times(r#""Action":"upgrade-rollback","#, round);
        assert_eq!(scenario.text(&name, "/Id"), id, "{}", failed.text);

        let all = events(&stream.so_far());
        let told = ours(&stream.so_far());
        assert_eq!(told.len(), 2 * round, "{told:?}");
        let [upgraded, back] = &told[2 * (round - 1)..] else {
            panic!("{told:?}");
        };
        assert_tells(upgraded, "upgrade", [&id, &old], [to, from]);
        let failed_id = back["Actor"]["Attributes"]["oldId"]
            .as_str()
            .expect("an ID");
        assert_tells(
            back,
            "upgrade-rollback",
            [&id, failed_id],
            [to, "refit-test/exits"],
        );
        // The engine's own events of the same upgrade come first.
        for (event, last) in [
            (upgraded, ("destroy", old.as_str())),
            (back, ("destroy", failed_id)),
        ] {
            let place = |is_it: &dyn Fn(&Value) -> bool| all.iter().position(is_it);
            let of_engine =
                place(&|e| (&e["Action"], &e["id"]) == (&last.0.into(), &last.1.into()));
            let at = place(&|e| e == event);
            assert!(of_engine.is_some() && of_engine < at, "{}", stream.so_far());
        }
    }
    assert!(stream.runs());
    stream.interrupt();
    stream.end();
}

#[test]
fn a_line_has_the_fields_of_the_engines_own() {
    let scenario = Scenario::new("told-fields");
    let name = scenario.named("web");
    run(&scenario, &name);
    let since = now();
    upgrade(&scenario, &name, IMAGES[1]);
    let until = now();
    for version in ["", "/v1.24", "/v1.41"] {
        let path = format!("{version}/events?since={since}&until={until}");
        let lines = scenario.ask_refit("GET", &path).text;
        let told = ours(&lines);
        assert_eq!(told.len(), 1, "{lines}");
        let started = events(&lines)
            .into_iter()
            .find(|event| event["Action"] == "start" && event["Type"] == "container")
            .expect("a start");
        let keys = |event: &Value| -> Vec<String> {
            let keys = event.as_object().expect("an object").keys();
            keys.cloned().collect()
        };
        assert_eq!(keys(&told[0]), keys(&started), "{lines}");
        assert_eq!(keys(&told[0]["Actor"]), keys(&started["Actor"]), "{lines}");
        // Everything that the engine says of the same container, it says, too, but the marker.
        for field in ["id", "from", "Type", "scope"] {
            assert_eq!(told[0][field], started[field], "{lines}");
        }
        let [ours, theirs] = [&told[0], &started].map(|event| &event["Actor"]["Attributes"]);
        for (key, value) in theirs.as_object().expect("an object") {
            let expected = (key != MARKER).then_some(value);
            assert_eq!(ours.get(key), expected, "{key}");
        }
        assert!(theirs.get(MARKER).is_some(), "{lines}");
        let mut sorted = keys(ours);
        sorted.sort_unstable();
        assert_eq!(keys(ours), sorted);
        // Character by character, too.
        let line = lines
            .lines()
            .find(|line| super::is_ours(line))
            .expect("ours");
        assert!(line.contains(r#""app":"\u003cshop\u003e""#), "{line}");
        let nanoseconds = told[0]["timeNano"].as_i64().expect("a number");
        assert_eq!(told[0]["time"], nanoseconds / 1_000_000_000);
    }
}

#[test]
fn the_docker_cli_prints_it_as_it_prints_its_own() {
    let scenario = Scenario::new("told-cli");
    let name = scenario.named("web");
    let id = run(&scenario, &name);
    let since = now();
    upgrade(&scenario, &name, IMAGES[1]);
    let filter = ["--filter", "event=upgrade"];
    let command = ["events", "--since", &since, "--until", &now()];
    let said = scenario.through().docker(&[&command[..], &filter].concat());
    let out = said.said().out();
    let is = scenario.text(&name, "/Id");
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains(&format!(" container upgrade {is} (")), "{out}");
    for attribute in [
        format!("oldId={id}"),
        format!("name={name}"),
        format!("image={}", IMAGES[1]),
        format!("oldImage={}", IMAGES[0]),
    ] {
        assert!(out.contains(&attribute), "{attribute}: {out}");
    }
}

#[test]
fn what_touched_nothing_is_not_told() {
    let scenario = Scenario::new("told-nothing");
    let name = scenario.named("web");
    run(&scenario, &name);
    let since = now();
    let upgrade = format!("/containers/{name}/upgrade");
    for (path, body, status) in [
        (
            format!("{upgrade}?dryRun=1"),
            json!({ "Image": IMAGES[1] }),
            200,
        ),
        (upgrade.clone(), json!({}), 200),
        (
            format!("{upgrade}?pull=never"),
            json!({ "Image": "refit-test/missing" }),
            404,
        ),
        (
            format!("{upgrade}?pull=never"),
            json!({ "Image": IMAGES[1], "HostConfig": { "NetworkMode": "refit-no-such" } }),
            404,
        ),
        (
            upgrade.clone(),
            json!({ "HostConfig": { "Memory": 1 } }),
            400,
        ),
    ] {
        let answer = scenario.post(&path, &body.to_string());
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
    }
    let path = format!("/events?since={since}&until={}", now());
    let told = ours(&scenario.ask_refit("GET", &path).text);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn what_a_new_refit_finishes_and_takes_back_it_tells() {
    let mut scenario = Scenario::new("told-recovery");
    let [good, bad] = ["good", "bad"].map(|what| scenario.named(what));
    let ids = [&good, &bad].map(|name| run(&scenario, name));
    let since = now();
    let body = json!({
        "Image": IMAGES[1], "UpgradeConfig": { "Monitor": 10_000_000_000_u64 },
    });
    let upgrades = [&good, &bad].map(|name| {
        let path = format!("/containers/{name}/upgrade?pull=never&t=5");
        scenario.spawn_post(&path, &body.to_string(), &[])
    });
    for name in [&good, &bad] {
        scenario.until("it is verified", |s| {
            let answer = s.ask_refit("GET", &format!("/containers/{name}/upgrade"));
            answer.text_of("Step") == "verify"
        });
    }
    scenario.kill_refit();
    for mut upgrade in upgrades {
        upgrade.wait().expect("curl");
    }
    // The replacement of the second ends.
    scenario.docker(&["stop", "-t", "1", &bad]);
    let failed = scenario.text(&bad, "/Id");
    scenario.start_refit();
    let path = format!("/events?since={since}&until={}", now());
    let told = ours(&scenario.ask_refit("GET", &path).text);
    let of = |name: &str| {
        let mut of = told
            .iter()
            .filter(|e| e["Actor"]["Attributes"]["name"] == name);
        let one = of.next().expect("one");
        assert!(of.next().is_none(), "{told:?}");
        one
    };
    let is = scenario.text(&good, "/Id");
    assert_tells(of(&good), "upgrade", [&is, &ids[0]], [IMAGES[1], IMAGES[0]]);
    assert_tells(of(&bad), "upgrade-rollback", [&ids[1], &failed], IMAGES);
}

#[test]
fn a_stream_that_ends_by_itself_tells_before() {
    let scenario = Scenario::new("told-until");
    let name = scenario.named("web");
    let id = run(&scenario, &name);
    // Whoever watches the original is told what has become of it.
    let watch = [
        "--filter",
        "event=upgrade",
        "--filter",
        &format!("container={id}"),
    ];
    // The CLI reckons it from now.
    let mut stream = follow(&scenario, &[&["--until", "-10s"], &watch[..]].concat());
    upgrade(&scenario, &name, IMAGES[1]);
    assert!(stream.runs());
    let said = stream.end();
    let told = said.out();
    assert_eq!((said.code, told.lines().count()), (Some(0), 1), "{told}");
    assert_eq!(event(told.trim_end())["Action"], "upgrade");
}

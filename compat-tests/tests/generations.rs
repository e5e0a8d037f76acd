//! Going back to the generation before, and forth again; and what is told of those that there were.

use compat_tests::{Answer, MARKER, Scenario, docker};
use serde_json::{Value, json};

fn redis(scenario: &Scenario, name: &str, command: &[&str]) -> String {
    scenario.docker(&[&["exec", name, "redis-cli"], command].concat())
}

fn until_it_answers(scenario: &Scenario, name: &str) {
    scenario.until("redis answers", |s| {
        docker(&s.engine(), &["exec", name, "redis-cli", "ping"], b"").stdout == b"PONG\n"
    });
}

/// Goes back, with a short `Monitor`.
fn go_back(scenario: &Scenario, name: &str, query: &str) -> Answer {
    let config = json!({ "UpgradeConfig": { "Monitor": 200_000_000_u64 } });
    let path = format!("/containers/{name}/upgrade?rollback=1&t=5{query}");
    scenario.post(&path, &config.to_string())
}

fn status(scenario: &Scenario, name: &str) -> Value {
    let told = scenario.ask_refit("GET", &format!("/containers/{name}/upgrade"));
    assert_eq!(told.status, 200, "{}", told.text);
    told.json()
}

/// What inspect prints of a container, but for what no other container has: its ID, and what is made of
/// it or of the moment; and for Refit's marker.
fn seen(scenario: &Scenario, name: &str) -> Value {
    let mut document = scenario.inspect(name, "");
    let id = document["Id"].as_str().expect("an ID").to_owned();
    let mut seen = json!({});
    for field in [
        "Name",
        "Path",
        "Args",
        "Image",
        "Platform",
        "Driver",
        "MountLabel",
        "HostConfig",
        "Config",
    ] {
        seen[field] = document[field].take();
    }
    let labels = seen["Config"]["Labels"].as_object_mut();
    labels.expect("labels").shift_remove(MARKER);
    let mut mounts: Vec<String> = document["Mounts"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| {
            format!(
                "{} {} {} {}",
                m["Type"], m["Name"], m["Destination"], m["RW"]
            )
        })
        .collect();
    mounts.sort();
    seen["Mounts"] = json!(mounts);
    seen["Ports"] = document["NetworkSettings"]["Ports"].take();
    let networks = document["NetworkSettings"]["Networks"].as_object();
    for (network, endpoint) in networks.expect("networks") {
        let mut endpoint = endpoint.clone();
        let of_itself = endpoint.as_object_mut().expect("an endpoint");
        for field in ["EndpointID", "MacAddress"] {
            of_itself.shift_remove(field);
        }
        for names in ["Aliases", "DNSNames"] {
            if let Some(names) = endpoint[names].as_array_mut() {
                names.retain(|name| name != &id[..12] && *name != seen["Config"]["Hostname"]);
                names.sort_by_key(Value::to_string);
            }
        }
        seen["Networks"][network] = endpoint;
    }
    seen
}

/// But for the form in which volumes are asked for: by their names and with nocopy since.
fn but_for_binds(mut seen: Value) -> Value {
    seen["HostConfig"]["Binds"] = Value::Null;
    seen
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one container, looked at from all sides"
)]
fn redis_goes_back_to_what_it_was_and_forth_again() {
    let scenario = Scenario::new("generations");
    let [name, network, volume] = ["db", "net", "data"].map(|what| scenario.named(what));
    scenario.docker(&["network", "create", "--subnet", "10.211.9.0/24", &network]);
    let data = format!("{volume}:/data");
    let original = scenario.run(
        &[
            &[
                "--name",
                &name,
                "--network",
                &network,
                "--network-alias",
                "cache",
            ][..],
            &[
                "-p",
                "127.0.0.1:26479:6379",
                "--restart",
                "on-failure:3",
                "--memory",
                "256m",
            ],
            &[
                "--label",
                "owner=alice",
                "-e",
                "LEVEL=info",
                "-e",
                "TOKEN=secret",
            ],
            &["-v", &data, "-v", "/scratch", "redis:7.0", "redis-server"],
            // What both versions read: Redis 7 does not read a dump of Redis 8.
            &["--dir", "/data", "--appendonly", "yes", "--save", ""],
        ]
        .concat(),
    );
    until_it_answers(&scenario, &name);
    redis(&scenario, &name, &["set", "before", "1"]);
    let first = seen(&scenario, &name);

    let patch = json!({
        "Image": "redis:8.0", "Env": ["LEVEL=debug", "TOKEN"], "Hostname": "other",
        "Labels": { "owner": null, "tier": "cache" },
        "HostConfig": {
            "Memory": 512 << 20, "RestartPolicy": { "Name": "always" },
            "PortBindings": { "6379/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "26480" }] },
        },
        "NetworkingConfig": { "EndpointsConfig": { (network): { "Aliases": ["store"] } } },
    });
    let upgraded = scenario.upgrade_with(&name, &patch);
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    until_it_answers(&scenario, &name);
    redis(&scenario, &name, &["set", "since", "2"]);
    let second = seen(&scenario, &name);
    assert_ne!(but_for_binds(first.clone()), but_for_binds(second.clone()));

    let planned = go_back(&scenario, &name, "&dryRun=1");
    let diff = planned.json()["Plan"]["Diff"].take();
    let paths: Vec<&Value> = diff
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| &c["Path"])
        .collect();
    for path in ["Image", "Env.LEVEL", "Labels.owner", "HostConfig.Memory"] {
        assert!(paths.contains(&&json!(path)), "{path}: {}", planned.text);
    }
    assert_eq!(
        diff[0]["Because"], "from the generation before",
        "{}",
        planned.text
    );

    let back = go_back(&scenario, &name, "");
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(back.text_of("Image"), "redis:7.0");
    assert_eq!(back.json()["Previous"]["Id"], upgraded.json()["Id"]);
    let warnings = back.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("volumes are as they are now"),
        "{warnings:?}"
    );
    until_it_answers(&scenario, &name);
    let third = seen(&scenario, &name);
    assert_eq!(but_for_binds(third.clone()), but_for_binds(first));
    for (key, value) in [("before", "1"), ("since", "2")] {
        assert_eq!(redis(&scenario, &name, &["get", key]), value);
    }

    // Forth, and back once more: of the same form by now.
    for (image, expected) in [("redis:8.0", &second), ("redis:7.0", &third)] {
        let gone = go_back(&scenario, &name, "");
        assert_eq!(
            (gone.status, &*gone.text_of("Image")),
            (200, image),
            "{}",
            gone.text
        );
        until_it_answers(&scenario, &name);
        assert_eq!(&seen(&scenario, &name), expected);
        assert_eq!(redis(&scenario, &name, &["get", "since"]), "2");
    }

    let told = status(&scenario, &name);
    let generations = told["Generations"].as_array().expect("a list");
    let images: Vec<&Value> = generations.iter().map(|former| &former["Image"]).collect();
    assert_eq!(images, ["redis:8.0", "redis:7.0", "redis:8.0", "redis:7.0"]);
    assert_eq!(generations[3]["Id"], json!(original));
    for former in generations {
        assert_eq!(former["CanRollback"], true, "{told}");
        let time = former["ReplacedAt"].as_str().expect("a time");
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    let label = scenario.text(&name, &format!("/Config/Labels/{MARKER}"));
    assert!(label.len() < 8_000, "{} bytes: {label}", label.len());
    assert!(!label.contains("secret"), "{label}");
}

#[test]
fn what_cannot_be_gone_back_to_is_named_and_nothing_is_touched() {
    let scenario = Scenario::new("no-way-back");
    let [name, volume] = ["web", "data"].map(|what| scenario.named(what));
    let image = scenario.build("old", &["serve"], "CMD [\"serve\"]");
    let data = format!("{volume}:/data");
    let first = scenario.run(&["--name", &name, "--restart", "always", "-v", &data, &image]);
    let never = go_back(&scenario, &name, "");
    assert_eq!(never.status, 409, "{}", never.text);
    assert!(
        never.text_of("message").contains("was never upgraded"),
        "{}",
        never.text
    );
    scenario.assert_original(&name, &first);

    let other = scenario.build("new", &["serve", "new"], "CMD [\"serve\"]");
    let upgraded = scenario.upgrade_with(
        &name,
        &json!({ "Image": other, "HostConfig": { "Binds": null } }),
    );
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let id = upgraded.text_of("Id");
    let refused = |answer: Answer, status: u16, told: &str| {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.text_of("message").contains(told), "{}", answer.text);
        assert_eq!(answer.text_of("Rollback"), "not needed");
        scenario.assert_original(&name, &id);
    };
    scenario.docker(&["volume", "rm", &volume]);
    refused(
        go_back(&scenario, &name, ""),
        409,
        &format!("the volume {volume}"),
    );
    let there = scenario.docker(&["volume", "ls", "-q", "--filter", &format!("name={volume}")]);
    assert_eq!(there, "", "it was made anew");
    scenario.docker(&["volume", "create", &volume]);
    scenario.forget_image(&image);
    refused(go_back(&scenario, &name, "&pull=never"), 404, &image);
    let path = format!("/containers/{name}/upgrade?rollback=1");
    refused(
        scenario.post(&path, r#"{"Image": "busybox"}"#),
        400,
        "Image",
    );
}

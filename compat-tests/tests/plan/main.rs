//! What is planned is what happens.

mod fields;
mod images;
mod volumes;
mod warned;

use std::collections::BTreeMap;

use compat_tests::Scenario;
use serde_json::{Value, json};

/// Whether a whole field says no more than that nothing was said.
fn is_nothing(path: &str, value: &Value) -> bool {
    let nothing = [
        json!(null),
        json!(""),
        json!(false),
        json!(0),
        json!([]),
        json!({}),
    ];
    let is_field = path.matches('.').count() == usize::from(path.starts_with("HostConfig"));
    is_field && nothing.contains(value)
}

/// What inspect prints of a container, by the paths of a diff.
fn values(scenario: &Scenario, name: &str) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let mut put = |path: String, value: &Value| {
        if !is_nothing(&path, value) {
            values.insert(path, value.clone());
        }
    };
    let fields = |pointer: &str| {
        let part = scenario.inspect(name, pointer);
        part.as_object().cloned().unwrap_or_default()
    };
    put("ImageId".to_owned(), &scenario.inspect(name, "/Image"));
    for (field, value) in fields("/Config") {
        match field.as_str() {
            "Env" => {
                let entries = value.as_array().into_iter().flatten();
                for entry in entries.filter_map(Value::as_str) {
                    if let Some((variable, value)) = entry.split_once('=') {
                        put(format!("Env.{variable}"), &json!(value));
                    }
                }
            }
            "Labels" | "ExposedPorts" | "Volumes" | "Healthcheck" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    put(format!("{field}.{key}"), value);
                }
            }
            _ => put(field, &value),
        }
    }
    for (field, value) in fields("/HostConfig") {
        match (field.as_str(), &value) {
            ("PortBindings" | "Sysctls" | "Tmpfs", Value::Object(map)) => {
                for (key, value) in map {
                    put(format!("HostConfig.{field}.{key}"), value);
                }
            }
            _ => put(format!("HostConfig.{field}"), &value),
        }
    }
    values.remove("Labels.io.refit.upgrade");
    values
}

#[test]
fn a_dry_run_touches_nothing_and_says_what_an_upgrade_then_does() {
    let scenario = Scenario::new("dry");
    let (name, network) = (scenario.named("db"), scenario.named("net"));
    // Of its own: on the default one, others change which address is free.
    scenario.docker(&["network", "create", &network]);
    scenario.run(&[
        "--name",
        &name,
        "--network",
        &network,
        "--env=MINE=1",
        "--label=owner=alice",
        "--publish=6379",
        "--memory=128m",
        "--restart=always",
        "--tmpfs=/scratch",
        "--volume=/image",
        "redis:7.0",
    ]);
    let before = values(&scenario, &name);
    let started = scenario.inspect(&name, "/State/StartedAt");
    let body = json!({
        "Image": "refit-test/other",
        "Env": ["MINE=2", "TZ=UTC", "REDIS_VERSION"],
        "Labels": { "tier": "cache" },
        "Cmd": ["sleep", "1000"],
        "HostConfig": { "Memory": 64 << 20, "Tmpfs": { "/scratch": null, "/other": "size=1m" } },
        "UpgradeConfig": { "Monitor": 500_000_000 },
    })
    .to_string();
    let path = |query: &str| format!("/containers/{name}/upgrade?pull=never&t=5{query}");
    let planned = scenario.post(&path("&dryRun=1"), &body);
    assert_eq!(planned.status, 200, "{}", planned.text);
    let planned = planned.json();
    assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
    assert_eq!(values(&scenario, &name), before);
    assert!(!scenario.exists(&format!("{name}.refit-new")));
    assert_eq!(planned["Changed"], true);
    assert_eq!(planned["Plan"]["Create"]["Image"], "refit-test/other");
    let steps = [
        "create", "hold", "disarm", "stop", "park", "rename", "start", "verify", "commit",
    ];
    assert_eq!(planned["Plan"]["Steps"], json!(steps));

    let upgraded = scenario.post(&path(""), &body);
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(upgraded.json()["Warnings"], planned["Warnings"]);
    let mut expected = before;
    for change in planned["Plan"]["Diff"].as_array().unwrap() {
        let path = change["Path"].as_str().unwrap();
        let (from, to) = (&change["From"], &change["To"]);
        match expected.remove(path) {
            Some(was) => assert_eq!(*from, was, "{path}"),
            None => assert!(from.is_null() || is_nothing(path, from), "{path}: {from}"),
        }
        if !to.is_null() && !is_nothing(path, to) {
            expected.insert(path.to_owned(), to.clone());
        }
    }
    assert_eq!(values(&scenario, &name), expected);
}

#[test]
fn a_dry_run_pulls_only_if_it_is_told_to() {
    let scenario = Scenario::new("dry-pull");
    let name = scenario.named("db");
    let image = format!("{}/redis:8.0", compat_tests::variable("REFIT_REGISTRY"));
    scenario.forget_image(&image);
    scenario.run(&["--name", &name, "redis:7.0"]);
    let path = format!("/containers/{name}/upgrade?dryRun=true");
    let body = json!({ "Image": image }).to_string();
    let missing = scenario.post(&path, &body);
    assert_eq!(missing.status, 404, "{}", missing.text);
    assert!(missing.text_of("message").contains("pull=always"));
    let pulled = scenario.post(&format!("{path}&pull=always"), &body);
    assert_eq!(pulled.status, 200, "{}", pulled.text);
    assert_eq!(pulled.json()["Changed"], true);
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:7.0");
}

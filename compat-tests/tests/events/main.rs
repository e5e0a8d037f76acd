//! `GET /events`: an upgrade is one event more, a rollback is one, and nothing else is changed.

mod busy;
mod past;
mod told;

use std::time::{SystemTime, UNIX_EPOCH};

use compat_tests::{Answer, MARKER, Scenario};
use serde_json::{Value, json};

/// The two images of the upgrades, which differ in a file.
const IMAGES: [&str; 2] = ["refit-test/before", "refit-test/after"];

/// Now, as `events` takes it.
fn now() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a time");
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

/// Runs a container of the first image with this name; returns its ID.
fn run(scenario: &Scenario, name: &str) -> String {
    scenario.run(&["--name", name, "--label", "app=<shop>", IMAGES[0]])
}

/// Upgrades a container to this image.
fn upgrade(scenario: &Scenario, name: &str, image: &str) -> Answer {
    let upgraded = scenario.upgrade_with(name, &json!({ "Image": image }));
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(upgraded.json()["Changed"], true, "{}", upgraded.text);
    upgraded
}

/// An upgrade to an image whose process ends at once, so that the original comes back.
fn fail(scenario: &Scenario, name: &str) -> Answer {
    let failed = scenario.upgrade_in_vain(name, &json!({ "Image": "refit-test/exits" }));
    assert_eq!(failed.text_of("Rollback"), "restored", "{}", failed.text);
    failed
}

/// Whether a line is an event that Refit has put in: the engine knows no such action.
fn is_ours(line: &str) -> bool {
    line.contains(r#""Action":"upgrade"#)
}

/// The JSON of a line.
fn event(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The events among some lines of JSON.
fn events(lines: &str) -> Vec<Value> {
    let lines = lines.lines().filter(|line| line.starts_with('{'));
    lines.map(event).collect()
}

/// Our events among some lines.
fn ours(lines: &str) -> Vec<Value> {
    let lines = lines.lines().filter(|line| is_ours(line));
    lines.map(event).collect()
}

/// The output of an answer as it came, without our events: each is a chunk of its own where there
/// are chunks.
fn without_ours(text: &str, has_chunks: bool) -> String {
    let mut without = text.to_owned();
    for line in text.lines().filter(|line| is_ours(line)) {
        let line = format!("{line}\n");
        let chunk = if has_chunks {
            format!("{:x}\r\n{line}\r\n", line.len())
        } else {
            line
        };
        let at = without.find(&chunk).expect("a chunk of its own");
        without.replace_range(at..at + chunk.len(), "");
    }
    without
}

/// What an event says of the containers of an upgrade.
fn assert_tells(
    event: &Value,
    action: &str,
    [id, old_id]: [&str; 2],
    [image, old_image]: [&str; 2],
) {
    let attributes = &event["Actor"]["Attributes"];
    let told = [
        &event["Type"],
        &event["Action"],
        &event["Actor"]["ID"],
        &attributes["image"],
        &attributes["oldId"],
        &attributes["oldImage"],
        &attributes["app"],
        &event["scope"],
    ];
    let expected = [
        "container",
        action,
        id,
        image,
        old_id,
        old_image,
        "<shop>",
        "local",
    ];
    assert_eq!(told, expected.map(Value::from).each_ref(), "{event}");
    // It tells of all generations.
    assert_eq!(attributes.get(MARKER), None, "{event}");
    let transaction = attributes["transaction"].as_str().expect("a text");
    assert_eq!(transaction.len(), 36, "{event}");
}

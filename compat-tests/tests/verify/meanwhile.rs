//! What happens to a replacement between two looks at it.

use compat_tests::{Answer, Scenario, answer};
use serde_json::{Value, json};

use super::{MS, Original, body, script};

/// Upgrades with this patch, whose replacement says `ready` once it has run for a while; `meanwhile`
/// happens while it is verified, and Refit stands still, so that it sees nothing of it.
fn upgrade(
    original: &Original<'_>,
    patch: &Value,
    monitor: u64,
    meanwhile: impl FnOnce(&Scenario),
) -> Answer {
    let scenario = original.scenario;
    let body = body(patch, &json!({ "Monitor": monitor }));
    let curl = scenario.spawn_post(&original.path(), &body, &[]);
    let old = format!("{}.refit-old", original.name);
    scenario.until("the replacement is being verified", |s| {
        s.exists(&old) && s.exists(&original.name) && s.docker(&["logs", &original.name]) == "ready"
    });
    scenario.hold_refit();
    meanwhile(scenario);
    scenario.release_refit();
    answer(&curl.wait_with_output().expect("curl"))
}

/// A `Monitor` that ends long after Refit is stopped, and which one that fails does not wait for.
const LONG: u64 = 15_000 * MS;

/// Runs for a while, says so, and goes on.
fn ready() -> Value {
    script("sleep 0.5; echo ready; exec stay")
}

#[test]
fn one_that_its_policy_restarted_unseen_fails_with_the_exit_code_of_its_first_run() {
    let scenario = Scenario::new("restarted");
    let original = Original::run(&scenario, "web", &["--restart", "always"]);
    let patch = script(
        "if [ -e ran ]; then exec stay; fi; touch ran; sleep 0.5; echo ready; \
         until [ -e end ]; do sleep 0.1; done; echo ending; exit 5",
    );
    let failed = upgrade(&original, &patch, LONG, |s| {
        s.docker(&["exec", &original.name, "touch", "end"]);
        s.until("it is restarted", |_| {
            original.inspect("/RestartCount") == 1 && original.inspect("/State/Status") == "running"
        });
    });
    let told = [
        "its process ended with exit code 5 and was restarted by its policy (restart count 1)",
        "ready\nending\n",
    ];
    original.assert_restored(&failed, "verify", &told);
}

#[test]
fn one_that_somebody_started_again_unseen_fails() {
    let scenario = Scenario::new("again");
    let original = Original::run(&scenario, "web", &[]);
    let failed = upgrade(&original, &ready(), LONG, |s| {
        s.docker(&["kill", &original.name]);
        s.docker(&["start", &original.name]);
    });
    let told = "its process ended with exit code 137 and was started again by somebody";
    original.assert_restored(&failed, "verify", &[told]);
}

#[test]
fn one_that_somebody_paused_counts_as_running_and_stays_paused() {
    let scenario = Scenario::new("frozen");
    let original = Original::run(&scenario, "web", &[]);
    let upgraded = upgrade(&original, &ready(), 8000 * MS, |s| {
        s.docker(&["pause", &original.name]);
    });
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(upgraded.json()["Running"], false);
    assert_eq!(original.inspect("/State/Status"), "paused");
    assert_eq!(original.inspect("/Id"), upgraded.json()["Id"]);
    assert_eq!(original.all(), [original.name.as_str()]);
}

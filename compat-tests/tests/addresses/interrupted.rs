//! Refit or dockerd is killed while placeholders stand.

use std::time::Duration;

use compat_tests::{Scenario, answer, engines, repeat};
use serde_json::json;

use super::{addresses, assert_clear, begin, good, network, run_above};

/// Its placeholders.
fn placeholders(scenario: &Scenario) -> Vec<String> {
    let label = "label=io.refit.placeholder";
    let names = scenario.docker(&["ps", "-a", "--filter", label, "--format", "{{.Names}}"]);
    names.lines().map(str::to_owned).collect()
}

#[test]
fn refit_is_killed_while_the_replacement_is_verified() {
    let mut scenario = Scenario::new("address-killed");
    let net = network(&scenario, "net", &["--subnet", "10.99.20.0/24"]);
    let name = scenario.named("web");
    run_above(&scenario, &name, &[&net], 2);
    let before = addresses(&scenario, &name);
    for round in 0..repeat() {
        let id = scenario.text(&name, "/Id");
        let patch = json!({ "Env": [format!("ROUND={round}")] });
        let mut upgrade = begin(&scenario, &name, patch, Duration::from_secs(2));
        scenario.until_step(&name, "verify");
        let standing = placeholders(&scenario);
        assert_eq!(standing.len(), 2, "{standing:?}");
        scenario.kill_refit();
        upgrade.wait().expect("curl");
        assert_eq!(placeholders(&scenario), standing);
        scenario.start_refit();
        assert_clear(&scenario);
        assert!(!scenario.exists(&id), "recovery has finished it");
        assert_eq!(addresses(&scenario, &name), before);
    }
}

#[test]
fn refit_is_killed_and_the_original_comes_back_on_its_address() {
    let mut scenario = Scenario::new("address-killed-back");
    let net = network(&scenario, "net", &["--ipv6", "--subnet", "fd00:99:21::/64"]);
    let name = scenario.named("web");
    let id = run_above(&scenario, &name, &["bridge", &net], 2);
    let before = addresses(&scenario, &name);
    for _ in 0..repeat() {
        let mut upgrade = begin(&scenario, &name, good(), Duration::from_secs(30));
        scenario.until_step(&name, "verify");
        scenario.kill_refit();
        upgrade.wait().expect("curl");
        // Whoever recovers it finds a replacement that does not run.
        scenario.docker(&["kill", &name]);
        // And no placeholder that does.
        for placeholder in placeholders(&scenario) {
            scenario.docker(&["kill", &placeholder]);
        }
        scenario.start_refit();
        scenario.assert_original(&name, &id);
        assert_eq!(addresses(&scenario, &name), before);
        assert_clear(&scenario);
    }
}

#[test]
fn refit_is_killed_while_placeholders_are_made() {
    let mut scenario = Scenario::new("address-killed-early");
    let net = network(&scenario, "net", &["--subnet", "10.99.22.0/24"]);
    let name = scenario.named("web");
    let id = run_above(&scenario, &name, &[&net], 9);
    let before = addresses(&scenario, &name);
    for _ in 0..repeat() {
        let mut upgrade = begin(&scenario, &name, good(), Duration::from_secs(2));
        scenario.until("one is made", |s| !placeholders(s).is_empty());
        scenario.kill_refit();
        upgrade.wait().expect("curl");
        scenario.start_refit();
        scenario.assert_original(&name, &id);
        assert_eq!(addresses(&scenario, &name), before);
        // What the engine was making for the dead one may come late.
        scenario.kill_refit();
        scenario.start_refit();
        assert_clear(&scenario);
    }
}

#[test]
fn dockerd_is_killed_while_placeholders_stand() {
    let scenario = Scenario::new("address-dockerd");
    let net = network(&scenario, "net", &["--subnet", "10.99.23.0/24"]);
    let name = scenario.named("web");
    let id = run_above(&scenario, &name, &[&net], 2);
    let before = addresses(&scenario, &name);
    for _ in 0..repeat() {
        let patch = json!({ "Cmd": ["sh", "-c", "sleep 4"] });
        let mut upgrade = begin(&scenario, &name, patch, Duration::from_secs(30));
        scenario.until_step(&name, "verify");
        engines::manage("kill");
        let is_too_late = upgrade.try_wait().expect("curl").is_some();
        engines::manage("start");
        assert!(!is_too_late, "it came too late");
        let told = answer(&upgrade.wait_with_output().expect("curl"));
        assert_eq!(told.status, 500, "{}", told.text);
        scenario.until("it is over", |s| placeholders(s).is_empty());
        scenario.assert_original(&name, &id);
        assert_eq!(addresses(&scenario, &name), before, "{}", told.text);
        scenario.until("the image is gone", |s| {
            let label = "label=io.refit.placeholder";
            s.docker(&["images", "-q", "--filter", label]).is_empty()
        });
    }
}

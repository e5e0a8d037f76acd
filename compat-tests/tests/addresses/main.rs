//! The replacement answers on the original's addresses, and so does the original where it comes back.
//!
//! A container starts on the lowest free address, so each original here has some below it that were
//! left: whatever starts in its place would get one of them.

mod interrupted;
mod kept;
mod neighbours;
mod others;

use std::{process::Child, time::Duration};

use compat_tests::{Answer, Scenario};
use serde_json::{Value, json};

/// A container that ends as soon as it is asked to.
const SLEEPER: [&str; 5] = ["--stop-signal", "KILL", "busybox", "sleep", "100000"];

/// A change that makes an upgrade due, and comes up.
fn good() -> Value {
    json!({ "Env": ["UPGRADED=1"] })
}

/// A change that makes an upgrade due, and ends at once.
fn bad() -> Value {
    json!({ "Cmd": ["false"] })
}

/// The same, where no other address will do.
fn strictly(mut patch: Value) -> Value {
    patch["UpgradeConfig"]["RequireSameAddress"] = json!(true);
    patch
}

/// Runs a container on these networks; returns its ID.
fn run(scenario: &Scenario, name: &str, networks: &[&str], options: &[&str]) -> String {
    let (first, further) = networks.split_first().expect("a network");
    let options = [&["--name", name, "--network", *first], options, &SLEEPER].concat();
    let id = scenario.run(&options);
    for network in further {
        scenario.docker(&["network", "connect", network, name]);
    }
    id
}

/// Runs a container on these networks, with so many addresses below it that are free; returns its ID.
fn run_above(scenario: &Scenario, name: &str, networks: &[&str], gap: usize) -> String {
    let below: Vec<String> = (0..gap).map(|n| format!("{name}-below-{n}")).collect();
    for other in &below {
        run(scenario, other, networks, &[]);
    }
    let id = run(scenario, name, networks, &["--restart", "always"]);
    for other in &below {
        scenario.remove(other);
    }
    id
}

/// The addresses of a container on each of its networks.
fn addresses(scenario: &Scenario, name: &str) -> Vec<String> {
    let networks = scenario.document(name)["NetworkSettings"]["Networks"].take();
    let networks = networks.as_object().expect("networks").iter();
    let line = |(network, endpoint): (&String, &Value)| {
        let [ipv4, ipv6] = ["IPAddress", "GlobalIPv6Address"]
            .map(|field| endpoint[field].as_str().unwrap_or_default().to_owned());
        assert!(!ipv4.is_empty(), "no address on {network}");
        format!("{network} {ipv4} {ipv6}")
    };
    networks.map(line).collect()
}

/// Nothing of an upgrade is left: neither placeholders nor their images.
fn assert_clear(scenario: &Scenario) {
    let label = "label=io.refit.placeholder";
    let names = scenario.docker(&["ps", "-a", "--filter", label, "--format", "{{.Names}}"]);
    assert_eq!(names, "", "placeholders are left");
    let images = scenario.docker(&["images", "--filter", label, "--format", "{{.Tag}}"]);
    assert_eq!(images, "", "images are left");
}

/// Upgrades a container; it must succeed, on its addresses, and leave nothing.
fn upgrade_in_place(scenario: &Scenario, name: &str, patch: &Value) -> Answer {
    let before = addresses(scenario, name);
    let answer = scenario.upgrade_with(name, patch);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(addresses(scenario, name), before, "{}", answer.text);
    assert_clear(scenario);
    answer
}

/// Begins to upgrade a container, which is watched for so long.
fn begin(scenario: &Scenario, name: &str, mut change: Value, monitor: Duration) -> Child {
    let monitor = u64::try_from(monitor.as_nanos()).expect("a number");
    change["UpgradeConfig"]["Monitor"] = json!(monitor);
    let path = format!("/containers/{name}/upgrade?pull=never&t=5");
    scenario.spawn_post(&path, &change.to_string(), &[])
}

/// Makes a network; returns its name.
fn network(scenario: &Scenario, what: &str, options: &[&str]) -> String {
    let name = scenario.named(what);
    scenario.docker(&[&["network", "create"], options, &[name.as_str()]].concat());
    name
}

//! Every ID that a container had before its upgrades goes on naming it, wherever the API takes a
//! container.

mod bodies;
mod commands;
mod knows;
mod lasts;

use std::{
    process::Output,
    time::{SystemTime, UNIX_EPOCH},
};

use compat_tests::{Scenario, docker};
use serde_json::json;

/// Says "tick" ten times a second, and has made a file.
const TICKS: &str = "touch /made; while :; do echo tick; sleep 0.1; done";

/// A container that is upgraded again and again.
struct Lineage<'a> {
    scenario: &'a Scenario,
    name: String,
    /// The IDs that it had before, the first one first.
    earlier: Vec<String>,
    /// The ID that it has.
    current: String,
}

impl<'a> Lineage<'a> {
    /// One that was not upgraded yet, made with these options of `docker run`.
    fn new(scenario: &'a Scenario, what: &str, options: &[&str]) -> Self {
        let name = scenario.named(what);
        // It ends at once when it is asked to.
        let fixed = ["--name", &name, "--stop-signal", "KILL"];
        let current = scenario.run(&[&fixed, options, &["busybox", "sh", "-c", TICKS]].concat());
        Self {
            scenario,
            name,
            earlier: Vec::new(),
            current,
        }
    }

    /// One more generation.
    fn upgrade(&mut self) {
        self.upgrade_by(&self.name.clone());
    }

    /// As [`Lineage::upgrade`], asked for by this reference.
    fn upgrade_by(&mut self, reference: &str) {
        let generation = self.earlier.len().to_string();
        let patch = json!({ "Labels": { "generation": generation } });
        let answer = self.scenario.upgrade_with(reference, &patch);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["Changed"], true, "{}", answer.text);
        let current = answer.text_of("Id");
        self.earlier
            .push(std::mem::replace(&mut self.current, current));
    }

    /// The ways to refer to an earlier generation.
    fn references(&self, generation: usize) -> [&str; 3] {
        let id = self.earlier[generation].as_str();
        [id, &id[..12], &id[..7]]
    }

    /// The status of the container, as the engine itself knows it.
    fn status(&self) -> String {
        self.scenario.text(&self.current, "/State/Status")
    }
}

/// The docker CLI through Refit; what it prints. It must succeed.
fn through(scenario: &Scenario, arguments: &[&str]) -> String {
    let output = docker(&scenario.refit(), arguments, b"");
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    printed(&output)
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// Until when events are asked for, as the API takes a time.
fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    format!("{:.3}", now.expect("a time").as_secs_f64())
}

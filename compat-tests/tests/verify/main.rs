//! Replacements that do not run as they should are rolled back, and the answer says how they failed.

mod ends;
mod health;
mod meanwhile;

use compat_tests::{Answer, Scenario};
use serde_json::{Value, json};

/// One millisecond in the API's unit.
const MS: u64 = 1_000_000;

/// A container that is to be upgraded.
struct Original<'a> {
    scenario: &'a Scenario,
    name: String,
    before: Value,
}

impl<'a> Original<'a> {
    /// A running one, made with these options of `docker run`.
    fn run(scenario: &'a Scenario, what: &str, options: &[&str]) -> Self {
        let name = scenario.named(what);
        scenario.run(&[&["--name", &name][..], options, &["refit-test/before"]].concat());
        let before = state(scenario, &name);
        Self {
            scenario,
            name,
            before,
        }
    }

    fn path(&self) -> String {
        format!("/containers/{}/upgrade?pull=never", self.name)
    }

    /// Asks for an upgrade with this patch and `UpgradeConfig`.
    fn upgrade(&self, patch: &Value, config: &Value) -> Answer {
        self.scenario.post(&self.path(), &body(patch, config))
    }

    /// The upgrade failed at `step`, the message tells all of `told`, and the original is what it
    /// was, with nothing beside it.
    fn assert_restored(&self, failed: &Answer, step: &str, told: &[&str]) {
        let message = failed.text_of("message");
        assert_eq!(failed.status, 500, "{}", failed.text);
        assert_eq!(failed.text_of("Step"), step, "{message}");
        assert_eq!(failed.text_of("Rollback"), "restored", "{message}");
        for text in told {
            assert!(message.contains(text), "{text} is not in: {message}");
        }
        assert_eq!(state(self.scenario, &self.name), self.before);
        assert_eq!(self.all(), [self.name.as_str()]);
    }

    /// The names of the containers that are called like it.
    fn all(&self) -> Vec<String> {
        let filter = format!("name={}", self.name);
        let list = ["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"];
        let names = self.scenario.docker(&list);
        names.lines().map(str::to_owned).collect()
    }

    fn inspect(&self, pointer: &str) -> Value {
        self.scenario.inspect(&self.name, pointer)
    }
}

/// What must be as it was.
fn state(scenario: &Scenario, name: &str) -> Value {
    let document = scenario.document(name);
    json!({
        "Id": document["Id"], "Name": document["Name"], "HostConfig": document["HostConfig"],
        "Mounts": document["Mounts"], "Status": document["State"]["Status"],
    })
}

fn body(patch: &Value, config: &Value) -> String {
    let mut body = patch.clone();
    body["UpgradeConfig"] = config.clone();
    body.to_string()
}

/// A replacement that runs a script, and ends between two of its commands where it is asked to.
fn script(script: &str) -> Value {
    json!({ "Cmd": ["sh", "-c", format!("trap 'exit 0' TERM; {script}")] })
}

//! What contradicts itself or the engine is refused before the original is touched.

use compat_tests::Scenario;
use serde_json::{Value, json};

/// A patch, the statuses that its refusal may have, and what its message names.
type Row = (Value, &'static [u16], &'static [&'static str]);

/// An engine tells what it cannot find from what is wrong in different versions differently.
const EITHER: &[u16] = &[400, 404];

fn mount(mount: &Value) -> Value {
    json!({ "HostConfig": { "Mounts": [mount] } })
}

fn table(scenario: &Scenario) -> Vec<Row> {
    let host = |field: &str, value: Value| json!({ "HostConfig": { field: value } });
    let tmpfs = json!({ "Type": "tmpfs", "Target": "/twice" });
    let volume = format!("{}:/twice", scenario.named("volume"));
    vec![
        (
            mount(&json!({ "Type": "bind", "Source": "/no/such", "Target": "/at" })),
            &[400],
            &["/no/such"],
        ),
        (host("Mounts", json!([tmpfs, tmpfs])), &[400], &["/twice"]),
        (
            json!({ "HostConfig": { "Mounts": [tmpfs], "Binds": [volume] } }),
            &[400],
            &["/twice"],
        ),
        (host("Binds", json!([volume, volume])), &[400], &["/twice"]),
        (host("Memory", json!(1 << 10)), &[400], &["emory"]),
        (host("Memory", json!("64m")), &[400], &["HostConfig.Memory"]),
        (host("NanoCpus", json!(-1)), &[400], &["CPUs"]),
        (host("Runtime", json!("no-such")), EITHER, &["no-such"]),
        (
            host("LogConfig", json!({ "Config": { "no-such": "1" } })),
            &[400],
            &["no-such"],
        ),
        (
            host("RestartPolicy", json!({ "Name": "sometimes" })),
            &[400],
            &["restart policy"],
        ),
        (
            host("PortBindings", json!({ "x": [] })),
            &[400],
            &["port", "x"],
        ),
        (
            host("PortBindings", json!({ "80/tcp": [{ "HostPort": "x" }] })),
            &[400],
            &["port", "x"],
        ),
        (
            host("PortBindings", json!({ "80/tcp": "8080" })),
            &[400],
            &["PortBindings"],
        ),
        (
            host("PortBindings", json!(["80/tcp"])),
            &[400],
            &["HostConfig.PortBindings"],
        ),
        (
            json!({ "NetworkingConfig": { "EndpointsConfig": { "no-such-net": {} } } }),
            &[404],
            &["no-such-net"],
        ),
        (
            host("NetworkMode", json!("no-such-net")),
            &[404],
            &["no-such-net"],
        ),
        (
            host("NetworkMode", json!("container:no-such")),
            &[404],
            &["no-such"],
        ),
        (
            host("IpcMode", json!("container:no-such")),
            &[404],
            &["no-such"],
        ),
        (
            host("PortBindings", json!({ "80/tcp": [{ "HostPort": 8080 }] })),
            &[400],
            &["HostPort"],
        ),
        (json!({ "StopSignal": "NOPE" }), &[400], &["NOPE"]),
        (json!({ "WorkingDir": "relative" }), &[400], &["relative"]),
    ]
}

/// A container, as every refusal leaves it.
struct Untouched<'a> {
    scenario: &'a Scenario,
    name: String,
    was: Value,
}

impl<'a> Untouched<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let name = scenario.named("web");
        let places = ["--publish=127.0.0.1:20201:80", "--volume=/data"];
        let sleep = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
        let command = ["--name", &name, "busybox", "sh", "-c", sleep];
        scenario.run(&[&places[..], &command].concat());
        let was = Self::look(scenario, &name);
        Self {
            scenario,
            name,
            was,
        }
    }

    fn look(scenario: &Scenario, name: &str) -> Value {
        let document = scenario.document(name);
        let parts = ["Id", "State", "Config", "HostConfig", "Mounts"];
        parts
            .into_iter()
            .map(|part| document[part].clone())
            .collect()
    }

    /// Posts a patch, which must be refused so.
    fn refuses(&self, patch: &Value, statuses: &[u16], named: &[&str]) -> Result<(), String> {
        let refused = self.scenario.upgrade_with(&self.name, patch);
        let message = refused.text_of("message");
        let is_named = named.iter().all(|name| message.contains(name));
        let problem = if !statuses.contains(&refused.status) {
            "another status"
        } else if !is_named {
            "a message that does not name it"
        } else if refused.text_of("Rollback") != "not needed" {
            "the original was touched"
        } else if Self::look(self.scenario, &self.name) != self.was {
            "the original is another"
        } else if self.scenario.exists(&format!("{}.refit-new", self.name)) {
            "the replacement is left"
        } else {
            return Ok(());
        };
        let status = refused.status;
        Err(format!("{patch}: {problem}: {status} {}", refused.text))
    }
}

/// The engine looks for a driver for 15 s before it says that there is none, so this is checked
/// beside something else.
pub fn unknown_driver(scenario: &Scenario) {
    let volume = json!({
        "Type": "volume",
        "Source": scenario.named("driven"),
        "Target": "/volume",
        "VolumeOptions": { "DriverConfig": { "Name": "no-such-driver" } },
    });
    let web = Untouched::new(scenario);
    let refused = web.refuses(&mount(&volume), EITHER, &["no-such-driver"]);
    assert_eq!(refused, Ok(()));
}

#[test]
fn a_contradiction_is_refused_and_named_before_the_original_is_touched() {
    let scenario = Scenario::new("refused");
    let web = Untouched::new(&scenario);
    let table = table(&scenario);
    assert!(!table.is_empty());
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(patch, statuses, named)| web.refuses(patch, statuses, named).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_host_port_that_another_container_publishes_is_refused_with_its_name() {
    let scenario = Scenario::new("taken");
    let web = Untouched::new(&scenario);
    let other = scenario.named("other");
    let publish = "--publish=127.0.0.1:20202:80";
    scenario.run(&["--name", &other, publish, "busybox", "sleep", "1000"]);
    let publish = |port: &str, address: &str, at: &str| {
        let bindings = json!({ port: [{ "HostIp": address, "HostPort": at }] });
        json!({ "HostConfig": { "PortBindings": bindings } })
    };
    // Every address takes in the one that is taken.
    for address in ["127.0.0.1", "0.0.0.0", ""] {
        let patch = publish("81/tcp", address, "20202");
        let refused = web.refuses(&patch, &[409], &["20202", &other]);
        assert_eq!(refused, Ok(()));
    }
    let free = [
        publish("81/tcp", "127.0.0.2", "20202"),
        publish("81/udp", "127.0.0.1", "20202"),
        // The container's own, at another of its ports.
        json!({ "HostConfig": { "PortBindings": {
            "80/tcp": null,
            "82/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "20201" }],
        } } }),
    ];
    for patch in free {
        let upgraded = scenario.upgrade_with(&web.name, &patch);
        assert_eq!(upgraded.status, 200, "{patch}: {}", upgraded.text);
    }
    // One that is stopped publishes nothing.
    scenario.docker(&["kill", &other]);
    let patch = publish("81/tcp", "127.0.0.1", "20202");
    let upgraded = scenario.upgrade_with(&web.name, &patch);
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
}

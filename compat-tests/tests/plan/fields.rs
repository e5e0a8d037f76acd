//! Every field that the engine prints stands in the table.

use compat_tests::Scenario;
use refit::plan::{Part, policy};
use serde_json::{Value, json};

/// The fields of one printed object that have no policy.
fn without_policy(part: Part, printed: &Value) -> Vec<String> {
    let fields = printed.as_object().expect("an object");
    assert!(fields.len() > 10, "{part:?}: {fields:?}");
    let unknown = fields.keys().filter(|field| policy(part, field).is_none());
    unknown.cloned().collect()
}

#[test]
fn every_field_that_inspect_prints_has_a_policy() {
    let scenario = Scenario::new("fields");
    let (plain, rich) = (scenario.named("plain"), scenario.named("rich"));
    let (network, further) = (scenario.named("net"), scenario.named("further"));
    scenario.docker(&["network", "create", "--subnet=10.199.1.0/24", &network]);
    scenario.docker(&["network", "create", &further]);
    scenario.run(&["--name", &plain, "redis:7.0"]);
    // Fields that are left out where nothing was said of them.
    scenario.run(&[
        "--name",
        &rich,
        "--network",
        &network,
        "--ip=10.199.1.9",
        "--network-alias=www",
        "--health-cmd=true",
        "--stop-timeout=3",
        "--stop-signal=SIGINT",
        "--domainname=example",
        "--init",
        "--tmpfs=/scratch",
        "--mount=type=tmpfs,target=/more",
        "--sysctl=net.core.somaxconn=64",
        "--memory=64m",
        "--pids-limit=100",
        "--device-cgroup-rule=c 1:3 r",
        "--expose=81",
        "-p=80",
        "--volume=/anonymous",
        "redis:7.0",
    ]);
    scenario.docker(&["network", "connect", &further, &rich]);
    for name in [&plain, &rich] {
        let inspect = |pointer: &str| scenario.inspect(name, pointer);
        let unknown = [
            without_policy(Part::Config, &inspect("/Config")),
            without_policy(Part::HostConfig, &inspect("/HostConfig")),
        ];
        assert_eq!(unknown.concat(), [""; 0], "{name}");
        let networks = inspect("/NetworkSettings/Networks");
        let networks = networks.as_object().expect("an object");
        assert!(!networks.is_empty());
        for (network, endpoint) in networks {
            let unknown = without_policy(Part::Endpoint, endpoint);
            assert_eq!(unknown, [""; 0], "{name} {network}");
        }
    }
}

#[test]
fn a_field_without_a_policy_is_found() {
    let mut printed = json!({ "Memory": 0, "Binds": null });
    for n in 0..20 {
        printed[format!("Field{n}")] = json!(n);
    }
    assert_eq!(without_policy(Part::HostConfig, &printed).len(), 20);
}

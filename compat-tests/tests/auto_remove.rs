//! An original that the engine deletes when it stops (`--rm`): it is upgraded to one of the same kind,
//! and where that fails, created again from its stand-in.

use std::{process::Child, time::Duration};

use compat_tests::{Answer, Scenario, answer, docker, engines, repeat};
use serde_json::{Value, json};

/// A Redis of `--rm` that keeps what it is told in its anonymous volume, on two networks.
struct Original {
    name: String,
    /// What must stay.
    volume: Value,
    reach: Vec<String>,
    /// All IDs that it had.
    ids: Vec<String>,
}

impl Original {
    fn new(scenario: &Scenario) -> Self {
        let name = scenario.named("db");
        let [net, further] = ["net", "further"].map(|what| scenario.named(what));
        scenario.docker(&["network", "create", &net]);
        scenario.docker(&["network", "create", &further]);
        // Who starts next on the first network would get a lower address.
        let below = scenario.run(&["--network", &net, "--stop-signal=KILL", "redis:8.0"]);
        let id = scenario.run(&[
            "--rm",
            "--name",
            &name,
            "--network",
            &net,
            "--network-alias",
            "database",
            "-p",
            "127.0.0.1::6379",
            "-e",
            "KEPT=1",
            "redis:8.0",
        ]);
        scenario.docker(&["network", "connect", &further, &name]);
        scenario.remove(&below);
        let original = Self {
            volume: scenario.inspect(&name, "/Mounts/0/Name"),
            reach: reach(scenario, &name),
            ids: vec![id],
            name,
        };
        original.ask(scenario, &["set", "key", "value"]);
        original
    }

    fn ask(&self, scenario: &Scenario, command: &[&str]) -> String {
        scenario.until("redis answers", |s| {
            let ping = docker(&s.engine(), &["exec", &self.name, "redis-cli", "ping"], b"");
            ping.status.success()
        });
        let exec = ["exec", &self.name, "redis-cli"];
        scenario.docker(&[&exec, command].concat())
    }

    fn id(&self) -> &str {
        self.ids.last().expect("an ID")
    }

    /// It stands as it did, under an ID of its own: its own kind, data, addresses and ports; and every
    /// earlier ID means it.
    fn assert_stands(&mut self, scenario: &Scenario, status: &str) {
        let name = &self.name;
        assert_eq!(scenario.text(name, "/State/Status"), status);
        assert_eq!(scenario.inspect(name, "/HostConfig/AutoRemove"), true);
        assert_eq!(scenario.inspect(name, "/Mounts/0/Name"), self.volume);
        let environment = scenario.inspect(name, "/Config/Env");
        assert!(environment.to_string().contains("KEPT=1"), "{environment}");
        assert_eq!(reach(scenario, name), self.reach);
        for left in [".refit-new", ".refit-old", ".refit-hold-1"] {
            assert!(!scenario.exists(&format!("{name}{left}")), "{left}");
        }
        self.ids.push(scenario.text(name, "/Id"));
        let (id, earlier) = self.ids.split_last().expect("an ID");
        for earlier in earlier {
            assert_ne!(earlier, id);
            assert!(!scenario.exists(earlier), "{earlier} is there");
            let meant = docker(
                &scenario.refit(),
                &["inspect", "-f", "{{.Id}}", &earlier[..12]],
                b"",
            );
            assert_eq!(String::from_utf8_lossy(&meant.stdout).trim(), id);
        }
        if status == "running" {
            assert_eq!(self.ask(scenario, &["get", "key"]), "value");
        }
    }

    /// It is deleted when it ends; its volume, which was made for it once, is not.
    fn stop(&self, scenario: &Scenario) {
        scenario.docker(&["stop", "-t", "5", &self.name]);
        scenario.until("it is gone", |s| !s.exists(&self.name));
        let volume = self.volume.as_str().expect("a volume");
        scenario.docker(&["volume", "rm", volume]);
    }

    fn assert_is_back(&mut self, scenario: &Scenario, status: &str, told: &Answer) {
        assert_eq!(told.status, 500, "{}", told.text);
        assert_eq!(told.text_of("Rollback"), "restored", "{}", told.text);
        let before = self.id()[..12].to_owned();
        self.assert_stands(scenario, status);
        let message = told.text_of("message");
        for part in ["--rm", &before, &self.id()[..12]] {
            assert!(message.contains(part), "no {part} in {message}");
        }
        let answer = scenario.ask_refit("GET", &format!("/containers/{}/upgrade", self.name));
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("restored"), "{}", answer.text);
    }
}

/// What it is reached by: addresses, aliases and host ports.
fn reach(scenario: &Scenario, name: &str) -> Vec<String> {
    let settings = scenario.inspect(name, "/NetworkSettings");
    let endpoints = settings["Networks"].as_object().expect("networks").iter();
    let mut reach: Vec<String> = endpoints
        .map(|(network, endpoint)| format!("{network} {}", endpoint["IPAddress"]))
        .collect();
    reach.push(settings["Ports"].to_string());
    reach
}

/// A change that fails at once, and says why.
fn bad() -> Value {
    json!({ "Image": "refit-test/exits", "Entrypoint": [] })
}

/// Begins an upgrade whose replacement is watched for so long.
fn begin(scenario: &Scenario, name: &str, mut patch: Value, monitor: Duration) -> Child {
    let nanoseconds = u64::try_from(monitor.as_nanos()).expect("a number");
    patch["UpgradeConfig"]["Monitor"] = json!(nanoseconds);
    let target = format!("/containers/{name}/upgrade?pull=never&force=1&t=5");
    scenario.spawn_post(&target, &patch.to_string(), &[])
}

#[test]
fn it_is_upgraded_and_is_of_rm_again() {
    let scenario = Scenario::new("rm");
    let mut original = Original::new(&scenario);
    for round in 0..=repeat() {
        let patch = json!({ "Labels": { "round": round.to_string() } });
        let told = scenario.upgrade_with(&original.name, &patch);
        assert_eq!(told.status, 200, "{}", told.text);
        assert_eq!(
            told.json()["Previous"]["Id"],
            original.id(),
            "{}",
            told.text
        );
        original.assert_stands(&scenario, "running");
        assert_eq!(told.json()["Id"], original.id());
    }
    original.stop(&scenario);
}

#[test]
fn one_that_fails_is_quoted_and_the_original_is_created_again() {
    let scenario = Scenario::new("rm-fails");
    let mut original = Original::new(&scenario);
    for _ in 0..repeat() {
        let told = scenario.upgrade_in_vain(&original.name, &bad());
        original.assert_is_back(&scenario, "running", &told);
        let message = told.text_of("message");
        assert_eq!(told.text_of("Step"), "verify", "{message}");
        for part in ["exit code 3", "starting up\ncannot read the configuration"] {
            assert!(message.contains(part), "no {part} in {message}");
        }
    }
    let missing = json!({ "Cmd": ["no-such-program"] });
    let told = scenario.upgrade_with(&original.name, &missing);
    original.assert_is_back(&scenario, "running", &told);
    assert_eq!(told.text_of("Step"), "start", "{}", told.text);
    assert!(told.text.contains("no-such-program"), "{}", told.text);
    let told = scenario.upgrade_with(&original.name, &json!({ "Labels": { "a": "b" } }));
    assert_eq!(told.status, 200, "{}", told.text);
    original.assert_stands(&scenario, "running");
}

#[test]
fn a_paused_one_is_paused_again() {
    let scenario = Scenario::new("rm-paused");
    let mut original = Original::new(&scenario);
    scenario.docker(&["pause", &original.name]);
    let told = scenario.upgrade_in_vain(&original.name, &bad());
    original.assert_is_back(&scenario, "paused", &told);
    let told = scenario.upgrade_with(&original.name, &json!({ "Labels": { "a": "b" } }));
    assert_eq!(told.status, 200, "{}", told.text);
    original.assert_stands(&scenario, "paused");
    scenario.docker(&["unpause", &original.name]);
    assert_eq!(original.ask(&scenario, &["get", "key"]), "value");
}

#[test]
fn one_that_was_never_started_is_replaced_as_it_is() {
    let scenario = Scenario::new("rm-created");
    let name = scenario.named("web");
    let label = scenario.label();
    scenario.docker(&["create", "--rm", "--name", &name, &label, "redis:8.0"]);
    let told = scenario.upgrade_with(&name, &json!({ "Cmd": ["redis-server", "--port", "1"] }));
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(scenario.text(&name, "/State/Status"), "created");
    assert_eq!(scenario.inspect(&name, "/HostConfig/AutoRemove"), true);
    assert!(!scenario.exists(&format!("{name}.refit-old")));
}

#[test]
fn with_companions_it_is_refused() {
    let scenario = Scenario::new("rm-companions");
    let [leader, companion] = ["leader", "companion"].map(|what| scenario.named(what));
    let sleeper = ["--stop-signal=KILL", "busybox", "sleep", "100000"];
    let id = scenario.run(&[&["--rm", "--name", &leader][..], &sleeper].concat());
    let join = format!("container:{leader}");
    scenario.run(&[&["--name", &companion, "--network", &join][..], &sleeper].concat());
    let told = scenario.upgrade_with(&leader, &json!({ "Env": ["A=1"] }));
    assert_eq!(told.status, 409, "{}", told.text);
    let message = told.text_of("message");
    for part in ["--rm", &companion] {
        assert!(message.contains(part), "no {part} in {message}");
    }
    assert_eq!(scenario.text(&leader, "/Id"), id);
}

#[test]
fn a_dry_run_tells_of_no_parking_and_touches_nothing() {
    let scenario = Scenario::new("rm-dry");
    let original = Original::new(&scenario);
    let path = format!("/containers/{}/upgrade?dryRun=1&pull=never", original.name);
    let told = scenario.post(&path, &json!({ "Env": ["A=1"] }).to_string());
    assert_eq!(told.status, 200, "{}", told.text);
    let plan = &told.json()["Plan"];
    assert_eq!(plan["Create"]["HostConfig"]["AutoRemove"], true, "{plan}");
    let steps = plan["Steps"].to_string();
    assert!(
        steps.contains("\"stop\"") && !steps.contains("park"),
        "{steps}"
    );
    assert_eq!(scenario.text(&original.name, "/Id"), original.id());
}

#[test]
fn it_is_cancelled_while_it_is_verified() {
    let scenario = Scenario::new("rm-cancel");
    let mut original = Original::new(&scenario);
    for _ in 0..repeat() {
        let labels = json!({ "Labels": { "a": "b" } });
        let upgrade = begin(&scenario, &original.name, labels, Duration::from_secs(60));
        scenario.until_step(&original.name, "verify");
        let path = format!("/containers/{}/upgrade", original.name);
        let cancelled = scenario.ask_refit("DELETE", &path);
        assert_eq!(cancelled.status, 200, "{}", cancelled.text);
        let told = answer(&upgrade.wait_with_output().expect("curl"));
        original.assert_is_back(&scenario, "running", &told);
    }
}

#[test]
fn refit_is_killed_while_it_is_verified() {
    let mut scenario = Scenario::new("rm-killed");
    for round in 0..2 * repeat() {
        // Whoever recovers it finds a replacement that is good, or none.
        let is_good = round % 2 == 0;
        let mut original = Original::new(&scenario);
        let name = original.name.clone();
        let labels = json!({ "Labels": { "a": "b" } });
        let mut upgrade = begin(&scenario, &name, labels, Duration::from_secs(3));
        scenario.until_step(&name, "verify");
        scenario.kill_refit();
        upgrade.wait().expect("curl");
        if !is_good {
            scenario.docker(&["kill", &name]);
            scenario.until("it is gone", |s| !s.exists(&name));
        }
        scenario.start_refit();
        original.assert_stands(&scenario, "running");
        let label = scenario.inspect(&name, "/Config/Labels/a");
        assert_eq!(label == "b", is_good, "{label}");
        original.stop(&scenario);
        for network in ["net", "further"] {
            scenario.docker(&["network", "rm", &scenario.named(network)]);
        }
    }
}

/// The engine deletes both when it comes back; the stand-in is left.
#[test]
fn dockerd_is_killed_while_one_of_rm_is_verified() {
    let scenario = Scenario::new("rm-dockerd");
    let mut original = Original::new(&scenario);
    for _ in 0..repeat() {
        let labels = json!({ "Labels": { "a": "b" } });
        let mut upgrade = begin(&scenario, &original.name, labels, Duration::from_secs(60));
        scenario.until_step(&original.name, "verify");
        engines::manage("kill");
        let is_too_late = upgrade.try_wait().expect("curl").is_some();
        engines::manage("start");
        assert!(!is_too_late, "it came too late");
        let told = answer(&upgrade.wait_with_output().expect("curl"));
        original.assert_is_back(&scenario, "running", &told);
    }
}

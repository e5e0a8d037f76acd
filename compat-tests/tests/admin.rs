//! Those who watch, beside a real engine: what is counted, and whether Refit says that it is well.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use compat_tests::{Answer, Scenario, answer, docker_program, engines, variable};
use serde_json::json;

/// How much goes through a tunnel, each way.
const BYTES: usize = 1 << 20;

/// A scenario whose Refit is watched.
struct Watched {
    scenario: Scenario,
    admin: String,
}

impl Watched {
    fn new(name: &str) -> Self {
        let mut scenario = Scenario::without_refit(name);
        let admin = format!("unix://{}/admin.sock", scenario.folder().display());
        let engine = scenario.engine();
        scenario.start_refit_with(&["--engine", &engine, "--admin", &admin]);
        Self { scenario, admin }
    }

    fn get(&self, path: &str) -> Answer {
        let socket = self.admin.trim_start_matches("unix://");
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "10", "-w", "\n%{http_code}"])
            .args(["--unix-socket", socket])
            .arg(format!("http://refit{path}"))
            .output();
        answer(&output.expect("curl"))
    }

    /// What a series counts.
    fn count(&self, series: &str) -> f64 {
        let metrics = self.get("/metrics").text;
        let mut values = metrics.lines().filter_map(|line| line.strip_prefix(series));
        let value = values
            .next()
            .unwrap_or_else(|| panic!("{series}: {metrics}"));
        value.trim().parse().expect("a number")
    }

    fn expect(&self, series: &str, expected: f64) {
        let counted = self.count(series);
        assert!((counted - expected).abs() < 0.5, "{series}: {counted}");
    }

    fn until(&self, series: &str, expected: f64) {
        self.scenario
            .until(series, |_| (self.count(series) - expected).abs() < 0.5);
    }

    /// The exit code of `refit healthcheck`, and what it says.
    fn healthcheck(&self) -> (Option<i32>, String) {
        let output = Command::new(variable("REFIT_BIN"))
            .args(["healthcheck", "--admin", &self.admin])
            .output()
            .expect("refit");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    }
}

#[test]
fn what_becomes_of_upgrades_is_counted() {
    let watched = Watched::new("counted");
    let scenario = &watched.scenario;
    let name = scenario.named("web");
    scenario.run(&["--name", &name, "refit-test/before"]);

    let upgraded = scenario.upgrade(&name, "refit-test/after");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    watched.expect("refit_upgrades_total{outcome=\"upgraded\"}", 1.0);
    watched.expect("refit_upgrade_duration_seconds_count", 1.0);
    watched.expect("refit_upgrade_downtime_seconds_count", 1.0);
    let downtime = upgraded.json()["Downtime"].as_f64().expect("ns") / 1e9;
    let counted = watched.count("refit_upgrade_downtime_seconds_sum");
    assert!((counted - downtime).abs() < 1e-6, "{counted} {downtime}");
    for step in [
        "pull", "plan", "create", "stop", "park", "rename", "start", "verify", "commit",
    ] {
        let series = format!("refit_upgrade_step_duration_seconds_count{{step=\"{step}\"}}");
        watched.expect(&series, 1.0);
    }
    let verified = watched.count("refit_upgrade_step_duration_seconds_sum{step=\"verify\"}");
    assert!(
        (1.0..30.0).contains(&verified),
        "a Monitor of 1 s: {verified}"
    );

    let again = scenario.upgrade(&name, "refit-test/after");
    assert_eq!(again.json()["Changed"], false, "{}", again.text);
    watched.expect("refit_upgrades_total{outcome=\"unchanged\"}", 1.0);

    let ends = json!({"Cmd": ["sh", "-c", "exit 3"], "Entrypoint": []});
    let failed = scenario.upgrade_in_vain(&name, &ends);
    assert_eq!(failed.text_of("Rollback"), "restored", "{}", failed.text);
    let step = failed.text_of("Step");
    watched.expect("refit_upgrades_total{outcome=\"restored\"}", 1.0);
    watched.expect(
        &format!("refit_upgrade_failures_total{{step=\"{step}\"}}"),
        1.0,
    );
    watched.expect("refit_upgrade_rollback_duration_seconds_count", 1.0);
    watched.expect("refit_upgrade_duration_seconds_count", 2.0);

    let dry = scenario.post(
        &format!("/containers/{name}/upgrade?dryRun=1&force=1"),
        "{}",
    );
    assert_eq!(dry.status, 200, "{}", dry.text);
    watched.expect("refit_upgrades_total{outcome=\"planned\"}", 1.0);
    let missing = scenario.upgrade(&scenario.named("none"), "refit-test/after");
    assert_eq!(missing.status, 404, "{}", missing.text);
    watched.expect("refit_upgrades_total{outcome=\"refused\"}", 1.0);

    watched.expect("refit_upgrades_under_way", 0.0);
    watched.expect("refit_upgrades_unfinished", 0.0);
    let metrics = watched.get("/metrics").text;
    assert!(!metrics.contains(scenario.name()), "{metrics}");
}

#[test]
fn tunnels_and_their_bytes_are_counted() {
    let watched = Watched::new("tunnels");
    let scenario = &watched.scenario;
    let name = scenario.named("cat");
    scenario.run(&["--name", &name, "refit-test/before"]);
    watched.expect("refit_connections_total", 0.0);

    let mut exec = Command::new(docker_program())
        .args(["-H", &scenario.refit(), "exec", "-i", &name, "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the docker CLI");
    let mut input = exec.stdin.take().expect("its input");
    let mut output = exec.stdout.take().expect("its output");
    input.write_all(b"x").expect("write");
    output.read_exact(&mut [0]).expect("read");
    watched.expect("refit_tunnels_open", 1.0);
    watched.expect("refit_tunnels_total", 1.0);
    assert!(watched.count("refit_connections_open") >= 1.0);
    let directions = ["to_engine", "to_client"]
        .map(|direction| format!("refit_relayed_bytes_total{{direction=\"{direction}\"}}"));
    let before = directions.each_ref().map(|series| watched.count(series));
    let writing = std::thread::spawn(move || input.write_all(&vec![b'x'; BYTES]));
    output.read_exact(&mut vec![0; BYTES]).expect("read");
    // Its input is closed, which ends it.
    writing.join().expect("no panic").expect("write");
    assert!(exec.wait().expect("it ends").success());
    for (series, before) in directions.iter().zip(before) {
        let counted = watched.count(series) - before;
        // The engine puts a head before each piece of output.
        let range = 1.0..1.1;
        let times = counted / f64::from(u32::try_from(BYTES).expect("few"));
        assert!(
            range.contains(&times),
            "{series}: {times} times what went through"
        );
    }
    watched.until("refit_tunnels_open", 0.0);
    watched.until("refit_connections_open", 0.0);
    watched.expect("refit_tunnels_total", 1.0);
}

#[test]
fn health_follows_an_engine_that_ends_and_comes_back() {
    let watched = Watched::new("health");
    let well = watched.get("/healthz");
    assert_eq!(well.status, 200, "{}", well.text);
    let expected =
        json!({"status": "ok", "engine": "reachable", "recovery": "done", "unfinished": 0});
    assert_eq!(well.json(), expected);
    assert_eq!(watched.healthcheck(), (Some(0), String::new()));

    engines::manage("kill");
    let ill = watched.get("/healthz");
    assert_eq!(ill.status, 503, "{}", ill.text);
    assert_eq!(ill.text_of("engine"), "unreachable");
    assert_eq!(ill.text_of("recovery"), "done");
    let (code, said) = watched.healthcheck();
    assert_eq!(code, Some(1));
    assert!(said.contains(&ill.text_of("message")), "{said}");

    engines::manage("start");
    watched
        .scenario
        .until("health", |_| watched.get("/healthz").status == 200);
    assert_eq!(watched.healthcheck(), (Some(0), String::new()));
}

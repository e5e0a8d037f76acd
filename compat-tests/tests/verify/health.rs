//! Replacements with a health check.

use std::time::{Duration, Instant};

use compat_tests::{Scenario, rows};
use serde_json::{Value, json};

use super::{MS, Original, script};

/// A replacement that runs `program`, with a health check that runs `probe` every 200 ms and fails for
/// good at once.
fn checked(program: &str, probe: &str) -> Value {
    let mut patch = script(program);
    // Docker 25 and later probe at another pace within the start period.
    patch["Healthcheck"] = json!({
        "Test": ["CMD-SHELL", probe], "Interval": 200 * MS, "StartInterval": 200 * MS,
        "Timeout": 5000 * MS, "Retries": 1,
    });
    patch
}

/// What becomes ready after 3 s.
fn slow() -> Value {
    starting("sleep 3; touch /tmp/ready; exec stay")
}

/// What is ready once its program says so, and has half a minute for it.
fn starting(program: &str) -> Value {
    let mut patch = checked(program, "test -e /tmp/ready || { echo not ready; exit 7; }");
    patch["Healthcheck"]["StartPeriod"] = json!(30_000 * MS);
    patch
}

#[test]
fn one_that_is_slow_to_start_is_waited_for() {
    let scenario = Scenario::new("slow");
    let original = Original::run(&scenario, "db", &[]);
    let begin = Instant::now();
    let upgraded = original.upgrade(&slow(), &json!({ "Monitor": 500 * MS }));
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert!(begin.elapsed() > Duration::from_secs(3));
    assert_eq!(original.inspect("/State/Health/Status"), "healthy");
    assert_eq!(original.inspect("/Id"), upgraded.json()["Id"]);
    assert_eq!(original.all(), [original.name.as_str()]);
    // Where the request gives no deadline, the start period prolongs it.
    let marker = original.inspect("/Config/Labels/io.refit.upgrade");
    let marker: Value = serde_json::from_str(marker.as_str().unwrap()).unwrap();
    assert_eq!(marker["HealthyDeadline"], (5 * 60_000 + 30_000) * MS);
}

/// A name, a patch, `UpgradeConfig`, and what is told of it.
type Row = (&'static str, Value, Value, &'static str);

/// Those that do not become healthy in time.
fn late() -> Vec<Row> {
    let mut rare = checked("echo serving; exec stay", "true");
    rare["Healthcheck"]["Interval"] = json!(600_000 * MS);
    vec![
        (
            "too-slow",
            starting("exec stay"),
            json!({ "Monitor": 100 * MS, "HealthyDeadline": 5000 * MS }),
            "did not pass within 5s; its last probe ended with exit code 7: not ready; ",
        ),
        (
            "rare",
            rare,
            json!({ "HealthyDeadline": 1000 * MS }),
            "did not pass within 1s; no probe has ended yet; its last log lines:\nserving\n",
        ),
    ]
}

/// Those that are unhealthy.
fn sick() -> Vec<Row> {
    let stays = "echo serving; exec stay";
    let mut hanging = checked(stays, "echo asking; sleep 1000");
    hanging["Healthcheck"]["Timeout"] = json!(300 * MS);
    vec![
        (
            "refusing",
            checked(stays, "echo one; echo two; exit 9"),
            json!({}),
            "failed; its last probe ended with exit code 9: one\ntwo; its last log lines:\nserving\n",
        ),
        (
            "hanging",
            hanging,
            json!({}),
            "failed; its last probe ended with exit code -1: Health check exceeded timeout",
        ),
        (
            "sick",
            checked(
                "touch /tmp/well; sleep 1.5; rm /tmp/well; exec stay",
                "test -e /tmp/well || { echo it is gone; exit 1; }",
            ),
            json!({ "Monitor": 6000 * MS }),
            "failed; its last probe ended with exit code 1: it is gone; ",
        ),
    ]
}

/// One that runs on although the kernel killed a process of it. Docker 20.10 says so only of one that
/// ended.
fn starved(api: &str) -> Row {
    let mut patch = checked(
        "sleep 0.5; sh -c 'x=a; while :; do x=$x$x; done'; exec stay",
        "exit 1",
    );
    patch["Healthcheck"]["StartPeriod"] = json!(6000 * MS);
    patch["HostConfig"] = json!({ "Memory": 16 << 20, "MemorySwap": 16 << 20 });
    let told = match api {
        "1.41" => "failed; its last probe ",
        _ => "failed; OOM: the kernel killed a process of it for want of memory; its last probe ",
    };
    ("starved", patch, json!({}), told)
}

#[test]
fn one_that_is_not_healthy_in_time_fails_with_what_its_last_probe_said() {
    let scenario = Scenario::new("unhealthy");
    let api = scenario.docker(&["version", "--format", "{{.Server.APIVersion}}"]);
    let table = [late(), sick(), vec![starved(&api)]].concat();
    rows::each(
        &table,
        |(name, ..)| name,
        |(name, patch, config, told)| {
            let original = Original::run(&scenario, name, &["--restart", "always"]);
            let failed = original.upgrade(patch, config);
            original.assert_restored(&failed, "verify", &["its health check ", told]);
        },
    );
}

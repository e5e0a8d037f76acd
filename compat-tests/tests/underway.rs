//! While an upgrade is under way: what others see of it, what they are kept from, how it is cancelled,
//! and what a signal or another Refit makes of it.

use std::{
    process::{Child, Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use compat_tests::{Answer, Scenario, answer, docker, engines, variable};
use serde_json::{Value, json};

/// An upgrade of a container to redis:8.0 that is watched for so long. The originals are of that image,
/// too: an older Redis cannot read what this one has written.
fn begin(scenario: &Scenario, name: &str, monitor: Duration) -> Child {
    let body = json!({
        "Image": "redis:8.0",
        "UpgradeConfig": { "Monitor": u64::try_from(monitor.as_nanos()).expect("a number") },
    });
    let path = format!("/containers/{name}/upgrade?pull=never&force=1&t=3");
    scenario.spawn_post(&path, &body.to_string(), &[])
}

fn ended(upgrade: Child) -> Answer {
    answer(&upgrade.wait_with_output().expect("curl"))
}

/// What is known of a container's upgrade.
fn report(scenario: &Scenario, name: &str) -> Value {
    let answer = scenario.ask_refit("GET", &format!("/containers/{name}/upgrade"));
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// The docker CLI through Refit.
fn through(scenario: &Scenario, arguments: &[&str]) -> Output {
    docker(&scenario.refit(), arguments, b"")
}

#[test]
fn what_changes_a_member_is_refused_and_reads_pass() {
    let scenario = Scenario::new("isolated");
    let [name, other, network, further] =
        ["db", "other", "net", "further"].map(|what| scenario.named(what));
    scenario.docker(&["network", "create", &network]);
    scenario.docker(&["network", "create", &further]);
    let id = scenario.run(&["--name", &name, "--network", &network, "redis:8.0"]);
    scenario.run(&["--name", &other, "redis:8.0"]);
    let label = scenario.label();
    let upgrade = begin(&scenario, &name, Duration::from_secs(20));
    scenario.until_step(&name, "verify");
    let replacement = scenario.inspect(&name, "/Id");
    let replacement = replacement.as_str().expect("an ID");
    let parked = format!("{name}.refit-old");
    let new = format!("{name}.refit-new");

    let refused: &[&[&str]] = &[
        &["stop", &name],
        &["stop", "-t", "0", &id[..12]],
        &["restart", replacement],
        &["kill", &replacement[..12]],
        &["pause", &name],
        &["unpause", &name],
        &["start", &parked],
        &["start", &id],
        &["rm", "-f", &name],
        &["rm", &parked],
        &["rm", &id],
        &["rename", &name, &scenario.named("renamed")],
        &["rename", &other, &new],
        &["update", "--restart", "no", &name],
        &["cp", "/etc/hostname", &format!("{name}:/tmp")],
        &["commit", &name, "refit-test/isolated"],
        &["create", "--name", &new, &label, "redis:8.0"],
        &["network", "connect", &further, &name],
        &["network", "disconnect", "-f", &network, &id],
        &["network", "rm", &network],
        &["container", "prune", "-f"],
        &["network", "prune", "-f"],
        &["volume", "prune", "-f"],
        &["image", "prune", "-f"],
        &["system", "prune", "-f"],
    ];
    for arguments in refused {
        let output = through(&scenario, arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success(),
            "docker {arguments:?} passed: {output:?}"
        );
        assert!(
            told.contains(&format!("an upgrade of {name} is under way")),
            "docker {arguments:?}: {told}"
        );
    }
    let reads: &[&[&str]] = &[
        &["ps", "-a"],
        &["inspect", &name],
        &["logs", &name],
        &["exec", &name, "redis-cli", "ping"],
        &["cp", &format!("{name}:/etc/hostname"), "-"],
        &["diff", &parked],
        &["network", "inspect", &network],
    ];
    let others: &[&[&str]] = &[
        &["stop", "-t", "1", &other],
        &["start", &other],
        &["network", "connect", &further, &other],
        &["network", "disconnect", &further, &other],
        &["network", "rm", &further],
        &["rename", &other, &scenario.named("another")],
    ];
    for arguments in reads.iter().chain(others) {
        let output = through(&scenario, arguments);
        assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    }
    // Nothing of this came through.
    let ended = ended(upgrade);
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!(ended.warnings(), [""; 0]);
    assert_eq!(scenario.inspect(&name, "/Id"), replacement);
    assert!(!scenario.exists(&id));
    let output = through(&scenario, &["stop", "-t", "1", &name]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_happened_is_told_of_each_state() {
    let mut scenario = Scenario::new("told");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:8.0"]);
    let path = format!("/containers/{name}/upgrade");
    let none = scenario.ask_refit("GET", &path);
    assert_eq!(none.status, 404, "{}", none.text);
    assert!(none.text_of("message").contains(&name), "{}", none.text);
    let missing = scenario.ask_refit("GET", "/containers/refit-no-such/upgrade");
    assert_eq!(missing.status, 404, "{}", missing.text);

    let failed = scenario.upgrade_in_vain(&name, &json!({ "Cmd": ["false"] }));
    assert_eq!(failed.status, 500, "{}", failed.text);
    let told = report(&scenario, &id[..12]);
    assert_eq!(
        (&told["State"], &told["Step"]),
        (&json!("failed"), &json!("verify"))
    );
    assert_eq!(told["Rollback"], "restored");
    assert_eq!(told["message"], failed.json()["message"]);

    let upgrade = begin(&scenario, &name, Duration::from_secs(4));
    scenario.until_step(&name, "verify");
    let running = report(&scenario, &name);
    assert_eq!(running["State"], "running");
    assert_eq!(running["Name"], name.as_str());
    assert!(running["Elapsed"].as_u64() >= running["StepElapsed"].as_u64());
    // By the ID of the parked original, too, and of the replacement.
    for reference in [&id, &id[..12], &scenario.text(&name, "/Id")] {
        assert_eq!(
            report(&scenario, reference)["Transaction"],
            running["Transaction"]
        );
    }
    let upgraded = ended(upgrade);
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let told = report(&scenario, &name);
    assert_eq!(told["State"], "upgraded");
    assert_eq!(told["Transaction"], running["Transaction"]);
    assert_eq!(told["Id"], upgraded.json()["Id"]);
    assert_eq!(told["Generations"][0]["Id"], id);
    assert_eq!(told["Generations"][0]["Image"], "redis:8.0");
    // It stands in the marker: another Refit knows, too.
    scenario.kill_refit();
    scenario.start_refit();
    assert_eq!(report(&scenario, &id), told);
}

#[test]
fn an_upgrade_is_cancelled_while_it_is_verified() {
    let scenario = Scenario::new("cancelled");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "--restart", "always", "redis:8.0"]);
    let path = format!("/containers/{name}/upgrade");
    let none = scenario.ask_refit("DELETE", &path);
    assert_eq!(none.status, 404, "{}", none.text);
    let upgrade = begin(&scenario, &name, Duration::from_secs(60));
    scenario.until_step(&name, "verify");
    let cancelled = scenario.ask_refit("DELETE", &path);
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    assert_eq!(cancelled.text_of("Rollback"), "restored");
    assert_eq!(cancelled.text_of("Step"), "verify");
    // It waited for the end.
    scenario.assert_original(&name, &id);
    let told = ended(upgrade);
    assert_eq!(told.status, 500, "{}", told.text);
    assert_eq!(told.text_of("Rollback"), "restored");
    assert!(
        told.text_of("message").contains("cancelled"),
        "{}",
        told.text
    );
    assert_eq!(scenario.ask_refit("DELETE", &path).status, 404);
}

#[test]
fn an_upgrade_is_cancelled_while_the_original_stops() {
    let scenario = Scenario::new("cancelled-stop");
    let name = scenario.named("web");
    let id = scenario.run(&[
        "--name",
        &name,
        "--restart",
        "always",
        "refit-test/stubborn",
    ]);
    let upgrade = begin(&scenario, &name, Duration::from_secs(60));
    scenario.until_step(&name, "stop");
    let cancelled = scenario.ask_refit("DELETE", &format!("/containers/{}/upgrade", &id[..12]));
    assert_eq!(cancelled.status, 200, "{}", cancelled.text);
    assert_eq!(cancelled.text_of("Step"), "stop");
    // The engine's stop had to be waited for, and was.
    scenario.assert_original(&name, &id);
    sleep(Duration::from_secs(4));
    scenario.assert_original(&name, &id);
    assert_eq!(ended(upgrade).text_of("Rollback"), "restored");
}

#[test]
fn a_signal_lets_an_upgrade_end_within_the_drain_time() {
    let mut scenario = Scenario::new("drained");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:8.0"]);
    let upgrade = begin(&scenario, &name, Duration::from_secs(3));
    scenario.until_step(&name, "verify");
    assert!(scenario.terminate_refit().success());
    let told = ended(upgrade);
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(!scenario.exists(&id));
}

#[test]
fn a_signal_leaves_a_longer_upgrade_to_recovery() {
    let mut scenario = Scenario::new("cut-off");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:8.0"]);
    scenario.kill_refit();
    scenario.start_refit_with(&["--drain", "500ms"]);
    let mut upgrade = begin(&scenario, &name, Duration::from_secs(8));
    scenario.until_step(&name, "verify");
    let begun = Instant::now();
    assert!(scenario.terminate_refit().success());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    upgrade.wait().expect("curl");
    assert!(scenario.exists(&id), "nothing was decided");
    scenario.start_refit();
    assert!(!scenario.exists(&id), "recovery has finished it");
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
}

/// `refit recover`, with the lines about containers of this name.
fn recover(scenario: &Scenario, name: &str, further: &[&str]) -> String {
    let output = Command::new(variable("REFIT_BIN"))
        .args(["recover", "--engine", &scenario.engine()])
        .args(further)
        .output()
        .expect("refit");
    let lines = String::from_utf8_lossy(&output.stdout);
    let mine = lines.lines().filter(|line| line.starts_with(name));
    mine.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_live_refit_is_told_from_a_dead_one() {
    let mut scenario = Scenario::new("owned");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:8.0"]);
    let first = begin(&scenario, &name, Duration::from_secs(12));
    scenario.until_step(&name, "verify");
    // Another one starts, and listens.
    let other = Scenario::new("owned-by-another");
    assert!(recover(&scenario, &name, &[]).contains("left to another"));
    let told = report(&other, &name);
    assert_eq!(
        (&told["State"], &told["Original"]),
        (&json!("unfinished"), &json!(id))
    );
    let told = ended(first);
    assert_eq!(told.status, 200, "{}", told.text);

    let id = scenario.text(&name, "/Id");
    let mut second = begin(&scenario, &name, Duration::from_secs(6));
    scenario.until_step(&name, "verify");
    scenario.kill_refit();
    second.wait().expect("curl");
    let would = recover(&scenario, &name, &["--dry-run"]);
    assert!(would.contains("would be committed if it passes"), "{would}");
    assert!(scenario.exists(&id), "a dry run does nothing");
    drop(other);
    // Not after the deadline, which is minutes away.
    assert!(recover(&scenario, &name, &[]).contains("committed"));
    assert!(!scenario.exists(&id));
}

#[test]
fn recovery_by_hand_finishes_and_takes_back() {
    let mut scenario = Scenario::new("by-hand");
    let [good, bad] = ["good", "bad"].map(|what| scenario.named(what));
    let ids = [&good, &bad]
        .map(|name| scenario.run(&["--name", name, "--restart", "always", "redis:8.0"]));
    let upgrades = [&good, &bad].map(|name| begin(&scenario, name, Duration::from_secs(10)));
    for name in [&good, &bad] {
        scenario.until_step(name, "verify");
    }
    scenario.kill_refit();
    for mut upgrade in upgrades {
        upgrade.wait().expect("curl");
    }
    // The replacement of the second ends.
    scenario.docker(&["stop", "-t", "1", &bad]);
    assert_eq!(
        recover(&scenario, &bad, &["--dry-run"]),
        format!("{bad}: would be rolled back")
    );
    assert!(recover(&scenario, &good, &[]).contains("committed"));
    assert!(!scenario.exists(&ids[0]));
    assert_eq!(scenario.inspect(&good, "/Config/Image"), "redis:8.0");
    scenario.assert_original(&bad, &ids[1]);
    assert_eq!(recover(&scenario, &good, &[]), "");
    scenario.start_refit();
}

#[test]
fn an_engine_that_stays_away_is_told_of_and_the_upgrade_comes_to_an_end_with_its_return() {
    let mut scenario = Scenario::new("away");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "--restart", "always", "redis:8.0"]);
    scenario.kill_refit();
    scenario.start_refit_with(&["--reconnect-timeout", "2s", "--call-timeout", "1s"]);
    let upgrade = begin(&scenario, &name, Duration::from_secs(8));
    scenario.until_step(&name, "verify");
    engines::manage("kill");
    let told = ended(upgrade);
    assert_eq!(told.status, 500, "{}", told.text);
    assert_eq!(told.text_of("Step"), "verify");
    assert_eq!(told.text_of("Rollback"), "incomplete");
    let message = told.text_of("message");
    assert!(message.contains("cannot be reached"), "{message}");
    assert!(message.contains("Refit goes on trying"), "{message}");
    let unreachable = scenario.ask_refit("GET", &format!("/containers/{name}/upgrade"));
    assert_eq!(unreachable.status, 503, "{}", unreachable.text);
    engines::manage("start");
    // dockerd starts what it should: the replacement is verified anew, and is good.
    scenario.until("it is finished", |s| {
        let leftover = ["refit-new", "refit-old"].map(|end| format!("{name}.{end}"));
        s.exists(&name) && !leftover.iter().any(|name| s.exists(name))
    });
    assert!(!scenario.exists(&id));
    assert_eq!(scenario.text(&name, "/State/Status"), "running");
    assert_eq!(report(&scenario, &name)["State"], "upgraded");
}

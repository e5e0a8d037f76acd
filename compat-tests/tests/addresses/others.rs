//! Others are at the same network meanwhile: another client that starts containers all the time, and
//! other upgrades.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use compat_tests::{LABEL, Scenario, answer, direct::exchange, repeat};
use serde_json::json;

use super::{addresses, assert_clear, begin, network, run_above, strictly};

/// Creates, starts and removes containers on a network until it is told to end; how many it started.
fn churn(scenario: &Scenario, net: &str, worker: usize, is_over: &AtomicBool) -> usize {
    let engine = scenario.engine();
    let name = scenario.named(&format!("churn-{worker}"));
    let body = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"], "Labels": { LABEL: scenario.name() },
        "HostConfig": { "NetworkMode": net },
    });
    let mut started = 0;
    while !is_over.load(Ordering::Relaxed) {
        let create = format!("/containers/create?name={name}");
        let calls = [
            ("POST", create, body.to_string()),
            ("POST", format!("/containers/{name}/start"), String::new()),
            (
                "DELETE",
                format!("/containers/{name}?force=1"),
                String::new(),
            ),
        ];
        for (method, path, body) in calls {
            let answer = exchange(&engine, method, &path, &body).expect("an answer");
            started += usize::from(path.ends_with("/start") && answer.status == 204);
        }
    }
    started
}

/// Does something while two others start containers on the network all the time.
fn while_others_start(scenario: &Scenario, net: &str, act: impl FnOnce()) -> usize {
    let is_over = AtomicBool::new(false);
    let started = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..2 {
            let (is_over, started) = (&is_over, &started);
            scope.spawn(move || {
                started.fetch_add(churn(scenario, net, worker, is_over), Ordering::Relaxed);
            });
        }
        act();
        is_over.store(true, Ordering::Relaxed);
    });
    started.into_inner()
}

/// What the text says of the address, where it says that it is another.
fn told(text: &str) -> Option<&str> {
    text.split("the address on network").nth(1)
}

#[test]
fn who_loses_a_race_is_told_so() {
    let scenario = Scenario::new("address-race");
    let net = network(&scenario, "net", &["--subnet", "10.99.40.0/24"]);
    let name = scenario.named("web");
    run_above(&scenario, &name, &[&net], 3);
    let (mut kept, mut warned) = (0, 0);
    let started = while_others_start(&scenario, &net, || {
        for round in 0..2 * repeat() {
            let before = addresses(&scenario, &name);
            let patch = json!({ "Env": [format!("ROUND={round}")] });
            let upgraded = scenario.upgrade_with(&name, &patch);
            assert_eq!(upgraded.status, 200, "{}", upgraded.text);
            let after = addresses(&scenario, &name);
            if before == after {
                assert_eq!(told(&upgraded.text), None, "{}", upgraded.text);
                kept += 1;
            } else {
                let warning = told(&upgraded.text).expect("a warning");
                assert_moved(warning, &before, &after);
                warned += 1;
            }
        }
    });
    println!("race, {started} others started: {kept} kept, {warned} warned");
    assert!(started > 0, "nobody raced");
    assert_clear(&scenario);
}

/// A warning names the address that was, and the one that is.
fn assert_moved(warning: &str, before: &[String], after: &[String]) {
    let address = |line: &String| line.split(' ').nth(1).expect("an address").to_owned();
    for (before, after) in before.iter().zip(after) {
        if before != after {
            assert!(warning.contains(&address(before)), "{warning}: {before}");
            assert!(warning.contains(&address(after)), "{warning}: {after}");
        }
    }
}

#[test]
fn who_loses_a_race_is_taken_back_where_no_other_address_will_do() {
    let scenario = Scenario::new("address-strict");
    let net = network(&scenario, "net", &["--subnet", "10.99.41.0/24"]);
    let name = scenario.named("web");
    run_above(&scenario, &name, &[&net], 3);
    let (mut kept, mut back, mut moved, mut refused) = (0, 0, 0, 0);
    let started = while_others_start(&scenario, &net, || {
        for round in 0..2 * repeat() {
            let before = addresses(&scenario, &name);
            let id = scenario.text(&name, "/Id");
            let patch = strictly(json!({ "Env": [format!("ROUND={round}")] }));
            let ended = scenario.upgrade_with(&name, &patch);
            let after = addresses(&scenario, &name);
            if ended.status == 200 {
                assert_eq!(after, before, "{}", ended.text);
                kept += 1;
                continue;
            }
            assert_eq!(ended.status, 500, "{}", ended.text);
            scenario.assert_original(&name, &id);
            let message = ended.text_of("message");
            match ended.text_of("Step").as_str() {
                "hold" => {
                    assert_eq!(after, before, "{message}");
                    refused += 1;
                }
                "verify" if after == before => {
                    assert!(
                        message.contains("verify failed: the address on"),
                        "{message}"
                    );
                    back += 1;
                }
                "verify" => {
                    let again = message.split("under its name again").nth(1);
                    assert_moved(again.expect("the original is back"), &before, &after);
                    moved += 1;
                }
                step => panic!("{step}: {message}"),
            }
        }
    });
    println!(
        "strict race, {started} others started: {kept} kept, {back} taken back to the address, \
         {moved} taken back to another, {refused} not begun"
    );
    assert!(started > 0, "nobody raced");
    assert_clear(&scenario);
}

#[test]
fn upgrades_on_one_network_leave_each_other_their_addresses() {
    let scenario = Scenario::new("address-two");
    let net = network(&scenario, "net", &["--subnet", "10.99.42.0/24"]);
    let names = ["a", "b", "c"].map(|what| scenario.named(what));
    for name in &names {
        run_above(&scenario, name, &[&net], 2);
    }
    for round in 0..repeat() {
        let before = names.each_ref().map(|name| addresses(&scenario, name));
        let upgrades = names.each_ref().map(|name| {
            let change = strictly(json!({ "Env": [format!("ROUND={round}")] }));
            begin(&scenario, name, change, Duration::from_millis(200))
        });
        for upgrade in upgrades {
            let ended = answer(&upgrade.wait_with_output().expect("curl"));
            assert_eq!(ended.status, 200, "{}", ended.text);
        }
        assert_eq!(
            names.each_ref().map(|name| addresses(&scenario, name)),
            before
        );
        assert_clear(&scenario);
    }
}

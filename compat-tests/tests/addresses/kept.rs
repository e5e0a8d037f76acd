//! Addresses are kept on networks of every kind.

use compat_tests::{Scenario, docker, repeat};
use serde_json::json;

use super::{
    addresses, assert_clear, bad, good, network, run, run_above, strictly, upgrade_in_place,
};

/// Upgrades a container on these networks again and again.
fn kept_on(scenario: &Scenario, networks: &[&str], gap: usize) {
    let name = scenario.named("web");
    run_above(scenario, &name, networks, gap);
    for round in 0..repeat() {
        // What is the same would be no upgrade.
        let patch = json!({ "Env": [format!("ROUND={round}")] });
        let answer = upgrade_in_place(scenario, &name, &strictly(patch));
        assert_eq!(answer.warnings(), [""; 0]);
    }
}

#[test]
fn on_the_default_bridge() {
    kept_on(&Scenario::new("address-bridge"), &["bridge"], 3);
}

#[test]
fn on_a_network_without_a_configured_subnet() {
    let scenario = Scenario::new("address-plain");
    let plain = network(&scenario, "plain", &[]);
    kept_on(&scenario, &[&plain], 1);
}

#[test]
fn on_a_network_with_a_configured_subnet() {
    let scenario = Scenario::new("address-subnet");
    let subnet = network(&scenario, "subnet", &["--subnet", "10.99.1.0/24"]);
    kept_on(&scenario, &[&subnet], 2);
}

#[test]
fn on_a_network_with_a_range_and_addresses_that_are_taken() {
    let scenario = Scenario::new("address-range");
    let options = [
        &["--subnet", "10.99.2.0/24", "--ip-range", "10.99.2.64/27"][..],
        &["--gateway", "10.99.2.66"],
        &[
            "--aux-address",
            "a=10.99.2.68",
            "--aux-address",
            "b=10.99.2.9",
        ],
    ];
    let range = network(&scenario, "range", &options.concat());
    kept_on(&scenario, &[&range], 3);
}

#[test]
fn on_a_network_with_ipv6() {
    let scenario = Scenario::new("address-ipv6");
    let subnet = ["--ipv6", "--subnet", "fd00:99:3::/64"];
    let ipv6 = network(&scenario, "ipv6", &subnet);
    kept_on(&scenario, &[&ipv6], 2);
}

#[test]
fn on_a_network_with_both_where_the_gaps_differ() {
    let scenario = Scenario::new("address-dual");
    let subnets = ["--subnet", "10.99.4.0/24", "--subnet", "fd00:99:4::/64"];
    let dual = network(&scenario, "dual", &[&["--ipv6"][..], &subnets].concat());
    // What has a configured address of the one has a dynamic one of the other.
    for (name, option) in [
        ("a", ["--ip", "10.99.4.100"]),
        ("b", ["--ip6", "fd00:99:4::100"]),
    ] {
        run(&scenario, &scenario.named(name), &[&dual], &option);
    }
    kept_on(&scenario, &[&dual], 1);
}

#[test]
fn on_three_networks_with_a_gap_on_each() {
    let scenario = Scenario::new("address-three");
    let one = network(&scenario, "one", &[]);
    let two = network(&scenario, "two", &["--subnet", "10.99.5.0/24"]);
    let subnets = ["--ipv6", "--subnet", "fd00:99:5::/64"];
    let three = network(&scenario, "three", &subnets);
    // One more on the second.
    let more = scenario.named("more");
    run(&scenario, &more, &[&two], &[]);
    let networks = [one.as_str(), &two, &three];
    let name = scenario.named("web");
    run_above(&scenario, &name, &networks, 2);
    scenario.remove(&more);
    for round in 0..repeat() {
        let patch = json!({ "Env": [format!("ROUND={round}")] });
        upgrade_in_place(&scenario, &name, &strictly(patch));
    }
}

#[test]
fn beside_a_configured_one() {
    let scenario = Scenario::new("address-mixed");
    let [fixed, dynamic] = [("fixed", "10.99.6.0/24"), ("dynamic", "10.99.7.0/24")]
        .map(|(what, subnet)| network(&scenario, what, &["--subnet", subnet]));
    let [name, below] = ["web", "below"].map(|what| scenario.named(what));
    run(&scenario, &below, &[&dynamic], &[]);
    run(&scenario, &name, &[&fixed], &["--ip", "10.99.6.77"]);
    scenario.docker(&["network", "connect", &dynamic, &name]);
    scenario.remove(&below);
    let before = addresses(&scenario, &name);
    assert!(
        before.iter().any(|line| line.contains("10.99.6.77")),
        "{before:?}"
    );
    for round in 0..repeat() {
        let patch = json!({ "Env": [format!("ROUND={round}")] });
        upgrade_in_place(&scenario, &name, &strictly(patch));
    }
    // Another one that is asked for is no other address.
    let asked = strictly(json!({ "NetworkingConfig": { "EndpointsConfig": {
        fixed.as_str(): { "IPAMConfig": { "IPv4Address": "10.99.6.78" } },
    } } }));
    let answer = scenario.upgrade_with(&name, &asked);
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(
        addresses(&scenario, &name)
            .iter()
            .any(|line| line.contains("10.99.6.78"))
    );
    assert_clear(&scenario);
}

#[test]
fn by_the_original_that_comes_back() {
    let scenario = Scenario::new("address-back");
    let dual = network(&scenario, "dual", &["--ipv6", "--subnet", "fd00:99:8::/64"]);
    let name = scenario.named("web");
    let id = run_above(&scenario, &name, &["bridge", &dual], 2);
    let before = addresses(&scenario, &name);
    for _ in 0..repeat() {
        let answer = scenario.upgrade_in_vain(&name, &bad());
        assert_eq!(answer.status, 500, "{}", answer.text);
        assert_eq!(answer.text_of("Rollback"), "restored");
        scenario.assert_original(&name, &id);
        assert_eq!(addresses(&scenario, &name), before, "{}", answer.text);
        assert_clear(&scenario);
    }
}

#[test]
fn beside_a_companion_with_a_configured_one_that_is_lower() {
    let scenario = Scenario::new("address-companion");
    let subnet = network(&scenario, "subnet", &["--subnet", "10.99.13.0/24"]);
    let [taken, gone, name, companion] =
        ["taken", "gone", "web", "mon"].map(|what| scenario.named(what));
    for other in [&taken, &gone, &name] {
        run(&scenario, other, &[&subnet], &[]);
    }
    scenario.remove(&gone);
    let pid = format!("container:{name}");
    let options = ["--ip", "10.99.13.3", "--pid", &pid];
    run(&scenario, &companion, &[&subnet], &options);
    let both = || [&name, &companion].map(|name| addresses(&scenario, name));
    let before = both();
    assert!(before[1][0].contains("10.99.13.3"), "{before:?}");
    for round in 0..repeat() {
        let patch = json!({ "Env": [format!("ROUND={round}")] });
        upgrade_in_place(&scenario, &name, &strictly(patch));
        assert_eq!(both(), before);
        let answer = scenario.upgrade_in_vain(&name, &bad());
        assert_eq!(answer.text_of("Rollback"), "restored", "{}", answer.text);
        assert_eq!(both(), before, "{}", answer.text);
        assert_clear(&scenario);
    }
}

#[test]
fn without_placeholders_where_nothing_lower_is_free() {
    let scenario = Scenario::new("address-lowest");
    let subnet = network(&scenario, "subnet", &["--subnet", "10.99.9.0/24"]);
    let name = scenario.named("web");
    run(&scenario, &name, &[&subnet], &[]);
    let since = scenario.docker(&["info", "--format", "{{.SystemTime}}"]);
    upgrade_in_place(&scenario, &name, &strictly(good()));
    let until = scenario.docker(&["info", "--format", "{{.SystemTime}}"]);
    let events = ["events", "--since", &since, "--until", &until];
    let imports = ["--filter", "type=image", "--filter", "event=import"];
    assert_eq!(scenario.docker(&[&events[..], &imports].concat()), "");
}

/// Where the kernel has what the driver needs.
fn kept_by_driver(driver: &str, subnet: &str) {
    let scenario = Scenario::new(&format!("address-{driver}"));
    let name = scenario.named("net");
    let create = ["network", "create", "-d", driver, "--subnet", subnet, &name];
    let created = docker(&scenario.engine(), &create, b"");
    if !created.status.success() {
        let why = String::from_utf8_lossy(&created.stderr);
        assert!(why.contains("not supported"), "{driver}: {why}");
        println!("{driver} was not tried: {}", why.trim());
        return;
    }
    kept_on(&scenario, &[&name], 2);
}

#[test]
fn on_macvlan() {
    kept_by_driver("macvlan", "10.99.11.0/24");
}

#[test]
fn on_ipvlan() {
    kept_by_driver("ipvlan", "10.99.12.0/24");
}

//! A neighbour that sends to the address all along hears from the replacement.

use std::{
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use compat_tests::{Scenario, repeat, variable};
use serde_json::json;

use super::{network, run, run_above, strictly, upgrade_in_place};

/// How often the neighbour sends.
const PACE: Duration = Duration::from_millis(50);

/// How long it goes on when all is done.
const REST: Duration = Duration::from_secs(2);

/// The longest silence among the answers that ping printed, the one at the end included.
fn silence(printed: &str) -> Duration {
    let number = |text: &str| text.split(' ').next()?.parse::<u32>().ok();
    let answered = printed
        .lines()
        .filter_map(|line| number(line.split("seq=").nth(1)?));
    let sent = printed.lines().find_map(|line| {
        line.contains("packets transmitted")
            .then(|| number(line))
            .flatten()
    });
    let sequence: Vec<u32> = answered.chain(sent).collect();
    assert!(sequence.len() > 10, "hardly an answer: {printed}");
    let longest = sequence
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]));
    PACE * longest.max().unwrap_or_default()
}

/// How long the neighbour hears nothing from an address while `change` is made.
fn while_changing(scenario: &Scenario, address: &str, change: impl Fn()) -> Duration {
    let neighbour = scenario.named("neighbour");
    let pace = PACE.as_secs_f32().to_string();
    let ping = Command::new(variable("REFIT_DOCKER"))
        .args(["-H", &scenario.engine(), "exec", &neighbour])
        .args(["ping", "-i", &pace, address])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the docker CLI");
    sleep(Duration::from_millis(700));
    change();
    sleep(REST);
    scenario.docker(&["exec", &neighbour, "killall", "-INT", "ping"]);
    let printed = ping.wait_with_output().expect("its output").stdout;
    silence(&String::from_utf8_lossy(&printed))
}

#[test]
fn they_hear_nothing_for_no_longer_than_over_a_restart() {
    let scenario = Scenario::new("address-neighbours");
    let subnets = ["--subnet", "10.99.30.0/24", "--subnet", "fd00:99:30::/64"];
    let net = network(&scenario, "net", &[&["--ipv6"][..], &subnets].concat());
    let [name, below, neighbour] = ["web", "below", "neighbour"].map(|w| scenario.named(w));
    run(&scenario, &below, &[&net], &[]);
    run_above(&scenario, &name, &[&net], 0);
    run(&scenario, &neighbour, &[&net], &[]);
    for field in ["IPAddress", "GlobalIPv6Address"] {
        let pointer = format!("/NetworkSettings/Networks/{net}/{field}");
        let address = scenario.text(&name, &pointer);
        let is_as_short = |round: &str| {
            let restart = while_changing(&scenario, &address, || {
                scenario.docker(&["restart", &name]);
            });
            scenario.remove(&below);
            let upgrade = while_changing(&scenario, &address, || {
                let patch = json!({ "Env": [format!("ROUND={field}{round}")] });
                upgrade_in_place(&scenario, &name, &strictly(patch));
            });
            run(&scenario, &below, &[&net], &[]);
            println!(
                "{address}: silent for {restart:?} over a restart, {upgrade:?} over an upgrade"
            );
            upgrade < restart + REST
        };
        for round in 0..repeat() {
            // What waits for an entry to go stale waits for half a minute, each time.
            let attempt = |attempt| is_as_short(&format!("{round}.{attempt}"));
            assert!((0..3).any(attempt), "{address}");
        }
    }
}

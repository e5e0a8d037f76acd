//! Answers that take their time, connections that idle, and clients that go.

use std::{
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Scenario,
    same::{assert_same, same},
};

use crate::wire::{End, PATIENCE, Wire, alike, at_once, head, post, side, sleeper};

/// Idle limits of proxies begin at 10 s.
const IDLE: Duration = Duration::from_secs(11);

/// Requests on a container that are answered by a head, and by nothing more while it sleeps.
fn endless(container: &str) -> [String; 4] {
    let of = |line: &str| head(&[line]);
    [
        of("GET /v1.41/events?filters={\"label\":[\"no-such\"]}"),
        of(&format!("POST /v1.41/containers/{container}/wait")),
        of(&format!(
            "GET /v1.41/containers/{container}/logs?follow=1&stdout=1"
        )),
        of(&format!(
            "POST /v1.41/containers/{container}/attach?stream=1&stdout=1"
        )),
    ]
}

#[test]
fn heads_come_before_there_is_a_body() {
    let scenario = Scenario::new("flushed");
    let name = sleeper(&scenario);
    let heads = alike(&scenario, |address| {
        at_once(endless(&name), |request| {
            let mut wire = Wire::opened(address, request);
            wire.until("\r\n\r\n");
            (wire.settle(), wire.so_far())
        })
    });
    for (end, said) in heads {
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(said.ends_with("\r\n\r\n") && end == End::Open, "{said}");
    }
    let stats = alike(&scenario, |address| {
        let request = head(&[&format!("GET /v1.41/containers/{name}/stats")]);
        let mut wire = Wire::opened(address, request);
        let asked = Instant::now();
        wire.until("\r\n\r\n");
        let head = wire.so_far();
        // Two samples, a second apart, each when it is taken.
        wire.until("}\n");
        let first = asked.elapsed();
        let length = wire.bytes().len();
        while wire.bytes()[length..].windows(2).all(|two| two != b"}\n") {
            assert!(asked.elapsed() < PATIENCE);
            wire.settle();
        }
        assert!(first < PATIENCE);
        head.split("\r\n\r\n").next().map(str::to_owned)
    });
    let stats = stats.expect("a head");
    assert!(stats.contains("Transfer-Encoding: chunked"), "{stats}");
}

#[test]
fn streams_end_with_the_direction_of_the_client() {
    let scenario = Scenario::new("events-shut");
    let name = sleeper(&scenario);
    let heard = alike(&scenario, |address| {
        let [events, wait, logs, _] = endless(&name);
        let wires = [events, wait, logs].map(|request| {
            let mut wire = Wire::opened(address, request);
            wire.until("\r\n\r\n");
            wire.shut();
            wire
        });
        at_once(wires, Wire::ended)
    });
    assert!(heard[0].said.ends_with("\r\n\r\n0\r\n\r\n"), "{heard:#?}");
    assert!(
        heard.iter().all(|heard| heard.end == End::Full),
        "{heard:#?}"
    );
}

/// The engine's open files.
fn files(scenario: &Scenario) -> u64 {
    let files = scenario.docker(&["info", "--format", "{{json .}}"]);
    let info: serde_json::Value = serde_json::from_str(&files).expect("JSON");
    info["NFd"].as_u64().expect("a number")
}

/// Whether the engine's open files come to satisfy this.
fn come(scenario: &Scenario, satisfied: impl Fn(u64) -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    while !satisfied(files(scenario)) {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

/// The engine's open files once nobody opens or closes any: it still closes those of what was before.
fn settled(scenario: &Scenario) -> u64 {
    let mut last = files(scenario);
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(200));
        let now = files(scenario);
        if now == last {
            break;
        }
        last = now;
    }
    last
}

#[test]
fn the_engine_notices_a_client_that_is_gone() {
    // So many that what else the engine opens and closes meanwhile does not count.
    const CLIENTS: u64 = 40;
    let scenario = Scenario::new("gone");
    let name = sleeper(&scenario);
    let noticed = same(&scenario, |at| {
        // Of an attachment, no engine notices before it has something to write.
        let [events, wait, logs, _] = endless(&name);
        [events, wait, logs].map(|request| {
            let before = settled(&scenario);
            let mut wires: Vec<Wire> = (0..CLIENTS)
                .map(|_| Wire::opened(at.address(), &request))
                .collect();
            for wire in &mut wires {
                wire.until("\r\n\r\n");
            }
            let held = come(&scenario, |files| files > before + CLIENTS * 3 / 4);
            drop(wires);
            let gone = come(&scenario, |files| files < before + CLIENTS / 4);
            (held, gone)
        })
    });
    assert_eq!(noticed, [(true, true); 3]);
}

#[test]
fn the_input_ends_with_a_client_that_is_gone() {
    let scenario = Scenario::new("gone-input");
    let name = scenario.named("box");
    let label = scenario.label();
    let attach = format!("POST /containers/{name}/attach?stream=1&stdin=1&stdout=1");
    let requests = [
        head(&[&attach, "Connection: Upgrade", "Upgrade: tcp"]),
        head(&[&attach]),
    ];
    let codes = same(&scenario, |at| {
        requests.each_ref().map(|request| {
            let script = "cat >/dev/null; exit 3";
            scenario.docker(&[
                "create", "-i", &label, "--name", &name, "busybox", "sh", "-c", script,
            ]);
            let mut wire = Wire::opened(at.address(), request);
            wire.until("\r\n\r\n");
            scenario.docker(&["start", &name]);
            wire.send("some input\n");
            drop(wire);
            let code = scenario.docker(&["wait", &name]);
            at.remove(&name);
            code
        })
    });
    assert_eq!(codes, ["3", "3"]);
}

/// Sends this, and waits until that is heard.
fn continued(wire: &mut Wire, request: &str, until: &str) {
    wire.send(request);
    wire.until(until);
}

#[test]
fn a_container_is_made_and_started_by_hand() {
    let scenario = Scenario::new("by-hand");
    let label = scenario
        .label()
        .replace("--label=", "")
        .replace('=', r#"":""#);
    let config = format!(
        r#"{{"Image":"busybox","Cmd":["sh","-c","echo done; exit 4"],"Labels":{{"{label}"}}}}"#
    );
    let length = format!("Content-Length: {}", config.len());
    let chunks = format!("{:x}\r\n{config}\r\n0\r\n\r\n", config.len());
    let bodies = [
        (length.as_str(), &config),
        ("Transfer-Encoding: chunked", &chunks),
    ];
    let heard = alike(&scenario, |address| {
        let name = side(&scenario, address);
        let to = |what: &str| head(&[&format!("POST /v1.41/containers/{name}/{what}")]);
        bodies.map(|(framing, body)| {
            let create = head(&[
                &format!("POST /v1.41/containers/create?name={name}"),
                "Content-Type: application/json",
                "Expect: 100-continue",
                framing,
            ]);
            // All of it on one connection.
            let mut wire = Wire::open(address);
            continued(&mut wire, &create, "HTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(wire.settle(), End::Open);
            continued(&mut wire, body, "HTTP/1.1 201 Created\r\n");
            continued(&mut wire, &to("start"), "HTTP/1.1 204 No Content\r\n");
            continued(&mut wire, &to("wait"), "\"StatusCode\":4");
            wire.send(head(&[
                &format!("DELETE /v1.41/containers/{name}?force=1"),
                "Connection: close",
            ]));
            wire.ended()
        })
    });
    for heard in heard {
        let statuses: Vec<&str> = heard
            .said
            .split("HTTP/1.1 ")
            .map(|part| &part[..part.len().min(3)])
            .collect();
        assert_eq!(
            statuses,
            ["", "100", "201", "204", "200", "204"],
            "{heard:#?}"
        );
    }
}

#[test]
fn idle_connections_stay() {
    let scenario = Scenario::new("idle");
    let name = sleeper(&scenario);
    let ping = head(&["GET /_ping"]);
    let half = &ping[..ping.len() / 2];
    let body = post("/containers/no-such/kill", &[], "{}");
    let [events, _, logs, attach] = endless(&name);
    let begun = |address: &str| {
        let begin = |sent: &str, until: &str| {
            let mut wire = Wire::opened(address, sent);
            wire.until(until);
            wire
        };
        let silent = [
            ("", ping.as_str()),
            (half, &ping[half.len()..]),
            (&body[..body.len() - 1], "}"),
        ];
        let silent = silent.map(|(sent, rest)| (Wire::opened(address, sent), rest));
        let kept = begin(&ping, "\r\n\r\nOK");
        let lasting = [events.as_str(), &logs, &attach].map(|sent| begin(sent, "\r\n\r\n"));
        (silent, kept, lasting)
    };
    let both = [scenario.engine(), scenario.refit()].map(|address| begun(&address));
    thread::sleep(IDLE);
    let [direct, through] = at_once(both, |(silent, mut kept, lasting)| {
        for (wire, rest) in &silent {
            wire.send(rest);
        }
        let silent = at_once(silent, |(wire, _)| wire.rest());
        continued(&mut kept, &body, "No such container");
        let lasting = at_once(lasting, Wire::rest);
        (silent, kept.rest(), lasting)
    });
    assert_same(&direct, &through);
    let (silent, _, lasting) = direct;
    for (heard, status) in silent.iter().zip(["200", "200", "404"]) {
        assert!(
            heard.said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{heard:#?}"
        );
    }
    assert!(
        lasting.iter().all(|heard| heard.end == End::Open),
        "{lasting:#?}"
    );
}

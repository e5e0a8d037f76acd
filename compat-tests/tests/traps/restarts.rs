//! Engines that restart, and clients that do not mind.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Scenario, engines, same::assert_same};

use crate::wire::{Answered, End, Wire, at_once, head};

const CLIENTS: usize = 200;

const RESTARTS: usize = 5;

/// Clients do little: theirs are small stacks.
const STACK: usize = 256 << 10;

/// How long one answer may take: an engine that begins lets its clients wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the clients go on at most.
const LIMIT: Duration = Duration::from_secs(600);

/// Between two requests of a client: 200 of them ask 500 times each second.
const PAUSE: Duration = Duration::from_millis(400);

#[test]
fn a_restarted_engine_leaves_no_client_hanging() {
    let scenario = Scenario::new("restart");
    let ping = head(&["GET /_ping"]);
    let open = |address: &str| {
        let mut pinged = Wire::opened(address, &ping);
        pinged.until("\r\n\r\nOK");
        let events = head(&["GET /events?filters={\"label\":[\"no-such\"]}"]);
        let mut events = Wire::opened(address, events);
        events.until("\r\n\r\n");
        [pinged, events]
    };
    let addresses = [scenario.engine(), scenario.refit()];
    let wires = addresses.each_ref().map(|address| open(address));
    engines::manage("restart");
    let [direct, through] = at_once(wires, |wires| at_once(wires, Wire::ended));
    assert_same(&direct, &through);
    assert!(
        direct.iter().all(|heard| heard.end == End::Full),
        "{direct:#?}"
    );
    for again in at_once(addresses, |address| Wire::opened(&address, &ping).rest()) {
        assert!(again.said.starts_with("HTTP/1.1 200 OK\r\n"), "{again:#?}");
    }
}

/// How the requests of all clients came out.
#[derive(Debug, Default)]
struct Counts {
    /// By what was asked for.
    answered: AtomicUsize,
    /// By Refit, that there is no engine.
    unavailable: AtomicUsize,
    /// By the end of the connection.
    ended: AtomicUsize,
}

impl Counts {
    fn failed(&self) -> usize {
        self.unavailable.load(Relaxed) + self.ended.load(Relaxed)
    }

    /// Waits until every client could have been answered, and twice.
    fn await_answers(&self) {
        let (begun, before) = (Instant::now(), self.answered.load(Relaxed));
        while self.answered.load(Relaxed) < before + 2 * CLIENTS {
            assert!(begun.elapsed() < PATIENCE, "too few answers: {self:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Tells the clients that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// One of the clients.
struct Client<'a> {
    number: usize,
    address: &'a str,
    /// Every other client opens a connection for each request.
    keeps: bool,
    kept: Option<Wire>,
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ping,
    Version,
    Container,
}

impl Kind {
    /// Every so many requests ask for the version: an engine starts programs to tell it.
    const VERSIONS: usize = 20;

    fn of(number: usize) -> Self {
        match number % Self::VERSIONS {
            0 => Self::Version,
            n if n.is_multiple_of(2) => Self::Ping,
            _ => Self::Container,
        }
    }
}

impl Client<'_> {
    /// Asks once, for what no other request asks for: an answer to another one would be noticed.
    fn ask(&mut self, round: usize, counts: &Counts) {
        let kind = Kind::of(self.number + round);
        let name = format!("no-such-{}-{round}", self.number);
        let request = match kind {
            Kind::Ping => head(&["GET /_ping"]),
            Kind::Version => head(&["GET /version"]),
            Kind::Container => head(&[&format!("GET /containers/{name}/json")]),
        };
        let mut wire = self.kept.take().unwrap_or_else(|| Wire::open(self.address));
        let Some(answered) = wire.answer_or_end(&request, PATIENCE) else {
            counts.ended.fetch_add(1, Relaxed);
            return;
        };
        let is_last = answered.head.contains("\r\nConnection: close\r\n");
        if is_unavailable(&answered) {
            counts.unavailable.fetch_add(1, Relaxed);
        } else {
            assert!(is_answer(kind, &name, &answered), "{request}: {answered:?}");
            counts.answered.fetch_add(1, Relaxed);
        }
        if self.keeps && !is_last {
            self.kept = Some(wire);
        }
    }
}

/// Whether that is an answer to a request of this kind, which named this container.
fn is_answer(kind: Kind, name: &str, answered: &Answered) -> bool {
    let (status, body) = (&answered.head[..12], answered.text());
    match kind {
        Kind::Ping => status == "HTTP/1.1 200" && body == "OK",
        Kind::Version => status == "HTTP/1.1 200" && body.contains(r#""ApiVersion":"#),
        Kind::Container => {
            let missing = format!("{{\"message\":\"No such container: {name}\"}}\n");
            status == "HTTP/1.1 404" && body == missing
        }
    }
}

/// Whether that is what Refit says without an engine, as Docker says it.
fn is_unavailable(answered: &Answered) -> bool {
    let document: serde_json::Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    let is_json = answered
        .head
        .contains("\r\nContent-Type: application/json\r\n");
    answered.head.starts_with("HTTP/1.1 503 ") && is_json && document["message"].is_string()
}

#[test]
fn polling_clients_are_answered_or_told() {
    let scenario = Scenario::new("restarts");
    let (address, counts, over) = (scenario.refit(), Counts::default(), AtomicBool::new(false));
    let begun = Instant::now();
    let poll = |number: usize| {
        let mut client = Client {
            number,
            address: &address,
            keeps: number.is_multiple_of(2),
            kept: None,
        };
        let mut round = 0;
        while !over.load(Relaxed) && begun.elapsed() < LIMIT {
            client.ask(round, &counts);
            round += 1;
            thread::sleep(PAUSE);
        }
    };
    let failures = thread::scope(|scope| {
        // Also where an assertion fails here: the scope waits for the clients.
        let _over = Over(&over);
        for number in 0..CLIENTS {
            let client = thread::Builder::new().stack_size(STACK);
            client
                .spawn_scoped(scope, move || poll(number))
                .expect("a thread");
        }
        let failures = [(); RESTARTS].map(|()| {
            counts.await_answers();
            let before = counts.failed();
            engines::manage("restart");
            counts.failed() - before
        });
        counts.await_answers();
        failures
    });
    println!(
        "{counts:?} in {:?}; failed at each restart: {failures:?}",
        begun.elapsed()
    );
    assert!(failures.iter().all(|failed| *failed > 0), "{failures:?}");
    // All is as before.
    let mut last = Wire::open(&address);
    let pong = last.answer(head(&["GET /_ping"]));
    assert_eq!(pong.text(), "OK");
}

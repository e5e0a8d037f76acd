//! Who ends a connection, which directions, and within which time.

use std::time::Duration;

use compat_tests::{Scenario, rows};

use crate::{
    hijacks::create_exec,
    wire::{Closing, End, Wire, both, head, post, sleeper},
};

/// How long a connection is watched: Go takes half a second between its two directions, and Refit
/// as much again.
const WATCHED: Duration = Duration::from_secs(6);

/// How much later than the engine Refit may end what it sends, and both directions: that is after its
/// own lingering. Most of it is for an engine on a machine that is busy; who waits for an idle limit
/// waits longer, or for ever.
const LATER: [Duration; 2] = [Duration::from_secs(2), Duration::from_millis(2500)];

/// Who ends the connection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    /// The engine ends what it sends.
    Engine,
    /// The engine does, and forgets the connection: its garbage collector ends the other direction.
    EngineByHalf,
    /// The client does, right behind its request.
    ClientBefore,
    /// The client does, when it has the whole answer.
    ClientAfter,
    /// Neither: it stays.
    Nobody,
}

/// A situation: its name, what is sent, what the answer begins with and ends with, and who ends the
/// connection. Where anybody does, all of it ends.
type Row = (&'static str, String, &'static str, &'static str, First);

/// Requests that are answered, and after which the connection may stay.
fn answered() -> Vec<Row> {
    let ping = head(&["GET /_ping"]);
    let close = head(&["GET /_ping", "Connection: close"]);
    let old = "GET /_ping HTTP/1.0\r\n\r\n".to_owned();
    let kept = "GET /_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned();
    let events = head(&[r#"GET /events?filters={"label":["no-such"]}"#]);
    let missing = head(&["POST /containers/no-such/start", "Content-Length: 0"]);
    let (ok, none, body) = ("HTTP/1.1 200 OK\r\n", "HTTP/1.1 404 ", "\r\n\r\nOK");
    let (ok_before, last_chunk) = ("HTTP/1.0 200 ", "0\r\n\r\n");
    let row = |name, sent: &str, begin, end, first| (name, sent.to_owned(), begin, end, first);
    vec![
        row("kept", &ping, ok, body, First::Nobody),
        row("HTTP/1.0, kept", &kept, ok_before, body, First::Nobody),
        row("an error, kept", &missing, none, "}\n", First::Nobody),
        row("a stream", &events, ok, "\r\n\r\n", First::Nobody),
        row("close", &close, ok, body, First::Engine),
        row("HTTP/1.0", &old, ok_before, body, First::Engine),
        row("asked and closed", &ping, ok, body, First::ClientBefore),
        row("kept, then closed", &ping, ok, body, First::ClientAfter),
        row(
            "an error, then closed",
            &missing,
            none,
            "}\n",
            First::ClientAfter,
        ),
        row(
            "a stream, then closed",
            &events,
            ok,
            last_chunk,
            First::ClientAfter,
        ),
    ]
}

/// What is no whole request, or none that is read to its end.
fn refused() -> Vec<Row> {
    let part = head(&["GET /_ping"])[..20].to_owned();
    let unread = |line: &str| head(&[line, "Content-Length: 50000000"]) + &"x".repeat(1000);
    let archive = unread("PUT /containers/no-such/archive?path=/");
    let (start, length) = ("POST /containers/no-such/start", "Content-Length: 0");
    let expecting = head(&[start, "Expect: the unexpected", length]);
    let version = "GET /_ping HTTP/9.9\r\nHost: d\r\n\r\n";
    let coding = head(&["POST /no/such", "Transfer-Encoding: gzip"]);
    let large = head(&["GET /_ping", &format!("X: {}", "x".repeat(1 << 21))]);
    let none = "HTTP/1.1 404 ";
    let row = |name, sent: &str, begin, end, first| (name, sent.to_owned(), begin, end, first);
    vec![
        row("nothing is sent", "", "", "", First::Nobody),
        row("nothing, and closed", "", "", "", First::ClientBefore),
        row("a part of a head", &part, "", "", First::Nobody),
        row(
            "a body nobody reads",
            &unread("POST /no/such"),
            none,
            "}\n",
            First::Engine,
        ),
        row(
            "an archive for nobody",
            &archive,
            none,
            "}\n",
            First::Engine,
        ),
        row(
            "another expectation",
            &expecting,
            "HTTP/1.1 417 ",
            "",
            First::Engine,
        ),
        row(
            "malformed",
            "GET\r\n\r\n",
            "HTTP/1.1 400 ",
            "",
            First::Engine,
        ),
        row(
            "no such version",
            version,
            "HTTP/1.1 505 ",
            "",
            First::Engine,
        ),
        row(
            "another coding",
            &coding,
            "HTTP/1.1 501 ",
            "",
            First::Engine,
        ),
        row(
            "too large a head",
            &large,
            "HTTP/1.1 431 ",
            "",
            First::Engine,
        ),
    ]
}

/// Sends the row, and watches the end.
fn watch(address: &str, (_, sent, begin, _, first): &Row) -> Closing {
    let mut wire = Wire::open(address);
    // It may be refused before it is taken.
    let sender = wire.sending(sent.clone().into_bytes());
    sender.join().expect("the sender");
    match first {
        First::ClientBefore => wire.shut(),
        First::ClientAfter => {
            wire.until(begin);
            assert_eq!(wire.settle(), End::Open);
            wire.shut();
        }
        First::Engine | First::EngineByHalf | First::Nobody => {}
    }
    wire.closing(WATCHED)
}

/// Asserts that both ended as they should, and Refit not much later.
fn assert_ends(name: &str, first: First, direct: &Closing, through: &Closing) {
    println!(
        "{name}: {:?} directly, {:?} through Refit",
        direct.times(),
        through.times()
    );
    assert_eq!(direct.said, through.said, "{name}");
    let directions = if first == First::EngineByHalf { 1 } else { 2 };
    let times = direct.times().into_iter().zip(through.times());
    for ((direct, through), later) in times.zip(LATER).take(directions) {
        let ended = [direct, through].map(|time| time.is_some());
        assert_eq!(ended, [first != First::Nobody; 2], "{name}");
        let is_in_time = through <= direct.map(|direct| direct + later);
        assert!(
            is_in_time,
            "{name}: {direct:?} directly, {through:?} through"
        );
    }
}

#[test]
fn connections_are_ended_by_the_same_side_in_time() {
    let scenario = Scenario::new("closings");
    let situations = [answered(), refused()].concat();
    rows::each(
        &situations,
        |row| row.0,
        |row| {
            let (direct, through) = both(&scenario, |address| watch(address, row));
            let (name, _, begin, end, first) = row;
            assert!(direct.said.starts_with(begin), "{name}: {direct:?}");
            assert!(direct.said.ends_with(end), "{name}: {direct:?}");
            assert_ends(name, *first, &direct, &through);
        },
    );
    println!("{} requests compared", situations.len());
}

/// A process that ends by itself, one that ends with its input, and one that goes on.
const SCRIPTS: [(&str, First); 3] = [
    ("echo said; exit 3", First::EngineByHalf),
    ("echo said; cat", First::ClientAfter),
    ("echo said; sleep 1000", First::Nobody),
];

#[test]
fn streams_are_ended_by_the_same_side_in_time() {
    let scenario = Scenario::new("closings-streams");
    let name = sleeper(&scenario);
    let upgrade = ["Connection: Upgrade", "Upgrade: tcp"];
    let rows = SCRIPTS.into_iter().flat_map(|(script, first)| {
        let row = |kind: &str, headers| (format!("{script}, {kind}"), script, headers, first);
        [row("upgraded", &upgrade[..]), row("legacy", &[])]
    });
    let rows: Vec<_> = rows.collect();
    rows::each(
        &rows,
        |row| &row.0,
        |(kind, script, headers, first)| {
            let (direct, through) = both(&scenario, |address| {
                let exec = create_exec(address, &name, script);
                let start = post(&format!("/v1.41/exec/{exec}/start"), headers, "{}");
                let mut wire = Wire::opened(address, start);
                wire.until("said\n");
                if *first == First::ClientAfter {
                    wire.shut();
                }
                wire.closing(WATCHED)
            });
            assert_ends(kind, *first, &direct, &through);
        },
    );
    println!("{} requests compared", rows.len());
}

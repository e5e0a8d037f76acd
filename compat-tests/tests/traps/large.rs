//! Large bodies: refused before they are sent, and read more slowly than they come.

use std::{thread, time::Duration};

use compat_tests::{Scenario, same::same};

use crate::wire::{End, Wire, alike, at_once, head};

const LARGE: usize = 50 << 20;

/// What a Refit that holds none of it may take.
const MEMORY: u64 = 30 << 20;

fn check_memory(scenario: &Scenario) {
    let memory = scenario.vitals_of_refit().memory;
    assert!(memory < MEMORY, "{memory} bytes");
}

#[test]
fn early_answers_come_while_the_body_is_sent() {
    let scenario = Scenario::new("early");
    let chunk = [b"100000\r\n".as_slice(), &vec![0xff; 1 << 20], b"\r\n"].concat();
    let chunks = chunk.repeat(LARGE >> 20);
    let plain = vec![0xff; LARGE];
    let length = format!("Content-Length: {LARGE}");
    let by_length = |line: &str| head(&[line, "Content-Type: application/x-tar", &length]);
    let by_chunks = |line: &str| {
        head(&[
            line,
            "Content-Type: application/x-tar",
            "Transfer-Encoding: chunked",
        ])
    };
    // Where there is no status, engines differ.
    let rows = [
        (by_length("POST /no/such"), &plain, "404"),
        (by_chunks("POST /no/such"), &chunks, "404"),
        (
            by_length("PUT /containers/no-such/archive?path=/"),
            &plain,
            "404",
        ),
        (
            by_chunks("PUT /containers/no-such/archive?path=/"),
            &chunks,
            "404",
        ),
        (by_length("POST /build?dockerfile=../no-such"), &plain, ""),
        (by_length("POST /images/load"), &plain, ""),
    ];
    let heard = alike(&scenario, |address| {
        let asked = rows.each_ref().map(|(head, body, _)| (head, *body));
        at_once(asked, |(head, body)| {
            let mut wire = Wire::opened(address, head);
            let sender = wire.sending(body.clone());
            let end = wire.settle();
            check_memory(&scenario);
            // Whether all of it was taken is the engine's business, and Refit's: it drains for a
            // moment what a client sends that may not have read the answer.
            sender.join().expect("the sender");
            (wire.so_far(), end)
        })
    });
    for ((_, _, status), (said, end)) in rows.iter().zip(&heard) {
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")), "{said}");
        if !status.is_empty() {
            assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
            assert_eq!(*end, End::Full, "{said}");
        }
    }
}

#[test]
fn slow_readers_take_no_memory() {
    let scenario = Scenario::new("slow");
    let get = "GET /images/get?names=redis:8.0&names=redis:7.0";
    let lengths = alike(&scenario, |address| {
        let whole = head(&[get, "Connection: close"]);
        let bare = format!("{get} HTTP/1.0\r\n\r\n");
        let mut wires = [&whole, &whole, &bare, &bare].map(|r| Wire::opened(address, r));
        for wire in &mut wires {
            wire.until("\r\n\r\n");
        }
        // The engine would send 40 MB to each, meanwhile.
        thread::sleep(Duration::from_secs(2));
        check_memory(&scenario);
        at_once(wires, Wire::body_length)
    });
    assert!(
        lengths.iter().all(|length| *length > 40 << 20),
        "{lengths:?}"
    );
}

#[test]
fn loads_take_no_memory() {
    let scenario = Scenario::new("loads");
    let saved = head(&["GET /images/redis:8.0/get"]);
    let image = Wire::open(&scenario.engine()).answer(saved).body;
    let length = format!("Content-Length: {}", image.len());
    let of = |framing: &str| head(&["POST /images/load?quiet=1", framing]).into_bytes();
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let chunks: Vec<u8> = image.chunks(1 << 20).flat_map(chunk).collect();
    let by_chunks = [
        of("Transfer-Encoding: chunked"),
        chunks,
        b"0\r\n\r\n".to_vec(),
    ]
    .concat();
    let requests = [[of(&length), image].concat(), by_chunks];
    // What it is loaded over is the same.
    let answers = same(&scenario, |at| {
        requests.each_ref().map(|request| {
            let mut wire = Wire::open(at.address());
            let sender = wire.sending(request.clone());
            wire.until("\r\n\r\n");
            check_memory(&scenario);
            wire.until("0\r\n\r\n");
            assert!(sender.join().expect("the sender"));
            wire.rest()
        })
    });
    for answer in answers {
        assert!(
            answer.said.contains("Loaded image: redis:8.0"),
            "{answer:#?}"
        );
    }
}

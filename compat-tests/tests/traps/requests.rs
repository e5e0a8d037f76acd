//! Methods, bodies, several requests at once, and half-closed clients.

use compat_tests::Scenario;

use crate::wire::{End, Wire, alike, at_once, compare, head, row};

#[test]
fn methods_and_bodies_are_answered_alike() {
    let scenario = Scenario::new("methods");
    let heard = compare(
        &scenario,
        &[
            row("HEAD", head(&["HEAD /_ping"]), "HTTP/1.1 200 OK\r\n"),
            row(
                "HEAD of nothing",
                head(&["HEAD /no/such"]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row("unknown", head(&["BREW /_ping"]), "HTTP/1.1 40"),
            row("lower case", head(&["get /_ping"]), "HTTP/1.1 "),
            row("OPTIONS", head(&["OPTIONS /_ping"]), "HTTP/1.1 "),
            row("OPTIONS of all", head(&["OPTIONS *"]), "HTTP/1.1 "),
            row("TRACE", head(&["TRACE /_ping"]), "HTTP/1.1 "),
            row("CONNECT", head(&["CONNECT docker:80"]), "HTTP/1.1 "),
            row(
                "a body with a GET",
                head(&["GET /_ping", "Content-Length: 4"]) + "body",
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "no body",
                head(&["POST /containers/no-such/start"]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "no body, by length",
                head(&["POST /containers/no-such/start", "Content-Length: 0"]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "a chunked body",
                head(&[
                    "POST /containers/create",
                    "Content-Type: application/json",
                    "Transfer-Encoding: chunked",
                ]) + "1;x=y\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: z\r\n\r\n",
                "HTTP/1.1 400 Bad Request\r\n",
            ),
            row(
                "the wrong type",
                head(&[
                    "POST /containers/create",
                    "Content-Type: text/plain",
                    "Content-Length: 2",
                ]) + "{}",
                "HTTP/1.1 ",
            ),
            row(
                "no JSON",
                head(&[
                    "POST /v1.41/containers/create",
                    "Content-Type: application/json",
                    "Content-Length: 2",
                ]) + "{<",
                "HTTP/1.1 ",
            ),
            row(
                "100-continue, refused",
                head(&[
                    "POST /containers/no-such/kill",
                    "Expect: 100-continue",
                    "Content-Length: 10",
                ]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "100-continue to nowhere",
                head(&[
                    "PUT /no/such",
                    "expect: 100-Continue",
                    "Transfer-Encoding: chunked",
                ]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "another expectation",
                head(&[
                    "POST /containers/no-such/start",
                    "Expect: the unexpected",
                    "Content-Length: 0",
                ]),
                "HTTP/1.1 417 ",
            ),
        ],
    );
    assert!(!heard[0].said.contains("\r\n\r\nOK\r\n"));
    let found = heard
        .iter()
        .filter(|heard| heard.said.contains("No such container"))
        .count();
    assert_eq!(found, 3, "{heard:#?}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let scenario = Scenario::new("pipelined");
    let requests = [
        head(&["GET /_ping"]),
        head(&["HEAD /_ping"]),
        head(&["GET /no/such"]),
        head(&["POST /containers/no-such/start", "Content-Length: 3"]) + "abc",
        "\r\n".to_owned(),
        head(&["POST /no/such", "Transfer-Encoding: chunked"]) + "3\r\nGET\r\n0\r\n\r\n",
        head(&["GET /images/busybox/history"]),
        head(&["GET /_ping", "Connection: close"]),
        head(&["GET /never/read"]),
    ];
    let whole = requests.concat();
    let [at_once, byte_by_byte] = alike(&scenario, |address| {
        let wire = Wire::opened(address, &whole);
        let slow = Wire::open(address);
        let read = whole.len() - requests[8].len();
        for byte in &whole.as_bytes()[..read] {
            slow.send([*byte]);
        }
        at_once([wire, slow], Wire::ended)
    });
    assert_eq!(at_once, byte_by_byte);
    let statuses: Vec<&str> = at_once
        .said
        .split("HTTP/1.1 ")
        .map(|answer| &answer[..answer.len().min(3)])
        .collect();
    let expected = ["", "200", "200", "404", "404", "404", "200", "200"];
    assert_eq!(statuses, expected, "{at_once:#?}");
    assert_eq!(at_once.end, End::Full);
}

#[test]
fn a_client_that_sends_no_more_still_gets_its_answer() {
    let scenario = Scenario::new("half-closed");
    let (ping, post) = (
        head(&["GET /_ping"]),
        head(&[
            "POST /containers/create",
            "Content-Type: application/json",
            "Content-Length: 9",
        ]),
    );
    let rows = [
        ("whole", ping.clone(), "HTTP/1.1 200 OK\r\n"),
        ("twice", ping.repeat(2), "HTTP/1.1 200 OK\r\n"),
        ("a part of a head", ping[..20].to_owned(), ""),
        ("a part of a line", "GE".to_owned(), ""),
        (
            "a head of no request",
            "GET\r\n\r\n".to_owned(),
            "HTTP/1.1 400 ",
        ),
        ("a part of a body", post + "{", "HTTP/1.1 "),
        ("nothing", String::new(), ""),
    ];
    let heard = alike(&scenario, |address| {
        let ask = |bytes: &str| {
            let wire = Wire::opened(address, bytes);
            wire.shut();
            wire.ended()
        };
        at_once(rows.each_ref().map(|(_, bytes, _)| bytes.as_str()), ask)
    });
    for ((name, _, answer), heard) in rows.iter().zip(&heard) {
        assert!(heard.said.starts_with(answer), "{name}: {heard:#?}");
        assert!(
            !answer.is_empty() || !heard.said.contains(" 200 "),
            "{name}: {heard:#?}"
        );
        assert_eq!(heard.end, End::Full, "{name}");
    }
}

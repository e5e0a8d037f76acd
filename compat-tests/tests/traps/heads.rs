//! Heads of every kind, in one request: what a target, a header or a nonsense is answered.

use std::fmt::Write;

use compat_tests::Scenario;

use crate::wire::{End, compare, head, row};

#[test]
fn targets_reach_the_engine_as_they_are() {
    let scenario = Scenario::new("targets");
    let get = |target: &str| head(&[&format!("GET {target}")]);
    let heard = compare(
        &scenario,
        &[
            row("plain", get("/_ping"), "HTTP/1.1 200 OK\r\nApi-Version: "),
            row(
                "unencoded filters",
                get(r#"/containers/json?filters={"status":["running"],"name":["/no-such"]}"#),
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "a filter that exists nowhere",
                get(r#"/containers/json?filters={"<none>":["x"]}"#),
                "HTTP/1.1 400 Bad Request\r\n",
            ),
            row(
                "raw characters",
                get("/containers/\"<a>\"/json?a=\"<b>\"&c=^`{|}"),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "no ASCII",
                get("/containers/caf\u{e9}/json?\u{e9}"),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "an encoded slash",
                get("/containers/a%2Fb/json"),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row(
                "an encoded image",
                get("/images/busybox%3Alatest/json"),
                "HTTP/1.1 200 OK\r\n",
            ),
            row("a wrong encoding", get("/_ping?%zz"), "HTTP/1.1 "),
            row("a wrong encoding of the path", get("/%zz"), "HTTP/1.1 400 "),
            row("slashes", get("//_ping"), "HTTP/1.1 "),
            row("slashes within", get("/containers//json"), "HTTP/1.1 "),
            row("dots", get("/containers/../_ping"), "HTTP/1.1 "),
            row(
                "slashes before what is ours",
                head(&["POST //containers/none/upgrade", "Content-Length: 0"]),
                "HTTP/1.1 ",
            ),
            row("a fragment", get("/_ping#fragment"), "HTTP/1.1 "),
            row(
                "absolute form",
                get("http://docker/_ping"),
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "absolute form of elsewhere",
                get("https://other.invalid:1/v1.41/_ping?x"),
                "HTTP/1.1 ",
            ),
            row("no path", get("http://docker"), "HTTP/1.1 "),
            row("an old version", get("/v1.1/version"), "HTTP/1.1 400 "),
            row("a wrong version", get("/v9.99/version"), "HTTP/1.1 400 "),
        ],
    );
    for (heard, part) in [
        (&heard[1], "[]\n"),
        (&heard[2], "nvalid filter"),
        (&heard[6], "busybox:latest"),
    ] {
        assert!(heard.said.contains(part), "{heard:#?}");
    }
    let pings = heard[0].said.matches("\r\n\r\nOK").count();
    assert_eq!((pings, heard[0].end), (2, End::Open), "{:#?}", heard[0]);
}

#[test]
fn heads_reach_the_engine_as_they_are() {
    let scenario = Scenario::new("heads");
    let many = |count: usize, size: usize| {
        (0..count).fold(String::new(), |mut lines, n| {
            write!(lines, "X-Header-{n}: {}\r\n", "v".repeat(size)).expect("write");
            lines
        })
    };
    let of = |lines: &str| format!("GET /_ping HTTP/1.1\r\nHost: docker\r\n{lines}\r\n");
    let long = "u".repeat(70_000);
    // An address that nobody listens at.
    let auth = format!(
        "POST /images/create?fromImage=127.0.0.1:9/none&tag=x HTTP/1.1\r\nHost: docker\r\n\
         X-Registry-Auth: {}\r\nContent-Length: 0\r\n\r\n",
        // {"password":"aaa…"}, in base64.
        format_args!("eyJwYXNzd29yZCI6ImFh{}In0=", "YWFh".repeat(50_000)),
    );
    let heard = compare(
        &scenario,
        &[
            row("150 headers", of(&many(150, 20)), "HTTP/1.1 200 OK\r\n"),
            // Newer engines count them.
            row(
                "20,000 headers",
                of(&"X-Short: header of a few bytes, often\r\n".repeat(20_000)),
                "HTTP/1.1 ",
            ),
            row(
                "a head of 900 KB",
                of(&many(220, 4_100)),
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "a header of 900 KB",
                of(&many(1, 900_000)),
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "a head that is too large",
                of(&many(300, 5_000)),
                "HTTP/1.1 431 ",
            ),
            row(
                "a long target",
                head(&[&format!("GET /_ping?{long}")]),
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "a long path",
                head(&[&format!("GET /containers/{long}/json")]),
                "HTTP/1.1 404 Not Found\r\n",
            ),
            row("large credentials", auth, "HTTP/1.1 "),
        ],
    );
    assert!(heard[7].said.contains("127.0.0.1:9"), "{:#?}", heard[7]);
}

#[test]
fn hosts_and_versions_are_answered_alike() {
    let scenario = Scenario::new("hosts");
    let of = |lines: &str| format!("GET /_ping HTTP/1.1\r\nHost: docker\r\n{lines}\r\n");
    let heard = compare(
        &scenario,
        &[
            row(
                "names in another case",
                "GET /_ping HTTP/1.1\r\nhOsT: d\r\ncONNECTION: cLOSE\r\n\r\n",
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "an empty host",
                "GET /_ping HTTP/1.1\r\nHost:\r\n\r\n",
                "HTTP/1.1 200 OK\r\n",
            ),
            row(
                "no host",
                "GET /_ping HTTP/1.1\r\n\r\n",
                "HTTP/1.1 400 Bad Request",
            ),
            row(
                "two hosts",
                "GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                "HTTP/1.1 400 Bad Request",
            ),
            row(
                "a strange host",
                "GET /_ping HTTP/1.1\r\nHost: %2Fvar%2Frun%2Fdocker.sock\r\n\r\n",
                "HTTP/1.1 ",
            ),
            row(
                "HTTP/1.0",
                "GET /_ping HTTP/1.0\r\n\r\n",
                "HTTP/1.0 200 OK\r\n",
            ),
            row(
                "HTTP/1.0 that goes on",
                "GET /_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "HTTP/1.0 200 OK\r\n",
            ),
            row(
                "HTTP/1.0 without a length",
                "GET /images/busybox/history HTTP/1.0\r\n\r\n",
                "HTTP/1.0 200 OK\r\n",
            ),
            row(
                "line feeds only",
                "GET /_ping HTTP/1.1\nHost: d\n\n",
                "HTTP/1.1 200 OK\r\n",
            ),
            row("close", of("Connection: close\r\n"), "HTTP/1.1 200 OK\r\n"),
            row(
                "an upgrade that is not to be had",
                of("Connection: Upgrade\r\nUpgrade: h2c\r\n"),
                "HTTP/1.1 200 OK\r\n",
            ),
            row("folded", of("X: a\r\n b\r\n"), "HTTP/1.1 "),
        ],
    );
    for at in [0, 5, 9] {
        assert_eq!(heard[at].end, End::Full, "{:#?}", heard[at]);
    }
}

#[test]
fn what_is_no_request_is_answered_alike() {
    let scenario = Scenario::new("malformed");
    let of =
        |lines: &str| format!("POST /containers/no-such/kill HTTP/1.1\r\nHost: d\r\n{lines}\r\n");
    let refused = "HTTP/1.1 400 Bad Request";
    let heard = compare(
        &scenario,
        &[
            row("no target", "GET\r\n\r\n", refused),
            row("no version", "GET /_ping\r\n\r\n", refused),
            row(
                "a later version",
                "GET /_ping HTTP/1.2\r\nHost: d\r\n\r\n",
                "HTTP/1.1 ",
            ),
            row(
                "no such version",
                "GET /_ping HTTP/9.9\r\nHost: d\r\n\r\n",
                "HTTP/1.1 505 ",
            ),
            row("another protocol", "SSH-2.0-OpenSSH_9.9\r\n\r\n", refused),
            row(
                "TLS",
                b"\x16\x03\x01\x00\x05hello\r\n\r\n".as_slice(),
                "HTTP/1.",
            ),
            row(
                "blank lines first",
                "\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
                "HTTP/1.1 ",
            ),
            row("a relative target", head(&["GET _ping"]), refused),
            row("two spaces", head(&["GET  /_ping"]), "HTTP/1.1 "),
            row("a space in the target", head(&["GET /_ping a"]), refused),
            row("no colon", of("nonsense\r\n"), refused),
            row("a space before the colon", of("X : a\r\n"), refused),
            row("a control character", of("X: a\0b\r\n"), refused),
            row("a negative length", of("Content-Length: -1\r\n"), refused),
            row("no length", of("Content-Length: x\r\n"), refused),
            row(
                "two lengths",
                of("Content-Length: 1\r\nContent-Length: 2\r\n") + "ab",
                refused,
            ),
            row(
                "two equal lengths",
                of("Content-Length: 1\r\nContent-Length: 1\r\n") + "a",
                "HTTP/1.1 404 ",
            ),
            row(
                "another coding",
                of("Transfer-Encoding: gzip\r\n"),
                "HTTP/1.1 501 ",
            ),
            row(
                "two codings",
                of("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n",
                "HTTP/1.1 501 ",
            ),
            row(
                "a wrong chunk",
                of("Transfer-Encoding: chunked\r\n") + "xyz\r\n\r\n",
                "HTTP/1.1 ",
            ),
            row(
                "a length and a coding",
                of("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
                "HTTP/1.1 404 ",
            ),
        ],
    );
    assert!(heard.iter().filter(|heard| heard.end == End::Full).count() > 9);
}

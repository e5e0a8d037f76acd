//! Connections that become raw streams: attach, exec, session and grpc.

use compat_tests::{Scenario, same::same};

use crate::wire::{End, Heard, Wire, alike, at_once, compare, head, post, row, side, sleeper};

/// What attach and exec answer to an `Upgrade`. A client may reject a 101 that says more.
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\n\
    Content-Type: application/vnd.docker.raw-stream\r\n\
    Connection: Upgrade\r\n\
    Upgrade: tcp\r\n\r\n";

/// What they answer without one.
const STREAM: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: application/vnd.docker.raw-stream\r\n\r\n";

const UPGRADE: [&str; 2] = ["Connection: Upgrade", "Upgrade: tcp"];

/// Echoes its input line by line, and ends with it.
const ECHO: &str = "while read line; do echo got $line; done; echo end; exit 3";

/// A frame of the standard output.
fn framed(text: &str) -> String {
    let length = u8::try_from(text.len()).expect("a short text") as char;
    format!("\u{1}\0\0\0\0\0\0{length}{text}")
}

/// Creates an exec of a shell's script; returns its ID.
pub fn create_exec(address: &str, container: &str, script: &str) -> String {
    let config = format!(
        r#"{{"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Cmd":["sh","-c","{script}"]}}"#
    );
    let path = format!("/v1.41/containers/{container}/exec");
    let mut wire = Wire::opened(address, post(&path, &[], &config));
    wire.until("}\n");
    let answer = String::from_utf8_lossy(wire.bytes()).into_owned();
    let id = answer.split('"').find(|part| part.len() == 64);
    id.unwrap_or_else(|| panic!("no ID: {answer}")).to_owned()
}

/// Writes two lines, each when the one before is answered, and ends the input.
fn converse(wire: &mut Wire) {
    wire.until("\r\n\r\n");
    for line in ["one", "two"] {
        wire.send(format!("{line}\n"));
        wire.until(&format!("got {line}\n"));
    }
    wire.shut();
}

/// What the conversation is on the wire.
fn conversation(answer: &str) -> String {
    let frames = ["got one\n", "got two\n", "end\n"].map(framed).concat();
    answer.to_owned() + &frames
}

#[test]
fn exec_is_hijacked_with_and_without_an_upgrade() {
    let scenario = Scenario::new("hijack-exec");
    let name = sleeper(&scenario);
    let body = r#"{"Detach":false,"Tty":false}"#;
    let [by_length, by_chunks, legacy] = same(&scenario, |at| {
        let path = || {
            format!(
                "/v1.41/exec/{}/start",
                create_exec(at.address(), &name, ECHO)
            )
        };
        let of = |headers: &[&str]| {
            let first = [
                &format!("POST {}", path()),
                "Content-Type: application/json",
            ];
            head(&[&first, headers].concat())
        };
        let chunked = [UPGRADE[0], UPGRADE[1], "Transfer-Encoding: chunked"];
        let chunked = of(&chunked) + &format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let [by_length, by_chunks, legacy] = [
            post(&path(), &UPGRADE, body),
            chunked,
            post(&path(), &[], body),
        ]
        .map(|request| {
            let mut wire = Wire::opened(at.address(), request);
            converse(&mut wire);
            wire
        });
        at_once([by_length, by_chunks, legacy], Wire::ended)
    });
    // Of exec, the engine's usual headers follow.
    let (upgraded, stream) = (UPGRADED.trim_end(), STREAM.trim_end());
    for (heard, answer) in [
        (by_length, upgraded),
        (by_chunks, upgraded),
        (legacy, stream),
    ] {
        assert!(heard.said.starts_with(answer), "{heard:#?}");
        assert!(
            heard.said.ends_with(&conversation("\r\n\r\n")),
            "{heard:#?}"
        );
        assert!(!heard.said.contains("Date:"), "{heard:#?}");
    }
}

#[test]
fn attach_is_hijacked_with_and_without_an_upgrade() {
    let scenario = Scenario::new("hijack-attach");
    let names = ["upgrade", "endless", "legacy"].map(|name| scenario.named(name));
    // Of docker-modem: the chunked body never ends.
    let endless = [&UPGRADE[..], &["Transfer-Encoding: chunked"]].concat();
    let headers = [&UPGRADE[..], &endless, &[]];
    let label = scenario.label();
    let heard = same(&scenario, |at| {
        let wires = [0, 1, 2].map(|n| {
            let name = &names[n];
            scenario.docker(&[
                "create", "-i", &label, "--name", name, "busybox", "sh", "-c", ECHO,
            ]);
            let line = format!("POST /v1.41/containers/{name}/attach?stream=1&stdin=1&stdout=1");
            let request = head(&[&[line.as_str()], headers[n]].concat());
            let mut wire = Wire::opened(at.address(), request);
            wire.until("\r\n\r\n");
            scenario.docker(&["start", name]);
            converse(&mut wire);
            wire
        });
        let heard = at_once(wires, Wire::ended);
        for name in &names {
            at.remove(name);
        }
        heard
    });
    for (heard, answer) in heard.iter().zip([UPGRADED, UPGRADED, STREAM]) {
        assert_eq!(heard.said, conversation(answer));
    }
}

#[test]
fn the_end_of_a_container_ends_its_streams() {
    let scenario = Scenario::new("hijack-ends");
    // 20.10 may forget the last line of one that ends at once.
    let script = "read line; echo last words; sleep 1; exit 3";
    let heard = alike(&scenario, |address| {
        let name = side(&scenario, address);
        scenario.run(&["-i", "--name", &name, "busybox", "sh", "-c", script]);
        let attach = format!("POST /v1.41/containers/{name}/attach?stream=1&stdin=1&stdout=1");
        let logs = format!("GET /v1.41/containers/{name}/logs?follow=1&stdout=1");
        // Neither client closes anything.
        let requests = [
            head(&[&attach, UPGRADE[0], UPGRADE[1]]),
            head(&[&attach]),
            head(&[&logs, "Connection: close"]),
        ];
        let mut wires = requests.map(|request| Wire::opened(address, request));
        for wire in &mut wires {
            wire.until("\r\n\r\n");
        }
        wires[0].send("go\n");
        at_once(wires, Wire::ended)
    });
    let words = framed("last words\n");
    assert_eq!(heard[0].said, UPGRADED.to_owned() + &words);
    assert_eq!(heard[1].said, STREAM.to_owned() + &words);
    assert!(heard[2].said.contains(&words), "{:#?}", heard[2]);
}

#[test]
fn refused_hijacks_are_answered_alike() {
    let scenario = Scenario::new("hijack-refused");
    let name = sleeper(&scenario);
    let stopped = scenario.named("stopped");
    let label = scenario.label();
    scenario.docker(&["create", &label, "--name", &stopped, "busybox", "true"]);
    let attach = |container: &str, query: &str, headers: &[&str]| {
        let line = format!("POST /containers/{container}/attach?{query}");
        head(&[&[line.as_str()], headers].concat())
    };
    let exec = |headers: &[&str], body: &str| post("/exec/no-such-exec/start", headers, body);
    scenario.docker(&["pause", &name]);
    let heard = compare(
        &scenario,
        &[
            row(
                "attach to none",
                attach("no-such", "stream=1", &[]),
                "HTTP/1.1 404 ",
            ),
            row(
                "attach to none, upgrading",
                attach("no-such", "stream=1", &UPGRADE),
                "HTTP/1.1 404 ",
            ),
            row(
                "attach to none, and input",
                attach("no-such", "stream=1&stdin=1", &UPGRADE) + "input",
                "HTTP/1.1 404 ",
            ),
            row(
                "attach to a paused one",
                attach(&name, "stream=1&stdout=1", &UPGRADE),
                "HTTP/1.1 ",
            ),
            row(
                "attach to a paused one, legacy",
                attach(&name, "stream=1&stdout=1", &[]),
                "HTTP/1.1 ",
            ),
            row(
                "wrong detach keys",
                attach(&name, "stream=1&detachKeys=ctrl-no", &UPGRADE),
                "HTTP/1.1 ",
            ),
            row(
                "no stream",
                attach(&stopped, "stdout=1", &[]),
                "HTTP/1.1 200 ",
            ),
            row("exec of none", exec(&[], "{}"), "HTTP/1.1 404 "),
            row(
                "exec of none, upgrading",
                exec(&UPGRADE, "{}"),
                "HTTP/1.1 404 ",
            ),
            row("exec of no JSON", exec(&UPGRADE, "{<"), "HTTP/1.1 400 "),
            row(
                "exec of none, and input",
                exec(&UPGRADE, "{}") + "input",
                "HTTP/1.1 404 ",
            ),
            row(
                "a session by GET",
                head(&["GET /session", "Connection: Upgrade", "Upgrade: h2c"]),
                "HTTP/1.1 40",
            ),
            row(
                "a session without an upgrade",
                head(&["POST /session", "Content-Length: 0"]),
                "HTTP/1.1 ",
            ),
            row(
                "a session of another protocol",
                head(&["POST /session", UPGRADE[0], "Upgrade: none"]),
                "HTTP/1.1 ",
            ),
        ],
    );
    scenario.docker(&["unpause", &name]);
    assert!(
        heard[0].said.contains("o such container: no-such"),
        "{:#?}",
        heard[0]
    );
    // Unframed, and not closed but ended; the engine's garbage collector may have closed it since.
    let has_ended = matches!(heard[0].end, End::Half | End::Full);
    assert!(has_ended, "{:#?}", heard[0]);
}

#[test]
fn a_web_socket_carries_both_directions() {
    let scenario = Scenario::new("hijack-web-socket");
    let name = scenario.named("box");
    let request = head(&[
        &format!("GET /v1.41/containers/{name}/attach/ws?stream=1&stdin=1&stdout=1"),
        "Origin: http://docker",
        "Connection: keep-alive, Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]);
    let heard = same(&scenario, |at| {
        at.run_detached(&name, &["-i", "busybox", "sh", "-c", ECHO]);
        let mut wire = Wire::opened(at.address(), &request);
        wire.until("\r\n\r\n");
        // A text of four bytes, masked by zeros.
        wire.send(b"\x81\x84\0\0\0\0one\n");
        wire.until("got one\n");
        wire.send(b"\x88\x80\0\0\0\0");
        let heard = wire.ended();
        at.remove(&name);
        heard
    });
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(
        heard
            .said
            .starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{heard:#?}"
    );
    assert!(heard.said.contains(accept), "{heard:#?}");
}

/// How an HTTP/2 client begins.
const MAGIC: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Empty settings.
const SETTINGS: &str = "\0\0\0\u{4}\0\0\0\0\0";

/// Something of HTTP/1.1 and the magic, the frames of HTTP/2 after them, and the end. The frames
/// are sorted: a server may send them in one order or another.
fn dissect(heard: &Heard) -> (String, Vec<String>, End) {
    const HEAD: usize = 9;
    let mut at = 0;
    if heard.said.starts_with("HTTP/1.1 ") {
        at = heard.said.find("\r\n\r\n").expect("a head") + 4;
    }
    if heard.said[at..].starts_with(MAGIC) {
        at += MAGIC.len();
    }
    let (before, rest) = heard.said.split_at(at);
    let mut rest: Vec<char> = rest.chars().collect();
    let mut frames = Vec::new();
    while !rest.is_empty() {
        assert!(rest.len() >= HEAD, "part of a frame: {heard:?}");
        let length = rest[..3].iter().fold(0, |sum, c| sum << 8 | *c as usize);
        frames.push(rest.drain(..HEAD + length).collect());
    }
    frames.sort_unstable();
    (before.to_owned(), frames, heard.end)
}

#[test]
fn http_2_passes_by_upgrade_and_by_prior_knowledge() {
    let scenario = Scenario::new("http-2");
    let upgrade = |path: &str, session: &str| {
        let line = format!("POST {path}");
        let session = format!("X-Docker-Expose-Session-Uuid: {session}");
        head(&[&line, &session, "Connection: Upgrade", "Upgrade: h2c"])
    };
    let [session, grpc, prior] = alike(&scenario, |address| {
        // The daemon is the client: it speaks first. When this session begins, it may not have
        // forgotten the one before.
        let mut session = Wire::opened(address, upgrade("/session", address));
        let mut grpc = Wire::opened(address, upgrade("/grpc", ""));
        grpc.until("\r\n\r\n");
        grpc.send([MAGIC, SETTINGS].concat());
        let prior = Wire::opened(address, [MAGIC, SETTINGS].concat());
        for wire in [&mut session, &mut grpc] {
            // Its length comes before that.
            wire.until(&SETTINGS[3..]);
        }
        at_once([session, grpc, prior], |wire| dissect(&wire.rest()))
    });
    let switched =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    assert_eq!(session.0, [switched, MAGIC].concat());
    assert_eq!(grpc.0, switched);
    let is_settings = |frame: &String| frame.as_bytes()[3] == 4;
    assert!(session.1.iter().any(is_settings), "{session:?}");
    assert!(grpc.1.iter().any(is_settings), "{grpc:?}");
    // Prior knowledge is new.
    assert!(
        prior.0.starts_with("HTTP/1.1 ") || prior.1.iter().any(is_settings),
        "{prior:?}"
    );
}

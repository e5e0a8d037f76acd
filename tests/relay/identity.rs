//! Requests that call a container by an ID that it had before, in front of an engine that plays along.

use refit::plan::MARKER_LABEL;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::{
    ours::our_answer,
    rig::{Client, OK, Rig, expect, expect_end, send, shut, silent, within},
};

const OLD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// The beginning of `OLD` that is the name of another container.
const NAME: &str = "012345";

/// The beginning of `OLD` that means two other containers to the engine.
const AMBIGUOUS: &str = "01";

/// What the engine prints of the container that was upgraded.
fn upgraded() -> Value {
    let marker = json!({
        "Transaction": "one", "Leader": OLD, "Deadline": 0, "Monitor": 0, "HealthyDeadline": 0,
        "Original": {
            "Id": OLD, "Name": "web", "Image": "web:1", "ImageId": "sha256:1",
            "RunState": "Running", "RestartPolicy": { "Name": "no" },
        },
    });
    json!({
        "Id": NEW, "Name": "/web", "Image": "sha256:1", "State": { "Status": "running" },
        "Config": { "Image": "web:1", "Labels": { MARKER_LABEL: marker.to_string() } },
    })
}

/// What the engine answers to a call of Refit's own.
fn answer(path: &str) -> (u16, Value) {
    let other = json!({
        "Id": "77".repeat(32), "Name": format!("/{NAME}"), "Image": "sha256:1",
        "State": { "Status": "running" },
    });
    let inspected = path.strip_prefix("/v1.51/containers/");
    match inspected.and_then(|path| path.strip_suffix("/json")) {
        Some(NEW) => (200, upgraded()),
        Some(NAME) => (200, other),
        Some(AMBIGUOUS) => (500, json!({ "message": "multiple IDs found" })),
        _ if path == "/_ping" => (200, Value::Null),
        _ if path == "/v1.51/containers/json" => (200, json!([{ "Id": NEW, "Names": ["/web"] }])),
        _ => (404, json!({ "message": "no such container" })),
    }
}

async fn head(from: &mut UnixStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(from.read_u8()).await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The next connection that is relayed, with the head of its request. Refit's own calls are answered.
async fn relayed(rig: &Rig) -> (UnixStream, String) {
    loop {
        let mut side = rig.accept().await;
        let asked = head(&mut side).await;
        if !asked.contains("user-agent: refit/") {
            return (side, asked);
        }
        let (status, body) = answer(asked.split([' ', '?']).nth(1).unwrap());
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} .\r\nApi-Version: 1.51\r\nContent-Length: ");
        send(&mut side, format!("{head}{}\r\n\r\n{body}", body.len())).await;
    }
}

/// A relay that knows what was upgraded.
async fn rig() -> Rig {
    let rig = Rig::new();
    tokio::select! {
        () = rig.upgrades.recover() => {}
        (_, asked) = relayed(&rig) => panic!("{asked}"),
    }
    rig
}

fn inspect(of: &str) -> String {
    format!("GET /containers/{of}/json HTTP/1.1\r\nHost: {OLD}\r\n\r\n")
}

fn create(of: &str) -> [String; 2] {
    let body = format!("{{\"User\":\"{OLD}\", \"HostConfig\":{{\"VolumesFrom\":[\"{of}:ro\"]}}}}");
    let head = format!(
        "POST /v1.51/containers/create?name=x HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head, body]
}

/// A client that has sent `request`, and the engine that has read a request with this head.
async fn asked(rig: &Rig, request: &str, expected: &str) -> (Client, UnixStream) {
    let mut client = rig.client();
    send(&mut client.io, request).await;
    let (engine, head) = relayed(rig).await;
    assert_eq!(head, expected);
    (client, engine)
}

#[tokio::test]
async fn the_engine_sees_the_present_id_and_nothing_else_that_is_new() {
    let rig = rig().await;
    for old in [OLD, &OLD[..12], "0123"] {
        let (mut client, mut engine) = asked(&rig, &inspect(old), &inspect(NEW)).await;
        send(&mut engine, OK).await;
        expect(&mut client.io, OK).await;
        // Again, on the same connection; then with a body.
        send(&mut client.io, inspect(old) + &create(old).concat()).await;
        tokio::select! {
            () = expect(&mut engine, inspect(NEW) + &create(NEW).concat()) => {}
            (_, asked) = relayed(&rig) => panic!("{asked}"),
        }
    }
}

#[tokio::test]
async fn what_the_engine_knows_or_cannot_tell_stays_as_it_is() {
    let rig = rig().await;
    for reference in [NAME, AMBIGUOUS, "web", NEW, "fedc", "0124"] {
        asked(&rig, &inspect(reference), &inspect(reference)).await;
    }
    // Nobody is asked about what no earlier generation was called.
    let (mut client, mut engine) = asked(&rig, &inspect("web"), &inspect("web")).await;
    send(&mut client.io, inspect(NEW) + &create("web").concat()).await;
    expect(&mut engine, inspect(NEW) + &create("web").concat()).await;
    assert!(rig.nobody_dialled().await);
}

#[tokio::test]
async fn answers_come_in_while_a_reference_is_identified() {
    let rig = rig().await;
    let events = "GET /events HTTP/1.1\r\n\r\n";
    let (mut client, mut engine) = asked(&rig, events, events).await;
    send(&mut client.io, inspect(OLD)).await;
    // Refit asks, and is not answered yet.
    let question = rig.accept().await;
    let begin = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    send(&mut engine, begin).await;
    expect(&mut client.io, begin).await;
    assert!(silent(&engine).await);
    // Nor ever: the engine is to judge what it is.
    drop(question);
    expect(&mut engine, inspect(OLD)).await;
    send(&mut engine, "0\r\n\r\n").await;
    expect(&mut client.io, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_client_that_leaves_has_still_asked() {
    let rig = rig().await;
    let stop = |of: &str| format!("POST /containers/{of}/stop HTTP/1.1\r\n\r\n");
    let mut client = rig.client();
    send(&mut client.io, stop(OLD)).await;
    shut(&mut client.io).await;
    let (mut engine, head) = relayed(&rig).await;
    assert_eq!(head, stop(NEW));
    expect_end(&mut engine).await;
    send(&mut engine, OK).await;
    expect(&mut client.io, OK).await;

    let mut client = rig.client();
    send(&mut client.io, stop(OLD)).await;
    drop(client.io);
    let (_, head) = relayed(&rig).await;
    assert_eq!(head, stop(NEW));
    within(client.served).await.unwrap();
}

#[tokio::test]
async fn a_hijack_goes_through_by_an_earlier_id() {
    let rig = rig().await;
    let attach =
        |of: &str| format!("POST /containers/{of}/attach?stdin=1 HTTP/1.1\r\nUpgrade: tcp\r\n\r\n");
    let (mut client, mut engine) = asked(&rig, &attach(&OLD[..12]), &attach(NEW)).await;
    let upgraded = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    send(&mut engine, upgraded).await;
    expect(&mut client.io, upgraded).await;
    // No request any more, whatever it looks like.
    send(&mut client.io, inspect(OLD)).await;
    expect(&mut engine, inspect(OLD)).await;
    send(&mut engine, "raw").await;
    expect(&mut client.io, "raw").await;
}

#[tokio::test]
async fn a_body_that_waits_for_the_engine_does_so_behind_another_head() {
    let rig = rig().await;
    let put = |of: &str| {
        format!(
            "PUT /containers/{of}/archive?path=/ HTTP/1.1\r\nExpect: 100-continue\r\n\
             Content-Length: 5\r\n\r\n"
        )
    };
    let (mut client, mut engine) = asked(&rig, &put(OLD), &put(NEW)).await;
    let word = "HTTP/1.1 100 Continue\r\n\r\n";
    send(&mut engine, word).await;
    expect(&mut client.io, word).await;
    send(&mut client.io, "bytes").await;
    expect(&mut engine, "bytes").await;
}

#[tokio::test]
async fn our_endpoint_knows_earlier_ids_too() {
    let rig = rig().await;
    for old in [OLD, &OLD[..12], "0123"] {
        let mut client = rig.client();
        let report = format!("GET /containers/{old}/upgrade HTTP/1.1\r\n\r\n");
        within(client.io.write_all(report.as_bytes()))
            .await
            .unwrap();
        tokio::select! {
            (status, answer) = our_answer(&mut client.io) => {
                assert_eq!((status, &answer["Id"]), (200, &json!(NEW)), "{answer}");
            }
            (_, asked) = relayed(&rig) => panic!("{asked}"),
        }
    }
}

//! Connections that become raw streams, or ask to and may not.

use crate::rig::{Client, OK, OURS, Rig, expect, expect_end, send, shut, silent};
use tokio::net::UnixStream;

const ATTACH: &str = "POST /v1.41/containers/web/attach?stdin=1&stream=1 HTTP/1.1\r\nHost: d\r\n\
                      Upgrade: tcp\r\nConnection: Upgrade\r\n\r\n";
const LEGACY: &str = "POST /containers/web/attach?stdin=1&stream=1 HTTP/1.1\r\nHost: d\r\n\r\n";
const EXEC: &str = "POST /v1.41/exec/0123/start HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\
                    Content-Length: 15\r\n\r\n{\"Detach\":false";
/// As docker-modem asks: a chunked body that never ends.
const MODEM: &str = "POST /exec/0123/start HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\
                     Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                        Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const RAW: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";

/// Both directions carry anything, requests of ours included.
async fn expect_raw(client: &mut Client, engine: &mut UnixStream) {
    for bytes in [
        "\0\x01",
        "echo hi\n",
        OURS,
        "GET / HTTP/1.1\r\n\r\n",
        "0\r\n\r\n",
        OURS,
    ] {
        send(&mut client.io, bytes).await;
        expect(engine, bytes).await;
        send(engine, bytes).await;
        expect(&mut client.io, bytes).await;
    }
}

#[tokio::test]
async fn accepted_hijacks_are_opaque_both_ways() {
    for (request, answer) in [
        (ATTACH, UPGRADED),
        (EXEC, UPGRADED),
        (MODEM, UPGRADED),
        (LEGACY, RAW),
        (ATTACH, RAW),
        ("POST /session HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", UPGRADED),
        (
            "POST /v1.51/grpc HTTP/1.1\r\nUpgrade: h2c\r\n\r\n",
            UPGRADED,
        ),
        (
            "GET /containers/web/attach/ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            UPGRADED,
        ),
        ("CONNECT d HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
    ] {
        let rig = Rig::new();
        let (mut client, mut engine) = rig.answered(request, answer).await;
        expect_raw(&mut client, &mut engine).await;
    }
}

#[tokio::test]
async fn the_engine_may_speak_first() {
    let rig = Rig::new();
    let answer = format!("{UPGRADED}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    let (mut client, mut engine) = rig
        .answered("POST /session HTTP/1.1\r\nUpgrade: h2c\r\n\r\n", &answer)
        .await;
    expect_raw(&mut client, &mut engine).await;
}

#[tokio::test]
async fn input_that_comes_before_the_answer_waits_for_it() {
    for (request, answer) in [(ATTACH, UPGRADED), (EXEC, UPGRADED), (LEGACY, RAW)] {
        let rig = Rig::new();
        let mut client = rig.client();
        send(&mut client.io, format!("{request}{OURS}")).await;
        let mut engine = rig.accept().await;
        expect(&mut engine, request).await;
        send(&mut client.io, "more").await;
        assert!(silent(&engine).await);
        send(&mut engine, answer).await;
        expect(&mut client.io, answer).await;
        expect(&mut engine, format!("{OURS}more")).await;
        expect_raw(&mut client, &mut engine).await;
    }
}

#[tokio::test]
async fn a_body_that_never_ends_goes_on_before_the_answer() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked(MODEM).await;
    send(&mut client.io, "3\r\nabc\r\n").await;
    expect(&mut engine, "3\r\nabc\r\n").await;
    send(&mut engine, UPGRADED).await;
    expect(&mut client.io, UPGRADED).await;
    expect_raw(&mut client, &mut engine).await;
}

#[tokio::test]
async fn after_a_refusal_framing_goes_on() {
    for request in [ATTACH, EXEC, LEGACY] {
        let rig = Rig::new();
        let get = "GET /_ping HTTP/1.1\r\n\r\n";
        let mut client = rig.client();
        send(&mut client.io, format!("{request}{get}{OURS}")).await;
        let mut engine = rig.accept().await;
        expect(&mut engine, request).await;
        assert!(silent(&engine).await);
        send(&mut engine, REFUSED).await;
        expect(&mut client.io, REFUSED).await;
        expect(&mut engine, get).await;
        send(&mut engine, OK).await;
        expect(&mut client.io, OK).await;
        expect(&mut client.io, "HTTP/1.1 ").await;
        expect_end(&mut engine).await;
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_body_leaves_the_body_to_end() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(MODEM, REFUSED).await;
    let rest = format!("{:x}\r\n{OURS}\r\n0\r\n\r\n", OURS.len());
    send(&mut client.io, format!("{rest}{OURS}")).await;
    expect(&mut engine, rest).await;
    expect(&mut client.io, "HTTP/1.1 ").await;
    expect_end(&mut engine).await;
}

#[tokio::test]
async fn errors_without_framing_end_with_a_half_close() {
    let rig = Rig::new();
    let answer = format!("{UPGRADED}Error: no such container\n");
    let (mut client, mut engine) = rig.answered(ATTACH, &answer).await;
    shut(&mut engine).await;
    expect_end(&mut client.io).await;
    send(&mut client.io, "still sending").await;
    expect(&mut engine, "still sending").await;
    shut(&mut client.io).await;
    expect_end(&mut engine).await;
    client.served().await;
}

#[tokio::test]
async fn half_closes_pass_while_the_answer_is_awaited() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked(ATTACH).await;
    shut(&mut client.io).await;
    expect_end(&mut engine).await;
    send(&mut engine, UPGRADED).await;
    expect(&mut client.io, UPGRADED).await;

    // `echo ok | docker run -i`, all at once: the input comes first, then its end.
    let mut client = rig.client();
    send(&mut client.io, format!("{ATTACH}ok\n")).await;
    shut(&mut client.io).await;
    let mut engine = rig.accept().await;
    expect(&mut engine, ATTACH).await;
    assert!(silent(&engine).await);
    send(&mut engine, UPGRADED).await;
    expect(&mut engine, "ok\n").await;
    expect_end(&mut engine).await;
    send(&mut engine, "ok\n").await;
    drop(engine);
    expect(&mut client.io, format!("{UPGRADED}ok\n")).await;
    expect_end(&mut client.io).await;
    client.served().await;
}

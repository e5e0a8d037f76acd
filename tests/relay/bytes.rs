//! Byte exactness of what is relayed.

use std::fmt::Write as _;

use crate::rig::{OK, OURS, Rig, expect, expect_end, hung_up, send, silent};

/// Heads that proxies which parse and print again are known to change or refuse.
const HEADS: &[&str] = &[
    "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /_ping HTTP/1.1\r\nhOsT:\r\nx-CASE:  two  spaces \r\nX-case: again\r\n\r\n",
    "GET /_ping HTTP/1.0\r\n\r\n",
    "GET /_ping HTTP/1.1\nHost: d\n\n",
    "GET http://localhost/v1.41/_ping HTTP/1.1\r\nHost: other\r\n\r\n",
    "GET /v1.41/containers/a%2Fb//json/../x HTTP/1.1\r\nHost: d\r\n\r\n",
    "GET /containers/json?filters={\"status\":[\"running\"]}&q=\"<x>\" HTTP/1.1\r\nHost: d\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/web/start HTTP/1.1\r\nHost: d\r\n\r\n",
    "POST /containers/web/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n",
    "DELETE /containers/web?v=1 HTTP/1.1\r\nHost: d\r\nConnection: keep-alive\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
    "POST /x HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n\
     5;a=b\r\nhello\r\n0\r\nT: 1\r\n\r\n",
    "GET /x HTTP/1.1\r\nHost: d\r\nX: caf\u{e9}\r\n\r\n",
];

const ANSWERS: &[&str] = &[
    OK,
    "HTTP/1.1 200 OK\r\nserver: Docker\r\nTRANSFER-ENCODING: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n\r\n",
    "HTTP/1.1 304 Not Modified\r\nX:  y \r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\nContent-Length: 2\n\n{}",
];

#[tokio::test]
async fn requests_and_answers_pass_unchanged_over_one_connection() {
    let rig = Rig::new();
    let mut client = rig.client();
    send(&mut client.io, HEADS[0]).await;
    let mut engine = rig.accept().await;
    expect(&mut engine, HEADS[0]).await;
    send(&mut engine, OK).await;
    expect(&mut client.io, OK).await;
    for head in HEADS {
        for answer in ANSWERS {
            send(&mut client.io, head).await;
            expect(&mut engine, head).await;
            send(&mut engine, answer).await;
            expect(&mut client.io, answer).await;
        }
    }
    assert!(silent(&engine).await && silent(&client.io).await);
    assert!(rig.nobody_dialled().await);
}

#[tokio::test]
async fn single_bytes_pass_unchanged() {
    let rig = Rig::new();
    let mut client = rig.client();
    let all = HEADS.concat();
    for byte in all.as_bytes() {
        send(&mut client.io, [*byte]).await;
        tokio::task::yield_now().await;
    }
    let mut engine = rig.accept().await;
    expect(&mut engine, &all).await;
    for byte in OK.as_bytes() {
        send(&mut engine, [*byte]).await;
        expect(&mut client.io, [*byte]).await;
    }
}

#[tokio::test]
async fn pipelined_requests_pass_before_they_are_answered() {
    let rig = Rig::new();
    let all = HEADS.concat();
    let (mut client, mut engine) = rig.asked(&all).await;
    send(&mut engine, OK.repeat(HEADS.len())).await;
    expect(&mut client.io, OK.repeat(HEADS.len())).await;
}

#[tokio::test]
async fn huge_heads_pass() {
    let rig = Rig::new();
    let mut many = "GET /_ping HTTP/1.1\r\nHost: d\r\n".to_owned();
    for n in 0..150 {
        write!(many, "X-Header-{n}: {n}\r\n").unwrap();
    }
    many.push_str("\r\n");
    let long = format!("GET /x?{} HTTP/1.1\r\nHost: d\r\n\r\n", "u".repeat(70_000));
    let wide = format!(
        "GET / HTTP/1.1\r\nX-Registry-Auth: {}\r\n\r\n",
        "a".repeat(900_000)
    );
    for head in [many, long, wide] {
        let mut client = rig.client();
        let sent = head.clone();
        let sender = tokio::spawn(async move {
            send(&mut client.io, sent).await;
            client
        });
        let mut engine = rig.accept().await;
        expect(&mut engine, &head).await;
        let mut client = sender.await.unwrap();
        send(&mut engine, OK).await;
        expect(&mut client.io, OK).await;
        // It is framed still.
        send(&mut client.io, OURS).await;
        expect(&mut client.io, "HTTP/1.1 ").await;
        hung_up(&engine).await;
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_the_engines_to_judge() {
    let rig = Rig::new();
    let mut client = rig.client();
    let head = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n{OURS}", "a".repeat(1 << 20));
    let sent = head.clone();
    let sender = tokio::spawn(async move {
        send(&mut client.io, sent).await;
        client
    });
    let mut engine = rig.accept().await;
    expect(&mut engine, &head).await;
    let answer = "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n431";
    send(&mut engine, answer).await;
    drop(engine);
    let mut client = sender.await.unwrap();
    expect(&mut client.io, answer).await;
    expect_end(&mut client.io).await;
}

#[tokio::test]
async fn what_is_no_request_is_the_engines_to_judge() {
    for garbage in [
        "\u{16}\u{3}\u{1}\u{2}",
        "GET  / HTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\nHost: d\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length : 3\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc",
    ] {
        let rig = Rig::new();
        let bytes = format!("{garbage}{OURS}");
        let (mut client, mut engine) = rig.asked(&bytes).await;
        let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request";
        send(&mut engine, answer).await;
        drop(engine);
        expect(&mut client.io, answer).await;
        expect_end(&mut client.io).await;
    }
}

#[tokio::test]
async fn half_a_head_and_the_end_reach_the_engine() {
    let rig = Rig::new();
    let mut client = rig.client();
    send(&mut client.io, "GET / HTTP/1.1\r\nHo").await;
    assert!(rig.nobody_dialled().await);
    crate::rig::shut(&mut client.io).await;
    let mut engine = rig.accept().await;
    expect(&mut engine, "GET / HTTP/1.1\r\nHo").await;
    expect_end(&mut engine).await;
}

#[tokio::test]
async fn http2_is_opaque_from_the_first_byte() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0").await;
    send(&mut engine, "\0\0\0\x04\0").await;
    expect(&mut client.io, "\0\0\0\x04\0").await;
    send(&mut client.io, OURS).await;
    expect(&mut engine, OURS).await;
}

#[tokio::test]
async fn heads_are_handed_on_before_any_data() {
    let rig = Rig::new();
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut client, mut engine) = rig
        .answered("GET /events HTTP/1.1\r\nHost: d\r\n\r\n", head)
        .await;
    send(&mut engine, "2\r\n{}\r\n").await;
    expect(&mut client.io, "2\r\n{}\r\n").await;
}

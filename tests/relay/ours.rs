//! Requests of ours leave the relay; everything before them is answered first.

use refit::engine::Address;
use serde_json::Value;
use tokio::{io::AsyncReadExt, net::UnixStream};

use crate::rig::{
    OK, OURS, Rig, connect, expect, expect_end, hung_up, relay_to, send, silent, within,
};

const GET: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";

/// Reads an answer of ours, to the end of the connection.
async fn expect_our_answer(client: &mut UnixStream) -> String {
    let mut answer = String::new();
    within(client.read_to_string(&mut answer))
        .await
        .expect("an answer, and the end");
    assert!(answer.starts_with("HTTP/1.1 "), "{answer:?}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer:?}"
    );
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer:?}");
    answer
}

/// As [`expect_our_answer`]: its status and its JSON.
pub async fn our_answer(client: &mut UnixStream) -> (u16, Value) {
    let answer = expect_our_answer(client).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.to_lowercase()
            .contains("content-type: application/json"),
        "{answer:?}"
    );
    let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn ours_needs_no_connection_to_the_engine() {
    let rig = Rig::new();
    let mut client = rig.client();
    send(&mut client.io, OURS).await;
    expect_our_answer(&mut client.io).await;
    assert!(rig.nobody_dialled().await);
    drop(client.io);
    within(client.served).await.unwrap();
}

#[tokio::test]
async fn whatever_the_head_is_like_the_answer_is_ours() {
    let path = "/containers/web/upgrade";
    let many = "X: v\r\n".repeat(1000);
    let long = format!("X: {}\r\n", "v".repeat(900_000));
    for (target, headers, named) in [
        (format!("{path}?nonsense=1"), many.as_str(), "nonsense"),
        (format!("{path}?nonsense=1"), long.as_str(), "nonsense"),
        (format!("{path}?pull=\"<{{^`|}}>"), "", "\"<{^`|}>"),
        (format!("{path}?pull=a#b"), "", "a#b"),
        (format!("{path}?pull={}", "a".repeat(100_000)), "", "aaa"),
        (format!("http://d{path}?pull=\"b"), "", "\"b"),
        (
            "/containers/we<b>/upgrade?nonsense".to_owned(),
            "",
            "nonsense",
        ),
    ] {
        let rig = Rig::new();
        let mut client = rig.client();
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: d\r\n{headers}Content-Length: 2\r\n\r\n{{}}");
        send(&mut client.io, request).await;
        let (status, answer) = our_answer(&mut client.io).await;
        assert_eq!(status, 400, "{answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn ours_is_found_after_other_requests_and_ends_the_connection() {
    let rig = Rig::new();
    let (mut client, engine) = rig.answered(GET, OK).await;
    send(&mut client.io, OURS).await;
    expect_our_answer(&mut client.io).await;
    hung_up(&engine).await;
}

#[tokio::test]
async fn ours_among_pipelined_requests_waits_for_those_before_it() {
    let rig = Rig::new();
    let post = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let mut client = rig.client();
    send(&mut client.io, format!("{GET}{post}{OURS}{GET}")).await;
    let mut engine = rig.accept().await;
    expect(&mut engine, format!("{GET}{post}")).await;
    assert!(silent(&engine).await);

    send(&mut engine, OK).await;
    expect(&mut client.io, OK).await;
    assert!(silent(&client.io).await);
    let (some, rest) = OK.split_at(OK.len() - 1);
    send(&mut engine, some).await;
    expect(&mut client.io, some).await;
    assert!(silent(&client.io).await);
    send(&mut engine, rest).await;
    expect(&mut client.io, rest).await;
    expect_our_answer(&mut client.io).await;
    expect_end(&mut engine).await;
}

#[tokio::test]
async fn ours_is_not_served_after_the_engine_has_said_its_last() {
    for last in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK",
        "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    ] {
        let rig = Rig::new();
        let mut client = rig.client();
        send(&mut client.io, format!("{GET}{OURS}")).await;
        let mut engine = rig.accept().await;
        expect(&mut engine, GET).await;
        send(&mut engine, last).await;
        expect(&mut client.io, last).await;
        assert!(silent(&client.io).await);
        drop(engine);
        expect_end(&mut client.io).await;
    }
}

#[tokio::test]
async fn ours_inside_a_body_is_the_engines() {
    let rig = Rig::new();
    let length = format!(
        "POST /x HTTP/1.1\r\nContent-Length: {}\r\n\r\n{OURS}",
        OURS.len()
    );
    let chunked = format!(
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n\
         {:x}\r\n{OURS}\r\n0\r\n\r\n",
        OURS.len()
    );
    rig.asked(&format!("{length}{chunked}")).await;
}

#[tokio::test]
async fn an_unreachable_engine_is_a_503_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let address = Address::Unix(folder.path().join("none.sock"));
    let relay = relay_to(&address);
    let mut client = connect(&relay);
    send(
        &mut client.io,
        "POST /containers/web/upgrade HTTP/1.1\r\n\r\n",
    )
    .await;
    let (status, answer) = our_answer(&mut client.io).await;
    assert_eq!(
        (status, &answer["Rollback"]),
        (503, &"not needed".into()),
        "{answer}"
    );
    for (request, head) in [
        (GET.to_owned(), false),
        ("HEAD /_ping HTTP/1.1\r\n\r\n".to_owned(), true),
        // The body is still on its way when the answer is written.
        (
            format!(
                "POST /x HTTP/1.1\r\nContent-Length: 999999\r\n\r\n{}",
                "x".repeat(9000)
            ),
            false,
        ),
        ("no request at all".to_owned(), false),
    ] {
        let mut client = connect(&relay);
        send(&mut client.io, request).await;
        let mut answer = String::new();
        within(client.io.read_to_string(&mut answer)).await.unwrap();
        let (start, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(start.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(start.contains("Content-Type: application/json"), "{answer}");
        if head {
            assert_eq!(body, "");
        } else {
            assert!(
                start.contains(&format!("Content-Length: {}", body.len())),
                "{answer}"
            );
            assert!(
                body.starts_with("{\"message\":\"cannot reach the engine at unix://"),
                "{body}"
            );
        }
        drop(client.io);
        within(client.served).await.unwrap();
    }
}

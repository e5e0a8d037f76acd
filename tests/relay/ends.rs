//! Half-close and full close, in both directions, at every stage.

use crate::rig::{OK, Rig, expect, expect_end, hung_up, send, shut, silent, within};

const GET: &str = "GET /events HTTP/1.1\r\nHost: d\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ATTACH: &str = "POST /containers/web/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\n\r\n";

#[tokio::test]
async fn a_client_that_asks_nothing_costs_nothing() {
    let rig = Rig::new();
    let client = rig.client();
    drop(client.io);
    within(client.served).await.unwrap();
    let mut client = rig.client();
    shut(&mut client.io).await;
    expect_end(&mut client.io).await;
    assert!(rig.nobody_dialled().await);
}

#[tokio::test]
async fn a_half_close_of_the_client_is_a_half_close_to_the_engine() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(GET, EVENTS).await;
    shut(&mut client.io).await;
    expect_end(&mut engine).await;
    send(&mut engine, "0\r\n\r\n").await;
    expect(&mut client.io, "0\r\n\r\n").await;
    assert!(silent(&client.io).await, "the engine has not closed");
    drop(engine);
    expect_end(&mut client.io).await;
    client.served().await;
}

#[tokio::test]
async fn a_half_close_of_the_engine_is_a_half_close_to_the_client() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(ATTACH, UPGRADED).await;
    send(&mut engine, "last words").await;
    shut(&mut engine).await;
    expect(&mut client.io, "last words").await;
    expect_end(&mut client.io).await;
    send(&mut client.io, "input").await;
    expect(&mut engine, "input").await;
}

/// After the engine's half-close was handed on, the client's half-close looks like a hang-up.
#[tokio::test]
async fn the_second_half_close_loses_nothing_on_its_way() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(ATTACH, UPGRADED).await;
    shut(&mut engine).await;
    expect_end(&mut client.io).await;
    let input = vec![7; 4 << 20];
    let sent = input.clone();
    let sender = tokio::spawn(async move {
        send(&mut client.io, sent).await;
        shut(&mut client.io).await;
        client
    });
    expect(&mut engine, input).await;
    expect_end(&mut engine).await;
    drop(engine);
    sender.await.unwrap().served().await;
}

#[tokio::test]
async fn a_client_that_closes_takes_the_engines_connection_with_it() {
    let rig = Rig::new();
    for (request, answer) in [
        (GET, OK),
        (GET, EVENTS),
        (GET, ""),
        (ATTACH, UPGRADED),
        (ATTACH, ""),
    ] {
        let (client, engine) = rig.answered(request, answer).await;
        drop(client.io);
        hung_up(&engine).await;
        within(client.served).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_closes_after_its_half_close_is_gone_as_well() {
    let rig = Rig::new();
    for (request, answer) in [(GET, EVENTS), (GET, ""), (ATTACH, UPGRADED), (ATTACH, "")] {
        let (mut client, mut engine) = rig.answered(request, answer).await;
        shut(&mut client.io).await;
        expect_end(&mut engine).await;
        drop(client.io);
        hung_up(&engine).await;
        within(client.served).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_client_sent_before_it_closed_arrives() {
    let rig = Rig::new();
    let mut client = rig.client();
    send(&mut client.io, GET).await;
    drop(client.io);
    let mut engine = rig.accept().await;
    expect(&mut engine, GET).await;
    hung_up(&engine).await;

    let (mut client, mut engine) = rig.answered(ATTACH, UPGRADED).await;
    let input = "x".repeat(50_000);
    send(&mut client.io, &input).await;
    drop(client.io);
    expect(&mut engine, &input).await;
    hung_up(&engine).await;
}

#[tokio::test]
async fn an_engine_that_closes_takes_an_idle_client_with_it() {
    let rig = Rig::new();
    for (request, answer) in [(GET, OK), (GET, ""), (ATTACH, UPGRADED), (ATTACH, "")] {
        let (mut client, engine) = rig.answered(request, answer).await;
        drop(engine);
        expect_end(&mut client.io).await;
        // The client may be slow to notice; the relay does not wait for it for ever.
        within(client.served).await.unwrap();
        hung_up(&client.io).await;
    }
}

#[tokio::test]
async fn what_the_engine_sent_before_it_closed_arrives() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked(GET).await;
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{}", "y".repeat(4 << 20));
    let sent = answer.clone();
    tokio::spawn(async move { send(&mut engine, sent).await });
    expect(&mut client.io, answer).await;
    expect_end(&mut client.io).await;
}

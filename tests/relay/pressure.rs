//! Readers that are slow, and sides that send while nobody listens.

use std::{io::ErrorKind, time::Duration};

use tokio::{net::UnixStream, time::timeout};

use crate::rig::{Rig, expect, expect_end, hung_up, send, within};

const LOGS: &str = "GET /containers/web/logs HTTP/1.1\r\nHost: d\r\n\r\n";
const UPLOAD: &str = "POST /images/load HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNK: usize = 32 * 1024;
const ATTACH: &str = "POST /containers/web/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\n\r\n";

/// Writes until nothing is taken any more; how many bytes it was.
async fn fill(side: &UnixStream, bytes: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        if timeout(Duration::from_millis(200), side.writable())
            .await
            .is_err()
        {
            return sent;
        }
        match side.try_write(&bytes[sent % bytes.len()..]) {
            Ok(n) => sent += n,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
    }
}

/// What the sockets of both sides hold (ours, once widened, up to a MiB), and a little of our own.
const FLAT: usize = 2 << 20;

#[tokio::test]
async fn a_slow_reader_slows_the_engine_down_and_memory_stays_flat() {
    let rig = Rig::new();
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let (mut client, engine) = rig.answered(LOGS, head).await;
    let sent = fill(&engine, &vec![b'l'; CHUNK]).await;
    assert!((1..FLAT).contains(&sent), "{sent}");
    drop(engine);
    expect(&mut client.io, vec![b'l'; sent]).await;
    expect_end(&mut client.io).await;
}

#[tokio::test]
async fn a_slow_engine_slows_the_client_down_and_memory_stays_flat() {
    let rig = Rig::new();
    let (client, mut engine) = rig.asked(UPLOAD).await;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "c".repeat(CHUNK));
    let sent = fill(&client.io, chunk.as_bytes()).await;
    assert!((1..FLAT).contains(&sent), "{sent}");
    let all = chunk.repeat(sent / chunk.len() + 1);
    expect(&mut engine, &all[..sent]).await;
}

#[tokio::test]
async fn one_direction_moves_while_the_other_is_stuck() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(ATTACH, UPGRADED).await;
    let down = fill(&engine, &vec![b'd'; CHUNK]).await;
    send(&mut client.io, "up").await;
    expect(&mut engine, "up").await;
    expect(&mut client.io, vec![b'd'; down]).await;
    let up = fill(&client.io, &vec![b'u'; CHUNK]).await;
    send(&mut engine, "down").await;
    expect(&mut client.io, "down").await;
    expect(&mut engine, vec![b'u'; up]).await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked(UPLOAD).await;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "c".repeat(CHUNK));
    fill(&client.io, chunk.as_bytes()).await;
    let answer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
    send(&mut engine, answer).await;
    expect(&mut client.io, answer).await;
    // With unread bytes in its socket: a reset, which must not overtake anything.
    drop(engine);
    expect_end(&mut client.io).await;
}

#[tokio::test]
async fn an_answer_and_a_reset_at_once_still_deliver_the_answer() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.asked(UPLOAD).await;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "c".repeat(CHUNK));
    fill(&client.io, chunk.as_bytes()).await;
    let answer = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno";
    send(&mut engine, answer).await;
    drop(engine);
    // It goes on sending for as long as it is listened to.
    let mut sent = 0;
    while let Ok(n) = within(async {
        client.io.writable().await?;
        match client.io.try_write(chunk.as_bytes()) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    })
    .await
    {
        sent += n;
    }
    assert!(sent > 0);
    expect(&mut client.io, answer).await;
}

#[tokio::test]
async fn a_client_that_closes_is_noticed_while_the_engine_reads_nothing() {
    let rig = Rig::new();
    let (client, engine) = rig.asked(UPLOAD).await;
    let chunk = format!("{CHUNK:x}\r\n{}\r\n", "c".repeat(CHUNK));
    fill(&client.io, chunk.as_bytes()).await;
    drop(client.io);
    hung_up(&engine).await;
    within(client.served).await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_is_noticed_while_it_reads_nothing() {
    let rig = Rig::new();
    let (client, engine) = rig.answered(LOGS, "HTTP/1.1 200 OK\r\n\r\n").await;
    fill(&engine, &vec![b'l'; CHUNK]).await;
    drop(client.io);
    hung_up(&engine).await;
    within(client.served).await.unwrap();
}

#[tokio::test]
async fn a_client_that_closes_is_noticed_while_its_input_is_held() {
    let rig = Rig::new();
    let (client, engine) = rig.asked(ATTACH).await;
    fill(&client.io, &vec![b'i'; CHUNK]).await;
    drop(client.io);
    hung_up(&engine).await;
    within(client.served).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_closes_is_noticed_while_input_is_held() {
    let rig = Rig::new();
    let (mut client, engine) = rig.asked(ATTACH).await;
    fill(&client.io, &vec![b'i'; CHUNK]).await;
    drop(engine);
    expect_end(&mut client.io).await;
    within(client.served).await.unwrap();
}

//! What is counted of connections.

use refit::relay::{Count, Counts};

use crate::rig::{OK, OURS, Rig, expect, send, within};

const PING: &str = "GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n";
const EXEC: &str = "POST /exec/0123/start HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\
                    Content-Length: 2\r\n\r\n{}";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
     Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";

/// Waits until this is what was counted: bytes count after they were sent.
async fn expect_counts(rig: &Rig, expected: Counts) {
    within(async {
        while rig.relay.metrics().counts() != expected {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn count(ever: u64, open: u64) -> Count {
    Count { ever, open }
}

fn bytes(texts: &[&str]) -> u64 {
    texts.iter().map(|text| text.len() as u64).sum()
}

#[tokio::test]
async fn bytes_are_counted_in_both_directions() {
    let rig = Rig::new();
    let (client, engine) = rig.answered(PING, OK).await;
    let mut counts = Counts {
        connections: count(1, 1),
        to_engine: bytes(&[PING]),
        to_client: bytes(&[OK]),
        ..Counts::default()
    };
    expect_counts(&rig, counts).await;
    drop(client.io);
    within(client.served).await.unwrap();
    drop(engine);
    counts.connections = count(1, 0);
    expect_counts(&rig, counts).await;
}

#[tokio::test]
async fn an_accepted_hijack_is_a_tunnel_until_its_end() {
    let rig = Rig::new();
    let (refused, _engine) = rig.answered(EXEC, REFUSED).await;
    let (mut client, mut engine) = rig.answered(EXEC, UPGRADED).await;
    for _ in 0..3 {
        send(&mut client.io, "in").await;
        expect(&mut engine, "in").await;
        send(&mut engine, "out").await;
        expect(&mut client.io, "out").await;
    }
    let mut counts = Counts {
        connections: count(2, 2),
        tunnels: count(1, 1),
        to_engine: bytes(&[EXEC, EXEC, "ininin"]),
        to_client: bytes(&[REFUSED, UPGRADED, "outoutout"]),
    };
    expect_counts(&rig, counts).await;
    drop(client.io);
    within(client.served).await.unwrap();
    counts.connections = count(2, 1);
    counts.tunnels = count(1, 0);
    expect_counts(&rig, counts).await;
    drop(refused);
}

#[tokio::test]
async fn what_is_ours_is_a_connection_and_no_bytes() {
    let rig = Rig::new();
    let mut client = rig.client();
    send(&mut client.io, OURS).await;
    within(client.served).await.unwrap();
    let counts = Counts {
        connections: count(1, 0),
        ..Counts::default()
    };
    expect_counts(&rig, counts).await;
}

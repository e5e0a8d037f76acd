//! The same over TCP, where closing early destroys what the peer has yet to read.

use refit::engine::{Address, Socket};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::rig::{OK, expect, relay_to, within};

/// A client's and an engine's end, with a relay between them.
async fn connected(request: &str) -> (TcpStream, TcpStream) {
    let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(engine.local_addr().unwrap().to_string());
    let mut client = served_by(&address).await;
    within(client.write_all(request.as_bytes())).await.unwrap();
    let (mut engine, _) = within(engine.accept()).await.unwrap();
    expect(&mut engine, request).await;
    (client, engine)
}

async fn served_by(engine: &Address) -> TcpStream {
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(front.local_addr().unwrap())
        .await
        .unwrap();
    let (theirs, _) = front.accept().await.unwrap();
    let relay = relay_to(engine);
    let theirs = Socket::Tcp(theirs.into_std().unwrap());
    relay.lane().spawn(async move { relay.serve(theirs).await });
    client
}

#[tokio::test]
async fn half_closes_pass_both_ways() {
    let request = "GET /events HTTP/1.1\r\nHost: d\r\n\r\n";
    let (mut client, mut engine) = connected(request).await;
    within(client.shutdown()).await.unwrap();
    assert_eq!(within(engine.read(&mut [0])).await.unwrap(), 0);
    within(engine.write_all(OK.as_bytes())).await.unwrap();
    expect(&mut client, OK).await;
    drop(engine);
    assert_eq!(within(client.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_survives_a_client_that_is_still_sending() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Tcp(nobody.local_addr().unwrap().to_string());
    drop(nobody);
    let mut client = served_by(&address).await;
    let head = "POST /images/load HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n";
    let upload = head.to_owned() + &"x".repeat(4 << 20);
    within(client.write_all(upload.as_bytes())).await.unwrap();
    let mut answer = String::new();
    within(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

//! Events of ours among the engine's: once, in order, and nothing else is changed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use refit::upgrade::{Action, Event};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{sleep, timeout},
};

use crate::rig::{OK, OURS, Rig, expect, expect_end, send, shut, silent, within};

const EVENTS: &str = "GET /v1.51/events HTTP/1.1\r\nHost: d\r\n\r\n";
const HEAD: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
const LAST: &str = "0\r\n\r\n";

/// What an upgrade of a container of this name tells.
fn event(name: &str) -> Event {
    Event {
        action: Action::Upgrade,
        transaction: name.to_owned(),
        id: "a1".to_owned(),
        name: name.to_owned(),
        image: "web:2".to_owned(),
        labels: BTreeMap::new(),
        old_id: "a0".to_owned(),
        old_image: "web:1".to_owned(),
        time: 0,
    }
}

/// Now, in ns since 1970.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

/// A line as an engine writes it, that happens so many seconds from now.
fn line(action: &str, seconds: i64) -> String {
    let time = now() + seconds * 1_000_000_000;
    format!("{{\"Type\":\"container\",\"Action\":\"{action}\",\"timeNano\":{time}}}\n")
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// Reads one chunk.
async fn read_chunk(client: &mut UnixStream) -> String {
    let mut size = String::new();
    while !size.ends_with("\r\n") {
        size.push(char::from(within(client.read_u8()).await.unwrap()));
    }
    let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
    let mut data = vec![0; size + 2];
    within(client.read_exact(&mut data)).await.unwrap();
    assert!(data.ends_with(b"\r\n"));
    data.truncate(size);
    String::from_utf8(data).unwrap()
}

/// Reads one chunk, which is an event of ours of a container of this name.
async fn expect_ours(client: &mut UnixStream, name: &str) {
    let line = read_chunk(client).await;
    let event: Value = serde_json::from_str(&line).expect(&line);
    assert_eq!(event["Action"], "upgrade", "{line}");
    assert_eq!(event["Actor"]["Attributes"]["name"], name, "{line}");
    assert_eq!(event["status"], "upgrade", "{line}");
}

#[tokio::test]
async fn a_quiet_stream_is_told_after_what_the_engine_has_to_say() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    assert!(silent(&client.io).await);
    // It was on its way.
    let destroy = chunk(&line("destroy", -1));
    send(&mut engine, &destroy).await;
    expect(&mut client.io, &destroy).await;
    expect_ours(&mut client.io, "web").await;
    rig.events.tell(event("db"));
    expect_ours(&mut client.io, "db").await;
    assert!(silent(&client.io).await);
    send(&mut engine, LAST).await;
    expect(&mut client.io, LAST).await;
}

#[tokio::test]
async fn a_busy_stream_is_told_before_what_happens_later() {
    for _ in 0..5 {
        // On a busy machine, a scheduler may take longer than the wait for quiet.
        if told_between_two_lines().await < Duration::from_millis(200) {
            return;
        }
    }
    panic!("it waited for quiet");
}

/// How long it takes until an event is told that happened between two of the engine's.
async fn told_between_two_lines() -> Duration {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    let begun = Instant::now();
    let [before, after] = [("destroy", -1), ("start", 1)].map(|(a, at)| chunk(&line(a, at)));
    // The last one comes in two parts.
    let (beginning, end) = after.split_at(after.len() / 2);
    send(&mut engine, format!("{before}{beginning}")).await;
    expect(&mut client.io, before).await;
    send(&mut engine, end).await;
    expect_ours(&mut client.io, "web").await;
    expect(&mut client.io, after).await;
    begun.elapsed()
}

#[tokio::test]
async fn the_beginning_of_a_line_is_not_held_for_long() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    let theirs = chunk(&line("start", 1));
    let (beginning, end) = theirs.split_at(theirs.len() / 2);
    send(&mut engine, beginning).await;
    expect_ours(&mut client.io, "web").await;
    expect(&mut client.io, beginning).await;
    send(&mut engine, end).await;
    expect(&mut client.io, end).await;
}

#[tokio::test]
async fn an_engine_whose_clock_is_late_does_not_hold_up_ours() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    let theirs = line("start", -3600);
    let mut told = String::new();
    let begun = Instant::now();
    while told.is_empty() {
        send(&mut engine, chunk(&theirs)).await;
        let came = read_chunk(&mut client.io).await;
        if came != theirs {
            told = came;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(told.contains("\"Action\":\"upgrade\""), "{told}");
    assert!(begun.elapsed() > Duration::from_secs(1), "it was not quiet");
}

#[tokio::test]
async fn an_end_is_not_waited_for_and_another_request_can_follow() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    send(&mut engine, LAST).await;
    expect_ours(&mut client.io, "web").await;
    expect(&mut client.io, LAST).await;
    // It has been told of, and a request without since is told nothing of the past.
    let ping = "GET /_ping HTTP/1.1\r\n\r\n";
    send(&mut client.io, format!("{EVENTS}{ping}")).await;
    expect(&mut engine, format!("{EVENTS}{ping}")).await;
    let answers = format!("{HEAD}{LAST}{OK}");
    send(&mut engine, &answers).await;
    expect(&mut client.io, answers).await;
    send(&mut client.io, OURS).await;
    expect(&mut client.io, "HTTP/1.1 400 ").await;
}

#[tokio::test]
async fn the_past_is_replayed_once_in_order_and_filtered() {
    let rig = Rig::new();
    rig.events.tell(event("web"));
    rig.events.tell(event("db"));
    let since = now() / 1_000_000_000 - 60;
    let request = |query: &str| format!("GET /events?{query} HTTP/1.1\r\n\r\n");
    let [before, after] = [("start", -9), ("stop", 9)].map(|(a, at)| chunk(&line(a, at)));
    for (query, names) in [
        (format!("since={since}"), &["web", "db"][..]),
        (
            format!(
                "since={since}&until={}&filters={{\"container\":[\"db\"]}}",
                since + 120
            ),
            &["db"],
        ),
        (
            format!("since={since}&filters=%7B%22event%22%3A%7B%22start%22%3Atrue%7D%7D"),
            &[],
        ),
        (format!("until={since}"), &[]),
        (format!("since={}", since + 120), &[]),
        (String::new(), &[]),
    ] {
        let (mut client, mut engine) = rig.asked(&request(&query)).await;
        send(&mut engine, format!("{HEAD}{before}{after}{LAST}")).await;
        expect(&mut client.io, format!("{HEAD}{before}")).await;
        for name in names {
            expect_ours(&mut client.io, name).await;
        }
        expect(&mut client.io, format!("{after}{LAST}")).await;
    }
}

#[tokio::test]
async fn what_happens_while_the_past_is_replayed_is_told_once() {
    let rig = Rig::new();
    rig.events.tell(event("web"));
    let (mut client, mut engine) = rig
        .answered("GET /events?since=0 HTTP/1.1\r\n\r\n", HEAD)
        .await;
    rig.events.tell(event("db"));
    let later = chunk(&line("start", 9));
    send(&mut engine, &later).await;
    expect_ours(&mut client.io, "web").await;
    expect_ours(&mut client.io, "db").await;
    expect(&mut client.io, later).await;
    assert!(silent(&client.io).await);
}

#[tokio::test]
async fn an_old_client_gets_lines_until_the_end() {
    let rig = Rig::new();
    let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let (mut client, mut engine) = rig
        .answered("GET /v1.24/events HTTP/1.0\r\n\r\n", head)
        .await;
    let theirs = line("start", -1);
    send(&mut engine, &theirs).await;
    expect(&mut client.io, &theirs).await;
    rig.events.tell(event("web"));
    drop(engine);
    let mut rest = String::new();
    within(client.io.read_to_string(&mut rest)).await.unwrap();
    let ours: Value = serde_json::from_str(&rest).expect(&rest);
    assert_eq!(ours["Actor"]["Attributes"]["name"], "web");
}

#[tokio::test]
async fn an_engine_that_dies_still_lets_ours_be_told() {
    let rig = Rig::new();
    let (mut client, engine) = rig.answered(EVENTS, HEAD).await;
    rig.events.tell(event("web"));
    drop(engine);
    expect_ours(&mut client.io, "web").await;
    expect_end(&mut client.io).await;
}

#[tokio::test]
async fn a_client_that_sends_no_more_is_told() {
    let rig = Rig::new();
    let (mut client, mut engine) = rig.answered(EVENTS, HEAD).await;
    shut(&mut client.io).await;
    expect_end(&mut engine).await;
    rig.events.tell(event("web"));
    expect_ours(&mut client.io, "web").await;
    send(&mut engine, LAST).await;
    drop(engine);
    expect(&mut client.io, LAST).await;
    expect_end(&mut client.io).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_up_nobody() {
    let rig = Rig::new();
    let (_slow, mut engine) = rig.answered(EVENTS, HEAD).await;
    let theirs = chunk(&line("start", 9)).repeat(100);
    // As much as the sockets take.
    while !silent_write(&mut engine, &theirs).await {}
    for number in 0..2000 {
        rig.events.tell(event(&number.to_string()));
    }
    let (mut client, _engine) = rig.answered("GET /_ping HTTP/1.1\r\n\r\n", OK).await;
    assert!(silent(&client.io).await);
    shut(&mut client.io).await;
}

/// Writes; whether nothing could be written any more.
async fn silent_write(side: &mut UnixStream, bytes: &str) -> bool {
    let writing = side.write_all(bytes.as_bytes());
    timeout(Duration::from_millis(100), writing).await.is_err()
}

#[tokio::test]
async fn another_request_is_told_nothing() {
    let rig = Rig::new();
    for request in [
        "POST /events HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        "GET /events/ HTTP/1.1\r\n\r\n",
        "GET /containers/events HTTP/1.1\r\n\r\n",
        "GET /events?filters=nonsense HTTP/1.1\r\n\r\n",
    ] {
        let (mut client, mut engine) = rig.answered(request, HEAD).await;
        rig.events.tell(event(request));
        let all = chunk(&line("start", 9)) + LAST;
        send(&mut engine, &all).await;
        expect(&mut client.io, &all).await;
    }
}

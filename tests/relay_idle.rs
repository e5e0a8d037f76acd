//! What waits costs nothing. Alone in its process: the processor time of every thread is counted.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are no tests to clippy"
)]

#[expect(dead_code, reason = "the other tests of the relay use the rest")]
#[path = "relay/rig.rs"]
mod rig;

use std::{fs, time::Duration};

use rig::{Rig, expect_end, send, shut};

const GET: &str = "GET /events HTTP/1.1\r\nHost: d\r\n\r\n";
const EVENTS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const ATTACH: &str = "POST /containers/web/attach HTTP/1.1\r\nUpgrade: tcp\r\n\r\n";
const UPGRADED: &str = "HTTP/1.1 101 UPGRADED\r\n\r\n";

/// The processor time of this process so far.
fn spent() -> Duration {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let times = threads.map(|thread| {
        let stat = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
        Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
    });
    times.sum()
}

/// No end that stays ready, no input that is held may keep a thread busy.
#[tokio::test]
async fn waiting_does_not_spin() {
    let rig = Rig::new();
    let (mut halfway, mut engine) = rig.answered(GET, EVENTS).await;
    shut(&mut halfway.io).await;
    expect_end(&mut engine).await;
    let (mut tunnel, mut other) = rig.answered(ATTACH, UPGRADED).await;
    shut(&mut other).await;
    expect_end(&mut tunnel.io).await;
    let (mut held, asked) = rig.asked(ATTACH).await;
    send(&mut held.io, vec![0; 200_000]).await;

    let before = spent();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let spent = spent().saturating_sub(before);
    assert!(spent < Duration::from_millis(20), "{spent:?}");
    drop((asked, other, engine));
}

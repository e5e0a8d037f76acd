//! The end of a connection that the client may not have noticed.
//!
//! Invariant: nothing that was written to the client is destroyed by closing. A socket that is
//! closed with unread bytes resets the connection, and on TCP the reset overtakes what the peer
//! has yet to read. So the end is announced first, and what the client still sends is drained.

use std::{future::poll_fn, time::Duration};

use tokio::time::timeout;

use super::io::{Io, with_buffer};

/// As long as Go's net/http waits (`rstAvoidanceDelay`).
const LINGER: Duration = Duration::from_millis(500);

/// Announces the end to `client`, and closes once it has closed, too, or had its time.
pub(super) async fn linger(mut client: Io) {
    client.shutdown();
    let drained = async {
        while let Ok(1..) = poll_fn(|cx| with_buffer(|buffer| client.poll_read(cx, buffer))).await {
        }
    };
    let _ = timeout(LINGER, drained).await;
}

/// Writes `answer` as the last thing that `client` gets.
pub(super) async fn answer(mut client: Io, answer: &[u8]) {
    let mut rest = answer;
    let written = async {
        while !rest.is_empty() {
            match poll_fn(|cx| client.poll_write(cx, rest)).await {
                Ok(sent) => rest = &rest[sent..],
                Err(_) => break,
            }
        }
    };
    if timeout(LINGER, written).await.is_ok() {
        linger(client).await;
    }
}

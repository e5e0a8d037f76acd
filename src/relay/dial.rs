//! The engine's side of a connection: dialled when it is needed, or told that it can't be.

use std::{io, time::Duration};

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::engine::{Address, Socket};

/// How long an engine may take to accept: the kernel alone would try a TCP address for minutes.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a full backlog is tried again.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens a connection to `engine`.
///
/// A unix socket whose backlog is full says so at once to a non-blocking client, where a blocking
/// one would wait. So do we, for a while: an engine that is busy is not unreachable.
pub(super) async fn dial(engine: &Address) -> io::Result<Socket> {
    let dialled = async {
        loop {
            match engine.dial().await {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => sleep(PAUSE).await,
                result => return result,
            }
        }
    };
    timeout(PATIENCE, dialled).await?
}

/// The whole answer to a request whose engine can't be reached, in Docker's shape. `head`: the
/// request is a `HEAD`, whose answer has no body.
pub(super) fn unreachable(engine: &Address, error: &io::Error, head: bool) -> Vec<u8> {
    let message = format!("cannot reach the engine at {engine}: {error}");
    let body = json!({ "message": message }).to_string();
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\
         \r\n",
        body.len()
    );
    if !head {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

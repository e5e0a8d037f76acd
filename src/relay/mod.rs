//! Bytes through: find a request head, decide whose it is, copy, tunnel.
//!
//! The relay does not re-speak HTTP. Every byte of a client goes to the engine as it came, and
//! every byte of the engine to the client, over one connection per client that is dialled when it
//! is first needed; no pool, no replay, no idle limit. Only a request whose path is ours leaves
//! the relay. To find it, the client's direction is *framed*; the engine's is *observed*.
//!
//! | module | job |
//! |---|---|
//! | `connection` | both directions of one connection: copy, hold, half-close, full close |
//! | `request` | how far the client's bytes may go |
//! | `response` | which requests are answered, which hijack is accepted |
//! | `head`, `framing`, `hijack` | one head; where a body ends; which requests may hijack |
//! | `io` | a socket that costs little while it idles |
//! | `dial`, `handover`, `close` | the engine, our endpoint, the end |
//!
//! Invariant: where a client's bytes could be framed in two ways, the relay stops framing and
//! lets the engine judge; no request of ours is ever found inside what the engine takes for
//! something else.

mod close;
mod connection;
mod dial;
mod framing;
mod handover;
mod head;
mod hijack;
mod io;
mod request;
mod response;

use std::{future::poll_fn, io::Error};

use tracing::{debug, warn};

use self::{
    connection::{Connection, Next},
    handover::Handover,
};
use crate::{
    api::Api,
    engine::{Address, Stream},
};

/// Relays client connections to one engine.
#[derive(Debug, Clone)]
pub struct Relay {
    engine: Address,
    api: Api,
}

impl Relay {
    /// A relay to `engine`; requests that are ours go to `api`.
    #[must_use]
    pub fn new(engine: Address, api: Api) -> Self {
        Self { engine, api }
    }

    /// Serves one client connection until both sides are done with it.
    pub async fn serve(&self, client: Stream) {
        if let Err(error) = self.relay(client).await {
            debug!(%error, "relay a connection");
        }
    }

    /// The story of a connection. An error is our own (descriptors, say), not a side's.
    async fn relay(&self, client: Stream) -> Result<(), Error> {
        let mut connection = Connection::new(client)?;
        loop {
            match poll_fn(|cx| connection.poll(cx)).await {
                // A client that leaves meanwhile has still asked: the engine is to hear of it.
                Next::Dial => match dial::dial(&self.engine).await {
                    Ok(engine) => connection.dialled(engine)?,
                    Err(error) => {
                        self.refuse(connection, &error).await;
                        return Ok(());
                    }
                },
                // On the heap: few connections come here, and all would carry its size.
                Next::Ours => return Box::pin(self.hand_over(connection)).await,
                Next::Drop => return Ok(()),
                Next::Close => {
                    close::linger(connection.into_client().0).await;
                    return Ok(());
                }
            }
        }
    }

    /// Tells the client that the engine can't be reached.
    async fn refuse(&self, connection: Connection, error: &Error) {
        warn!(engine = %self.engine, %error, "dial the engine");
        let answer = dial::unreachable(&self.engine, error, connection.asks_head());
        close::answer(connection.into_client().0, &answer).await;
    }

    /// Gives the client to our endpoint, which serves one request. The engine's side is closed
    /// before: the endpoint has its own connections.
    async fn hand_over(&self, connection: Connection) -> Result<(), Error> {
        let (client, inbox) = connection.into_client();
        let end = client.duplicate()?;
        self.api
            .serve(Handover::new(inbox, client.into_stream()?))
            .await;
        close::linger(end).await;
        Ok(())
    }
}

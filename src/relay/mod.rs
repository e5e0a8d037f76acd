//! Bytes through: find a request head, decide whose it is, copy, tunnel.
//!
//! The relay does not re-speak HTTP. Every byte of a client goes to the engine as it came (but for the
//! IDs that a container had before its upgrades), and every byte of the engine to the client, over one
//! connection per client that is dialled when it is first needed; no pool, no replay, no idle limit.
//! Only a request whose path is ours leaves the relay. To find it, the client's direction is *framed*;
//! the engine's is *observed*. One thing is added: an upgrade that ends is one event more between two
//! of the engine's.
//!
//! | module | job |
//! |---|---|
//! | `connection` | both directions of one connection: copy, hold, half-close, full close |
//! | `request` | how far the client's bytes may go |
//! | `response` | which requests are answered, which hijack is accepted |
//! | `identify` | what a request calls by an ID that it had before |
//! | `watch`, `splice` | the one thing that is added: events of ours among the engine's |
//! | `head`, `framing`, `hijack` | one head; where a body ends; which requests may hijack |
//! | `io`, `lanes` | a socket that costs little while it idles; the threads that copy |
//! | `metrics` | what is counted of all this |
//! | `dial`, `handover`, `close` | the engine, our endpoint, the end |
//! | `fuzz` | what the fuzzers see of all this; in their builds only |
//!
//! Invariant: where a client's bytes could be framed in two ways, the relay stops framing and
//! lets the engine judge; no request of ours is ever found inside what the engine takes for
//! something else.

mod close;
mod connection;
mod dial;
mod framing;
#[cfg(fuzzing)]
pub mod fuzz;
mod handover;
mod head;
mod hijack;
mod identify;
mod io;
mod lanes;
mod metrics;
mod request;
mod response;
mod splice;
mod watch;

use std::{
    future::poll_fn,
    io::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use self::{
    connection::{Connection, Next},
    handover::Handover,
    io::Io,
    lanes::Lanes,
    metrics::Counted,
    request::Requests,
};
use crate::{
    api::{Api, refer::Identified},
    engine::{Address, Socket},
};

pub use self::metrics::{Count, Counts, Metrics};

/// Relays client connections to one engine.
#[derive(Debug, Clone)]
pub struct Relay {
    engine: Address,
    api: Api,
    lanes: Arc<Lanes>,
    /// Where our endpoint is served.
    runtime: Handle,
    /// What is counted.
    metrics: Metrics,
}

impl Relay {
    /// A relay to `engine`; requests that are ours go to `api`.
    ///
    /// # Errors
    ///
    /// The threads that copy cannot start, for want of descriptors or memory; or this is called
    /// outside of a runtime, which our endpoint is to be served on.
    pub fn new(engine: Address, api: Api) -> Result<Self, Error> {
        Ok(Self {
            engine,
            api,
            lanes: Arc::new(Lanes::start()?),
            runtime: Handle::try_current().map_err(Error::other)?,
            metrics: Metrics::default(),
        })
    }

    /// The runtime that the next listener, or connection, is to be [served](Self::serve) on.
    #[must_use]
    pub fn lane(&self) -> Handle {
        self.lanes.next().clone()
    }

    /// What is counted, as it happens.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves one client connection until both sides are done with it. Dropping the future closes
    /// both.
    pub async fn serve(&self, client: Socket) {
        if let Err(error) = self.try_serve(client).await {
            debug!(%error, "relay a connection");
        }
    }

    /// The story of a connection. An error is our own (descriptors, say), not a side's.
    async fn try_serve(&self, client: Socket) -> Result<(), Error> {
        let mut counted = self.metrics.connection();
        let requests = Requests::new(self.api.isolation(), self.api.identities());
        let mut connection = Connection::new(client, requests, self.api.events())?;
        let mut identifying = None;
        loop {
            let next = poll_fn(|cx| {
                let next = poll_identified(&mut connection, &mut identifying, cx);
                count(&mut counted, &mut connection);
                next
            });
            match next.await {
                // A client that leaves meanwhile has still asked: the engine is to hear of it.
                Next::Dial => match dial::dial(&self.engine).await {
                    Ok(engine) => connection.dialled(engine)?,
                    Err(error) => {
                        refuse(&self.engine, connection, &error).await;
                        return Ok(());
                    }
                },
                Next::Identify => {
                    let references = connection.take_references();
                    identifying = Some(Box::pin(self.api.identify(references)) as Identifying);
                }
                Next::Ours => {
                    let served = hand_over(connection, self.api.clone());
                    let served = AbortOnDropHandle::new(self.runtime.spawn(served));
                    return served.await.map_err(Error::other)?;
                }
                Next::Drop => return Ok(()),
                Next::Close => {
                    close::linger(connection.into_client().0).await;
                    return Ok(());
                }
            }
        }
    }
}

/// Gives the client to our endpoint, which serves one request. The engine's side is closed
/// before: the endpoint has its own connections.
async fn hand_over(connection: Connection, api: Api) -> Result<(), Error> {
    let (client, mut inbox) = connection.into_client();
    let client = client.into_socket();
    let end = Io::new(client.duplicate()?)?;
    let target = handover::take_target(&mut inbox);
    let io = Handover::new(inbox, client.into_stream()?);
    api.serve(&target, io).await;
    close::linger(end).await;
    Ok(())
}

/// On the heap: few connections come here, and all would carry its size.
type Identifying<'a> = Pin<Box<dyn Future<Output = Identified> + Send + 'a>>;

/// Polls a connection, and the answer that it waits for.
fn poll_identified(
    connection: &mut Connection,
    identifying: &mut Option<Identifying<'_>>,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    if let Some(future) = identifying
        && let Poll::Ready(identified) = future.as_mut().poll(cx)
    {
        *identifying = None;
        connection.identified(&identified);
    }
    connection.poll(cx)
}

/// Counts what came of a poll.
fn count(counted: &mut Counted, connection: &mut Connection) {
    let (to_engine, to_client) = connection.take_sent();
    counted.send(to_engine, to_client);
    if connection.is_tunnel() {
        counted.tunnel();
    }
}

/// Tells the client that the engine can't be reached.
async fn refuse(engine: &Address, connection: Connection, error: &Error) {
    warn!(%engine, %error, "dial the engine");
    let answer = dial::unreachable(engine, error, connection.asks_head());
    close::answer(connection.into_client().0, &answer).await;
}

//! Sockets in: listeners, accept, drain.
//!
//! The life of a server is a line of [`Phase`]s, told by [`run`]. Its invariants:
//!
//! - Nobody is served before recovery has ended, and recovery begins only when every address is
//!   ours: a second Refit that is started by mistake fails before it touches a container.
//! - What is being relayed never holds up a shutdown; a transaction does, and the answer to it.
//! - A socket file that we made goes away with us, and nobody else's does.

mod accept;
mod activation;
mod below;
mod bind;
mod listener;
mod notify;
mod phase;
mod socket_file;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use accept::Acceptor;
pub use activation::{Inherited, Refused, inherit};
pub use below::{Serve, Transactions};
pub use bind::{BindError, Bound, adopt, bind};
pub use listener::Listener;
pub use phase::Phase;
pub use socket_file::{Group, SocketAccess};

/// How long the answer to a transaction that ended while we drain may take to be written.
const ANSWER_GRACE: Duration = Duration::from_secs(1);

/// How long answers in flight may take when no transaction was waited for: one that ended just
/// before the drain began may still be writing its last line.
const IDLE_GRACE: Duration = Duration::from_millis(100);

/// How long connections may take to notice that they are closed. They are dropped at their next
/// await, so this bounds a defect, not a wait.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// What a server is made of.
#[derive(Debug)]
pub struct Server<S, T> {
    /// The addresses that are ours already, in the order in which they were given.
    pub bound: Vec<Bound>,
    /// What serves one connection.
    pub serve: Arc<S>,
    /// What recovers before anybody is served, and holds up the shutdown.
    pub transactions: Arc<T>,
    /// How long the shutdown waits for transactions.
    pub drain_limit: Duration,
}

/// Recovers, listens, and serves until `shutdown` is cancelled and everything is closed.
///
/// Dropping the future ends at once: socket files are removed, transactions are left to the
/// recovery of the next start.
///
/// # Errors
/// An address that was ours can't be listened on after all.
pub async fn run<S: Serve, T: Transactions>(
    server: Server<S, T>,
    shutdown: CancellationToken,
) -> Result<(), BindError> {
    let (transactions, limit) = (server.transactions, server.drain_limit);
    Phase::Recovering.enter();
    if recover(&*transactions, limit, &shutdown).await {
        let listeners = listen(server.bound)?;
        let clients = Clients::accept(listeners, &server.serve, &shutdown);
        Phase::Serving.enter();
        shutdown.cancelled().await;

        notify::extend_timeout(limit + ANSWER_GRACE + CLOSE_GRACE);
        Phase::Draining.enter();
        clients.stop_accepting().await;
        let waited = drain(&*transactions, limit).await;
        Phase::Answering.enter();
        clients
            .end_within(if waited { ANSWER_GRACE } else { IDLE_GRACE })
            .await;
        Phase::Closing.enter();
        clients.close().await;
    }
    Phase::Stopped.enter();
    Ok(())
}

/// Everybody who is connected, and the loops that let them in.
struct Clients {
    acceptors: TaskTracker,
    connections: TaskTracker,
    /// Cuts the connections.
    cut: CancellationToken,
}

impl Clients {
    /// Accepts clients from `listeners` until `stop` is cancelled.
    fn accept<S: Serve>(
        listeners: Vec<Listener>,
        serve: &Arc<S>,
        stop: &CancellationToken,
    ) -> Self {
        let clients = Self {
            acceptors: TaskTracker::new(),
            connections: TaskTracker::new(),
            cut: CancellationToken::new(),
        };
        for listener in listeners {
            info!(address = listener.name(), "listening");
            let acceptor = Acceptor {
                listener,
                serve: Arc::clone(serve),
                connections: clients.connections.clone(),
                stop: stop.clone(),
                cut: clients.cut.clone(),
            };
            clients.acceptors.spawn(acceptor.run());
        }
        clients
    }

    /// Waits until every listener is closed and its socket file is gone.
    async fn stop_accepting(&self) {
        self.acceptors.close();
        self.acceptors.wait().await;
        self.connections.close();
    }

    /// Lets connections end by themselves.
    async fn end_within(&self, grace: Duration) {
        let _ = timeout(grace, self.connections.wait()).await;
    }

    /// Cuts the connections that are left.
    async fn close(&self) {
        debug!(
            connections = self.connections.len(),
            "cut what is still open"
        );
        self.cut.cancel();
        self.end_within(CLOSE_GRACE).await;
        let left = self.connections.len();
        if left > 0 {
            warn!(connections = left, "connections did not close in time");
        }
    }
}

/// Lets recovery end. False: the shutdown came first, and there is nobody to serve any more; a
/// repair that is under way then has the drain's limit to end.
async fn recover(
    transactions: &impl Transactions,
    limit: Duration,
    shutdown: &CancellationToken,
) -> bool {
    let out_of_time = async {
        shutdown.cancelled().await;
        notify::extend_timeout(limit + CLOSE_GRACE);
        sleep(limit).await;
    };
    tokio::select! {
        () = transactions.recover() => {}
        () = out_of_time => warn!("recovery did not end in time; the next start goes on with it"),
    }
    !shutdown.is_cancelled()
}

/// Opens every address to clients.
fn listen(bound: Vec<Bound>) -> Result<Vec<Listener>, BindError> {
    bound.into_iter().map(Bound::listen).collect()
}

/// Waits for transactions, at most `limit`. True: there was something to wait for.
async fn drain(transactions: &impl Transactions, limit: Duration) -> bool {
    let mut drained = std::pin::pin!(transactions.drain());
    let at_once =
        std::future::poll_fn(|cx| std::task::Poll::Ready(drained.as_mut().poll(cx).is_ready()))
            .await;
    if at_once {
        return false;
    }
    info!(
        limit = %humantime::format_duration(limit),
        "waiting for transactions to end; a second signal ends at once"
    );
    if timeout(limit, drained).await.is_err() {
        warn!("transactions did not end in time; the next start recovers them");
    }
    true
}

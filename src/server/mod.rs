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

use tokio::time::timeout;
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
    Phase::Recovering.enter();
    if !recover(&server, &shutdown).await {
        Phase::Stopped.enter();
        return Ok(());
    }
    let listeners = listen(server.bound)?;
    let names: Vec<_> = listeners.iter().map(|l| l.name().to_owned()).collect();
    let acceptors = TaskTracker::new();
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    for listener in listeners {
        let acceptor = Acceptor {
            listener,
            serve: Arc::clone(&server.serve),
            connections: connections.clone(),
            stop: shutdown.clone(),
            close: closing.clone(),
        };
        acceptors.spawn(acceptor.run());
    }
    Phase::Serving.enter();
    info!(addresses = names.join(" "), "listening");
    shutdown.cancelled().await;

    notify::extend_timeout(server.drain_limit + ANSWER_GRACE + CLOSE_GRACE);
    Phase::Draining.enter();
    acceptors.close();
    acceptors.wait().await;
    connections.close();
    let waited = drain(&*server.transactions, server.drain_limit).await;

    Phase::Answering.enter();
    let grace = if waited { ANSWER_GRACE } else { IDLE_GRACE };
    let _ = timeout(grace, connections.wait()).await;

    Phase::Closing.enter();
    debug!(connections = connections.len(), "close");
    closing.cancel();
    if timeout(CLOSE_GRACE, connections.wait()).await.is_err() {
        warn!(
            connections = connections.len(),
            "connections did not close in time"
        );
    }
    Phase::Stopped.enter();
    Ok(())
}

/// Lets recovery end. False: the shutdown came first, and there is nobody to serve any more; a
/// repair that is under way then has the drain's limit to end.
async fn recover<S, T: Transactions>(server: &Server<S, T>, shutdown: &CancellationToken) -> bool {
    let out_of_time = async {
        shutdown.cancelled().await;
        tokio::time::sleep(server.drain_limit).await;
    };
    tokio::select! {
        () = server.transactions.recover() => {}
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

//! Sockets in: listeners, accept, drain; and what watches them.
//!
//! | module | job |
//! |---|---|
//! | `bind`, `socket_file`, `activation` | addresses become ours |
//! | `listener`, `accept` | clients are let in |
//! | `phase`, `notify` | where in its life the server is, and who is told |
//! | `admin` | health and metrics, on listeners of their own |
//! | `below` | what is needed from the layers below |
//! | `descriptors` | how many clients there may be |
//!
//! The life of a server is a line of [`Phase`]s, told by [`run`]. Its invariants:
//!
//! - Nobody is served before recovery has ended, and recovery begins only when every address is
//!   ours: a second Refit that is started by mistake fails before it touches a container.
//! - What is being relayed never holds up a shutdown; a transaction does, and the answer to it.
//! - Who watches is answered all the time, from before recovery until everything else is closed.
//! - A socket file that we made goes away with us, and nobody else's does.

mod accept;
mod activation;
mod admin;
mod below;
mod bind;
mod descriptors;
mod listener;
mod notify;
mod phase;
mod socket_file;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use accept::{Acceptor, Connections};
pub use activation::{Inherited, Refused, inherit};
pub use admin::Admin;
pub use below::{Health, Serve, Transactions, Watched};
pub use bind::{BindError, Bound, adopt, bind};
pub use descriptors::raise_descriptor_limit;
pub use listener::Listener;
pub use phase::Phase;
use socket_file::SocketFile;
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
pub struct Server<S, T, A> {
    /// The addresses that are ours already, in the order in which they were given.
    pub bound: Vec<Bound>,
    /// What serves one connection.
    pub serve: Arc<S>,
    /// Further addresses that are ours, for those who watch.
    pub admin_bound: Vec<Bound>,
    /// What serves one connection there.
    pub admin: Arc<A>,
    /// What recovers before anybody is served, and holds up the shutdown.
    pub transactions: Arc<T>,
    /// How long the shutdown waits for transactions.
    pub drain_limit: Duration,
}

/// Recovers, listens, and serves until `shutdown` is cancelled and everything is closed.
///
/// Dropping the future ends at once: connections are cut, socket files are removed, and
/// transactions are left to the recovery of the next start.
///
/// # Errors
/// An address that was ours can't be listened on after all.
pub async fn run<S: Serve, T: Transactions, A: Serve>(
    server: Server<S, T, A>,
    shutdown: CancellationToken,
) -> Result<(), BindError> {
    let (transactions, limit) = (server.transactions, server.drain_limit);
    let closing = CancellationToken::new();
    let watched = "answering those who watch";
    let admins = Acceptors::start(server.admin_bound, watched, &server.admin, &closing)?;
    Phase::Recovering.enter();
    if recover(&*transactions, limit, &shutdown).await {
        let acceptors = Acceptors::start(server.bound, "listening", &server.serve, &shutdown)?;
        Phase::Serving.enter();
        shutdown.cancelled().await;

        notify::extend_timeout(limit + ANSWER_GRACE + CLOSE_GRACE);
        Phase::Draining.enter();
        let mut connections = acceptors.stopped().await;
        let waited = drain(&*transactions, limit).await;
        Phase::Answering.enter();
        let grace = if waited { ANSWER_GRACE } else { IDLE_GRACE };
        end_within(&mut connections, grace).await;
        Phase::Closing.enter();
        cut(connections).await;
    }
    closing.cancel();
    cut(admins.stopped().await).await;
    Phase::Stopped.enter();
    Ok(())
}

/// The loops that let clients in. Dropping it removes the socket files and closes everything.
struct Acceptors {
    loops: JoinSet<Connections>,
    /// The loops end on threads that nobody waits for when the process ends at once.
    files: Vec<Arc<SocketFile>>,
}

impl Acceptors {
    /// Opens all these addresses to clients, says that it is doing `what`, and accepts until `stop` is
    /// cancelled: where connections are served, so that one begins without waking another thread.
    fn start<S: Serve>(
        bound: Vec<Bound>,
        what: &str,
        serve: &Arc<S>,
        stop: &CancellationToken,
    ) -> Result<Self, BindError> {
        let lane = serve.lane();
        let listeners = {
            let _entered = lane.enter();
            listen(bound, what)?
        };
        let files = listeners.iter().filter_map(Listener::file).collect();
        let mut loops = JoinSet::new();
        for listener in listeners {
            let acceptor = Acceptor {
                listener,
                serve: Arc::clone(serve),
                stop: stop.clone(),
            };
            loops.spawn_on(acceptor.run(), &lane);
        }
        Ok(Self { loops, files })
    }

    /// Waits until every listener is closed and its socket file is gone. What is still open is
    /// the caller's.
    async fn stopped(mut self) -> Vec<Connections> {
        let mut connections = Vec::with_capacity(self.loops.len());
        while let Some(stopped) = self.loops.join_next().await {
            match stopped {
                Ok(open) => connections.push(open),
                Err(error) => error!(%error, "a listener failed"),
            }
        }
        connections
    }
}

impl Drop for Acceptors {
    fn drop(&mut self) {
        for file in &self.files {
            file.remove();
        }
    }
}

/// Lets connections end by themselves. False: some did not within `grace`.
async fn end_within(connections: &mut [Connections], grace: Duration) -> bool {
    let all = async {
        for listener in connections {
            while listener.join_next().await.is_some() {}
        }
    };
    timeout(grace, all).await.is_ok()
}

/// Cuts the connections that are left.
async fn cut(mut connections: Vec<Connections>) {
    let open: usize = connections.iter().map(Connections::len).sum();
    debug!(connections = open, "cut what is still open");
    connections.iter_mut().for_each(Connections::abort_all);
    if !end_within(&mut connections, CLOSE_GRACE).await {
        warn!("connections did not close in time");
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

/// Opens every address to clients, and says so.
fn listen(bound: Vec<Bound>, what: &str) -> Result<Vec<Listener>, BindError> {
    let listen = |bound: Bound| {
        let listener = bound.listen()?;
        info!(address = listener.name(), "{what}");
        Ok(listener)
    };
    bound.into_iter().map(listen).collect()
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

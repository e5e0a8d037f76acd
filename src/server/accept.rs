//! One listener's loop: accept, hand over, never die.

use std::{io, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Listener, Serve, descriptors};
use crate::engine::Socket;

/// How long a listener pauses when nothing can be accepted for want of descriptors or memory:
/// the pending connection stays in the queue, so that trying again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(100);

/// The connections of one listener. Each is a task that can be aborted: a token to select on
/// would have to be asked, and locked, at every wake-up of every connection.
pub(super) type Connections = JoinSet<()>;

/// One listener at work.
pub(super) struct Acceptor<S> {
    pub(super) listener: Listener,
    /// What serves each connection.
    pub(super) serve: Arc<S>,
    /// Ends the loop.
    pub(super) stop: CancellationToken,
}

impl<S: Serve> Acceptor<S> {
    /// Accepts until it is stopped; then the listener is closed and its socket file removed. The
    /// connections that are still open go on.
    pub(super) async fn run(self) -> Connections {
        let mut connections = Connections::new();
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok(client) => {
                    if std::mem::take(&mut failing) {
                        info!(address = self.listener.name(), "accepting again");
                    }
                    let served = hand_over(Arc::clone(&self.serve), client);
                    connections.spawn_on(served, &self.serve.lane());
                    reap(&mut connections);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    // Once per outage: the log must not grow by ten lines a second.
                    if !std::mem::replace(&mut failing, true) {
                        let (address, remedy) = (self.listener.name(), descriptors::remedy(&error));
                        warn!(address, %error, remedy, "can't accept; trying again");
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => break,
                        () = sleep(BACK_OFF) => {}
                    }
                }
            }
        }
        self.listener.close();
        connections
    }
}

/// Forgets the connections that ended since the last one was accepted. Nobody waits for their ends:
/// each would wake this loop's thread, which costs a short connection a tenth of its time.
fn reap(connections: &mut Connections) {
    while let Some(ended) = connections.try_join_next() {
        if let Err(error) = ended {
            error!(%error, "a connection failed");
        }
    }
}

/// Serves `client`, in a task that owns everything it needs.
async fn hand_over<S: Serve>(serve: Arc<S>, client: Socket) {
    serve.serve(client).await;
}

/// Whether `accept(2)` told of a connection that broke while it was queued: no fault of the
/// listener's, and nothing to wait for.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::NotConnected
            | io::ErrorKind::Interrupted
    )
}

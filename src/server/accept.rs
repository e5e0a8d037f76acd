//! One listener's loop: accept, hand over, never die.

use std::{io, sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{Listener, Serve};

/// How long a listener pauses when nothing can be accepted for want of descriptors or memory:
/// the pending connection stays in the queue, so that trying again at once would only spin.
const BACK_OFF: Duration = Duration::from_millis(100);

/// One listener at work.
pub(super) struct Acceptor<S> {
    pub(super) listener: Listener,
    /// What serves each connection.
    pub(super) serve: Arc<S>,
    /// Where connections are counted.
    pub(super) connections: TaskTracker,
    /// Ends the loop.
    pub(super) stop: CancellationToken,
    /// Cuts the connections.
    pub(super) close: CancellationToken,
}

impl<S: Serve> Acceptor<S> {
    /// Accepts until it is stopped; then the listener is closed and its socket file removed.
    pub(super) async fn run(self) {
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
                    self.hand_over(client);
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    // Once per outage: the log must not grow by ten lines a second.
                    if !std::mem::replace(&mut failing, true) {
                        warn!(address = self.listener.name(), %error, "can't accept; trying again");
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => break,
                        () = sleep(BACK_OFF) => {}
                    }
                }
            }
        }
        self.listener.close();
    }

    /// Serves `client` in a task of its own, until it ends or is cut.
    fn hand_over(&self, client: crate::engine::Stream) {
        let serve = Arc::clone(&self.serve);
        let close = self.close.clone();
        self.connections.spawn(async move {
            tokio::select! {
                () = serve.serve(client) => {}
                () = close.cancelled() => {}
            }
        });
    }
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

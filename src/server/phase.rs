//! The phases of a server's life.

use sd_notify::NotifyState;
use tracing::debug;

use super::notify;

/// Where in its life the server is. The phases follow each other in this order; each may be the
/// one in which a second signal ends everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The addresses are ours, nobody is listening: what an earlier process left unfinished is
    /// brought to its end.
    Recovering,
    /// Connections are accepted and relayed. The service manager learns that we are ready.
    Serving,
    /// No connection is accepted any more, the socket files are gone. Open connections go on
    /// while transactions end, bounded by `--drain`.
    Draining,
    /// The transactions have ended; their answers are still being written, for a second at most.
    Answering,
    /// What is still open is cut: connections, tunnels, hijacked streams.
    Closing,
    /// Everything is closed.
    Stopped,
}

impl Phase {
    /// What a service manager shows for this phase.
    fn status(self) -> &'static str {
        match self {
            Self::Recovering => "recovering unfinished upgrades",
            Self::Serving => "serving",
            Self::Draining => "waiting for upgrades to end",
            Self::Answering => "writing the last answers",
            Self::Closing => "closing connections",
            Self::Stopped => "stopped",
        }
    }

    /// Says, to the log and to the service manager, that this phase begins.
    pub(super) fn enter(self) {
        debug!(phase = ?self, "enter the phase");
        let status = NotifyState::Status(self.status());
        match self {
            Self::Serving => notify::tell(&[NotifyState::Ready, status]),
            Self::Draining => notify::tell(&[NotifyState::Stopping, status]),
            _ => notify::tell(&[status]),
        }
    }
}

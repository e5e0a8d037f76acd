//! Signals: the first begins the shutdown, the second ends everything at once.

use std::{future::Future, io};

use tokio::signal::unix::{self, SignalKind};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// A signal that asks us to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Interrupt,
    Terminate,
}

impl Signal {
    /// What a shell reports for a process that the signal ended: 128 + its number.
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, in its own order.
    Orderly,
    /// By this second signal.
    AtOnce(Signal),
}

/// The signals that ask us to end.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Takes the signals over from their default, which is to die on the spot.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Runs `running`: the first signal cancels `shutdown`, the second drops it where it is.
    ///
    /// # Errors
    /// Those of `running`.
    pub(super) async fn run<E>(
        &mut self,
        running: impl Future<Output = Result<(), E>>,
        shutdown: CancellationToken,
    ) -> Result<Ended, E> {
        let second = async {
            let first = self.next().await;
            info!(signal = ?first, "shut down");
            shutdown.cancel();
            self.next().await
        };
        tokio::select! {
            biased;
            result = running => result.map(|()| Ended::Orderly),
            signal = second => {
                warn!(?signal, "end at once");
                Ok(Ended::AtOnce(signal))
            }
        }
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

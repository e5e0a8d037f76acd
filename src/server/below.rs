//! What the server needs from the layers below it, and where it gets that: the one place to
//! look for when the server's life and a transaction's life meet.

use std::future::Future;

use crate::{engine::Stream, relay::Relay, upgrade::Upgrades};

/// Serves connections.
pub trait Serve: Send + Sync + 'static {
    /// Serves one connection until both sides are done with it. Dropping the future closes it.
    fn serve(&self, client: Stream) -> impl Future<Output = ()> + Send;
}

impl Serve for Relay {
    fn serve(&self, client: Stream) -> impl Future<Output = ()> + Send {
        Self::serve(self, client)
    }
}

/// What must be over before anybody is served, and before the process may end.
pub trait Transactions: Send + Sync + 'static {
    /// Brings transactions that an earlier process left unfinished to their end.
    ///
    /// Runs when every address is bound and before the first client is served. It ends in
    /// bounded time: where the engine can't be reached, it returns (clients get `503` until the
    /// engine is back), and what was left out must be made up for as soon as it is back, and before
    /// the first upgrade is taken.
    fn recover(&self) -> impl Future<Output = ()> + Send;

    /// Completes when no transaction runs; at once, on its first poll, if none does.
    ///
    /// Called once, when the server takes no more connections. Those that are open go on until
    /// this is complete, so a transaction that is asked for now should be refused.
    fn drain(&self) -> impl Future<Output = ()> + Send;
}

impl Transactions for Upgrades {
    async fn recover(&self) {
        Self::recover(self).await;
    }

    async fn drain(&self) {
        Self::drain(self).await;
    }
}

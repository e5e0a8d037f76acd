//! What the server needs from the layers below it, and where it gets that: the one place to
//! look for when the server's life and a transaction's life meet.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use crate::{
    engine::{DockerEngine, Socket},
    relay::Relay,
    upgrade::Upgrades,
};

/// How long the engine may take to answer when somebody asks for our health.
const PING: Duration = Duration::from_secs(2);

/// Serves connections.
pub trait Serve: Send + Sync + 'static {
    /// Serves one connection until both sides are done with it. Dropping the future closes it.
    fn serve(&self, client: Socket) -> impl Future<Output = ()> + Send;

    /// The runtime that the next listener, or connection, is to be served on.
    fn lane(&self) -> Handle;
}

impl Serve for Relay {
    fn serve(&self, client: Socket) -> impl Future<Output = ()> + Send {
        Self::serve(self, client)
    }

    fn lane(&self) -> Handle {
        Self::lane(self)
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

/// What the health of this process is made of.
pub trait Health: Send + Sync + 'static {
    /// Asks the engine whether it is there, in bounded time. An error says why it is not.
    fn ping(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Whether what an earlier process left unfinished was looked after.
    fn is_recovered(&self) -> bool;

    /// How many upgrades recovery could not bring to an end yet.
    fn unfinished(&self) -> i64;
}

/// The health of a server of this engine, and of these upgrades.
#[derive(Debug)]
pub struct Watched {
    /// What everything depends on.
    pub engine: Arc<DockerEngine>,
    /// What is recovered.
    pub upgrades: Arc<Upgrades>,
}

impl Health for Watched {
    async fn ping(&self) -> Result<(), String> {
        let pinged = self.engine.ping(PING).await;
        pinged.map_err(|error| error.to_string())
    }

    fn is_recovered(&self) -> bool {
        self.upgrades.is_recovered()
    }

    fn unfinished(&self) -> i64 {
        self.upgrades.metrics().unfinished.get()
    }
}

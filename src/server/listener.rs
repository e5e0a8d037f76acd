//! A socket that clients connect to.

use std::io;

use tokio::net::{TcpListener, UnixListener};

use super::socket_file::SocketFile;
use crate::engine::Stream;

/// A listening socket, and the file that leads to it if we made one.
#[derive(Debug)]
pub struct Listener {
    name: String,
    /// Declared before the socket, and so dropped before it: see [`SocketFile`].
    file: Option<SocketFile>,
    socket: Socket,
}

/// What the listener accepts from.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// A listener that is called `name` in logs and removes `file` when it is dropped.
    pub(super) fn new(name: String, file: Option<SocketFile>, socket: Socket) -> Self {
        Self { name, file, socket }
    }

    /// The address that it listens on, as it is printed. The port of a TCP address is the one
    /// that was got, where 0 asked for any.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the next client.
    ///
    /// # Errors
    /// Whatever `accept(2)` says; the listener stays usable.
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Unix(socket) => Ok(Stream::Unix(socket.accept().await?.0)),
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                // It fails where the client has gone already, which whoever serves it will see; as
                // an error of ours it would look like a listener in trouble.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
        }
    }

    /// Closes the socket and removes its file.
    pub fn close(self) {
        drop(self.file);
        drop(self.socket);
    }
}

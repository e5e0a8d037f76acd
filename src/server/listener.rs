//! A socket that clients connect to.

use std::{
    io,
    net::TcpListener,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixListener,
    },
    sync::Arc,
};

use rustix::net::{SocketFlags, accept_with};
use tokio::io::{Interest, unix::AsyncFd};

use super::socket_file::SocketFile;
use crate::engine::{self, register};

/// A listening socket, and the file that leads to it if we made one.
#[derive(Debug)]
pub struct Listener {
    name: String,
    /// Declared before the socket, and so dropped before it: see [`SocketFile`].
    file: Option<Arc<SocketFile>>,
    socket: AsyncFd<Socket>,
}

/// What the listener accepts from; non-blocking.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// A listener that is called `name` in logs and removes `file` when it is dropped. It belongs to the
    /// runtime that this is called in.
    ///
    /// # Errors
    /// The socket can't be registered with the runtime.
    pub(super) fn new(name: String, file: Option<SocketFile>, socket: Socket) -> io::Result<Self> {
        let socket = register(socket, Interest::READABLE)?;
        let file = file.map(Arc::new);
        Ok(Self { name, file, socket })
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
    pub async fn accept(&self) -> io::Result<engine::Socket> {
        self.socket
            .async_io(Interest::READABLE, Socket::accept)
            .await
    }

    /// The file that leads to it, for who must be sure that it is gone.
    pub(super) fn file(&self) -> Option<Arc<SocketFile>> {
        self.file.clone()
    }

    /// Closes the socket and removes its file.
    pub fn close(self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

impl Socket {
    /// Takes the next client, registered with no runtime: another thread may be going to serve it.
    fn accept(&self) -> io::Result<engine::Socket> {
        let client = accept_with(self, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
        Ok(match self {
            Self::Unix(_) => engine::Socket::Unix(client.into()),
            Self::Tcp(_) => engine::Socket::tcp(client.into()),
        })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

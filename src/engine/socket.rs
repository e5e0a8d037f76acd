//! One connection to or from a Docker socket, before a runtime knows of it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::Stream;

/// A connection that was dialled or accepted: non-blocking, and registered with no runtime. So it
/// costs no calls but its own until the thread is known that will wait for it.
#[derive(Debug)]
pub enum Socket {
    /// A unix socket.
    Unix(UnixStream),
    /// A TCP socket, as [`Socket::tcp`] makes it.
    Tcp(TcpStream),
}

/// After how long a silence a TCP connection is probed, and how often again.
const PROBE: Duration = Duration::from_secs(15);

/// How many probes go without an answer before a peer is gone.
const PROBES: u32 = 9;

impl Socket {
    /// A TCP connection, which sends at once, and notices within minutes that its peer is gone: the
    /// docker CLI and dockerd probe theirs so (Go's `net`), which ends at a proxy.
    #[must_use]
    pub fn tcp(socket: TcpStream) -> Self {
        // Each fails where the peer has gone already, which whoever serves it will see.
        let _ = socket.set_nodelay(true);
        let _ = set_tcp_keepidle(&socket, PROBE);
        let _ = set_tcp_keepintvl(&socket, PROBE);
        let _ = set_tcp_keepcnt(&socket, PROBES);
        let _ = set_socket_keepalive(&socket, true);
        Self::Tcp(socket)
    }

    /// Registers it with the runtime that this is called in.
    ///
    /// # Errors
    /// The system refuses the registration (descriptors, memory).
    pub fn into_stream(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Unix(socket) => Stream::Unix(tokio::net::UnixStream::from_std(socket)?),
            Self::Tcp(socket) => Stream::Tcp(tokio::net::TcpStream::from_std(socket)?),
        })
    }

    /// A second handle on the same socket.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
        })
    }

    /// Half-close: the peer reads our end of file, we may go on reading.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Write),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write),
        }
    }
}

/// Registers a descriptor with the runtime that this is called in, for `interest` alone.
///
/// # Errors
/// The system refuses the registration (descriptors, memory).
#[expect(
    deprecated,
    reason = "the replacement is unsafe, as `T` might swap its descriptor; ours own theirs for life"
)]
pub fn register<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, interest)
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

impl Read for &Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => (&mut &*socket).read(buffer),
            Socket::Tcp(socket) => (&mut &*socket).read(buffer),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => (&mut &*socket).write(bytes),
            Socket::Tcp(socket) => (&mut &*socket).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::sockopt::{socket_keepalive, tcp_keepcnt, tcp_keepidle, tcp_keepintvl};

    use super::*;

    #[test]
    fn a_silent_peer_is_probed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Socket::tcp(peer);
        assert!(socket_keepalive(&socket).unwrap());
        assert_eq!(tcp_keepidle(&socket).unwrap(), PROBE);
        assert_eq!(tcp_keepintvl(&socket).unwrap(), PROBE);
        assert_eq!(tcp_keepcnt(&socket).unwrap(), PROBES);
    }
}

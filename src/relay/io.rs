//! One side of a relayed connection.
//!
//! Invariants: an idle side holds no buffer, and wakes its task only when there is something to
//! read or when the peer is gone.
//!
//! Tokio's own streams are always registered for writability, too, and epoll then wakes a thread
//! each time that the peer has *read* something: one needless wake-up per message, a good part of
//! what a relay adds. So the socket is registered for reading only. Writes are simply tried, and
//! a second registration (of a duplicate descriptor) is made while a write blocks.
//!
//! Read-only registration has a second use: the kernel reports a hang-up whatever is asked for,
//! and tokio files it under "write closed". Waiting for writability of a descriptor that is
//! registered for reading is waiting for the hang-up, and never spins.

use std::{
    cell::Cell,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    task::{Context, Poll, ready},
};

use tokio::io::{Interest, unix::AsyncFd};

use crate::engine::Stream;

/// A socket, non-blocking, read and written through `poll_` functions. One task polls it.
#[derive(Debug)]
pub(super) struct Io {
    /// Registered for reading (and thereby for hang-ups) only.
    socket: AsyncFd<Socket>,
    /// Registered for writing; there while writes block.
    blocked: Option<AsyncFd<OwnedFd>>,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixStream),
    Tcp(std::net::TcpStream),
}

impl Io {
    /// Takes over `stream`.
    pub(super) fn new(stream: Stream) -> io::Result<Self> {
        let socket = match stream {
            Stream::Unix(stream) => Socket::Unix(stream.into_std()?),
            Stream::Tcp(stream) => Socket::Tcp(stream.into_std()?),
        };
        Ok(Self {
            socket: register(socket, Interest::READABLE)?,
            blocked: None,
        })
    }

    /// Gives the stream back.
    pub(super) fn into_stream(self) -> io::Result<Stream> {
        Ok(match self.socket.into_inner() {
            Socket::Unix(socket) => Stream::Unix(tokio::net::UnixStream::from_std(socket)?),
            Socket::Tcp(socket) => Stream::Tcp(tokio::net::TcpStream::from_std(socket)?),
        })
    }

    /// A second handle on the same socket.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        let socket = match self.socket.get_ref() {
            Socket::Unix(socket) => Socket::Unix(socket.try_clone()?),
            Socket::Tcp(socket) => Socket::Tcp(socket.try_clone()?),
        };
        Ok(Self {
            socket: register(socket, Interest::READABLE)?,
            blocked: None,
        })
    }

    /// Reads some bytes; zero at the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            match ready.get_inner().read(buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // Less than there was room for: the socket is drained, and the next read would
                // block. (What comes meanwhile sets it ready again; a closed end stays ready.)
                Ok(n) if n > 0 && n < buffer.len() => {
                    ready.clear_ready();
                    return Poll::Ready(Ok(n));
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes some bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.socket.get_ref();
        loop {
            // Readiness is asked for before the write, so that what it tells is never older.
            let ready = match &self.blocked {
                Some(blocked) => Some(ready!(blocked.poll_write_ready(cx))?),
                None => None,
            };
            match socket.write(bytes) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => match ready {
                    Some(mut ready) => ready.clear_ready(),
                    None => self.blocked = Some(writable(self.socket.get_ref())?),
                },
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Nothing is left to write for now.
    pub(super) fn rest(&mut self) {
        self.blocked = None;
    }

    /// Half-close: the peer reads the end, we go on reading.
    pub(super) fn shutdown(&mut self) {
        // It fails where the peer is gone, which reading tells as well.
        let _ = match self.socket.get_ref() {
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
        };
    }

    /// Ready when both directions are closed: the peer closed its socket (rather than one
    /// direction), or it ended its direction after we had shut down ours. On TCP a peer that
    /// closes can't be told from one that half-closes until it resets the connection.
    pub(super) fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error here means that the runtime shuts down.
        self.socket.poll_write_ready(cx).map(|_| ())
    }
}

/// A registration of `socket` for writing.
fn writable(socket: &Socket) -> io::Result<AsyncFd<OwnedFd>> {
    register(socket.as_fd().try_clone_to_owned()?, Interest::WRITABLE)
}

/// Registers a descriptor with the runtime.
#[expect(
    deprecated,
    reason = "the replacement is unsafe, as `T` might swap its descriptor; ours own theirs for life"
)]
fn register<T: AsRawFd>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>> {
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

/// How much is read at once.
pub(super) const READ: usize = 64 * 1024;

thread_local! {
    /// One buffer per thread, for all its connections: bytes mostly leave it in the same breath,
    /// so that an idle connection needs none of its own, and it stays warm in the cache.
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Calls `f` with this thread's buffer.
pub(super) fn with_buffer<T>(f: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFER
        .take()
        .unwrap_or_else(|| vec![0; READ].into_boxed_slice());
    let result = f(&mut buffer);
    BUFFER.set(Some(buffer));
    result
}

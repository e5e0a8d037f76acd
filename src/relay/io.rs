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
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll, ready},
};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{Interest, unix::AsyncFd};

use crate::engine::{Socket, register};

/// A socket, non-blocking, read and written through `poll_` functions. One task polls it.
#[derive(Debug)]
pub(super) struct Io {
    /// Registered for reading (and thereby for hang-ups) only.
    socket: AsyncFd<Socket>,
    /// Registered for writing; there while writes block.
    blocked: Option<AsyncFd<OwnedFd>>,
    /// Its buffer was widened.
    wide: bool,
}

impl Io {
    /// Takes over `socket`.
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        Ok(Self {
            socket: register(socket, Interest::READABLE)?,
            blocked: None,
            wide: false,
        })
    }

    /// Gives the socket back.
    pub(super) fn into_socket(self) -> Socket {
        self.socket.into_inner()
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
                    None if !self.wide => {
                        self.wide = true;
                        widen(socket);
                    }
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
        let _ = self.socket.get_ref().shutdown();
    }

    /// Ready when both directions are closed: the peer closed its socket (rather than one
    /// direction), or it ended its direction after we had shut down ours. On TCP a peer that
    /// closes can't be told from one that half-closes until it resets the connection.
    pub(super) fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error here means that the runtime shuts down.
        self.socket.poll_write_ready(cx).map(|_| ())
    }
}

/// Gives `socket` a larger buffer, where the kernel would not.
///
/// A unix socket takes more only when three quarters of its buffer are free again, and the
/// receiver soon has nothing left to read while we are woken. TCP widens its buffers by itself.
fn widen(socket: &Socket) {
    if let Socket::Unix(socket) = socket {
        // The kernel's limit may be lower: then it is that.
        let _ = set_socket_send_buffer_size(socket, WIDE);
    }
}

/// A registration of `socket` for writing.
fn writable(socket: &Socket) -> io::Result<AsyncFd<OwnedFd>> {
    register(socket.as_fd().try_clone_to_owned()?, Interest::WRITABLE)
}

/// The buffer of a unix socket whose receiver is slower than its sender, in bytes; the kernel
/// reserves as much again for its own records.
const WIDE: usize = 512 * 1024;

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

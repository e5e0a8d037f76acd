//! The threads that copy.
//!
//! Invariant: a connection is copied on one thread from its first byte to its last; only a
//! request of ours leaves it.
//!
//! Tokio's work-stealing runtime has one thread wait for events and wakes others to share what
//! came: for messages that take microseconds, the wake-ups cost more than the work (a fifth of
//! the throughput at 16 connections). So each lane is a thread that waits for its own connections
//! alone, as the threads of `HAProxy` do. Everything else stays on the caller's runtime.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    task::{JoinError, JoinHandle},
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// More threads than this don't make a socket proxy faster.
const MOST: usize = 8;

/// All lanes of one relay, which end when this is dropped.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Vec<Handle>,
    /// Connections so far: they take the lanes by turns.
    turn: AtomicUsize,
    _end: DropGuard,
}

impl Lanes {
    /// Starts them. Not with the first connection: the connections behind it might take the
    /// descriptors that a lane needs.
    pub(super) fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |n| n.get().min(MOST));
        let end = CancellationToken::new();
        let guard = end.clone().drop_guard();
        let lanes = (0..count).map(|n| start(n, end.clone()));
        Ok(Self {
            all: lanes.collect::<io::Result<_>>()?,
            turn: AtomicUsize::new(0),
            _end: guard,
        })
    }

    /// Runs `future` on a lane; dropping what is returned cancels it.
    pub(super) fn run<F>(&self, future: F) -> Running<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Running(self.all[turn % self.all.len()].spawn(future))
    }
}

/// Starts one thread, which ends with `end`.
fn start(n: usize, end: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let lane = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("relay-{n}"))
        .spawn(move || runtime.block_on(end.cancelled()))?;
    Ok(lane)
}

/// What runs on a lane, and ends with this.
#[derive(Debug)]
pub(super) struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

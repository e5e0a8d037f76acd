//! The threads that copy.
//!
//! Invariant: a connection lives on one thread from its first byte to its last; only a request of
//! ours leaves it.
//!
//! Tokio's work-stealing runtime has one thread wait for events and wakes others to share what
//! came: for messages that take microseconds, the wake-ups cost more than the work (a fifth of
//! the throughput at 16 connections). So each lane is a thread that waits for its own connections
//! alone, as the threads of `HAProxy` do. Everything else stays on the process's own runtime.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::metrics;

/// More threads than this don't make a socket proxy faster.
pub(super) const MOST: usize = 8;

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

    /// The lane of the next connection.
    pub(super) fn next(&self) -> &Handle {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.all[turn % self.all.len()]
    }
}

/// Starts one thread, which ends with `end`.
fn start(n: usize, end: CancellationToken) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let lane = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("relay-{n}"))
        .spawn(move || {
            metrics::count_for(n);
            runtime.block_on(end.cancelled());
        })?;
    Ok(lane)
}

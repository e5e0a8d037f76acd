//! What is counted of connections: how many, how many are tunnels, how many bytes.
//!
//! Each lane counts for itself, in a line of memory that no other thread writes to; whoever wants to
//! know adds up. Bytes are added once for each time that a connection is polled.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::lanes::MOST;

thread_local! {
    /// The place where this thread counts: that of its lane.
    static PLACE: Cell<usize> = const { Cell::new(0) };
}

/// From now on, this thread counts for the lane of this number.
pub(super) fn count_for(lane: usize) {
    PLACE.set(lane % MOST);
}

/// What is counted of the connections of one relay since it began. A clone counts on.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    lanes: Arc<[Lane; MOST]>,
}

/// What one lane has counted. Aligned to what processors fetch at once: two lines of cache.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    connections: Ever,
    tunnels: Ever,
    to_engine: AtomicU64,
    to_client: AtomicU64,
}

/// What begins and ends.
#[derive(Debug, Default)]
struct Ever {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// The counts of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections of clients.
    pub connections: Count,
    /// Those that became tunnels: the engine accepted a hijack.
    pub tunnels: Count,
    /// Bytes that the engine was sent.
    pub to_engine: u64,
    /// Bytes that clients were sent, of the engine's.
    pub to_client: u64,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Since this began.
    pub ever: u64,
    /// Of them, those that have not ended.
    pub open: u64,
}

impl Metrics {
    /// What has been counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let sum = |of: fn(&Lane) -> &AtomicU64| -> u64 {
            self.lanes.iter().map(|lane| of(lane).load(Relaxed)).sum()
        };
        // The ends first: what ends meanwhile is still open, and nothing ends before it begins.
        let ended = [
            sum(|lane| &lane.connections.ended),
            sum(|lane| &lane.tunnels.ended),
        ];
        let begun = [
            sum(|lane| &lane.connections.begun),
            sum(|lane| &lane.tunnels.begun),
        ];
        let [connections, tunnels] = [0, 1].map(|at| Count {
            ever: begun[at],
            open: begun[at].saturating_sub(ended[at]),
        });
        Counts {
            connections,
            tunnels,
            to_engine: sum(|lane| &lane.to_engine),
            to_client: sum(|lane| &lane.to_client),
        }
    }

    /// A connection begins, which is served on this thread.
    pub(super) fn connection(&self) -> Counted {
        let counted = Counted {
            metrics: self.clone(),
            place: PLACE.get(),
            is_tunnel: false,
        };
        counted.lane().connections.begun.fetch_add(1, Relaxed);
        counted
    }
}

/// A connection, for as long as this is held.
#[derive(Debug)]
pub(super) struct Counted {
    metrics: Metrics,
    place: usize,
    is_tunnel: bool,
}

impl Counted {
    fn lane(&self) -> &Lane {
        &self.metrics.lanes[self.place]
    }

    /// So many bytes were sent.
    pub fn send(&self, to_engine: u64, to_client: u64) {
        for (count, sent) in [
            (&self.lane().to_engine, to_engine),
            (&self.lane().to_client, to_client),
        ] {
            if sent > 0 {
                count.fetch_add(sent, Relaxed);
            }
        }
    }

    /// It is a tunnel from now on, if it was not one yet.
    pub fn tunnel(&mut self) {
        if !self.is_tunnel {
            self.is_tunnel = true;
            self.lane().tunnels.begun.fetch_add(1, Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.is_tunnel {
            self.lane().tunnels.ended.fetch_add(1, Relaxed);
        }
        self.lane().connections.ended.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn lanes_count_for_themselves_and_together() {
        let metrics = Metrics::default();
        let threads = (0..MOST).map(|lane| {
            let metrics = metrics.clone();
            thread::spawn(move || {
                count_for(lane);
                let mut tunnel = metrics.connection();
                tunnel.tunnel();
                tunnel.tunnel();
                tunnel.send(1, 10);
                metrics.connection().send(0, 100);
                assert_eq!(tunnel.place, lane);
                tunnel
            })
        });
        let threads: Vec<_> = threads.collect();
        let tunnels: Vec<_> = threads
            .into_iter()
            .map(|t| t.join().expect("a lane"))
            .collect();
        let all = u64::try_from(MOST).expect("few");
        let mut expected = Counts {
            connections: Count {
                ever: 2 * all,
                open: all,
            },
            tunnels: Count {
                ever: all,
                open: all,
            },
            to_engine: all,
            to_client: 110 * all,
        };
        assert_eq!(metrics.counts(), expected);
        drop(tunnels);
        expected.connections.open = 0;
        expected.tunnels.open = 0;
        assert_eq!(metrics.counts(), expected);
    }
}

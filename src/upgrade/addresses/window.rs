//! One upgrade at a time between the stop of an original and the start of its replacement, on each
//! network: two at once would get each other's addresses, and so would one whose lower addresses are
//! let go by another.
//!
//! Waiting costs no downtime, since the original runs meanwhile.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as Slot, MutexGuard, PoisonError},
    time::Duration,
};

use dashmap::DashMap;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, timeout_at},
};

use crate::upgrade::marker::DynamicAddress;

/// The windows of all networks, by ID.
#[derive(Debug, Default)]
pub struct Windows(DashMap<String, Arc<Mutex<()>>>);

/// The window of one transaction, which it is in or not. Dropping it leaves.
pub struct Window<'a> {
    windows: &'a Windows,
    entered: Slot<Entered>,
}

/// The networks that it is in a window on.
#[derive(Default)]
struct Entered {
    networks: Vec<OwnedMutexGuard<()>>,
    /// Whether it is in on all that were asked for.
    is_whole: bool,
}

impl Windows {
    /// A window that nobody is in yet.
    pub fn window(&self) -> Window<'_> {
        Window {
            windows: self,
            entered: Slot::default(),
        }
    }
}

impl Window<'_> {
    /// Waits until no other transaction is in a window on the networks of these addresses, and enters
    /// it; after `patience`, all the same: the address may be lost then, which is noticed, and somebody's
    /// stop may have no end. False: another one was in one of them to the last.
    pub async fn enter(&self, addresses: &[DynamicAddress], patience: Duration) -> bool {
        if !self.entered().networks.is_empty() {
            return self.entered().is_whole;
        }
        let deadline = Instant::now() + patience;
        let all = &self.windows.0;
        all.retain(|_, mutex| Arc::strong_count(mutex) > 1);
        let mut entered = Vec::new();
        // In one order, so that no two wait for each other.
        let networks: BTreeSet<&str> = addresses.iter().map(|a| a.network.as_str()).collect();
        let wanted = networks.len();
        for network in networks {
            let mutex = Arc::clone(&all.entry(network.to_owned()).or_default());
            entered.extend(timeout_at(deadline, mutex.lock_owned()).await.ok());
        }
        let is_whole = entered.len() == wanted;
        *self.entered() = Entered {
            networks: entered,
            is_whole,
        };
        is_whole
    }

    /// Lets the others in.
    pub fn leave(&self) {
        *self.entered() = Entered::default();
    }

    fn entered(&self) -> MutexGuard<'_, Entered> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn on(networks: &[&str]) -> Vec<DynamicAddress> {
        let address = |network: &&str| DynamicAddress {
            network: (*network).to_owned(),
            ip: "10.0.0.2".parse().expect("an address"),
        };
        networks.iter().map(address).collect()
    }

    /// How long it takes to enter.
    async fn entering(window: &Window<'_>, networks: &[&str]) -> Duration {
        let begin = Instant::now();
        window.enter(&on(networks), PATIENCE).await;
        begin.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn one_is_in_at_a_time_on_each_network() {
        let windows = Windows::default();
        let (one, two, three) = (windows.window(), windows.window(), windows.window());
        assert_eq!(entering(&one, &["a", "b"]).await, Duration::ZERO);
        assert_eq!(entering(&two, &["c"]).await, Duration::ZERO);
        // Who is in is in.
        assert_eq!(entering(&one, &["c"]).await, Duration::ZERO);
        let leave = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            one.leave();
        };
        let (waited, ()) = tokio::join!(entering(&three, &["b"]), leave);
        assert_eq!(waited, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_without_end_or_for_who_is_gone() {
        let windows = Windows::default();
        let (one, two) = (windows.window(), windows.window());
        entering(&one, &["a", "b"]).await;
        assert_eq!(entering(&two, &["a", "b"]).await, PATIENCE);
        drop((one, two));
        let three = windows.window();
        assert_eq!(entering(&three, &["a", "b"]).await, Duration::ZERO);
        assert_eq!(windows.0.len(), 2);
        drop(three);
        entering(&windows.window(), &["c"]).await;
        assert_eq!(windows.0.len(), 1);
    }
}

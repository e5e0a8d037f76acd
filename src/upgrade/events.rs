//! What became of upgrades, for whoever follows the engine's events.
//!
//! Invariants: telling waits for nobody; a listener is told everything once and in order, from the
//! moment on that it began to listen, unless it falls more than [`KEPT`] behind.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::task::AtomicWaker;
use serde_json::Value;

use super::{
    decide::Rest,
    marker::Marker,
    reconcile::{Seen, Settled},
};
use crate::{engine::Container, plan::MARKER_LABEL};

/// How many events are remembered: as many as dockerd remembers of its own, and in memory, too.
const KEPT: usize = 256;

/// What a transaction that touched its container came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub action: Action,
    /// The ID of the transaction.
    pub transaction: String,
    /// The full ID of the container that has the name now.
    pub id: String,
    /// The name.
    pub name: String,
    /// The reference of its image.
    pub image: String,
    /// Its labels, without the marker: that tells of a thousand generations, and whoever follows the
    /// events is told of each.
    pub labels: BTreeMap<String, String>,
    /// The full ID of the container that is gone: the original, or the replacement that failed.
    /// Empty where nobody has seen it.
    pub old_id: String,
    /// The reference of that one's image; empty likewise.
    pub old_image: String,
    /// When it was told, in ns since 1970.
    pub time: i64,
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The replacement has taken the original's place.
    Upgrade,
    /// The original is back.
    Rollback,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upgrade => "upgrade",
            Self::Rollback => "upgrade-rollback",
        })
    }
}

impl Event {
    /// What is to be told of a transaction that came to rest, of its leader; nothing where the hands
    /// came off before the commit.
    pub(super) fn of(marker: &Marker, settled: &Settled) -> Option<Self> {
        let Seen {
            original,
            replacement,
        } = &settled.leader;
        let replacement = replacement.as_ref();
        match settled.rest {
            Rest::Committed | Rest::HandsOff(_) if settled.is_committed => Some(Self {
                old_id: marker.original.id.clone(),
                old_image: marker.original.image.clone(),
                ..Self::about(Action::Upgrade, marker, replacement?)
            }),
            Rest::RolledBack => Some(Self {
                old_id: replacement.map_or_else(String::new, |failed| failed.id.clone()),
                old_image: replacement.map_or_else(String::new, |failed| failed.image.clone()),
                ..Self::about(Action::Rollback, marker, original.as_ref()?)
            }),
            Rest::Committed | Rest::HandsOff(_) => None,
        }
    }

    fn about(action: Action, marker: &Marker, container: &Container) -> Self {
        Self {
            action,
            transaction: marker.transaction.clone(),
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            labels: labels(container),
            old_id: String::new(),
            old_image: String::new(),
            time: 0,
        }
    }
}

fn labels(container: &Container) -> BTreeMap<String, String> {
    let labels = container.document.pointer("/Config/Labels");
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    labels
        .filter(|(key, _)| *key != MARKER_LABEL)
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The events of all upgrades of one engine.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// The last ones, the oldest first.
    last: VecDeque<Arc<Event>>,
    /// How many there were in all.
    count: u64,
    listeners: Vec<Weak<AtomicWaker>>,
}

/// Waits for events.
#[derive(Debug)]
pub struct Listener {
    events: Events,
    /// How many events it was told, or had been told to others before it began to listen.
    heard: u64,
    waker: Arc<AtomicWaker>,
}

impl Events {
    /// Tells everybody, at once. A transaction is told of once, whoever brought it to its end.
    pub fn tell(&self, mut event: Event) {
        let mut told = self.locked();
        let is_told = |earlier: &Arc<Event>| earlier.transaction == event.transaction;
        if told.last.iter().any(is_told) {
            return;
        }
        event.time = now();
        if told.last.len() == KEPT {
            told.last.pop_front();
        }
        told.last.push_back(Arc::new(event));
        told.count += 1;
        told.listeners.retain(|listener| {
            let waker = listener.upgrade();
            waker.map(|waker| waker.wake()).is_some()
        });
    }

    /// What was told before, the oldest first, and a listener to what is told from now on.
    #[must_use]
    pub fn listen(&self) -> (Vec<Arc<Event>>, Listener) {
        let mut told = self.locked();
        let waker = Arc::new(AtomicWaker::new());
        told.listeners
            .retain(|listener| listener.strong_count() > 0);
        told.listeners.push(Arc::downgrade(&waker));
        let listener = Listener {
            events: self.clone(),
            heard: told.count,
            waker,
        };
        (told.last.iter().cloned().collect(), listener)
    }

    fn locked(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Ready with what was told since the last time, the oldest first.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Arc<Event>>> {
        self.waker.register(cx.waker());
        let told = self.events.locked();
        let new = usize::try_from(told.count - self.heard).map_or(KEPT, |new| new.min(KEPT));
        if new == 0 {
            return Poll::Pending;
        }
        self.heard = told.count;
        let first = told.last.len() - new;
        Poll::Ready(told.last.iter().skip(first).cloned().collect())
    }
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |now| i64::try_from(now.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use super::*;

    fn event(number: usize) -> Event {
        Event {
            action: Action::Upgrade,
            transaction: number.to_string(),
            id: "a1".to_owned(),
            name: "web".to_owned(),
            image: "web:2".to_owned(),
            labels: BTreeMap::new(),
            old_id: "a0".to_owned(),
            old_image: "web:1".to_owned(),
            time: 0,
        }
    }

    fn numbers(events: &[Arc<Event>]) -> Vec<usize> {
        let number = |event: &Arc<Event>| event.transaction.parse().expect("a number");
        events.iter().map(number).collect()
    }

    /// What is there without waiting.
    fn heard(listener: &mut Listener) -> Vec<usize> {
        match listener.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(events) => numbers(&events),
            Poll::Pending => Vec::new(),
        }
    }

    #[test]
    fn each_is_either_past_or_heard_and_once() {
        let events = Events::default();
        events.tell(event(1));
        let (past, mut listener) = events.listen();
        assert_eq!(numbers(&past), [1]);
        assert_eq!(heard(&mut listener), [0; 0]);
        events.tell(event(2));
        events.tell(event(3));
        events.tell(event(3));
        assert_eq!(heard(&mut listener), [2, 3]);
        assert_eq!(heard(&mut listener), [0; 0]);
        let (past, _) = events.listen();
        assert_eq!(numbers(&past), [1, 2, 3]);
        assert!(past.is_sorted_by_key(|event| event.time));
        assert!(past[0].time > 0);
    }

    #[test]
    fn who_does_not_listen_holds_up_nobody_and_keeps_nothing_alive() {
        let events = Events::default();
        let (_, mut slow) = events.listen();
        for number in 0..KEPT + 10 {
            events.tell(event(number));
            drop(events.listen());
        }
        let last: Vec<_> = (10..KEPT + 10).collect();
        assert_eq!(numbers(&events.listen().0), last);
        assert_eq!(heard(&mut slow), last);
        // The slow one, and the one that was dropped last.
        assert!(events.locked().listeners.len() <= 2);
    }

    #[tokio::test]
    async fn a_listener_that_waits_is_woken() {
        let events = Events::default();
        let (_, mut listener) = events.listen();
        let waiting = tokio::spawn(async move { poll_fn(|cx| listener.poll(cx)).await });
        tokio::task::yield_now().await;
        events.tell(event(7));
        assert_eq!(numbers(&waiting.await.expect("an event")), [7]);
    }
}

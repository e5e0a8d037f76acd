//! One transaction at a time for each container, and nobody else at its members meanwhile.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::{DashMap, mapref::entry::Entry};

use super::{
    outcome::{Cause, Failure, Step},
    running::{Running, Stage},
};

/// How long the beginning of an ID must be to stand for it. The engine takes any that is unique, but
/// only the engine knows whether a short word such as `db` is the name of another container.
const SHORTEST_PREFIX: usize = 4;

/// The containers that are being worked on, by full ID and by name, with their transaction.
#[derive(Debug, Default)]
pub(super) struct Locks {
    by_key: DashMap<String, Arc<Running>>,
    /// What helpers are at, whose locks are in other processes.
    guards: RwLock<Vec<Guard>>,
    /// How many locks and guards there are: to look into the map for every request that is relayed would cost.
    held: AtomicUsize,
}

/// A transaction that a helper carries out.
#[derive(Debug)]
pub(super) struct Guard {
    pub underway: Underway,
    /// The IDs and names of its members' containers.
    pub keys: Vec<String>,
    /// The names and IDs of their networks.
    pub networks: Vec<String>,
}

/// The right to work on a container, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lock<'a> {
    locks: &'a Locks,
    /// What others see of the transaction.
    pub running: Arc<Running>,
    keys: Mutex<Vec<String>>,
}

impl Locks {
    /// Takes the right to work on the container that `key` (an ID or a name) is of.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if a transaction has it.
    pub fn lock(&self, key: &str, running: Running) -> Result<Lock<'_>, Failure> {
        self.held.fetch_add(1, Ordering::Relaxed);
        let lock = Lock {
            locks: self,
            running: Arc::new(running),
            keys: Mutex::default(),
        };
        match lock.claim(key) {
            Ok(()) => Ok(lock),
            Err(holder) => Err(conflict(key, &holder)),
        }
    }

    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if a transaction works on the container that `reference`
    /// is of.
    pub fn refuse(&self, reference: &str) -> Result<(), Failure> {
        let holder = self.of(reference);
        holder.map_or(Ok(()), |holder| Err(conflict(reference, &holder)))
    }

    /// The transaction that works on the container of this name or full ID.
    pub fn of(&self, key: &str) -> Option<Arc<Running>> {
        self.by_key.get(key).map(|running| Arc::clone(&running))
    }

    /// The transaction that works on the container of this name, ID, or beginning of an ID.
    pub fn find(&self, reference: &str) -> Option<Arc<Running>> {
        self.of(reference).or_else(|| {
            let mut all = self.by_key.iter();
            let found = all.find(|entry| is_meant(reference, entry.key()))?;
            Some(Arc::clone(found.value()))
        })
    }

    /// Guards these, and no others any more.
    pub fn guard(&self, guards: Vec<Guard>) {
        let mut all = self.guards.write().unwrap_or_else(PoisonError::into_inner);
        self.held.fetch_add(guards.len(), Ordering::Relaxed);
        self.held.fetch_sub(all.len(), Ordering::Relaxed);
        *all = guards;
    }

    /// Whether a helper is at work, as far as was seen last.
    pub fn has_guards(&self) -> bool {
        let all = self.guards.read().unwrap_or_else(PoisonError::into_inner);
        !all.is_empty()
    }

    /// What a helper is at of which this is true.
    fn guarded(&self, is_it: impl Fn(&Guard) -> bool) -> Option<Underway> {
        let all = self.guards.read().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|guard| is_it(guard))?;
        Some(found.underway.clone())
    }

    /// Whether this process works on the transaction of this ID.
    pub fn runs(&self, transaction: &str) -> bool {
        let mut all = self.by_key.iter();
        all.any(|entry| entry.value().transaction == transaction)
    }

    /// A transaction of which this is true, and how far it is.
    fn any(&self, is_it: impl Fn(&Stage) -> bool) -> Option<Underway> {
        self.by_key.iter().find_map(|entry| {
            let stage = entry.value().stage();
            is_it(&stage).then(|| Underway::of(entry.value(), stage))
        })
    }
}

fn conflict(reference: &str, holder: &Running) -> Failure {
    let transaction = &holder.transaction;
    let message = format!("an upgrade of {reference} is under way (transaction {transaction})");
    Failure::untouched(Cause::Conflict, Step::Lock, message)
}

/// Whether a reference means what has this name or ID, which it may be the beginning of.
fn is_meant(reference: &str, key: &str) -> bool {
    let is_prefix = reference.len() >= SHORTEST_PREFIX && is_id(key);
    key == reference || is_prefix && key.starts_with(reference)
}

fn is_id(key: &str) -> bool {
    key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Lock<'_> {
    /// Makes it of one more ID or name, unless another transaction has that.
    pub fn extend(&self, key: &str) {
        // Whoever has it has another container of that name, and keeps others from it.
        drop(self.claim(key));
    }

    /// Makes it of one more ID.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if another transaction has that.
    pub fn include(&self, id: &str) -> Result<(), Failure> {
        self.claim(id).map_err(|holder| conflict(id, &holder))
    }

    /// Makes it of one more ID or name.
    ///
    /// # Errors
    /// The transaction that has it.
    fn claim(&self, key: &str) -> Result<(), Arc<Running>> {
        match self.locks.by_key.entry(key.to_owned()) {
            Entry::Occupied(held) if Arc::ptr_eq(held.get(), &self.running) => Ok(()),
            Entry::Occupied(held) => Err(Arc::clone(held.get())),
            Entry::Vacant(free) => {
                free.insert(Arc::clone(&self.running));
                let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                keys.push(key.to_owned());
                Ok(())
            }
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let keys = self.keys.get_mut().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            self.locks.by_key.remove(key);
        }
        self.locks.held.fetch_sub(1, Ordering::Relaxed);
        self.running.end();
    }
}

/// What other clients must not touch while upgrades are under way.
#[derive(Debug, Clone, Default)]
pub struct Isolation(pub(super) Arc<Locks>);

/// An upgrade that somebody else's request would get in the way of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underway {
    /// The ID of the transaction.
    pub transaction: String,
    /// The name of the container.
    pub name: String,
    /// How far it is.
    pub step: Step,
}

impl Underway {
    fn of(running: &Running, stage: Stage) -> Self {
        Self {
            transaction: running.transaction.clone(),
            name: stage.name,
            step: stage.step,
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Isolation {
    /// As while an upgrade of this container is under way, for ever.
    pub(crate) fn around(container: &str) -> Self {
        let isolation = Self::default();
        let running = Running::new(
            "one",
            container,
            super::Direction::Forward,
            &super::metrics::Metrics::default(),
        );
        let lock = isolation.0.lock(container, running).expect("it is free");
        lock.running.isolate(vec!["app".to_owned()]);
        std::mem::forget(lock);
        isolation
    }
}

impl Isolation {
    /// Whether nothing is under way, so that everything may be touched. Asked for every request.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.held.load(Ordering::Relaxed) == 0
    }

    /// The upgrade that the container of this name, ID or beginning of an ID (of 4 digits at least) is
    /// a member of. The names that its steps give are its, too.
    #[must_use]
    pub fn of_container(&self, reference: &str) -> Option<Underway> {
        let of_this = self.0.find(reference).and_then(|running| {
            let stage = running.stage();
            stage.isolates.then(|| Underway::of(&running, stage))
        });
        let is_member = |guard: &Guard| guard.keys.iter().any(|key| is_meant(reference, key));
        of_this.or_else(|| self.0.guarded(is_member))
    }

    /// An upgrade whose members are attached to the network of this name, ID or beginning of an ID:
    /// while none of them runs, the engine would remove it.
    #[must_use]
    pub fn of_network(&self, reference: &str) -> Option<Underway> {
        let is_among = |all: &[String]| all.iter().any(|network| is_meant(reference, network));
        let of_this = self
            .0
            .any(|stage| stage.isolates && is_among(&stage.networks));
        of_this.or_else(|| self.0.guarded(|guard| is_among(&guard.networks)))
    }

    /// Any upgrade whose parked original a prune would delete.
    #[must_use]
    pub fn of_any(&self) -> Option<Underway> {
        let of_this = self.0.any(|stage| stage.isolates);
        of_this.or_else(|| self.0.guarded(|_| true))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{metrics::Metrics, running::Direction},
        *,
    };

    fn running(transaction: &str) -> Running {
        Running::new(transaction, "web", Direction::Forward, &Metrics::default())
    }

    #[test]
    fn a_container_is_locked_under_every_name_until_the_end() {
        let locks = Locks::default();
        let lock = locks.lock("id", running("one")).unwrap();
        lock.extend("web");
        lock.extend("web");
        let refused = locks.lock("web", running("two")).unwrap_err();
        assert_eq!(refused.cause, Cause::Conflict);
        assert!(refused.message.contains("one"), "{refused}");
        let other = locks.lock("other", running("two")).unwrap();
        assert!(other.claim("id").is_err());
        drop(other);
        assert!(locks.refuse("id").is_err());
        drop(lock);
        assert!(locks.refuse("id").is_ok() && locks.lock("web", running("two")).is_ok());
    }

    #[test]
    fn what_a_helper_is_at_is_guarded_as_long_as_it_is_seen() {
        let isolation = Isolation::default();
        let id = "db01".repeat(16);
        let underway = Underway {
            transaction: "one".to_owned(),
            name: "web".to_owned(),
            step: Step::Verify,
        };
        isolation.0.guard(vec![Guard {
            underway: underway.clone(),
            keys: vec![id.clone(), "web".to_owned()],
            networks: vec!["app".to_owned()],
        }]);
        let underway = Some(underway);
        assert!(!isolation.is_idle());
        for member in [id.as_str(), "db01", "web"] {
            assert_eq!(isolation.of_container(member), underway, "{member}");
        }
        assert_eq!(isolation.of_network("app"), underway);
        assert_eq!(isolation.of_any(), underway);
        assert_eq!(isolation.of_container("we"), None);
        // It is nobody's lock: here, nothing is under way.
        assert!(isolation.0.find("web").is_none());
        isolation.0.guard(Vec::new());
        assert!(isolation.is_idle() && isolation.of_any().is_none());
    }

    #[test]
    fn members_are_isolated_from_the_time_that_is_said() {
        let isolation = Isolation::default();
        assert!(isolation.is_idle());
        let id = "db01".repeat(16);
        let lock = isolation.0.lock(&id, running("one")).unwrap();
        assert!(!isolation.is_idle());
        assert_eq!(isolation.of_container(&id), None);
        assert_eq!(isolation.of_any(), None);
        let network = "ab".repeat(32);
        lock.running.isolate(vec!["app".to_owned(), network]);
        lock.extend("web");
        for member in [id.as_str(), &id[..12], "db01", "web"] {
            let underway = isolation.of_container(member).expect(member);
            assert_eq!(underway.transaction, "one");
        }
        // It may well be the name of another container.
        for other in ["db", "other", "web.", "WEB"] {
            assert_eq!(isolation.of_container(other), None, "{other}");
        }
        assert!(isolation.of_any().is_some());
        assert!(isolation.of_network("app").is_some() && isolation.of_network("abab").is_some());
        assert_eq!(isolation.of_network("ab"), None);
        drop(lock);
        assert!(isolation.is_idle() && isolation.of_any().is_none());
    }
}

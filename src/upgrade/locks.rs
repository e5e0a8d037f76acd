//! One transaction at a time for each container.

use std::sync::{Mutex, PoisonError};

use dashmap::{DashMap, mapref::entry::Entry};

use super::outcome::{Cause, Failure, Step};

/// The containers that are being worked on, by full ID and by name, with their transaction.
#[derive(Debug, Default)]
pub(super) struct Locks(DashMap<String, String>);

/// The right to work on a container, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lock<'a> {
    locks: &'a Locks,
    transaction: String,
    keys: Mutex<Vec<String>>,
}

impl Locks {
    /// Takes the right to work on the container that `key` (an ID or a name) is of.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if a transaction has it.
    pub fn lock(&self, key: &str, transaction: &str) -> Result<Lock<'_>, Failure> {
        let lock = Lock {
            locks: self,
            transaction: transaction.to_owned(),
            keys: Mutex::default(),
        };
        if lock.extend(key) {
            return Ok(lock);
        }
        self.refuse(key).map(|()| lock)
    }

    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if a transaction works on the container that `key` is
    /// of.
    pub fn refuse(&self, key: &str) -> Result<(), Failure> {
        let Some(transaction) = self.0.get(key) else {
            return Ok(());
        };
        let message = format!(
            "an upgrade of {key} is under way (transaction {})",
            transaction.value()
        );
        Err(Failure::untouched(Cause::Conflict, Step::Lock, message))
    }
}

impl Lock<'_> {
    /// Makes it of one more ID or name; false if another transaction has that.
    pub fn extend(&self, key: &str) -> bool {
        match self.locks.0.entry(key.to_owned()) {
            Entry::Occupied(held) => *held.get() == self.transaction,
            Entry::Vacant(free) => {
                free.insert(self.transaction.clone());
                let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
                keys.push(key.to_owned());
                true
            }
        }
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        let keys = self.keys.get_mut().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            self.locks.0.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_locked_under_every_name_until_the_end() {
        let locks = Locks::default();
        let lock = locks.lock("id", "one").unwrap();
        assert!(lock.extend("web") && lock.extend("web"));
        let refused = locks.lock("web", "two").unwrap_err();
        assert_eq!(refused.cause, Cause::Conflict);
        assert!(refused.message.contains("one"), "{refused}");
        let other = locks.lock("other", "two").unwrap();
        assert!(!other.extend("id"));
        drop(other);
        assert!(locks.refuse("id").is_err());
        drop(lock);
        assert!(locks.refuse("id").is_ok() && locks.lock("web", "two").is_ok());
    }
}

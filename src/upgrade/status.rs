//! What happened to a container: the upgrade under way, or how the last one ended; and its
//! cancellation.
//!
//! An upgrade that succeeded is known from the marker. One that failed left no marker behind: it is
//! remembered by the process that ran it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dashmap::DashMap;

use super::{
    Upgrades, admission,
    look::existing,
    marker::{self, Generation, Lineage, Marker, Role},
    outcome::{Cause, Ending, Failure, Incarnation, Rollback, Step},
    recover::Recovered,
    running::{Direction, Running},
};
use crate::engine::{Container, Engine, EngineError};

/// How many failures are remembered at most.
const FAILURES: usize = 1000;

/// The year 10,000, which RFC 3339 has no place for, in seconds since 1970.
const END_OF_TIME: u64 = 253_402_300_800;

/// What is known of a container's last upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It is under way.
    Running {
        /// The ID of the transaction.
        transaction: String,
        /// The name of the container.
        name: String,
        /// The step that was begun last.
        step: Step,
        /// Which way it goes.
        direction: Direction,
        /// Since it began.
        elapsed: Duration,
        /// Since the step began.
        step_elapsed: Duration,
    },
    /// It was committed.
    Upgraded {
        /// The ID of the transaction.
        transaction: String,
        /// The name of the container.
        name: String,
        /// The container.
        current: Incarnation,
        /// Those that had its name before, the latest first.
        previous: Vec<Former>,
    },
    /// It failed, or was cancelled.
    Failed {
        /// How it ended.
        ended: Ended,
        /// Those that had the container's name before, the latest first.
        previous: Vec<Former>,
    },
    /// Another process works on it, or left it unfinished.
    Unfinished {
        /// The ID of the transaction.
        transaction: String,
        /// The name that the container is to have in the end.
        name: String,
        /// The ID of the original.
        original: String,
        /// The ID of the replacement.
        replacement: String,
    },
}

/// A container that had the name of another one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// It, with its image.
    pub container: Incarnation,
    /// When it was replaced, to the second, where that is known.
    pub replaced_at: Option<SystemTime>,
    /// Whether it is known what it was made of, so that it can be gone back to.
    pub is_known: bool,
}

impl Former {
    /// Those before a container, the latest first.
    fn of(container: &Container) -> Vec<Self> {
        let lineage = Lineage::of(container);
        let all = lineage.generations.into_iter().zip(lineage.specifications);
        let former = |(generation, specification): (Generation, Option<_>)| Self {
            replaced_at: generation.replaced_at.and_then(|seconds| {
                let since = Duration::from_secs(seconds);
                // What is later cannot be written.
                UNIX_EPOCH
                    .checked_add(since)
                    .filter(|_| seconds < END_OF_TIME)
            }),
            container: Incarnation {
                id: generation.id,
                image: generation.image,
                image_id: generation.image_id,
            },
            is_known: specification.is_some(),
        };
        all.map(former).collect()
    }
}

/// An upgrade that failed or was cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The ID of the transaction.
    pub transaction: String,
    /// The name of the container.
    pub name: String,
    /// Why it ended, and what became of the original, as its own caller is told.
    pub failure: Failure,
}

/// How upgrades failed, by the ID of the container that is still there.
#[derive(Debug, Default)]
pub(super) struct Failures(DashMap<String, Ended>);

impl Failures {
    /// Remembers how an upgrade of the container of this ID ended, if it failed.
    pub fn remember(&self, id: &str, running: &Running, result: &Result<Ending, Failure>) {
        let Err(failure) = result else {
            self.0.remove(id);
            return;
        };
        self.note(id, Ended::of(running, failure.clone()));
    }

    /// Remembers how an upgrade of the container of this ID failed.
    pub fn note(&self, id: &str, ended: Ended) {
        if self.0.len() >= FAILURES {
            // What may still be under way is not forgotten.
            let is_over = |ended: &Ended| ended.failure.rollback != Rollback::Incomplete;
            let other = self.0.iter().find(|entry| is_over(entry));
            let other = other.map(|entry| entry.key().clone());
            if let Some(other) = other {
                self.0.remove(&other);
            }
        }
        self.0.insert(id.to_owned(), ended);
    }

    /// Whether the transaction of this marker touched the original here, and was left unfinished.
    pub fn is_unfinished(&self, marker: &Marker) -> bool {
        self.0.get(&marker.original.id).is_some_and(|ended| {
            let Failure { step, rollback, .. } = ended.failure;
            ended.transaction == marker.transaction
                && step != Step::Create
                && rollback == Rollback::Incomplete
        })
    }

    /// An unfinished upgrade of the container of this ID was recovered so.
    pub fn recovered(&self, id: &str, ending: &Recovered) {
        if *ending == Recovered::Committed {
            self.0.remove(id);
        }
        if *ending != Recovered::RolledBack {
            return;
        }
        if let Some(mut ended) = self.0.get_mut(id)
            && ended.failure.rollback == Rollback::Incomplete
        {
            ended.failure.rollback = Rollback::Restored;
            ended.failure.message += "\nthe original is back since";
        }
    }

    fn of(&self, id: &str) -> Option<Ended> {
        self.0.get(id).map(|ended| ended.clone())
    }
}

impl Ended {
    fn of(running: &Running, failure: Failure) -> Self {
        Self {
            transaction: running.transaction.clone(),
            name: running.stage().name,
            failure,
        }
    }
}

impl Report {
    fn running(running: &Running) -> Self {
        let stage = running.stage();
        Self::Running {
            transaction: running.transaction.clone(),
            name: stage.name,
            step: stage.step,
            direction: stage.direction,
            elapsed: running.began.elapsed(),
            step_elapsed: stage.since.elapsed(),
        }
    }

    fn unfinished(marker: Marker, replacement: String) -> Self {
        Self::Unfinished {
            transaction: marker.transaction,
            name: marker.original.name,
            original: marker.original.id,
            replacement,
        }
    }

    fn upgraded(container: Container, marker: Marker) -> Self {
        Self::Upgraded {
            previous: Former::of(&container),
            transaction: marker.transaction,
            name: container.name,
            current: Incarnation {
                id: container.id,
                image: container.image,
                image_id: container.image_id,
            },
        }
    }
}

/// Whether the original of a marker is still there, or what stands in for it.
async fn is_unfinished(engine: &dyn Engine, marker: &Marker) -> Result<bool, EngineError> {
    if existing(engine, &marker.original.id).await?.is_some() {
        return Ok(true);
    }
    if marker.role.is_none() {
        return Ok(false);
    }
    let stand_in = existing(engine, &marker.old_name()).await?;
    Ok(stand_in.is_some_and(|found| marker.is_with(Role::StandIn, &found)))
}

impl Upgrades {
    /// What is known of the last upgrade of the container that `reference` names.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::NotFound`] if there is no such container, or none that is known.
    pub async fn report(&self, reference: &str) -> Result<Report, Failure> {
        let shared = &self.shared;
        if let Some(running) = shared.isolation.0.of(reference) {
            return Ok(Report::running(&running));
        }
        let engine = shared.engine.as_ref();
        let failed = |error: EngineError| Failure::of_engine(Step::Lock, &error);
        let container = admission::resolve(engine, &shared.identities, reference).await?;
        let id = container.id.clone();
        if let Some(running) = shared.isolation.0.of(&id) {
            return Ok(Report::running(&running));
        }
        let mut marker = Marker::of(&container);
        if let Some(marker) = &marker
            && is_unfinished(engine, marker).await.map_err(failed)?
        {
            return Ok(Report::unfinished(marker.clone(), container.id));
        }
        // Of a parked original, the replacement may have the name.
        let name = marker::final_name(&container.name);
        let [new, _] = marker::names(name);
        for replacement in [new.as_str(), name] {
            let replacement = existing(engine, replacement).await.map_err(failed)?;
            if let Some(replacement) = replacement
                && let Some(marker) = Marker::of(&replacement)
                && marker.original.id == id
            {
                return Ok(Report::unfinished(marker, replacement.id));
            }
        }
        shared.hear(name).await.map_err(failed)?;
        // An original of `--rm` is back under another ID, and that is no upgrade.
        let revived = marker.take_if(|marker| marker.role == Some(Role::Revival));
        let had = revived.map_or(id, |marker| marker.original.id);
        if let Some(ended) = shared.failures.of(&had) {
            let previous = Former::of(&container);
            return Ok(Report::Failed { ended, previous });
        }
        let name = container.name.clone();
        marker
            .map(|marker| Report::upgraded(container, marker))
            .ok_or_else(|| {
                let message = format!("no upgrade of {name} is known");
                Failure::untouched(Cause::NotFound, Step::Lock, message)
            })
    }

    /// Cancels the upgrade under way of the container that `reference` names, and waits until the
    /// original is back.
    ///
    /// # Errors
    /// [`Failure`]: [`Cause::NotFound`] if none is under way, [`Cause::Conflict`] if it commits, or
    /// came to its end by itself meanwhile.
    pub async fn cancel(&self, reference: &str) -> Result<Ended, Failure> {
        let shared = &self.shared;
        let mut running = shared.isolation.0.of(reference);
        if running.is_none() {
            let engine = shared.engine.as_ref();
            let container = admission::resolve(engine, &shared.identities, reference).await?;
            running = shared.isolation.0.of(&container.id);
        }
        let running = running.ok_or_else(|| {
            let message = format!("this Refit runs no upgrade of {reference}");
            Failure::untouched(Cause::NotFound, Step::Lock, message)
        })?;
        running.cancel()?;
        let failure = running.ended().await.ok_or_else(|| {
            let message = format!("the upgrade of {reference} ended before it was cancelled");
            Failure::untouched(Cause::Conflict, Step::Commit, message)
        })?;
        Ok(Ended::of(&running, failure))
    }
}

//! Recovery: what an earlier process left unfinished is finished or taken back.
//!
//! A replacement that has the name and passes verification is committed; anything else rolls back.
//! What a person changed, and what another process works on, is left alone.

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, stream};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    LONGEST_MEND_PAUSE, MEND_PAUSE, Shared, Upgrades,
    decide::{Next, Repair, Rest, Verdict},
    look::{self, Labelled},
    marker::Marker,
    reconcile::Reconciler,
    running::{Direction, Running},
};
use crate::engine::{Container, EngineError};

/// How many unfinished transactions are recovered at a time. Most of the time of each is spent on
/// watching a replacement.
const PARALLEL: usize = 64;

/// An unfinished transaction that was found, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The ID of the transaction; empty where no marker tells.
    pub transaction: String,
    /// The name of the container.
    pub name: String,
    /// What became of it.
    pub ending: Recovered,
}

/// What became of an unfinished transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// The replacement stands, the original is gone.
    Committed,
    /// The original is back.
    RolledBack,
    /// Somebody changed things, or they cannot be understood: they are left alone.
    HandsOff(String),
    /// Another process works on it, or it was begun here meanwhile.
    Left(String),
    /// It could not be brought to an end yet.
    Stuck(String),
    /// What recovery would do.
    Would(&'static str),
}

impl Recovered {
    /// Whether nothing is left to be done by Refit.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(self, Self::Committed | Self::RolledBack | Self::HandsOff(_))
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed => f.write_str("committed"),
            Self::RolledBack => f.write_str("rolled back"),
            Self::HandsOff(why) => write!(f, "left alone: {why}"),
            Self::Left(why) => write!(f, "left to another: {why}"),
            Self::Stuck(why) => write!(f, "not finished yet: {why}"),
            Self::Would(what) => write!(f, "would be {what}"),
        }
    }
}

impl Upgrades {
    /// Finishes or rolls back what an earlier process left unfinished. Upgrades wait for it. What
    /// cannot be done now, because the engine is out of reach or refuses, is tried again from time
    /// to time.
    pub async fn recover(&self) {
        let is_finished = self.shared.recover_first().await;
        if let Err(error) = &is_finished {
            warn!(%error, "recover unfinished upgrades");
        }
        if !is_finished.unwrap_or(false) {
            self.shared.mend();
        }
    }

    /// Recovers once, or with `dry_run` only says what that would do; what was found.
    ///
    /// # Errors
    /// The engine cannot be asked what it has.
    pub async fn recover_once(&self, dry_run: bool) -> Result<Vec<Recovery>, EngineError> {
        self.shared.recover_all(dry_run).await.map(|(all, _)| all)
    }
}

impl Shared {
    /// Recovers, if this process has not done so yet; whether nothing is left unfinished.
    pub(super) async fn recover_first(&self) -> Result<bool, EngineError> {
        let mut recovered = self.recovered.lock().await;
        if *recovered {
            return Ok(true);
        }
        let is_finished = self.recover().await?;
        *recovered = true;
        Ok(is_finished)
    }

    /// Goes on, in a task of its own, until nothing is left unfinished.
    pub(super) fn mend(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut pause = MEND_PAUSE;
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_MEND_PAUSE);
                let is_finished = match shared.recover_first().await {
                    Ok(true) => shared.recover().await,
                    unfinished => unfinished,
                };
                if is_finished.unwrap_or(false) {
                    break;
                }
            }
        });
    }

    /// Recovers once; whether nothing is left unfinished that this process could finish later.
    async fn recover(&self) -> Result<bool, EngineError> {
        let (recoveries, is_complete) = self.recover_all(false).await?;
        for recovery in &recoveries {
            self.tell(recovery);
        }
        let mut endings = recoveries.iter().map(|recovery| &recovery.ending);
        Ok(is_complete && endings.all(Recovered::is_at_rest))
    }

    /// Says what became of a transaction, unless the same was said of it before.
    fn tell(&self, recovery: &Recovery) {
        let Recovery {
            transaction,
            name,
            ending,
        } = recovery;
        match ending {
            Recovered::Committed | Recovered::RolledBack | Recovered::Would(_) => {
                self.told.remove(name);
                info!(transaction, name, %ending, "recovery");
            }
            ending if self.told.insert(name.clone(), ending.clone()).as_ref() == Some(ending) => {}
            Recovered::Left(_) => info!(transaction, name, %ending, "recovery"),
            Recovered::HandsOff(_) | Recovered::Stuck(_) => {
                warn!(transaction, name, %ending, "recovery");
            }
        }
    }

    /// Every unfinished transaction, a few at a time: one that is stuck must not cut the others off.
    /// With it, whether these are all.
    async fn recover_all(&self, dry_run: bool) -> Result<(Vec<Recovery>, bool), EngineError> {
        let engine = self.engine.as_ref();
        let Labelled {
            containers,
            is_complete,
        } = look::labelled(engine).await?;
        let orphans = look::orphans(engine, &containers).await?;
        let recoveries = stream::iter(containers)
            .map(async |container| self.recover_one(container, dry_run).await)
            .buffer_unordered(PARALLEL);
        let recoveries: Vec<Option<Recovery>> = recoveries.collect().await;
        let mut recoveries: Vec<Recovery> = recoveries.into_iter().flatten().collect();
        recoveries.extend(orphans.into_iter().map(|name| Recovery {
            transaction: String::new(),
            name,
            ending: Recovered::HandsOff("it was parked, and its replacement is gone".to_owned()),
        }));
        Ok((recoveries, is_complete))
    }

    /// Recovers the transaction of this replacement; nothing where it was finished long ago.
    async fn recover_one(&self, container: Container, dry_run: bool) -> Option<Recovery> {
        let recovery = |marker: &Marker, ending| Recovery {
            transaction: marker.transaction.clone(),
            name: marker.original.name.clone(),
            ending,
        };
        let Some(marker) = Marker::of(&container) else {
            return Some(Recovery {
                transaction: String::new(),
                name: container.name,
                ending: Recovered::HandsOff("its marker cannot be read".to_owned()),
            });
        };
        let engine = self.engine.as_ref();
        let id = Some(container.id.clone());
        let mut reconciler = Reconciler::new(engine, &marker, id, Verdict::Pending);
        // Most were finished long ago.
        let next = match reconciler.next().await {
            Ok(Next::Rest(Rest::Committed)) => return None,
            next => next,
        };
        if marker.is_anothers(engine).await {
            let why = "the process that began it lives, or cannot be seen from here".to_owned();
            return Some(recovery(&marker, Recovered::Left(why)));
        }
        if dry_run {
            let ending = match next {
                Ok(next) => preview(next),
                Err(stuck) => Recovered::Stuck(stuck.to_string()),
            };
            return Some(recovery(&marker, ending));
        }
        let running = Running::new(
            &marker.transaction,
            &marker.original.name,
            Direction::Recovery,
        );
        let lock = self.isolation.0.lock(&marker.original.id, running).ok()?;
        let (new, old) = (marker.new_name(), marker.old_name());
        for member in [&marker.original.name, &new, &old, &container.id] {
            lock.extend(member);
        }
        lock.running.isolate(look::networks(&container.document));
        reconciler.outlast_stop();
        let ending = match reconciler.run().await {
            Ok(settled) => match settled.rest {
                Rest::Committed => Recovered::Committed,
                Rest::RolledBack => Recovered::RolledBack,
                Rest::HandsOff(why) => Recovered::HandsOff(why),
            },
            Err(stuck) => Recovered::Stuck(stuck.to_string()),
        };
        Some(recovery(&marker, ending))
    }
}

/// What recovery would do, as far as one look tells.
fn preview(next: Next) -> Recovered {
    match next {
        Next::Verify => Recovered::Would("committed if it passes verification, else rolled back"),
        Next::Repair(Repair::Commit | Repair::PauseReplacement) => Recovered::Would("committed"),
        Next::Repair(_) => Recovered::Would("rolled back"),
        Next::Rest(Rest::Committed) => Recovered::Committed,
        Next::Rest(Rest::RolledBack) => Recovered::RolledBack,
        Next::Rest(Rest::HandsOff(why)) => Recovered::HandsOff(why),
    }
}

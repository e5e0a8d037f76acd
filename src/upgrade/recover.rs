//! Recovery: what an earlier process left unfinished is finished or taken back.
//!
//! A replacement that has the name and passes verification is committed; anything else rolls back.
//! What a person changed, and what another process works on, is left alone.

use std::{fmt, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    LONGEST_MEND_PAUSE, MEND_PAUSE, Shared, Upgrades,
    decide::{Next, Repair, Rest, Verdict},
    events::Event,
    helper,
    journal::{Journal, Marked},
    look::{self, existing},
    marker::{Marker, Role, names},
    owner::Liveness,
    reconcile::{Reconciler, Settled},
    running::{Direction, Running},
};
use crate::engine::{Container, Engine, EngineError, Status};

/// How many unfinished transactions are recovered at a time. Most of the time of each is spent on
/// watching a replacement.
const PARALLEL: usize = 64;

/// How long a recovery waits at a time for a stop that may be under way: it comes before listening.
const STOP_PATIENCE: Duration = Duration::from_secs(5 * 60);

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
    /// Another process works on it.
    Left(String),
    /// It could not be brought to an end yet.
    Stuck(String),
    /// Nothing was left of it but placeholders, or a helper, which were removed.
    Cleared,
    /// What recovery would do.
    Would(&'static str),
}

impl Recovery {
    pub(super) fn of(marker: &Marker, ending: Recovered) -> Self {
        Self {
            transaction: marker.transaction.clone(),
            name: marker.original.name.clone(),
            ending,
        }
    }

    /// Of a container that no marker tells of.
    pub(super) fn unmarked(name: String, ending: Recovered) -> Self {
        Self {
            transaction: String::new(),
            name,
            ending,
        }
    }
}

impl Recovered {
    /// Whether nothing is left to be done by Refit.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        matches!(
            self,
            Self::Committed | Self::RolledBack | Self::Cleared | Self::HandsOff(_)
        )
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed => f.write_str("committed"),
            Self::RolledBack => f.write_str("rolled back"),
            Self::Cleared => f.write_str("what was left of it was removed"),
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
        self.shared.recover_all(dry_run).await
    }
}

impl Shared {
    /// Recovers, if this process has not done so yet; whether nothing is left unfinished.
    pub(super) async fn recover_first(&self) -> Result<bool, EngineError> {
        let mut is_finished = true;
        let recover = async || {
            is_finished = self.recover().await?;
            Ok(())
        };
        self.recovered.get_or_try_init(recover).await?;
        Ok(is_finished)
    }

    /// Goes on, in a task of its own, until nothing is left unfinished.
    pub(super) fn mend(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut pause = MEND_PAUSE;
            loop {
                sleep(pause).await;
                pause = if shared.isolation.0.has_guards() {
                    // Nobody is to be kept from anything for longer than it lasts.
                    MEND_PAUSE
                } else {
                    (pause * 2).min(LONGEST_MEND_PAUSE)
                };
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
        let recoveries = self.recover_all(false).await?;
        for recovery in &recoveries {
            self.tell(recovery);
        }
        let mut endings = recoveries.iter().map(|recovery| &recovery.ending);
        let is_stuck = |ending: &&Recovered| matches!(ending, Recovered::Stuck(_));
        let stuck = endings.clone().filter(is_stuck).count();
        self.metrics.leave_unfinished(stuck);
        Ok(endings.all(Recovered::is_at_rest))
    }

    /// Says what became of a transaction, unless the same was said of it before.
    pub(super) fn tell(&self, recovery: &Recovery) {
        let Recovery {
            transaction,
            name,
            ending,
        } = recovery;
        match ending {
            Recovered::Committed
            | Recovered::RolledBack
            | Recovered::Cleared
            | Recovered::Would(_) => {
                self.metrics.recovery(ending);
                self.told.remove(name);
                info!(transaction, name, %ending, "recovery");
            }
            ending if self.told.insert(name.clone(), ending.clone()).as_ref() == Some(ending) => {}
            Recovered::Left(_) => info!(transaction, name, %ending, "recovery"),
            Recovered::HandsOff(_) | Recovered::Stuck(_) => {
                self.metrics.recovery(ending);
                warn!(transaction, name, %ending, "recovery");
            }
        }
    }

    /// Every unfinished transaction, a few at a time: one that is stuck must not cut the others off.
    async fn recover_all(&self, dry_run: bool) -> Result<Vec<Recovery>, EngineError> {
        let engine = self.engine.as_ref();
        // Before the replacements: one is made before its original is parked.
        let summaries = engine.list_containers().await?;
        let journal = Journal::read(engine).await?;
        self.identities.learn(&journal, &summaries);
        let mut orphans = journal.orphans(&summaries);
        orphans.retain(|name| journal.unseen.is_empty() && self.isolation.0.find(name).is_none());
        // Most were finished long ago.
        let is_open = |at: &usize| {
            let marked = &journal.marked[*at];
            self.failures.is_unfinished(&marked.marker) || !journal.is_over(marked, &summaries)
        };
        let open = (0..journal.marked.len()).filter(is_open);
        let recoveries: Vec<Option<Recovery>> = stream::iter(open)
            .map(async |at| {
                self.recover_one(&journal.marked[at], &journal, dry_run)
                    .await
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        self.guard_helpers(&recoveries, &journal).await;
        let unreadable = journal.unreadable.into_iter().map(|name| {
            let why = "its marker cannot be read".to_owned();
            Recovery::unmarked(name, Recovered::HandsOff(why))
        });
        let unseen = journal.unseen.into_iter().map(|(id, error)| {
            let why = format!("a container with a marker cannot be inspected: {error}");
            Recovery::unmarked(id, Recovered::Stuck(why))
        });
        let orphans = orphans.into_iter().map(|name| {
            let why = "it was parked, and its replacement is gone".to_owned();
            Recovery::unmarked(name, Recovered::HandsOff(why))
        });
        let recoveries = recoveries.into_iter().flatten();
        let others = unreadable.chain(unseen).chain(orphans);
        let mut recoveries: Vec<Recovery> = recoveries.chain(others).collect();
        recoveries.extend(self.gather(&summaries, &recoveries, dry_run).await);
        recoveries.extend(self.sweep(&recoveries, dry_run).await);
        Ok(recoveries)
    }

    /// Recovers the transaction of this container; nothing where it was finished long ago, or where
    /// another one tells of it: the stand-in, if there is one, else the leader's replacement.
    pub(super) async fn recover_one(
        &self,
        Marked { marker, container }: &Marked,
        journal: &Journal,
        dry_run: bool,
    ) -> Option<Recovery> {
        let engine = self.engine.as_ref();
        if !marker.is_leader() {
            return recover_companion(engine, marker, journal).await;
        }
        // What the original was created again as tells nothing: without a stand-in, it was back.
        let teller = journal.teller(&marker.transaction);
        if teller.is_none_or(|teller| teller.container.id != container.id) {
            return None;
        }
        let members = marker.members();
        let replacements: Vec<_> = members
            .iter()
            .map(|member| journal.replacement_of(member))
            .collect();
        let stand_in = journal.with_role(marker, Role::StandIn);
        let revival = journal.with_role(marker, Role::Revival);
        let mut reconciler = Reconciler::new(
            engine,
            &self.identities,
            members.clone(),
            replacements.clone(),
            Verdict::Pending,
        )
        .with_stand_in(stand_in.clone(), revival.clone());
        // Another process may have finished it meanwhile.
        let next = match reconciler.next().await {
            Ok(Next::Rest(Rest::Committed)) if !self.failures.is_unfinished(marker) => {
                return None;
            }
            next => next,
        };
        if is_anothers(marker, engine).await {
            self.anticipate(marker, journal);
            let why = "the process that began it lives, or cannot be seen from here".to_owned();
            return Some(Recovery::of(marker, Recovered::Left(why)));
        }
        if dry_run {
            let ending = match next {
                Ok(next) => preview(next),
                Err(stuck) => Recovered::Stuck(stuck.to_string()),
            };
            return Some(Recovery::of(marker, ending));
        }
        let running = Running::new(
            &marker.transaction,
            &marker.original.name,
            Direction::Recovery,
            &self.metrics,
        );
        let lock = match self.isolation.0.lock(&marker.original.id, running) {
            Ok(lock) => lock,
            // It is under way here.
            Err(_) if self.isolation.0.runs(&marker.transaction) => return None,
            Err(failure) => {
                return Some(Recovery::of(marker, Recovered::Stuck(failure.message)));
            }
        };
        let originals = members.iter().map(|member| &member.original.id);
        let others = replacements.iter().chain([&revival]).flatten();
        let ids: Vec<&String> = originals.chain(others).collect();
        if let Some(ending) = self.hand_recovery_over(marker, &ids).await {
            return Some(Recovery::of(marker, ending));
        }
        for Marker { original, .. } in &members {
            let [new, old] = names(&original.name);
            for name in [&original.id, &original.name, &new, &old] {
                lock.extend(name);
            }
        }
        for id in replacements.iter().chain([&stand_in, &revival]).flatten() {
            lock.extend(id);
        }
        lock.running.isolate(look::networks(&container.document));
        // Whoever asked for one was gone before this process first found what it left.
        let transaction = marker.transaction.clone();
        let until = self.lost_stops.entry(transaction);
        let until = *until.or_insert_with(|| reconciler.until_stopped());
        reconciler.outlast_stop(until, STOP_PATIENCE);
        let ending = match reconciler.run().await {
            Ok(settled) => {
                if self.has_touched(marker, &settled)
                    && let Some(event) = Event::of(marker, &settled)
                {
                    self.events.tell(event);
                }
                match settled.rest {
                    Rest::Committed => Recovered::Committed,
                    Rest::RolledBack => Recovered::RolledBack,
                    Rest::HandsOff(why) => Recovered::HandsOff(why),
                }
            }
            Err(stuck) => Recovered::Stuck(stuck.to_string()),
        };
        if ending.is_at_rest() {
            self.lost_stops.remove(&marker.transaction);
        }
        self.failures.recovered(&marker.original.id, &ending);
        Some(Recovery::of(marker, ending))
    }

    /// Learns what will stand for the original of another process's transaction, whose commit will not be
    /// told to us. As long as the engine has the original, that is meant by its ID.
    fn anticipate(&self, marker: &Marker, journal: &Journal) {
        let replacement = journal.replacement_of(marker);
        let is_it = |marked: &&Marked| {
            Some(&marked.container.id) == replacement.as_ref()
                && marked.container.name == marker.original.name
        };
        if let Some(replacement) = journal.marked.iter().find(is_it) {
            self.identities.note(marker, &replacement.container.id);
        }
    }

    /// Whether a transaction that was recovered so had touched the original, as far as can be told:
    /// where only a replacement had to be removed that never ran, nothing happened to anybody.
    fn has_touched(&self, marker: &Marker, settled: &Settled) -> bool {
        let has_run = |replacement: &Container| replacement.status != Status::Created;
        let has_ended = match settled.rest {
            Rest::Committed => true,
            Rest::RolledBack => settled.leader.replacement.as_ref().is_some_and(has_run),
            // It was told when the hands came off.
            Rest::HandsOff(_) => false,
        };
        settled.touched || has_ended || self.failures.is_unfinished(marker)
    }
}

/// A companion's upgrade ends with its leader's. Without the leader's marker nobody knows how.
async fn recover_companion(
    engine: &dyn Engine,
    marker: &Marker,
    journal: &Journal,
) -> Option<Recovery> {
    if journal.has_leader(marker) {
        return None;
    }
    match existing(engine, &marker.original.id).await {
        Ok(None) => None,
        Ok(Some(_)) => {
            let why = "it was upgraded with another container, whose replacement is gone";
            Some(Recovery::of(marker, Recovered::HandsOff(why.to_owned())))
        }
        Err(error) => Some(Recovery::of(marker, Recovered::Stuck(error.to_string()))),
    }
}

/// Whether another process may be working on the transaction: one that lives; one that cannot be seen
/// from here, until the deadline.
pub(super) async fn is_anothers(marker: &Marker, engine: &dyn Engine) -> bool {
    let Some(owner) = &marker.owner else {
        return false;
    };
    match owner.liveness(engine).await {
        Liveness::This => false,
        Liveness::Gone => helper::is_at_work(engine, marker).await,
        Liveness::Alive => true,
        Liveness::Unknown => !marker.is_overdue() || helper::is_at_work(engine, marker).await,
    }
}

/// What recovery would do, as far as one look tells.
fn preview(next: Next) -> Recovered {
    match next {
        Next::Verify => Recovered::Would("committed if it passes verification, else rolled back"),
        Next::Repair(_, Repair::Commit | Repair::PauseReplacement) => Recovered::Would("committed"),
        Next::Repair(..) => Recovered::Would("rolled back"),
        Next::Rest(Rest::Committed) => Recovered::Committed,
        Next::Rest(Rest::RolledBack) => Recovered::RolledBack,
        Next::Rest(Rest::HandsOff(why)) => Recovered::HandsOff(why),
    }
}

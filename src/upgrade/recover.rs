//! Recovery: what an earlier process left unfinished is finished or taken back.
//!
//! A replacement that has the name and passes verification is committed; anything else rolls back.
//! What a person changed, and what another process works on, is left alone.

use std::{fmt, sync::Arc};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::time::sleep;
use tracing::{info, warn};

use super::{
    LONGEST_MEND_PAUSE, MEND_PAUSE, Shared, Upgrades,
    decide::{Next, Repair, Rest, Verdict},
    events::Event,
    helper, identity,
    look::{self, Labelled, existing, text},
    marker::{Marker, Role, is_parked, names},
    owner::Liveness,
    reconcile::{Reconciler, Settled},
    running::{Direction, Running},
};
use crate::engine::{Container, Engine, EngineError, Status};

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
        let recoveries = self.recover_all(false).await?;
        for recovery in &recoveries {
            self.tell(recovery);
        }
        let mut endings = recoveries.iter().map(|recovery| &recovery.ending);
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
    async fn recover_all(&self, dry_run: bool) -> Result<Vec<Recovery>, EngineError> {
        let engine = self.engine.as_ref();
        // Before the replacements: one is made before its original is parked.
        let summaries = engine.list_containers().await?;
        let Labelled { containers, unseen } = look::labelled(engine).await?;
        self.identities.learn(&containers, &summaries);
        let mut orphans = orphans(&summaries, &containers);
        orphans.retain(|name| unseen.is_empty() && self.isolation.0.find(name).is_none());
        let is_open = |at: &usize| {
            let marker = Marker::of(&containers[*at]);
            let is_unfinished = marker.is_some_and(|marker| self.failures.is_unfinished(&marker));
            is_unfinished || !is_over(&containers[*at], &containers, &summaries)
        };
        let open = (0..containers.len()).filter(is_open);
        let recoveries: Vec<Option<Recovery>> = stream::iter(open)
            .map(async |at| {
                self.recover_one(&containers[at], &containers, dry_run)
                    .await
            })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        let unseen = unseen.into_iter().map(|(id, error)| {
            let why = format!("a container with a marker cannot be inspected: {error}");
            Recovery::unmarked(id, Recovered::Stuck(why))
        });
        let orphans = orphans.into_iter().map(|name| {
            let why = "it was parked, and its replacement is gone".to_owned();
            Recovery::unmarked(name, Recovered::HandsOff(why))
        });
        let recoveries = recoveries.into_iter().flatten();
        let mut recoveries: Vec<Recovery> = recoveries.chain(unseen).chain(orphans).collect();
        recoveries.extend(self.gather(&summaries, &recoveries, dry_run).await);
        recoveries.extend(self.sweep(&recoveries, dry_run).await);
        Ok(recoveries)
    }

    /// Recovers the transaction of this container, of `all` that bear a marker; nothing where it was
    /// finished long ago, or where another one tells of it: the stand-in, if there is one, else the
    /// leader's replacement.
    pub(super) async fn recover_one(
        &self,
        container: &Container,
        all: &[Container],
        dry_run: bool,
    ) -> Option<Recovery> {
        let Some(marker) = Marker::of(container) else {
            let ending = Recovered::HandsOff("its marker cannot be read".to_owned());
            return Some(Recovery::unmarked(container.name.clone(), ending));
        };
        let engine = self.engine.as_ref();
        if !marker.is_leader() {
            return recover_companion(engine, &marker, all).await;
        }
        let stand_in = with_role(&marker, Role::StandIn, all);
        let is_told = match marker.role {
            None | Some(Role::StandIn) => false,
            Some(Role::Replacement) => stand_in.is_some(),
            // Without a stand-in, it was back.
            Some(Role::Revival) => true,
        };
        if is_told {
            return None;
        }
        let members = marker.members();
        let replacements: Vec<_> = members
            .iter()
            .map(|member| replacement_of(member, all))
            .collect();
        let revival = with_role(&marker, Role::Revival, all);
        let mut reconciler = Reconciler::new(
            engine,
            &self.identities,
            members.clone(),
            replacements.clone(),
            Verdict::Pending,
        )
        .with_stand_in(stand_in.clone(), revival.clone());
        // Most were finished long ago.
        let next = match reconciler.next().await {
            Ok(Next::Rest(Rest::Committed)) if !self.failures.is_unfinished(&marker) => {
                return None;
            }
            next => next,
        };
        if is_anothers(&marker, engine).await {
            self.anticipate(&marker, all);
            let why = "the process that began it lives, or cannot be seen from here".to_owned();
            return Some(Recovery::of(&marker, Recovered::Left(why)));
        }
        if dry_run {
            let ending = match next {
                Ok(next) => preview(next),
                Err(stuck) => Recovered::Stuck(stuck.to_string()),
            };
            return Some(Recovery::of(&marker, ending));
        }
        let running = Running::new(
            &marker.transaction,
            &marker.original.name,
            Direction::Recovery,
        );
        let lock = match self.isolation.0.lock(&marker.original.id, running) {
            Ok(lock) => lock,
            // It is under way here.
            Err(_) if self.isolation.0.runs(&marker.transaction) => return None,
            Err(failure) => {
                return Some(Recovery::of(&marker, Recovered::Stuck(failure.message)));
            }
        };
        let originals = members.iter().map(|member| &member.original.id);
        let others = replacements.iter().chain([&revival]).flatten();
        let ids: Vec<&String> = originals.chain(others).collect();
        if let Some(ending) = self.hand_recovery_over(&marker, &ids).await {
            return Some(Recovery::of(&marker, ending));
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
        reconciler.outlast_stop();
        let ending = match reconciler.run().await {
            Ok(settled) => {
                if self.has_touched(&marker, &settled)
                    && let Some(event) = Event::of(&marker, &settled)
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
        self.failures.recovered(&marker.original.id, &ending);
        Some(Recovery::of(&marker, ending))
    }

    /// Learns what will stand for the original of another process's transaction, whose commit will not be
    /// told to us. As long as the engine has the original, that is meant by its ID.
    fn anticipate(&self, marker: &Marker, all: &[Container]) {
        let replacement = replacement_of(marker, all);
        let is_it = |other: &&Container| {
            Some(&other.id) == replacement.as_ref() && other.name == marker.original.name
        };
        if let Some(replacement) = all.iter().find(is_it) {
            self.identities.note(marker, &replacement.id);
        }
    }

    /// Whether a transaction that was recovered so had touched the original, as far as can be told:
    /// where only a replacement had to be removed that never ran, nothing happened to anybody.
    fn has_touched(&self, marker: &Marker, settled: &Settled) -> bool {
        let has_run = |replacement: &Container| replacement.status != Status::Created;
        settled.touched
            || settled.rest == Rest::Committed
            || settled.leader.replacement.as_ref().is_some_and(has_run)
            || self.failures.is_unfinished(marker)
    }
}

/// Whether the upgrade that made this container, of `all` that bear a marker, was over before all were
/// listed in `summaries`: its originals were gone. Whatever becomes of the container since, it is not
/// looked after.
fn is_over(container: &Container, all: &[Container], summaries: &[Value]) -> bool {
    let Some(marker) = Marker::of(container) else {
        return false;
    };
    let members = marker.members();
    let is_there = |id: &str| members.iter().any(|member| member.original.id == id);
    let has_original = summaries
        .iter()
        .any(|summary| is_there(text(summary, "/Id")));
    !has_original
        && (marker.role.is_none() || with_role(&marker, Role::StandIn, all).is_none())
        && identity::is_committed(&marker, container)
}

/// The ID of a member's replacement among these containers.
fn replacement_of(member: &Marker, all: &[Container]) -> Option<String> {
    let is_it = |container: &&Container| {
        Marker::of(container).is_some_and(|marker| {
            marker.transaction == member.transaction
                && marker.original.id == member.original.id
                && matches!(marker.role, None | Some(Role::Replacement))
        })
    };
    all.iter().find(is_it).map(|container| container.id.clone())
}

/// The ID of the container that has this role in the transaction of a leader's marker.
fn with_role(leader: &Marker, role: Role, all: &[Container]) -> Option<String> {
    let is_it = |container: &&Container| leader.is_with(role, container);
    all.iter().find(is_it).map(|container| container.id.clone())
}

/// A companion's upgrade ends with its leader's. Without the leader's marker nobody knows how.
async fn recover_companion(
    engine: &dyn Engine,
    marker: &Marker,
    all: &[Container],
) -> Option<Recovery> {
    let of_leader = |container: &Container| {
        Marker::of(container)
            .is_some_and(|other| other.transaction == marker.transaction && other.is_leader())
    };
    if all.iter().any(of_leader) {
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

/// The names of the parked originals that none of these markers tells of: their replacement was removed
/// by somebody, and with it the journal.
fn orphans(summaries: &[Value], labelled: &[Container]) -> Vec<String> {
    let markers = labelled.iter().filter_map(Marker::of);
    let members = markers.flat_map(|marker| marker.members());
    let stand_ins = labelled.iter().filter(|container| {
        Marker::of(container).is_some_and(|marker| marker.role == Some(Role::StandIn))
    });
    let told: Vec<String> = members
        .map(|member| member.original.id)
        .chain(stand_ins.map(|stand_in| stand_in.id.clone()))
        .collect();
    let untold = summaries
        .iter()
        .filter(|summary| !told.iter().any(|id| id == text(summary, "/Id")));
    let names = untold.map(|summary| text(summary, "/Names/0"));
    let parked = names.filter(|name| is_parked(name));
    parked
        .map(|name| name.trim_start_matches('/').to_owned())
        .collect()
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
        Liveness::Unknown => !marker.is_overdue(),
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

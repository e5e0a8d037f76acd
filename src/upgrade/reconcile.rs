//! Observe, decide, repair, until it rests.

mod observe;
mod repair;

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    decide::{Next, Observed, Pair, Repair, Rest, Sight, Verdict, decide, has_taken_over},
    identity::{Identities, Succession},
    look::existing,
    marker::{Marker, RunState},
    verify, words,
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::Plan,
};

/// How often one repair may be tried on one state of things. More than once, because an answer
/// can be lost; not for ever, because an engine can be broken.
const TRIES: u32 = 6;

/// How long lies between two looks at a container that may stop, and between the first two tries
/// of a repair; each further try waits that much longer.
const PACE: Duration = Duration::from_millis(200);

/// How long lies between the moment from which the replacements stand for their originals and the
/// commit: what was asked of an original before reaches the engine, however busy it is.
const GRACE: Duration = Duration::from_millis(100);

/// How many repairs a reconciliation may take for each member; the longest way has nine.
const REPAIRS: usize = 40;

/// How reconciliation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub rest: Rest,
    /// Whether the leader's upgrade is committed, also where the hands came off a companion.
    pub is_committed: bool,
    /// Whether anything was done to the original, or could have been.
    pub touched: bool,
    /// The leader's containers.
    pub leader: Seen,
}

/// The containers of one member, as they were seen last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub original: Option<Container>,
    pub replacement: Option<Container>,
}

/// A reconciliation that could not come to rest: what was tried last, and what it met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {error}")]
pub(super) struct Stuck {
    doing: String,
    error: String,
    /// Whether the leader's upgrade is committed all the same.
    pub is_committed: bool,
}

impl Stuck {
    fn at(doing: impl Into<String>, error: &impl ToString) -> Self {
        Self {
            doing: doing.into(),
            error: error.to_string(),
            is_committed: false,
        }
    }
}

/// One transaction's containers, with what is known of them.
pub(super) struct Reconciler<'a> {
    engine: &'a dyn Engine,
    /// Is told what stands for an original from the commit on.
    identities: &'a Identities,
    /// Those of the members, the leader's first.
    markers: Vec<Marker>,
    /// Each member's replacement, where its ID is known; else it is looked for under its first name.
    replacements: Vec<Option<String>>,
    verdict: Verdict,
    /// The leader's stand-in, and what the leader was created again as, where the IDs are known.
    stand_in: Option<String>,
    revival: Option<String>,
    /// The leader's original, to be created again, where it was planned before.
    again: Option<Plan>,
    /// How often the revival could not be started; [`TRIES`] once it was.
    starts: u32,
    /// What was seen last.
    observed: Option<Observed>,
    /// The replacements that stand for their originals, once the commit has begun.
    successions: Option<Vec<Option<Succession>>>,
    /// Whether lower addresses are held for originals that are started: not where that may have been in
    /// the way of one.
    holds: bool,
    /// Until when a stop of an original may still be under way, whose client was lost. The
    /// original may look well until then.
    stop_until: Option<Instant>,
    /// How long it is waited for here.
    stop_patience: Duration,
    /// The leader's containers.
    leader: Seen,
}

impl<'a> Reconciler<'a> {
    /// A reconciliation that begins with what is known of the members, the leader first: their
    /// markers, and their replacements' IDs.
    pub fn new(
        engine: &'a dyn Engine,
        identities: &'a Identities,
        markers: Vec<Marker>,
        replacements: Vec<Option<String>>,
        verdict: Verdict,
    ) -> Self {
        Self {
            engine,
            identities,
            markers,
            replacements,
            verdict,
            stand_in: None,
            revival: None,
            again: None,
            starts: 0,
            observed: None,
            successions: None,
            holds: true,
            stop_until: None,
            stop_patience: Duration::MAX,
            leader: Seen::default(),
        }
    }

    /// With the IDs of the leader's stand-in, and of what it was created again as, where they are
    /// known.
    pub fn with_stand_in(self, stand_in: Option<String>, revival: Option<String>) -> Self {
        Self {
            stand_in,
            revival,
            ..self
        }
    }

    /// Until when a stop of the originals may be under way that nobody asks for any more from now on.
    pub fn until_stopped(&self) -> Instant {
        let horizons = self.markers.iter().map(Marker::stop_horizon);
        Instant::now() + horizons.max().unwrap_or_default()
    }

    /// Somebody may have asked for a stop of the originals and gone away: its end is awaited
    /// before they count as brought back, until then, but here for no longer than `patience`.
    pub fn outlast_stop(&mut self, until: Instant, patience: Duration) {
        self.stop_until = Some(until);
        self.stop_patience = patience;
    }

    /// What would be done next.
    ///
    /// # Errors
    /// [`Stuck`] when the containers cannot be looked at.
    pub async fn next(&mut self) -> Result<Next, Stuck> {
        let observed = self.observe().await?;
        Ok(decide(&self.markers, &observed))
    }

    /// Repairs until nothing is left to do.
    ///
    /// # Errors
    /// [`Stuck`] when a repair changed nothing, however often it was tried.
    pub async fn run(mut self) -> Result<Settled, Stuck> {
        let mut touched = false;
        let ended = self.repair_all(&mut touched).await;
        let is_committed = self.is_committed();
        let rest = match ended {
            Ok(rest) => rest,
            Err(stuck) => {
                self.end_successions();
                return Err(Stuck {
                    is_committed,
                    ..stuck
                });
            }
        };
        if rest == Rest::Committed && self.successions.is_none() {
            self.successions = Some(self.succeed_all());
        }
        self.end_successions();
        if let Some(revival) = &self.revival
            && rest == Rest::RolledBack
        {
            self.identities.note(&self.markers[0], revival);
        }
        Ok(Settled {
            rest,
            is_committed,
            touched,
            leader: self.leader,
        })
    }

    /// Whether the leader's original is gone, and its replacement in its place.
    fn is_committed(&self) -> bool {
        let leader = self.observed.as_ref().and_then(|seen| seen.members.first());
        leader.is_some_and(|seen| {
            let replacement = seen.replacement.as_ref();
            is_gone(seen) && replacement.is_some_and(|r| has_taken_over(&self.markers[0], r))
        })
    }

    /// What stands for an original that is gone goes on doing so; the others do not.
    fn end_successions(&mut self) {
        let members = self.observed.iter().flat_map(|seen| &seen.members);
        let successions = self.successions.take().into_iter().flatten();
        for (seen, succession) in members.zip(successions) {
            if let Some(succession) = succession
                && is_gone(seen)
            {
                succession.stands();
            }
        }
    }

    /// Repairs until nothing is left to do, and tells whether an original was touched.
    async fn repair_all(&mut self, touched: &mut bool) -> Result<Rest, Stuck> {
        let mut last: Option<(usize, Repair, Observed)> = None;
        let mut tries = 0;
        for _ in 0..REPAIRS * self.markers.len() {
            let observed = self.observe().await?;
            let (at, repair) = match decide(&self.markers, &observed) {
                Next::Rest(rest) => return Ok(rest),
                Next::Verify => {
                    self.verdict = self.verify().await;
                    continue;
                }
                Next::Repair(at, repair) => (at, repair),
            };
            if repair == Repair::Commit && self.successions.is_none() {
                self.successions = Some(self.succeed_all());
                sleep(GRACE).await;
                continue;
            }
            if self.must_outlast_stop(at, repair, &observed).await?
                || self.is_changed(at, repair, &observed).await
            {
                continue;
            }
            let this = (at, repair, observed);
            let is_again = last.as_ref() == Some(&this);
            let name = self.markers[at].original.name.clone();
            let doing = || format!("{repair:?} of {name}");
            if is_again && tries >= TRIES {
                // Of the last one, too, it was seen that it changed nothing.
                return Err(Stuck::at(doing(), &self.why_in_vain(at, repair).await));
            }
            tries = if is_again { tries + 1 } else { 1 };
            if matches!(repair, Repair::StartOriginal | Repair::Revive) && at == 0 {
                // Whatever stop there was has ended: it is the leader's that comes last.
                self.stop_until = None;
            }
            *touched |= !matches!(
                repair,
                Repair::RemoveReplacement | Repair::RemoveStandIn | Repair::RemoveOriginal
            );
            if let Err(error) = self.repair(at, repair).await {
                let transaction = &self.markers[at].transaction;
                info!(transaction, ?repair, %error, "repair failed");
                let is_lost = !matches!(error, EngineError::Refused { .. });
                if tries >= TRIES {
                    return Err(Stuck::at(doing(), &error));
                }
                if is_lost {
                    self.reconnect(&doing()).await?;
                } else {
                    sleep(PACE * tries).await;
                }
            }
            last = Some(this);
        }
        Err(Stuck::at(
            "reconcile",
            &"somebody keeps changing the containers",
        ))
    }

    /// Why a repair that the engine does not refuse changes nothing: an original may end as soon as it is
    /// started, as one does that cannot read what its replacement has left in a volume.
    async fn why_in_vain(&self, at: usize, repair: Repair) -> String {
        let id = &self.markers[at].original.id;
        if repair == Repair::StartOriginal
            && let Ok(Some(original)) = existing(self.engine, id).await
        {
            let last_words = words::last_words(self.engine, id, None).await;
            let exit = original.exit;
            return format!("each time its process ended with {exit}{last_words}\n");
        }
        "the engine accepted it and nothing changed".to_owned()
    }

    /// The replacements begin to stand for their originals.
    fn succeed_all(&self) -> Vec<Option<Succession>> {
        let members = self.markers.iter().zip(&self.replacements);
        members
            .map(|(marker, replacement)| {
                let replacement = replacement.as_deref()?;
                Some(self.identities.succeed(marker, replacement))
            })
            .collect()
    }

    /// Waits out a stop of the running originals that may be under way, before the markers go, and before
    /// what depends on them is started; true where one has ended.
    ///
    /// # Errors
    /// [`Stuck`] where that takes longer than it is waited for here.
    async fn must_outlast_stop(
        &mut self,
        at: usize,
        repair: Repair,
        observed: &Observed,
    ) -> Result<bool, Stuck> {
        let is_last = matches!(repair, Repair::RemoveReplacement | Repair::RemoveStandIn);
        let depends = repair == Repair::StartOriginal && at > 0;
        if !is_last && !depends {
            return Ok(false);
        }
        let Some(until) = self.stop_until.take() else {
            return Ok(false);
        };
        let begun = Instant::now();
        let runs = |sight: &Option<Sight>| sight.as_ref().is_some_and(|s| s.status.is_active());
        let members = self.markers.iter().zip(&observed.members);
        let running: Vec<&Marker> = members
            .filter(|(marker, pair)| {
                marker.original.run_state != RunState::Stopped && runs(&pair.original)
            })
            .map(|(marker, _)| marker)
            .collect();
        while Instant::now() < until && !running.is_empty() {
            if begun.elapsed() > self.stop_patience {
                let error = EngineError::unknown("the engine may still be stopping an original");
                return Err(Stuck::at("wait for the end of a stop", &error));
            }
            for Marker { original, .. } in &running {
                match existing(self.engine, &original.id).await {
                    Ok(Some(original)) if original.status.is_active() => {}
                    Ok(_) => return Ok(true),
                    // What is not seen may still be stopping.
                    Err(_) => {}
                }
            }
            sleep(PACE).await;
        }
        Ok(false)
    }

    /// The ID of a member's original, or of what it was created again as.
    fn original(&self, at: usize) -> &str {
        let revival = self.revival.as_deref().filter(|_| at == 0);
        revival.unwrap_or(&self.markers[at].original.id)
    }

    async fn reconnect(&mut self, doing: &str) -> Result<(), Stuck> {
        // An engine that restarts deletes what is of `--rm`.
        self.starts = 0;
        let reachable = self.engine.await_reachable().await;
        reachable.map_err(|error| Stuck::at(doing, &error))
    }

    async fn verify(&self) -> Verdict {
        let members = self.markers.iter().zip(&self.replacements);
        let started = members.filter_map(|(marker, replacement)| {
            let is_started = marker.original.run_state != RunState::Stopped;
            is_started.then_some((marker, replacement.as_deref()?))
        });
        match verify::verify_all(self.engine, started.collect()).await {
            Ok(()) => Verdict::Passed,
            Err((marker, id, fault)) => {
                // A rollback removes it, with its log: nobody could look it up.
                let last_words = words::last_words(self.engine, id, None).await;
                let Marker {
                    transaction,
                    original,
                    ..
                } = marker;
                let name = &original.name;
                warn!(transaction, name, %fault, last_words, "verify failed");
                Verdict::Failed
            }
        }
    }
}

/// Whether a member's original is gone, and nothing stands in for it.
fn is_gone(seen: &Pair) -> bool {
    seen.original.is_none() && seen.stand_in.is_none()
}

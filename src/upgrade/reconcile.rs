//! Observe, decide, repair, until it rests.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    addresses,
    decide::{Next, Observed, Pair, Repair, Rest, Sight, Verdict, decide},
    identity::{Identities, Succession},
    look::existing,
    marker::{Marker, Role, RunState},
    stand_in, verify, words,
};
use crate::engine::{Container, Engine, EngineError, RestartPolicy, StopOptions};

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
    error: EngineError,
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
    /// How often that could not be started; [`TRIES`] once it was.
    starts: u32,
    /// Until when a stop of an original may still be under way, whose client was lost. The
    /// original may look well until then.
    stop_until: Option<Instant>,
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
            starts: 0,
            stop_until: None,
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

    /// Somebody may have asked for a stop of the originals and gone away: its end is awaited
    /// before they count as brought back.
    pub fn outlast_stop(&mut self) {
        let horizons = self.markers.iter().map(Marker::stop_horizon);
        self.stop_until = horizons.max().map(|horizon| Instant::now() + horizon);
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
        let mut last: Option<(usize, Repair, Observed)> = None;
        let mut tries = 0;
        let mut successions = None;
        for _ in 0..REPAIRS * self.markers.len() {
            let observed = self.observe().await?;
            let (at, repair) = match decide(&self.markers, &observed) {
                Next::Rest(rest) => {
                    let begun = successions.into_iter().flatten();
                    if rest == Rest::Committed {
                        begun.chain(self.succeed_all()).for_each(Succession::stands);
                    } else {
                        begun.for_each(drop);
                    }
                    if let Some(revival) = &self.revival
                        && rest == Rest::RolledBack
                    {
                        self.identities.note(&self.markers[0], revival);
                    }
                    return Ok(Settled {
                        rest,
                        touched,
                        leader: self.leader,
                    });
                }
                Next::Verify => {
                    self.verdict = self.verify().await;
                    continue;
                }
                Next::Repair(at, repair) => (at, repair),
            };
            if repair == Repair::Commit && successions.is_none() {
                successions = Some(self.succeed_all());
                sleep(GRACE).await;
                continue;
            }
            if self.must_outlast_stop(at, repair, &observed).await
                || self.is_changed(at, repair, &observed).await
            {
                continue;
            }
            let this = (at, repair, observed);
            tries = if last.as_ref() == Some(&this) {
                tries + 1
            } else {
                1
            };
            if matches!(repair, Repair::StartOriginal | Repair::Revive) && at == 0 {
                // Whatever stop there was has ended: it is the leader's that comes last.
                self.stop_until = None;
            }
            touched |= !matches!(
                repair,
                Repair::RemoveReplacement | Repair::RemoveStandIn | Repair::RemoveOriginal
            );
            let name = self.markers[at].original.name.clone();
            let doing = || format!("{repair:?} of {name}");
            if let Err(error) = self.repair(at, repair).await {
                let transaction = &self.markers[at].transaction;
                info!(transaction, ?repair, %error, "repair failed");
                let is_lost = !matches!(error, EngineError::Refused { .. });
                if tries >= TRIES {
                    return Err(Stuck {
                        doing: doing(),
                        error,
                    });
                }
                if is_lost {
                    self.reconnect(&doing()).await?;
                } else {
                    sleep(PACE * tries).await;
                }
            } else if tries >= TRIES {
                let error = EngineError::unknown("the engine accepted it and nothing changed");
                return Err(Stuck {
                    doing: doing(),
                    error,
                });
            }
            last = Some(this);
        }
        let error = EngineError::unknown("somebody keeps changing the containers");
        Err(Stuck {
            doing: "reconcile".to_owned(),
            error,
        })
    }

    /// The replacements begin to stand for their originals.
    fn succeed_all(&self) -> Vec<Succession> {
        let members = self.markers.iter().zip(&self.replacements);
        let known = members.filter_map(|(marker, id)| Some((marker, id.as_deref()?)));
        known
            .map(|(marker, replacement)| self.identities.succeed(marker, replacement))
            .collect()
    }

    /// Waits out a stop of the running originals that may be under way, before the markers go, and before
    /// what depends on them is started; true where one has ended.
    async fn must_outlast_stop(&mut self, at: usize, repair: Repair, observed: &Observed) -> bool {
        let is_last = matches!(repair, Repair::RemoveReplacement | Repair::RemoveStandIn);
        let depends = repair == Repair::StartOriginal && at > 0;
        if !is_last && !depends {
            return false;
        }
        let Some(until) = self.stop_until.take() else {
            return false;
        };
        let runs = |sight: &Option<Sight>| sight.as_ref().is_some_and(|s| s.status.is_active());
        let members = self.markers.iter().zip(&observed.members);
        let running: Vec<&Marker> = members
            .filter(|(marker, pair)| {
                marker.original.run_state != RunState::Stopped && runs(&pair.original)
            })
            .map(|(marker, _)| marker)
            .collect();
        while Instant::now() < until && !running.is_empty() {
            for Marker { original, .. } in &running {
                match existing(self.engine, &original.id).await {
                    Ok(Some(original)) if original.status.is_active() => {}
                    Ok(_) => return true,
                    // What is not seen may still be stopping.
                    Err(_) => {}
                }
            }
            sleep(PACE).await;
        }
        false
    }

    /// Before one of a member's two containers is removed: whether the other is not what it was a moment
    /// ago. It was looked at before further ones, and nothing would be left if somebody removed it in
    /// between.
    async fn is_changed(&self, at: usize, repair: Repair, observed: &Observed) -> bool {
        let seen = &observed.members[at];
        let (id, seen) = match repair {
            // What the original would be created again from.
            Repair::RemoveReplacement if seen.original.is_none() => {
                (self.stand_in.as_deref(), &seen.stand_in)
            }
            Repair::RemoveReplacement | Repair::RemoveStandIn => {
                (Some(self.original(at)), &seen.original)
            }
            // The leader's replacement is what was looked at last.
            Repair::Commit if at > 0 => (self.replacements[at].as_deref(), &seen.replacement),
            _ => return false,
        };
        let Some(id) = id else {
            return false;
        };
        let other = existing(self.engine, id).await;
        // What is not seen is observed anew.
        other.map_or(true, |other| other.as_ref().map(Sight::from) != *seen)
    }

    /// The ID of a member's original, or of what it was created again as.
    fn original(&self, at: usize) -> &str {
        let revival = self.revival.as_deref().filter(|_| at == 0);
        revival.unwrap_or(&self.markers[at].original.id)
    }

    async fn reconnect(&mut self, doing: &str) -> Result<(), Stuck> {
        // An engine that restarts deletes what is of `--rm`.
        self.starts = 0;
        self.engine.await_reachable().await.map_err(|error| Stuck {
            doing: doing.to_owned(),
            error,
        })
    }

    async fn observe(&mut self) -> Result<Observed, Stuck> {
        let mut tries = 0;
        loop {
            match self.look().await {
                Ok(observed) => return Ok(observed),
                Err(error) if tries >= TRIES => {
                    return Err(Stuck {
                        doing: "observe".to_owned(),
                        error,
                    });
                }
                Err(_) => self.reconnect("observe").await?,
            }
            tries += 1;
        }
    }

    async fn look(&mut self) -> Result<Observed, EngineError> {
        let engine = self.engine;
        let mut members = Vec::with_capacity(self.markers.len());
        // The leader comes last: what is done because of it is done at once.
        for (marker, replacement) in self.markers.iter().zip(&mut self.replacements).rev() {
            let mut original = existing(engine, &marker.original.id).await?;
            let mut stand_in = None;
            if marker.role.is_some() {
                let is_it = |found: &Container| marker.is_with(Role::StandIn, found);
                stand_in = seek(engine, &mut self.stand_in, &marker.old_name(), is_it).await?;
                if original.is_none() {
                    let is_it = |found: &Container| marker.is_with(Role::Revival, found);
                    let name = &marker.original.name;
                    original = seek(engine, &mut self.revival, name, is_it).await?;
                }
            }
            let is_it = |found: &Container| {
                Marker::of(found).is_some_and(|found| found.transaction == marker.transaction)
            };
            let replacement = seek(engine, replacement, &marker.new_name(), is_it).await?;
            let sight = |seen: &Option<Container>| seen.as_ref().map(Sight::from);
            members.push(Pair {
                original: sight(&original),
                replacement: sight(&replacement),
                stand_in: sight(&stand_in),
            });
            if marker.is_leader() {
                self.leader.update(Seen {
                    original,
                    replacement,
                });
            }
        }
        members.reverse();
        Ok(Observed {
            members,
            verdict: self.verdict,
            ended_again: self.starts >= TRIES,
        })
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

    async fn repair(&mut self, at: usize, repair: Repair) -> Result<(), EngineError> {
        let (engine, marker) = (self.engine, &self.markers[at]);
        let original = self.original(at);
        let stand_in = self.stand_in.as_deref().filter(|_| at == 0);
        let replacement = self.replacements[at].as_deref().unwrap_or_default();
        info!(
            transaction = marker.transaction,
            name = marker.original.name,
            ?repair,
            "repair"
        );
        match repair {
            Repair::DisarmReplacement => {
                engine
                    .update_restart_policy(replacement, &RestartPolicy::named("no"))
                    .await
            }
            Repair::StopReplacement => {
                let options = StopOptions {
                    timeout: Some(marker.bounded_stop_timeout()),
                    signal: None,
                };
                let seen = self.leader.replacement.as_ref().filter(|_| at == 0);
                if seen.is_some_and(stand_in::is_auto_removed) {
                    return stand_in::stop(engine, replacement, &options).await;
                }
                engine.stop(replacement, &options).await
            }
            // What somebody calls it since the last look, a moment ago, is overwritten. One more look
            // would make that moment shorter, not go away, and costs a call while nothing runs; nor
            // is there one before the forward steps' own renames.
            Repair::UnnameReplacement => engine.rename(replacement, &marker.new_name()).await,
            Repair::Unpark => engine.rename(original, &marker.original.name).await,
            Repair::Rearm => {
                engine
                    .update_restart_policy(original, &marker.original.restart_policy)
                    .await
            }
            // Its volumes are the stand-in's.
            Repair::RemoveOriginal => stand_in::remove(engine, original, false).await,
            Repair::Revive => {
                let revived = stand_in::revive(engine, marker, stand_in.unwrap_or_default()).await;
                // Where the answer was lost, it is found by its name.
                self.revival = revived.as_ref().ok().cloned();
                revived.map(drop)
            }
            Repair::StartOriginal => {
                let wanted = &marker.original.addresses;
                addresses::hold_again(engine, &self.markers[0], wanted).await;
                let Some((revival, stand_in)) = self.revival.as_deref().zip(stand_in) else {
                    return engine.start(original).await;
                };
                let started = stand_in::start_revival(engine, stand_in, revival).await;
                match &started {
                    Ok(()) => self.starts = TRIES,
                    Err(_) => self.starts += 1,
                }
                started
            }
            Repair::PauseOriginal => engine.pause(original).await,
            // With the fresh volumes that were made for it; those that it holds by name survive.
            Repair::RemoveReplacement if marker.role.is_some() => {
                stand_in::remove(engine, replacement, true).await
            }
            Repair::RemoveReplacement => engine.remove(replacement, true).await,
            Repair::PauseReplacement => engine.pause(replacement).await,
            // Never with its volumes: the replacement holds them by name.
            Repair::Commit => engine.remove(stand_in.unwrap_or(original), false).await,
            Repair::RemoveStandIn => engine.remove(stand_in.unwrap_or_default(), false).await,
        }
    }
}

impl Seen {
    /// One more look. What is gone by now is known from earlier ones.
    fn update(&mut self, seen: Self) {
        self.original = seen.original.or(self.original.take());
        self.replacement = seen.replacement.or(self.replacement.take());
    }
}

/// The container of this ID; where that is not known, the one of this name, if it is the one that is
/// sought, whose ID is noted then.
async fn seek(
    engine: &dyn Engine,
    id: &mut Option<String>,
    name: &str,
    is_it: impl Fn(&Container) -> bool,
) -> Result<Option<Container>, EngineError> {
    let found = match &id {
        Some(id) => existing(engine, id).await?,
        None => existing(engine, name).await?.filter(is_it),
    };
    if let Some(found) = &found {
        *id = Some(found.id.clone());
    }
    Ok(found)
}

//! Observe, decide, repair, until it rests.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{
    decide::{Next, Observed, Repair, Rest, Sight, Verdict, decide},
    look::existing,
    marker::Marker,
    verify, words,
};
use crate::engine::{Engine, EngineError, RestartPolicy, StopOptions};

/// How often one repair may be tried on one state of things. More than once, because an answer
/// can be lost; not for ever, because an engine can be broken.
const TRIES: u32 = 6;

/// How long lies between two looks at a container that may stop, and between the first two tries
/// of a repair; each further try waits that much longer.
const PACE: Duration = Duration::from_millis(200);

/// How many repairs a reconciliation may take; the longest way has nine.
const REPAIRS: usize = 40;

/// How reconciliation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settled {
    pub rest: Rest,
    /// Whether anything was done to the original, or could have been.
    pub touched: bool,
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
    pub engine: &'a dyn Engine,
    pub marker: &'a Marker,
    /// The replacement, where its ID is known; else it is looked for under its first name.
    pub replacement: Option<String>,
    pub verdict: Verdict,
    /// Until when a stop of the original may still be under way, whose client was lost. The
    /// original may look well until then.
    stop_until: Option<Instant>,
}

impl<'a> Reconciler<'a> {
    /// A reconciliation that begins with what is known of the replacement.
    pub fn new(
        engine: &'a dyn Engine,
        marker: &'a Marker,
        replacement: Option<String>,
        verdict: Verdict,
    ) -> Self {
        Self {
            engine,
            marker,
            replacement,
            verdict,
            stop_until: None,
        }
    }

    /// Somebody may have asked for a stop of the original and gone away: its end is awaited
    /// before the original counts as brought back.
    pub fn outlast_stop(&mut self) {
        self.stop_until = Some(Instant::now() + self.marker.stop_horizon());
    }

    /// What would be done next.
    ///
    /// # Errors
    /// [`Stuck`] when the containers cannot be looked at.
    pub async fn next(&mut self) -> Result<Next, Stuck> {
        let observed = self.observe().await?;
        Ok(decide(self.marker, &observed))
    }

    /// Repairs until nothing is left to do.
    ///
    /// # Errors
    /// [`Stuck`] when a repair changed nothing, however often it was tried.
    pub async fn run(mut self) -> Result<Settled, Stuck> {
        let mut touched = false;
        let mut last: Option<(Repair, Observed)> = None;
        let mut tries = 0;
        for _ in 0..REPAIRS {
            let observed = self.observe().await?;
            let repair = match decide(self.marker, &observed) {
                Next::Rest(rest) => return Ok(Settled { rest, touched }),
                Next::Verify => {
                    self.verdict = self.verify().await;
                    continue;
                }
                Next::Repair(repair) => repair,
            };
            if repair == Repair::RemoveReplacement
                && (self.original_may_still_stop().await || self.is_changed(&observed).await)
            {
                continue;
            }
            let same = last
                .as_ref()
                .is_some_and(|(r, o)| *r == repair && *o == observed);
            tries = if same { tries + 1 } else { 1 };
            if repair == Repair::StartOriginal {
                // Whatever stop there was has ended.
                self.stop_until = None;
            }
            touched |= repair != Repair::RemoveReplacement;
            if let Err(error) = self.repair(repair).await {
                info!(transaction = self.marker.transaction, ?repair, %error, "repair failed");
                let is_lost = !matches!(error, EngineError::Refused { .. });
                if tries >= TRIES {
                    return Err(Stuck {
                        doing: format!("{repair:?}"),
                        error,
                    });
                }
                if is_lost {
                    self.reconnect(&format!("{repair:?}")).await?;
                } else {
                    sleep(PACE * tries).await;
                }
            } else if tries >= TRIES {
                let error = EngineError::unknown("the engine accepted it and nothing changed");
                return Err(Stuck {
                    doing: format!("{repair:?}"),
                    error,
                });
            }
            last = Some((repair, observed));
        }
        let error = EngineError::unknown("somebody keeps changing the containers");
        Err(Stuck {
            doing: "reconcile".to_owned(),
            error,
        })
    }

    /// Waits out a stop of the running original that may be under way. The marker stays meanwhile.
    async fn original_may_still_stop(&mut self) -> bool {
        let Some(until) = self.stop_until.take() else {
            return false;
        };
        while Instant::now() < until {
            match existing(self.engine, &self.marker.original.id).await {
                Ok(Some(original)) if original.status.is_active() => {}
                Ok(_) => return true,
                // What is not seen may still be stopping.
                Err(_) => {}
            }
            sleep(PACE).await;
        }
        false
    }

    /// Whether the original is not what it was a moment ago: it is looked at before the replacement,
    /// and nothing would be left if somebody removed it in between.
    async fn is_changed(&self, observed: &Observed) -> bool {
        let original = existing(self.engine, &self.marker.original.id).await;
        // What is not seen is observed anew.
        original.map_or(true, |original| {
            original.as_ref().map(Sight::from) != observed.original
        })
    }

    async fn reconnect(&self, doing: &str) -> Result<(), Stuck> {
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
        let original = existing(self.engine, &self.marker.original.id).await?;
        let replacement = match &self.replacement {
            Some(id) => existing(self.engine, id).await?,
            None => existing(self.engine, &self.marker.new_name())
                .await?
                .filter(|container| {
                    Marker::of(container)
                        .is_some_and(|marker| marker.transaction == self.marker.transaction)
                }),
        };
        if let Some(container) = &replacement {
            self.replacement = Some(container.id.clone());
        }
        Ok(Observed {
            original: original.as_ref().map(Sight::from),
            replacement: replacement.as_ref().map(Sight::from),
            verdict: self.verdict,
        })
    }

    async fn verify(&self) -> Verdict {
        let Some(id) = &self.replacement else {
            return Verdict::Failed;
        };
        let marker = self.marker;
        match verify::verify(self.engine, id, marker.monitor(), marker.healthy_deadline()).await {
            Ok(()) => Verdict::Passed,
            Err(fault) => {
                // A rollback removes it, with its log: nobody could look it up.
                let last_words = words::last_words(self.engine, id).await;
                warn!(transaction = marker.transaction, %fault, last_words, "verify failed");
                Verdict::Failed
            }
        }
    }

    async fn repair(&self, repair: Repair) -> Result<(), EngineError> {
        let (engine, marker) = (self.engine, self.marker);
        let original = marker.original.id.as_str();
        let replacement = self.replacement.as_deref().unwrap_or_default();
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
            Repair::StartOriginal => engine.start(original).await,
            Repair::PauseOriginal => engine.pause(original).await,
            // With the fresh volumes that were made for it; those that it holds by name survive.
            Repair::RemoveReplacement => engine.remove(replacement, true).await,
            Repair::PauseReplacement => engine.pause(replacement).await,
            // Never with its volumes: the replacement holds them by name.
            Repair::Commit => engine.remove(original, false).await,
        }
    }
}

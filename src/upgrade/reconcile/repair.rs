//! One repair.

use tracing::{info, warn};

use super::{Reconciler, TRIES};
use crate::{
    engine::{Container, EngineError, RestartPolicy, StopOptions},
    plan::Plan,
    upgrade::{
        addresses,
        decide::{Observed, Repair, Sight},
        look::existing,
        stand_in,
    },
};

impl Reconciler<'_> {
    /// Before one of a member's two containers is removed: whether the other is not what it was a moment
    /// ago. It was looked at before further ones, and nothing would be left if somebody removed it in
    /// between.
    pub(super) async fn is_changed(&self, at: usize, repair: Repair, observed: &Observed) -> bool {
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

    /// Does it to a container of the member of this number.
    pub(super) async fn repair(&mut self, at: usize, repair: Repair) -> Result<(), EngineError> {
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
                if seen.is_some_and(Container::is_auto_removed) {
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
            Repair::Revive => self.revive().await,
            Repair::StartOriginal => self.start_original(at).await,
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

    /// Creates the leader's original again.
    async fn revive(&mut self) -> Result<(), EngineError> {
        let (engine, marker) = (self.engine, self.markers[0].clone());
        let revived = stand_in::revive(engine, &marker, self.plan_again().await?).await;
        // Where the answer was lost, it is found by its name.
        self.revival = revived.as_ref().ok().cloned();
        revived.map(drop)
    }

    async fn start_original(&mut self, at: usize) -> Result<(), EngineError> {
        let (engine, marker) = (self.engine, &self.markers[at]);
        if self.holds {
            let wanted = &marker.original.addresses;
            addresses::hold_again(engine, &self.markers[0], wanted).await;
        }
        let started = match self.revival.clone().filter(|_| at == 0) {
            None => engine.start(&marker.original.id).await,
            Some(revival) => self.start_revival(&revival).await,
        };
        if let Err(EngineError::Refused { .. }) = started
            && self.holds
        {
            self.holds = false;
            let marker = &self.markers[0];
            if let Err(error) = addresses::let_go(engine, marker).await {
                let (transaction, name) = (&marker.transaction, &marker.original.name);
                warn!(transaction, name, %error, "let go of what is held");
            }
        }
        started
    }

    /// Starts what the leader's original was created again as.
    async fn start_revival(&mut self, revival: &str) -> Result<(), EngineError> {
        let engine = self.engine;
        let started = match self.plan_again().await {
            Ok(plan) => stand_in::start_revival(engine, plan, revival).await,
            Err(error) => Err(error),
        };
        match &started {
            Ok(()) => self.starts = TRIES,
            Err(_) => self.starts += 1,
        }
        started
    }

    /// What the leader's original was, by its stand-in. It is planned once.
    async fn plan_again(&mut self) -> Result<&Plan, EngineError> {
        let plan = match self.again.take() {
            Some(plan) => plan,
            None => {
                stand_in::plan_again(self.engine, self.stand_in.as_deref().unwrap_or_default())
                    .await?
            }
        };
        Ok(self.again.insert(plan))
    }
}

//! Helpers that were left: what they told is remembered, and they are removed.

use serde_json::Value;
use tracing::warn;

use super::{HELPER_LABEL, Helper, Line, errand::Errand, line};
use crate::{
    engine::{EngineError, Status},
    upgrade::{
        Shared,
        look::{existing, text},
        own,
        owner::Liveness,
        recover::{Recovered, Recovery},
        status::Ended,
    },
};

impl Shared {
    /// Looks after the helpers among these containers, and removes those that have done their part: that
    /// have told their end, or whose transaction is at rest, as these recoveries tell. With `dry_run` only
    /// says so.
    pub async fn gather(
        &self,
        summaries: &[Value],
        recoveries: &[Recovery],
        dry_run: bool,
    ) -> Vec<Recovery> {
        let labelled = summaries.iter().filter(|summary| {
            let labels = summary.get("Labels");
            labels.is_some_and(|labels| labels.get(HELPER_LABEL).is_some())
        });
        let mut gathered = Vec::new();
        for summary in labelled {
            let id = text(summary, "/Id");
            let found = Helper::existing(self.engine.as_ref(), id).await;
            gathered.extend(match found {
                Ok(Some(helper)) => self.gather_one(helper, recoveries, dry_run).await,
                Ok(None) => None,
                Err(error) => {
                    let why = format!("a helper cannot be inspected: {error}");
                    Some(Recovery::unmarked(id.to_owned(), Recovered::Stuck(why)))
                }
            });
        }
        gathered
    }

    /// Learns how the last upgrade of the container `name` ended, if a helper has told and nobody has
    /// listened yet.
    ///
    /// # Errors
    /// The engine does not show it.
    pub async fn hear(&self, name: &str) -> Result<(), EngineError> {
        if let Some(helper) = Helper::of(self.engine.as_ref(), name).await?
            && !helper.is_active()
        {
            // Removed or not: the next recovery does it again.
            drop(self.gather_one(helper, &[], false).await);
        }
        Ok(())
    }

    async fn gather_one(
        &self,
        helper: Helper,
        recoveries: &[Recovery],
        dry_run: bool,
    ) -> Option<Recovery> {
        let transaction = &helper.errand.transaction;
        let is_this = own::is_own(&helper.container) || self.isolation.0.runs(transaction);
        if is_this || !self.is_for_us(&helper.errand).await {
            return None;
        }
        let engine = self.engine.as_ref();
        let name = helper.container.name.clone();
        let recovery = |ending| Recovery {
            transaction: transaction.clone(),
            name,
            ending,
        };
        if helper.is_active() || self.is_yet_to_start(&helper).await {
            let why = "a helper, which works on it".to_owned();
            return Some(recovery(Recovered::Left(why)));
        }
        let told = match helper.lines(engine).await {
            Ok(told) => told,
            Err(error) => return Some(recovery(Recovered::Stuck(error.to_string()))),
        };
        let end = line::end(&told);
        let is_unfinished =
            |other: &Recovery| other.transaction == *transaction && !other.ending.is_at_rest();
        // Whoever recovers it looks for how far it has come.
        if end.is_none() && recoveries.iter().any(is_unfinished) {
            return None;
        }
        if dry_run {
            return Some(recovery(Recovered::Would("removed")));
        }
        self.remember(&helper.errand, end);
        Some(recovery(match helper.remove(engine).await {
            Ok(()) => Recovered::Cleared,
            Err(error) => Recovered::Stuck(format!("it cannot be removed: {error}")),
        }))
    }

    /// Whether it is this process that is to hear what a helper told: the one that runs where the one
    /// ran that sent it; anybody, where none does.
    async fn is_for_us(&self, errand: &Errand) -> bool {
        match existing(self.engine.as_ref(), &errand.own).await {
            Ok(Some(container)) if container.status.is_active() => own::is_own(&container),
            Ok(_) => true,
            Err(_) => false,
        }
    }

    /// Whether it was created, and whoever did may be about to start it.
    async fn is_yet_to_start(&self, helper: &Helper) -> bool {
        if helper.container.status != Status::Created {
            return false;
        }
        let Some(owner) = &helper.errand.owner else {
            return false;
        };
        let liveness = owner.liveness(self.engine.as_ref()).await;
        matches!(liveness, Liveness::Alive | Liveness::Unknown)
    }

    /// Remembers how a transaction ended, if it failed.
    pub(super) fn remember(&self, errand: &Errand, end: Option<&Line>) {
        let Some(Line::Failed(failure)) = end else {
            return;
        };
        let (transaction, name) = (&errand.transaction, &errand.name);
        let (step, why) = (failure.step, &failure.message);
        warn!(transaction, name, %step, rollback = %failure.rollback, why, "not upgraded");
        let ended = Ended {
            transaction: transaction.clone(),
            name: name.clone(),
            failure: failure.clone(),
        };
        self.failures.note(&errand.leader, ended);
    }
}

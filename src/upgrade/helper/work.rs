//! What a helper does.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    HELPER_LABEL, Helper, Line, OwnContainer,
    errand::{Asked, Errand, Task},
    line,
};
use crate::{
    engine::EngineError,
    upgrade::{
        LONGEST_MEND_PAUSE, MEND_PAUSE, Progress, Shared, Upgrades,
        journal::Journal,
        look::{self, text},
        outcome::{Cause, Failure, Rollback, Step},
        recover::Recovered,
        running::{Direction, Running},
        transaction::{Transaction, Worker},
    },
};

/// How long the Refit that sent it has to answer its caller, before it may be stopped.
const NOTICE: Duration = Duration::from_millis(500);

/// What the engine prints as the time of an end that there was not.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// What is told, as it happens.
type Tell<'a> = &'a (dyn Fn(&Line) + Send + Sync);

impl Upgrades {
    /// Does the errand of the helper that this process runs in: the transaction of this ID, to its end.
    /// The last line says how it ended. A helper that was ended half-way and started again brings to
    /// its end what it had begun. Cancelling `back` asks for the originals back.
    ///
    /// # Errors
    /// [`EngineError`]: the engine has no such helper, or said something else than an answer.
    pub async fn help(
        &self,
        transaction: &str,
        back: CancellationToken,
        tell: Tell<'_>,
    ) -> Result<(), EngineError> {
        let shared = &self.shared;
        let helper = shared.itself(transaction).await?;
        let has_begun = text(&helper.container.document, "/State/FinishedAt") != NEVER;
        let end = match &helper.errand.task {
            Task::Upgrade(asked) if !has_begun => {
                shared.carry_out(&helper.errand, asked, back, tell).await
            }
            Task::Upgrade(_) => shared.go_on(&helper, Step::Lock).await?,
            Task::Recover(step) => shared.go_on(&helper, *step).await?,
        };
        tell(&end);
        if matches!(end, Line::Upgraded { .. }) {
            // The last thing that it does: nobody needs what it told. Where it stays, the new Refit
            // removes it.
            drop(helper.remove(shared.engine.as_ref()).await);
        }
        Ok(())
    }
}

impl Shared {
    /// The helper of this transaction, as soon as the engine tells of it.
    async fn itself(&self, transaction: &str) -> Result<Helper, EngineError> {
        let engine = self.engine.as_ref();
        loop {
            // An engine that starts has it run before it answers.
            if let Err(error) = engine.await_reachable().await {
                warn!(%error, "wait for the engine");
                continue;
            }
            let found = look::bearing(engine, HELPER_LABEL).await?.containers;
            let mut helpers = found.into_iter().filter_map(|container| {
                let errand = Errand::of(&container)?;
                Some(Helper { container, errand })
            });
            let itself = helpers.find(|helper| helper.errand.transaction == transaction);
            return itself.ok_or_else(|| EngineError::Refused {
                status: 404,
                message: format!("no helper has the transaction {transaction}"),
            });
        }
    }

    /// Carries out the transaction.
    async fn carry_out(
        self: &Arc<Self>,
        errand: &Errand,
        asked: &Asked,
        back: CancellationToken,
        tell: Tell<'_>,
    ) -> Line {
        let Errand {
            transaction, name, ..
        } = errand;
        let running = Running::new(transaction, name, Direction::Forward, &self.metrics);
        let lock = match self.isolation.0.lock(&errand.leader, running) {
            Ok(lock) => lock,
            Err(failure) => return Line::Failed(failure),
        };
        let running = Arc::clone(&lock.running);
        let asked_back = tokio::spawn(async move {
            back.cancelled().await;
            // One that commits goes on.
            drop(running.cancel());
        });
        let progress = |progress| {
            if let Progress::Step { step, name } = progress {
                tell(&Line::Step { step, name });
            }
        };
        let result = match self.check_image(asked).await {
            Ok(()) => {
                let request = asked.request();
                let leader = &errand.leader;
                self.run(&lock, leader, &request, &progress, Worker::Helper)
                    .await
            }
            Err(failure) => Err(failure),
        };
        asked_back.abort();
        drop(lock);
        match result {
            Ok(_) => upgraded(errand),
            Err(failure) if failure.rollback == Rollback::Incomplete => {
                self.go_back(errand, failure).await
            }
            Err(failure) => Line::Failed(failure),
        }
    }

    /// Sees that the image is the one that was planned with.
    async fn check_image(&self, asked: &Asked) -> Result<(), Failure> {
        let image = self.engine.inspect_image(&asked.image).await;
        let image = image.map_err(|error| Failure::of_engine(Step::Pull, &error))?;
        if text(&image, "/Id") == asked.image_id {
            return Ok(());
        }
        let message = format!("{} was moved to another image meanwhile", asked.image);
        Err(Failure::untouched(Cause::Conflict, Step::Create, message))
    }

    /// Brings a transaction that failed, and could not be taken back at once, to its end.
    async fn go_back(&self, errand: &Errand, failure: Failure) -> Line {
        match self.finish(errand).await {
            Some(Recovered::Committed) => upgraded(errand),
            Some(Recovered::HandsOff(_)) => Line::Failed(failure),
            _ => Line::Failed(Failure {
                rollback: Rollback::Restored,
                message: failure.message + "\nthe original is back since",
                ..failure
            }),
        }
    }

    /// Brings to its end what was ended half-way, by this helper or, in this step, by another one.
    async fn go_on(&self, helper: &Helper, step: Step) -> Result<Line, EngineError> {
        let errand = &helper.errand;
        let told = helper.lines(self.engine.as_ref()).await?;
        if let Some(end) = line::end(&told) {
            // It was ended after that.
            return Ok(end.clone());
        }
        let step = line::last_step(&told).unwrap_or(step);
        let (rollback, state) = match self.finish(errand).await {
            Some(Recovered::Committed) => return Ok(upgraded(errand)),
            Some(Recovered::HandsOff(why)) => (Rollback::Incomplete, why),
            Some(_) | None if is_touched(step) => (
                Rollback::Restored,
                "the original is under its name again".to_owned(),
            ),
            _ => (
                Rollback::NotNeeded,
                "the original was not touched".to_owned(),
            ),
        };
        Ok(Line::Failed(Failure {
            cause: Cause::Failed,
            step,
            rollback,
            message: format!(
                "upgrade of {}: {step} failed: the helper that carried it out was ended by \
                 somebody\n{state}",
                errand.name
            ),
        }))
    }

    /// Brings the transaction to its end, however long that takes; `None` where nothing is left of it.
    async fn finish(&self, errand: &Errand) -> Option<Recovered> {
        let mut pause = MEND_PAUSE;
        loop {
            match self.journal(errand).await {
                Ok(journal) => {
                    let teller = journal.teller(&errand.transaction)?;
                    match self.recover_one(teller, &journal, false).await {
                        None => return Some(Recovered::Committed),
                        Some(recovery) if recovery.ending.is_at_rest() => {
                            return Some(recovery.ending);
                        }
                        Some(recovery) => self.tell(&recovery),
                    }
                }
                Err(error) => warn!(%error, "look for the journal"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_MEND_PAUSE);
        }
    }

    /// What there is to be read, which is all if nothing in it tells of the transaction.
    async fn journal(&self, errand: &Errand) -> Result<Journal, EngineError> {
        let engine = self.engine.as_ref();
        engine.await_reachable().await?;
        let journal = Journal::read(engine).await?;
        match journal.unseen.first() {
            Some((_, error)) if journal.teller(&errand.transaction).is_none() => Err(error.clone()),
            _ => Ok(journal),
        }
    }
}

impl Transaction<'_> {
    /// Says that the first stop is next, and lets the Refit that is stopped with it answer its caller.
    pub(in crate::upgrade) async fn give_notice(&self, name: &str) {
        if *self.own_container == OwnContainer::Helper {
            self.announce(Step::Stop, name);
            sleep(NOTICE).await;
        }
    }
}

fn upgraded(errand: &Errand) -> Line {
    Line::Upgraded {
        transaction: errand.transaction.clone(),
    }
}

/// Whether an upgrade that came to this step has done something to the original.
fn is_touched(step: Step) -> bool {
    !matches!(
        step,
        Step::Pull | Step::Plan | Step::Lock | Step::Create | Step::Hold
    )
}

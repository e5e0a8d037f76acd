//! Following a helper until it is about to stop the first container: what fails before is told to the
//! caller as ever.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Helper, Line};
use crate::{
    engine::{EngineError, StopOptions},
    upgrade::{
        look::existing,
        marker::{self, Marker},
        outcome::{Cause, Ending, Failure, HandedOver, Rollback, Step},
        transaction::Transaction,
        words,
    },
};

/// How often it is looked at what the helper tells.
const PACE: Duration = Duration::from_millis(50);

/// How long it may take until the first stop: to create the replacements, above all.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// How often the engine may have started it again before it counts as one that cannot run.
const RESTARTS: i64 = 5;

/// How often it may be lost sight of at a time.
const LOSSES: u32 = 5;

/// How long it may take to go back, when it is asked to.
const BACK: i32 = 120;

impl Transaction<'_> {
    /// What the helper tells, until it is about to stop the first container.
    pub(super) async fn follow(&self, mut helper: Helper) -> Result<Ending, Failure> {
        let begin = Instant::now();
        let (mut heard, mut is_asked_back) = (0, false);
        loop {
            let lines = match self.look(&mut helper).await {
                Ok(Some(lines)) => lines,
                Ok(None) => return Err(self.lost(&helper, "was removed by somebody").await),
                Err(error) => return Err(self.out_of_sight(&helper, &error)),
            };
            for line in lines.get(heard..).unwrap_or_default() {
                match line {
                    // Refit did these itself, and told of them.
                    Line::Step { step, .. } if is_done_before(*step) => {}
                    Line::Step {
                        step: Step::Stop, ..
                    }
                    | Line::Upgraded { .. } => {
                        return Ok(Ending::HandedOver(self.handed_over(&helper)));
                    }
                    Line::Step { step, name } => self.announce(*step, name),
                    Line::Failed(failure) => {
                        self.done_with(&helper).await;
                        return Err(failure.clone());
                    }
                }
            }
            heard = lines.len();
            if !helper.is_active() {
                let id = &helper.container.id;
                let last_words = words::last_words(self.engine, id, None).await;
                let how = format!("ended with {}{last_words}", helper.container.exit);
                return Err(self.lost(&helper, &how).await);
            }
            let cannot_run = heard == 0 && helper.container.restart_count > RESTARTS;
            let is_unwanted = self.running().check().is_err() || begin.elapsed() > LONGEST;
            if (cannot_run || is_unwanted) && !is_asked_back {
                is_asked_back = true;
                let options = StopOptions {
                    timeout: Some(BACK),
                    signal: None,
                };
                // It goes back, and says so; whatever comes of the call is seen.
                drop(self.engine.stop(&helper.container.id, &options).await);
            }
            sleep(PACE).await;
        }
    }

    /// Looks at the helper, then at what it has told: nothing comes after its end. `None`: it is gone.
    async fn look(&self, helper: &mut Helper) -> Result<Option<Vec<Line>>, EngineError> {
        let mut losses = 0;
        loop {
            let id = helper.container.id.clone();
            let looked = async {
                let Some(seen) = Helper::existing(self.engine, &id).await? else {
                    return Ok(None);
                };
                *helper = seen;
                helper.lines(self.engine).await.map(Some)
            };
            match looked.await {
                Err(error) if error.is_not_found() => return Ok(None),
                // Refused, too: while it is being removed, its log is not shown.
                Err(_) if losses < LOSSES => {
                    losses += 1;
                    self.engine.await_reachable().await?;
                    sleep(PACE * losses).await;
                }
                looked => return looked,
            }
        }
    }

    fn handed_over(&self, helper: &Helper) -> HandedOver {
        HandedOver {
            transaction: self.running().transaction.clone(),
            name: helper.errand.name.clone(),
            own: helper.errand.own.clone(),
            helper: helper.container.id.clone(),
            helper_name: helper.container.name.clone(),
        }
    }

    /// Removes the helper, which has ended, or will at once; what it may have left is looked for.
    async fn done_with(&self, helper: &Helper) {
        drop(helper.remove(self.engine).await);
        self.running().leave_over();
    }

    /// The helper has ended so, and did not say how the transaction did: somebody ended it for good.
    async fn lost(&self, helper: &Helper, how: &str) -> Failure {
        let (rollback, state) = if self.has_begun(&helper.errand.name).await {
            (Rollback::Incomplete, "Refit goes on with taking it back")
        } else {
            (Rollback::NotNeeded, "nothing was touched")
        };
        self.running().leave_over();
        self.failed(
            Cause::Failed,
            rollback,
            &format!("the helper {} {how}\n{state}", helper.container.name),
        )
    }

    /// Whether there is, or may be, a container that the transaction made of the container `name`.
    async fn has_begun(&self, name: &str) -> bool {
        for made in marker::names(name) {
            let made = existing(self.engine, &made).await;
            let is_ours = |marker: Marker| marker.transaction == self.running().transaction;
            if made.map_or(true, |made| {
                made.as_ref().and_then(Marker::of).is_some_and(is_ours)
            }) {
                return true;
            }
        }
        false
    }

    /// The helper cannot be seen any more, and may be at work.
    fn out_of_sight(&self, helper: &Helper, error: &EngineError) -> Failure {
        let helper = &helper.container.name;
        let message = format!(
            "the helper {helper}, which goes on with it, was lost sight of: {error}\n\
             Refit goes on looking for it"
        );
        self.failed(error.into(), Rollback::Incomplete, &message)
    }

    fn failed(&self, cause: Cause, rollback: Rollback, why: &str) -> Failure {
        let stage = self.running().stage();
        Failure {
            cause,
            step: stage.step,
            rollback,
            message: format!("upgrade of {}: {why}", stage.name),
        }
    }
}

fn is_done_before(step: Step) -> bool {
    matches!(step, Step::Pull | Step::Plan | Step::Lock)
}

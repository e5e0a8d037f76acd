//! A transaction under way: what others see of it, and whether it may still be cancelled.

use std::{
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    metrics::Metrics,
    outcome::{Cause, Ending, Failure, HandedOver, Outcome, Step},
};

/// One transaction under way.
#[derive(Debug)]
pub(super) struct Running {
    /// Its ID.
    pub transaction: String,
    /// When it began.
    pub began: Instant,
    stage: Mutex<Stage>,
    /// Somebody asks for the original back.
    cancel: CancellationToken,
    /// Whether something of it is left that recovery is to remove.
    left_over: AtomicBool,
    /// How it ended, if it failed.
    failure: OnceLock<Failure>,
    ended: CancellationToken,
    /// Told how long each step took.
    metrics: Metrics,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    /// The name of the container.
    pub name: String,
    /// The step that was begun last.
    pub step: Step,
    /// When that was.
    pub since: Instant,
    /// Which way it goes.
    pub direction: Direction,
    /// When it turned back, if it did.
    back_since: Option<Instant>,
    /// Whether other clients are kept from its members.
    pub isolates: bool,
    /// The networks that its members need, by ID and by name.
    pub networks: Vec<String>,
}

/// Which way a transaction goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the commit.
    Forward,
    /// It commits: there is no way back.
    Commit,
    /// Back to the original.
    Back,
    /// It was left unfinished, and is brought to its end.
    Recovery,
}

impl Running {
    /// A transaction that begins, on the container that is called `name` so far as is known.
    pub fn new(transaction: &str, name: &str, direction: Direction, metrics: &Metrics) -> Self {
        let now = Instant::now();
        Self {
            transaction: transaction.to_owned(),
            began: now,
            stage: Mutex::new(Stage {
                name: name.to_owned(),
                step: Step::Lock,
                since: now,
                direction,
                back_since: None,
                isolates: false,
                networks: Vec::new(),
            }),
            cancel: CancellationToken::new(),
            left_over: AtomicBool::new(false),
            failure: OnceLock::new(),
            ended: CancellationToken::new(),
            metrics: metrics.clone(),
        }
    }

    /// How far it is.
    pub fn stage(&self) -> Stage {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins on the container of this name, and the one before has ended.
    pub fn enter(&self, step: Step, name: &str) {
        let mut stage = self.locked();
        self.end_step(&stage);
        stage.step = step;
        name.clone_into(&mut stage.name);
        stage.since = Instant::now();
    }

    /// One line for each step, when it has ended, and its time; that of the way back is its own.
    fn end_step(&self, stage: &Stage) {
        let Stage {
            name, step, since, ..
        } = stage;
        let back = stage.back_since.map(|back| (back, back.elapsed()));
        if let Some((back, took)) = back {
            self.metrics.step(*step, back.duration_since(*since));
            self.metrics.rollback(took);
        } else {
            self.metrics.step(*step, since.elapsed());
        }
        info!(
            transaction = self.transaction,
            name,
            %step,
            duration_ms = milliseconds(since.elapsed()),
            "step"
        );
    }

    /// From here on, other clients are kept from its members, and from these networks of theirs.
    pub fn isolate(&self, networks: Vec<String>) {
        let mut stage = self.locked();
        stage.isolates = true;
        stage.networks = networks;
    }

    /// Keeps them from these networks, too.
    pub fn isolate_further(&self, networks: Vec<String>) {
        self.locked().networks.extend(networks);
    }

    /// From here on there is no way back.
    ///
    /// # Errors
    /// It was cancelled before.
    pub fn begin_commit(&self) -> Result<(), Cancelled> {
        let mut stage = self.locked();
        self.check()?;
        stage.direction = Direction::Commit;
        Ok(())
    }

    /// The way back begins.
    pub fn begin_rollback(&self) {
        let mut stage = self.locked();
        stage.direction = Direction::Back;
        stage.back_since.get_or_insert_with(Instant::now);
    }

    /// Asks for the original back. One that goes back already does what is asked.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if it commits.
    pub fn cancel(&self) -> Result<(), Failure> {
        let stage = self.locked();
        match stage.direction {
            Direction::Forward => self.cancel.cancel(),
            Direction::Back => {}
            Direction::Commit | Direction::Recovery => {
                let Stage { name, step, .. } = &*stage;
                let how = match stage.direction {
                    Direction::Commit => "commits, and cannot be cancelled any more",
                    _ => "was left unfinished and is being recovered: it cannot be cancelled",
                };
                let message = format!("the upgrade of {name} {how}");
                return Err(Failure::untouched(Cause::Conflict, *step, message));
            }
        }
        Ok(())
    }

    /// Completes when somebody asks for the original back.
    pub async fn cancelled(&self) -> Cancelled {
        self.cancel.cancelled().await;
        Cancelled
    }

    /// # Errors
    /// Somebody asked for the original back.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancel.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }

    /// Something of it could not be removed.
    pub fn leave_over(&self) {
        self.left_over.store(true, Ordering::Relaxed);
    }

    /// Whether something of it is left.
    pub fn has_left_over(&self) -> bool {
        self.left_over.load(Ordering::Relaxed)
    }

    /// It has ended so: the last step's line, and the summary.
    pub fn conclude(&self, result: &Result<Ending, Failure>) {
        let stage = self.stage();
        self.end_step(&stage);
        let (transaction, name) = (&self.transaction, &stage.name);
        let elapsed_ms = milliseconds(self.began.elapsed());
        match result {
            Ok(Ending::Planned(_)) => info!(transaction, name, elapsed_ms, "planned"),
            Ok(Ending::HandedOver(HandedOver { helper_name, .. })) => {
                info!(
                    transaction,
                    name,
                    helper = helper_name,
                    elapsed_ms,
                    "handed over"
                );
            }
            Ok(Ending::Upgraded(Outcome { changed: false, .. })) => {
                info!(transaction, name, elapsed_ms, "nothing to do");
            }
            Ok(Ending::Upgraded(outcome)) => info!(
                transaction,
                name,
                image = outcome.current.image,
                previous_image = outcome.previous.image,
                downtime_ms = milliseconds(outcome.downtime),
                elapsed_ms,
                "upgraded"
            ),
            Err(failure) => {
                let Failure {
                    step,
                    rollback,
                    message: why,
                    ..
                } = failure;
                warn!(transaction, name, %step, %rollback, elapsed_ms, why, "not upgraded");
                self.failure.get_or_init(|| failure.clone());
            }
        }
    }

    /// Nobody works on it any more.
    pub fn end(&self) {
        self.ended.cancel();
    }

    /// Waits until it has ended; its failure, if it failed.
    pub async fn ended(&self) -> Option<Failure> {
        self.ended.cancelled().await;
        self.failure.get().cloned()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Somebody asked for the original back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("was cancelled by a request")]
pub(super) struct Cancelled;

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Running {
        Running::new("one", "web", Direction::Forward, &Metrics::default())
    }

    #[tokio::test]
    async fn what_was_cancelled_does_not_commit() {
        let running = running();
        running.cancel().expect("it can be");
        running.cancel().expect("it can be again");
        assert_eq!(running.cancelled().await, Cancelled);
        assert_eq!(running.begin_commit(), Err(Cancelled));
    }

    #[test]
    fn what_commits_is_not_cancelled() {
        let running = running();
        running.begin_commit().expect("nobody cancelled");
        let refused = running.cancel().expect_err("too late");
        assert_eq!(refused.cause, Cause::Conflict);
        assert!(refused.message.contains("web commits"), "{refused}");
        assert!(running.check().is_ok());
    }

    #[tokio::test]
    async fn whoever_waits_for_the_end_learns_why() {
        let running = running();
        let failure = Failure::untouched(Cause::Failed, Step::Stop, "no");
        running.begin_rollback();
        running.cancel().expect("it goes back already");
        running.conclude(&Err(failure.clone()));
        running.end();
        assert_eq!(running.ended().await, Some(failure));
    }
}

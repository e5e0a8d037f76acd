//! The forward story: one upgrade of one container, step by step.
//!
//! Everything that can fail slowly, or for the caller's fault, comes before the original is
//! touched. Whatever fails afterwards is a [`Setback`], from which [`Attempt::roll_back`] brings the
//! original back.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Progress, admission, answer,
    decide::{Rest, Verdict},
    fault::Fault,
    image,
    locks::Lock,
    look::{networks, observe},
    marker::{Marker, RunState, names},
    outcome::{Cause, Ending, Failure, Incarnation, Outcome, Request, Rollback, Step},
    planning, reach,
    running::{Cancelled, Running},
    setback::{Attempt, Setback},
    verify,
};
use crate::{
    engine::{Container, Engine, EngineError, RestartPolicy, Status, StopOptions},
    plan::{self, MARKER_LABEL, Plan},
};

/// One upgrade under way.
pub(super) struct Transaction<'a> {
    pub engine: &'a dyn Engine,
    pub request: &'a Request,
    /// Is to be of every name and ID that the container has meanwhile.
    pub lock: &'a Lock<'a>,
    /// Told of each step, and of the pull's lines.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
}

/// What the forward steps know of the replacement.
struct Replacement {
    id: String,
    warnings: Vec<String>,
}

impl Transaction<'_> {
    /// Upgrades the container of this full ID.
    ///
    /// # Errors
    /// [`Failure`] says which step failed and what became of the original.
    pub async fn run(&self, id: &str) -> Result<Ending, Failure> {
        let before = admission::admit(self.engine, id).await?;
        // Before the pull: afterwards, the old image may be gone.
        let old_image = self.old_image(&before).await?;
        let (reference, new_image) = self.pull(&before).await?;
        // The pull may have taken long, and its owner may have changed the container meanwhile. From
        // here on, nobody does.
        self.isolate(&before);
        let original = admission::admit(self.engine, id).await?;
        self.isolate(&original);
        self.announce(Step::Plan, &original.name);
        let images = planning::Images {
            old: old_image.as_ref(),
            new: &new_image,
            reference: &reference,
        };
        let plan = planning::plan(self.engine, self.request, &original, &images).await?;
        let is_due = self.request.is_due(&plan);
        if self.request.dry_run {
            let preview = answer::preview(&original, plan, &reference, is_due);
            return Ok(Ending::Planned(preview));
        }
        if !is_due {
            let unchanged = answer::unchanged(&original, plan, &reference);
            return Ok(Ending::Upgraded(unchanged));
        }
        let marker = Marker::new(&self.running().transaction, &original, self.request, &plan);
        let attempt = Attempt {
            engine: self.engine,
            original: &original,
            marker: &marker,
        };
        let replacement = self.create(&attempt, &plan, &new_image).await?;
        match self.replace(&marker, &replacement.id).await {
            Ok(downtime) => {
                let (running, moved) = self.look_again(&attempt, &replacement.id).await?;
                self.commit(&attempt, &replacement.id).await?;
                Ok(Ending::Upgraded(Outcome {
                    current: Incarnation {
                        id: replacement.id,
                        image: reference,
                        image_id: plan::image_id(&new_image),
                    },
                    previous: answer::incarnation(&original),
                    name: original.name,
                    changed: true,
                    running,
                    downtime,
                    warnings: [answer::warnings(plan), replacement.warnings, moved].concat(),
                }))
            }
            Err(setback) => Err(self
                .roll_back(&attempt, Some(replacement.id), setback)
                .await),
        }
    }

    /// What others see of it.
    fn running(&self) -> &Running {
        &self.lock.running
    }

    /// Keeps other clients from the container, and from the names that the steps give.
    fn isolate(&self, original: &Container) {
        if self.request.dry_run {
            return;
        }
        let [new, old] = names(&original.name);
        for name in [&original.name, &new, &old] {
            self.lock.extend(name);
        }
        self.running().isolate(networks(&original.document));
    }

    async fn pull(&self, original: &Container) -> Result<(String, Value), Failure> {
        self.announce(Step::Pull, &original.name);
        let asked = self.request.patch.get("Image").and_then(Value::as_str);
        let reference = asked.unwrap_or(&original.image).to_owned();
        let image = image::obtain(self.engine, &reference, self.request, self.progress);
        match self.interruptible(image).await {
            Ok(image) => Ok((reference, image?)),
            Err(cancelled) => Err(Failure::untouched(
                Cause::Failed,
                Step::Pull,
                format!("upgrade of {}: {cancelled}", original.name),
            )),
        }
    }

    /// The original's image; `None` where it is gone.
    async fn old_image(&self, original: &Container) -> Result<Option<Value>, Failure> {
        match self.engine.inspect_image(&original.image_id).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(Failure::of_engine(Step::Plan, &error)),
        }
    }

    /// Does what may be broken off anywhere.
    async fn interruptible<T>(&self, work: impl Future<Output = T>) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            cancelled = self.running().cancelled() => Err(cancelled),
            done = work => Ok(done),
        }
    }

    /// Creates the replacement, complete but for its name, and sees that it is of the image that
    /// was planned with.
    async fn create(
        &self,
        attempt: &Attempt<'_>,
        plan: &Plan,
        new_image: &Value,
    ) -> Result<Replacement, Failure> {
        let marker = attempt.marker;
        self.announce(Step::Create, &marker.original.name);
        let mut body = plan.create.clone();
        plan::set_label(&mut body, MARKER_LABEL, &marker.to_label());
        let created = match self
            .engine
            .create_container(&marker.new_name(), self.request.platform.as_ref(), &body)
            .await
        {
            Ok(created) => created,
            Err(EngineError::Refused {
                status: 409,
                message,
            }) if message.contains(&marker.new_name()) => {
                return Err(Failure::untouched(
                    Cause::Conflict,
                    Step::Lock,
                    format!(
                        "another upgrade of {} is under way, or was left unfinished: {message}",
                        marker.original.name
                    ),
                ));
            }
            Err(error @ (EngineError::Refused { .. } | EngineError::Unreachable { .. })) => {
                return Err(Failure::of_engine(Step::Create, &error));
            }
            Err(error) => return Err(self.undo_create(attempt, None, &error).await),
        };
        self.lock.extend(&created.id);
        match self.complete(&created.id, plan, new_image).await {
            Ok(()) => {}
            Err(error) => return Err(self.undo_create(attempt, Some(created.id), &error).await),
        }
        if let Err(cancelled) = self.running().check() {
            let setback = Setback::cancelled(Step::Create, cancelled);
            return Err(self.roll_back(attempt, Some(created.id), setback).await);
        }
        Ok(Replacement {
            id: created.id,
            warnings: created.warnings,
        })
    }

    async fn complete(&self, id: &str, plan: &Plan, new_image: &Value) -> Result<(), EngineError> {
        for (network, endpoint) in &plan.connect {
            self.engine.connect_network(network, id, endpoint).await?;
        }
        let created = observe(self.engine, id).await?;
        if created.image_id == plan::image_id(new_image) {
            return Ok(());
        }
        Err(EngineError::Refused {
            status: 409,
            message: format!("{} was moved to another image meanwhile", created.image),
        })
    }

    async fn undo_create(
        &self,
        attempt: &Attempt<'_>,
        replacement: Option<String>,
        error: &EngineError,
    ) -> Failure {
        let setback = Setback::of(Step::Create, error);
        let failure = self.roll_back(attempt, replacement, setback).await;
        match (failure.rollback, error) {
            (Rollback::NotNeeded, error) => Failure {
                cause: error.into(),
                ..failure
            },
            _ => failure,
        }
    }

    async fn roll_back(
        &self,
        attempt: &Attempt<'_>,
        replacement: Option<String>,
        setback: Setback,
    ) -> Failure {
        self.running().begin_rollback();
        attempt.roll_back(replacement, setback).await
    }

    /// Disarm, stop, park, rename, start, verify; returns the downtime.
    async fn replace(&self, marker: &Marker, replacement: &str) -> Result<Duration, Setback> {
        let original = &marker.original;
        if original.restart_policy.resurrects() {
            let disarmed = RestartPolicy::named("unless-stopped");
            let disarm = self.engine.update_restart_policy(&original.id, &disarmed);
            self.step(Step::Disarm, marker, disarm).await?;
        }
        let down_since = Instant::now();
        let runs = original.run_state != RunState::Stopped;
        if runs {
            let options = StopOptions {
                timeout: Some(marker.stop_timeout),
                ..self.request.stop.clone()
            };
            self.stop(marker, &options).await?;
        }
        let park = async { self.engine.rename(&original.id, &marker.old_name()).await };
        self.step(Step::Park, marker, park).await?;
        let rename = self.engine.rename(replacement, &original.name);
        self.step(Step::Rename, marker, rename).await?;
        if !runs {
            return Ok(Duration::ZERO);
        }
        self.step(Step::Start, marker, self.engine.start(replacement))
            .await?;
        let downtime = down_since.elapsed();
        self.verify(marker, replacement).await?;
        if original.run_state == RunState::Paused {
            self.step(Step::Verify, marker, self.engine.pause(replacement))
                .await?;
        }
        Ok(downtime)
    }

    /// Stops the original. Whoever cancels does not have to wait for that: the way back does.
    async fn stop(&self, marker: &Marker, options: &StopOptions) -> Result<(), Setback> {
        self.announce(Step::Stop, &marker.original.name);
        let stop = self.engine.stop(&marker.original.id, options);
        match self.interruptible(stop).await {
            Ok(stopped) => stopped.map_err(|error| Setback::of(Step::Stop, &error)),
            Err(cancelled) => Err(Setback::cancelled(Step::Stop, cancelled)),
        }
    }

    async fn verify(&self, marker: &Marker, replacement: &str) -> Result<(), Setback> {
        self.announce(Step::Verify, &marker.original.name);
        let verified = verify::verify(
            self.engine,
            replacement,
            marker.monitor(),
            marker.healthy_deadline(),
        );
        match self.interruptible(verified).await {
            Ok(verified) => verified.map_err(|fault| Setback::unverified(&fault)),
            Err(cancelled) => Err(Setback::cancelled(Step::Verify, cancelled)),
        }
    }

    /// Whether the verified replacement runs, and what clients have to reach it by, where that is
    /// not what it was.
    async fn look_again(
        &self,
        attempt: &Attempt<'_>,
        replacement: &str,
    ) -> Result<(bool, Vec<String>), Failure> {
        let original = attempt.original;
        let runs = RunState::of(original.status) != RunState::Stopped;
        match observe(self.engine, replacement).await {
            Ok(seen) if runs && !seen.status.is_active() => {
                let fault = Fault::Ended {
                    exit: seen.exit,
                    error: seen.error,
                };
                let replacement = Some(replacement.to_owned());
                let setback = Setback::unverified(&fault);
                Err(self.roll_back(attempt, replacement, setback).await)
            }
            Ok(seen) => Ok((
                seen.status == Status::Running,
                reach::changes(&original.document, &seen.document, &self.request.patch),
            )),
            Err(error) => Ok((
                RunState::of(original.status) == RunState::Running,
                vec![format!(
                    "the replacement's addresses and ports were not compared: {error}"
                )],
            )),
        }
    }

    /// Deletes the parked original; a lost answer is looked into, not guessed at.
    async fn commit(&self, attempt: &Attempt<'_>, replacement: &str) -> Result<(), Failure> {
        let replacement = Some(replacement.to_owned());
        if let Err(cancelled) = self.running().begin_commit() {
            let setback = Setback::cancelled(Step::Verify, cancelled);
            return Err(self.roll_back(attempt, replacement, setback).await);
        }
        self.announce(Step::Commit, &attempt.marker.original.name);
        let reconciler = attempt.reconciler(replacement, Verdict::Passed);
        let settled = reconciler.run().await;
        if let Ok(settled) = &settled
            && settled.rest == Rest::Committed
        {
            return Ok(());
        }
        let setback = Setback {
            step: Step::Commit,
            why: "the replacement was verified, and the original could not be deleted, or the \
                  replacement ended or was changed by somebody"
                .to_owned(),
            may_still_stop: false,
            is_cancelled: false,
        };
        Err(attempt.conclude(&setback, "", settled).await)
    }

    fn announce(&self, step: Step, name: &str) {
        self.running().enter(step, name);
        (self.progress)(Progress::Step {
            step,
            name: name.to_owned(),
        });
    }

    /// A step that is one call, which is let end: whether a call that is broken off happens is
    /// unknown.
    async fn step<F>(&self, step: Step, marker: &Marker, call: F) -> Result<(), Setback>
    where
        F: Future<Output = Result<(), EngineError>>,
    {
        self.announce(step, &marker.original.name);
        call.await.map_err(|error| Setback::of(step, &error))?;
        self.running()
            .check()
            .map_err(|cancelled| Setback::cancelled(step, cancelled))
    }
}

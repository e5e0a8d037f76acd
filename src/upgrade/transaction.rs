//! The forward story: one upgrade of one container, step by step.
//!
//! Everything that can fail slowly, or for the caller's fault, comes before the original is
//! touched. Whatever fails afterwards is a [`Setback`], from which [`Attempt::roll_back`] brings the
//! original back.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Progress,
    addresses::{Held, Swapped, Window},
    admission, answer, companions,
    decide::{Rest, Verdict},
    events::Events,
    helper::OwnContainer,
    identity::Identities,
    locks::Lock,
    look::networks,
    marker::{Marker, RunState, names},
    members::{self, Member},
    outcome::{Ending, Failure, Outcome, Request, Rollback, Step},
    own,
    planning::{self, Planned},
    running::{Cancelled, Running},
    setback::{Attempt, Setback},
    stand_in, verify,
};
use crate::{
    engine::{Container, Engine, EngineError, RestartPolicy, StopOptions},
    plan,
};

/// One upgrade under way.
pub(super) struct Transaction<'a> {
    pub engine: &'a dyn Engine,
    pub request: &'a Request,
    /// Is told what stands for the original from the commit on.
    pub identities: &'a Identities,
    /// Is to be of every name and ID that the container has meanwhile.
    pub lock: &'a Lock<'a>,
    /// Keeps other upgrades from its addresses between stop and start.
    pub window: Window<'a>,
    /// Told of each step, and of the pull's lines.
    pub progress: &'a (dyn Fn(Progress) + Send + Sync),
    /// Told of how it ends.
    pub events: &'a Events,
    /// What becomes of it where the container that this process runs in is a member.
    pub own_container: &'a OwnContainer,
    pub worker: Worker,
}

/// Which process carries a transaction out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worker {
    /// The one whose client waits for the answer.
    Refit,
    /// A helper: it tells how it ended at once, as a Refit is back that may be asked.
    Helper,
}

impl Transaction<'_> {
    /// Upgrades the container of this full ID.
    ///
    /// # Errors
    /// [`Failure`] says which step failed and what became of the original.
    pub async fn run(&self, id: &str) -> Result<Ending, Failure> {
        let before = admission::admit(self.engine, id).await?;
        // Before the pull: afterwards, the old image may be gone.
        let old_image = self.old_image(&before[0]).await?;
        let mut target = self.pull(&before[0], old_image.as_ref()).await?;
        // The pull may have taken long, and its owner may have changed the container meanwhile. From
        // here on, nobody does.
        self.isolate(&before)?;
        let mut originals = admission::admit_again(self.engine, &before).await?;
        self.isolate(&originals)?;
        let companions = originals.split_off(1);
        let original = originals.remove(0);
        self.announce(Step::Plan, &original.name);
        let plan = self
            .plan(&original, old_image.as_ref(), &mut target)
            .await?;
        let (reference, new_image) = (target.reference, target.image);
        if !self.request.is_due(&plan) {
            return Ok(if self.request.dry_run {
                Ending::Planned(answer::nothing_planned(&original, plan, &reference))
            } else {
                Ending::Upgraded(answer::unchanged(&original, plan, &reference))
            });
        }
        let mut stand_in = None;
        if stand_in::is_needed(&original) {
            stand_in = Some(planning::plan_again(self.engine, original.clone()).await?);
        }
        let mut planned = Vec::new();
        for companion in companions {
            planned.push(planning::plan_again(self.engine, companion).await?);
        }
        let leader = Planned {
            original,
            plan,
            image_id: plan::image_id(&new_image),
        };
        let transaction = &self.running().transaction;
        let members = members::members(transaction, self.request, leader, stand_in, planned);
        if self.request.dry_run {
            return Ok(Ending::Planned(answer::preview(members)));
        }
        let originals: Vec<&Container> = members.iter().map(|member| &member.original).collect();
        if let Some(own) = own::among(&originals) {
            return self.hand_over(&members, own).await;
        }
        let mut attempt = Attempt {
            engine: self.engine,
            identities: self.identities,
            members,
            events: self.events,
        };
        let created = match self.create(&mut attempt).await {
            Ok(created) => created,
            Err(failure) => {
                if failure.rollback == Rollback::Restored {
                    // An original of `--rm` that ended by itself was created again.
                    self.release(&attempt, &Err(failure.clone())).await;
                }
                return Err(failure);
            }
        };
        let swapped = self.swap(&mut attempt).await;
        self.release(&attempt, &swapped).await;
        let Swapped {
            running,
            downtime,
            moved,
            ..
        } = match swapped {
            Ok(swapped) => swapped,
            Err(failure) if self.worker == Worker::Helper => return Err(failure),
            Err(failure) => return Err(attempt.watch(failure).await),
        };
        let outcome = answer::upgraded(attempt.members, reference, running, downtime);
        Ok(Ending::Upgraded(Outcome {
            warnings: [outcome.warnings, created, moved].concat(),
            ..outcome
        }))
    }

    /// The steps from hold to commit, or back.
    async fn swap(&self, attempt: &mut Attempt<'_>) -> Result<Swapped, Failure> {
        match self.replace(attempt).await {
            Ok((downtime, held)) => {
                let (running, moved) = self.look_again(attempt, &held).await?;
                self.commit(attempt).await?;
                Ok(Swapped {
                    running,
                    downtime,
                    moved,
                    has_placeholders: held.made > 0 || attempt.is_out_of_order(),
                })
            }
            Err(setback) => Err(self.roll_back(attempt, setback).await),
        }
    }

    /// What others see of it.
    pub(super) fn running(&self) -> &Running {
        &self.lock.running
    }

    /// Keeps other clients from the members, and from the names that the steps give.
    ///
    /// # Errors
    /// [`Failure`] with [`Cause::Conflict`] if another transaction works on one of them.
    fn isolate(&self, originals: &[Container]) -> Result<(), Failure> {
        if self.request.dry_run {
            return Ok(());
        }
        for original in originals {
            self.lock.include(&original.id)?;
            let [new, old] = names(&original.name);
            for name in [&original.name, &new, &old] {
                self.lock.extend(name);
            }
        }
        let networks = originals
            .iter()
            .map(|original| networks(&original.document));
        self.running().isolate(networks.flatten().collect());
        Ok(())
    }

    /// Does what may be broken off anywhere.
    pub(super) async fn interruptible<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, Cancelled> {
        tokio::select! {
            biased;
            cancelled = self.running().cancelled() => Err(cancelled),
            done = work => Ok(done),
        }
    }

    pub(super) async fn roll_back(&self, attempt: &mut Attempt<'_>, setback: Setback) -> Failure {
        self.running().begin_rollback();
        if setback.step != Step::Create {
            // The original is started in any case.
            let _ = self.enter_again(attempt).await;
        }
        attempt.roll_back(setback).await
    }

    /// Hold, disarm, stop, park, rename, start, verify; returns the leader's downtime, and what was held.
    /// What depends on others is stopped before them, and started after them.
    async fn replace(&self, attempt: &Attempt<'_>) -> Result<(Duration, Held), Setback> {
        let held = self.hold(attempt).await?;
        self.refuse_newcomers(attempt).await?;
        let members = || attempt.members.iter().enumerate();
        for (at, Member { marker, .. }) in members() {
            let original = &marker.original;
            if original.restart_policy.resurrects() {
                let disarmed = RestartPolicy::named("unless-stopped");
                let disarm = self.engine.update_restart_policy(&original.id, &disarmed);
                self.step(Step::Disarm, at, marker, disarm).await?;
            }
        }
        self.give_notice(attempt.name()).await;
        let mut down_since = Instant::now();
        for (at, member) in members().rev() {
            down_since = Instant::now();
            self.give_name(at, member).await?;
        }
        let mut downtime = Duration::ZERO;
        for (at, member) in members().filter(|(_, member)| member.is_started()) {
            self.hold_before(attempt, at).await;
            let started = self.start(at, member).await;
            if at == 0 {
                downtime = down_since.elapsed();
            }
            match started {
                Err(setback) if at > 0 => return Err(attempt.blame_leader(setback).await),
                started => started?,
            }
        }
        self.window.leave();
        self.require_same_address(attempt).await?;
        self.verify(attempt).await?;
        for (at, member) in members() {
            let marker = &member.marker;
            if marker.original.run_state == RunState::Paused {
                let pause = self.engine.pause(member.replacement_id());
                self.step(Step::Verify, at, marker, pause).await?;
            }
        }
        Ok((downtime, held))
    }

    /// Stops the original, parks it, and gives its name to the replacement. One that is gone when it has
    /// stopped needs no parking: its stand-in is parked already.
    async fn give_name(&self, at: usize, member: &Member) -> Result<(), Setback> {
        let marker = &member.marker;
        let original = &marker.original;
        if member.is_started() {
            self.stop(at, member).await?;
        }
        if member.stand_in.is_none() {
            let park = async { self.engine.rename(&original.id, &marker.old_name()).await };
            self.step(Step::Park, at, marker, park).await?;
        }
        let rename = self.engine.rename(member.replacement_id(), &original.name);
        self.step(Step::Rename, at, marker, rename).await?;
        if member.stand_in.is_some() {
            // The engine does not know the original any more.
            self.identities.note(marker, member.replacement_id());
        }
        Ok(())
    }

    /// Whoever has joined the leader since it was planned is no member, and would be cut off.
    async fn refuse_newcomers(&self, attempt: &Attempt<'_>) -> Result<(), Setback> {
        let members = &attempt.members;
        let found = companions::find(self.engine, &members[0].original).await;
        let found = found.map_err(|error| Setback::of(Step::Hold, &error))?;
        let is_member = |found: &Container| {
            members
                .iter()
                .any(|member| found.id == member.original.id || found.id == member.replacement_id())
        };
        match found.iter().find(|found| !is_member(found)) {
            None => Ok(()),
            Some(newcomer) => Err(Setback::because(
                Step::Hold,
                format!("{} has joined it meanwhile", newcomer.name),
            )),
        }
    }

    async fn start(&self, at: usize, member: &Member) -> Result<(), Setback> {
        let start = self.engine.start(member.replacement_id());
        self.step(Step::Start, at, &member.marker, start).await
    }

    /// Stops the original. Whoever cancels does not have to wait for that: the way back does.
    async fn stop(&self, at: usize, member: &Member) -> Result<(), Setback> {
        let marker = &member.marker;
        self.announce(Step::Stop, &marker.original.name);
        let options = StopOptions {
            timeout: Some(marker.stop_timeout),
            // How the request says it is for the leader.
            signal: self.request.stop.signal.clone().filter(|_| at == 0),
        };
        let original = &marker.original.id;
        let stop = async {
            if member.stand_in.is_some() {
                stand_in::stop(self.engine, original, &options).await
            } else {
                self.engine.stop(original, &options).await
            }
        };
        match self.interruptible(stop).await {
            Ok(stopped) => stopped.map_err(|error| Setback::of(Step::Stop, &error).of_member(at)),
            Err(cancelled) => Err(Setback::cancelled(Step::Stop, cancelled)),
        }
    }

    async fn verify(&self, attempt: &Attempt<'_>) -> Result<(), Setback> {
        let started: Vec<_> = attempt
            .members
            .iter()
            .filter(|member| member.is_started())
            .filter_map(|member| Some((&member.marker, member.replacement.as_deref()?)))
            .collect();
        if started.is_empty() {
            return Ok(());
        }
        self.announce(Step::Verify, attempt.name());
        let verified = verify::verify_all(self.engine, started);
        match self.interruptible(verified).await {
            Ok(verified) => verified.map_err(|(marker, _, fault)| {
                let is_it = |member: &Member| member.marker.original.id == marker.original.id;
                let at = attempt.members.iter().position(is_it);
                Setback::unverified(&fault).of_member(at.unwrap_or(0))
            }),
            Err(cancelled) => Err(Setback::cancelled(Step::Verify, cancelled)),
        }
    }

    /// Deletes the parked originals; a lost answer is looked into, not guessed at.
    async fn commit(&self, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
        if let Err(cancelled) = self.running().begin_commit() {
            let setback = Setback::cancelled(Step::Verify, cancelled);
            return Err(self.roll_back(attempt, setback).await);
        }
        self.announce(Step::Commit, attempt.name());
        let reconciler = attempt.reconciler(Verdict::Passed);
        let settled = reconciler.run().await;
        if let Ok(settled) = &settled
            && settled.rest == Rest::Committed
        {
            attempt.tell(settled);
            return Ok(());
        }
        let why = "the replacement was verified, and the original could not be deleted, or the \
                   replacement ended or was changed by somebody";
        let setback = Setback::because(Step::Commit, why.to_owned());
        Err(attempt.conclude(&setback, "", settled).await)
    }

    pub(super) fn announce(&self, step: Step, name: &str) {
        self.running().enter(step, name);
        (self.progress)(Progress::Step {
            step,
            name: name.to_owned(),
        });
    }

    /// A step that is one call, which is let end: whether a call that is broken off happens is
    /// unknown.
    async fn step<F>(&self, step: Step, at: usize, marker: &Marker, call: F) -> Result<(), Setback>
    where
        F: Future<Output = Result<(), EngineError>>,
    {
        self.announce(step, &marker.original.name);
        call.await
            .map_err(|error| Setback::of(step, &error).of_member(at))?;
        self.running()
            .check()
            .map_err(|cancelled| Setback::cancelled(step, cancelled))
    }
}

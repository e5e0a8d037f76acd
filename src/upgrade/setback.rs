//! When a step fails: the way back, and what the caller is told.

use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use super::{
    decide::{Rest, Verdict},
    events::{Event, Events},
    fault::Fault,
    identity::Identities,
    look::{existing, observe, text},
    marker::RunState,
    members::Member,
    outcome::{Cause, Failure, Rollback, Step},
    reach,
    reconcile::{Reconciler, Settled, Stuck},
    running::Cancelled,
    verify, words,
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::Object,
};

/// How long the originals are watched that were started again.
const WATCH: Duration = Duration::from_secs(1);

/// Why a forward step did not succeed.
pub(super) struct Setback {
    pub step: Step,
    pub why: String,
    /// The place of the member that the step was of.
    pub member: usize,
    /// Whether the engine may still be stopping the original, and so end it later.
    pub may_still_stop: bool,
    /// Whether it was asked for.
    pub is_cancelled: bool,
    /// Whether something of the replacement's is to blame, of which its log may tell.
    pub has_last_words: bool,
}

impl Setback {
    pub fn of(step: Step, error: &EngineError) -> Self {
        // A stop that took too long is refused with 500, after its signals were sent.
        let was_refused = matches!(error, EngineError::Refused { status, .. } if *status < 500);
        Self {
            step,
            why: error.to_string(),
            member: 0,
            may_still_stop: step == Step::Stop && !was_refused,
            is_cancelled: false,
            has_last_words: true,
        }
    }

    /// It, of the member at this place.
    pub fn of_member(self, member: usize) -> Self {
        Self { member, ..self }
    }

    /// The step did not come to what it is for.
    pub fn because(step: Step, why: String) -> Self {
        Self {
            step,
            why,
            member: 0,
            may_still_stop: false,
            is_cancelled: false,
            has_last_words: false,
        }
    }

    /// What came of the step, as the end of a sentence.
    fn how(&self) -> String {
        if self.is_cancelled {
            return self.why.clone();
        }
        format!("failed: {}", self.why)
    }

    /// The replacement is not good.
    pub fn unverified(fault: &Fault) -> Self {
        Self {
            has_last_words: true,
            ..Self::because(Step::Verify, fault.to_string())
        }
    }

    /// Somebody asked for the original back when this step had begun.
    pub fn cancelled(step: Step, cancelled: Cancelled) -> Self {
        Self {
            step,
            why: cancelled.to_string(),
            member: 0,
            may_still_stop: step == Step::Stop,
            is_cancelled: true,
            has_last_words: false,
        }
    }
}

/// The members as they were seen before anything was touched, and what their markers say; the leader
/// comes first.
pub(super) struct Attempt<'a> {
    pub engine: &'a dyn Engine,
    pub identities: &'a Identities,
    pub members: Vec<Member>,
    /// Told of how it ends.
    pub events: &'a Events,
}

impl Attempt<'_> {
    /// Brings the originals back, and says what failed and what state things are in now.
    pub(super) async fn roll_back(&mut self, setback: Setback) -> Failure {
        let member = &self.members[setback.member];
        let (replacement, output) = (member.replacement.as_deref(), member.output.as_ref());
        let last_words = match (replacement, setback.step) {
            _ if !setback.has_last_words => String::new(),
            (Some(id), Step::Start) => words::of_failed_start(self.engine, id, output).await,
            (Some(id), Step::Verify) => words::last_words(self.engine, id, output).await,
            _ => String::new(),
        };
        let transaction = &self.members[0].marker.transaction;
        info!(transaction, name = self.name(), step = %setback.step, why = setback.why, "roll back");
        let mut reconciler = self.reconciler(Verdict::Failed);
        if setback.may_still_stop {
            reconciler.outlast_stop(reconciler.until_stopped(), Duration::MAX);
        }
        let settled = reconciler.run().await;
        self.conclude(&setback, &last_words, settled).await
    }

    /// The leader's name.
    pub(super) fn name(&self) -> &str {
        &self.members[0].original.name
    }

    /// Why a companion could not be started: where the leader has ended meanwhile, that is it.
    pub(super) async fn blame_leader(&self, setback: Setback) -> Setback {
        match verify::glance(self.engine, self.members[0].replacement_id()).await {
            Ok(()) => setback,
            Err(fault) => Setback::unverified(&fault),
        }
    }

    /// Says how an upgrade that did not succeed ended.
    pub(super) async fn conclude(
        &self,
        setback: &Setback,
        last_words: &str,
        settled: Result<Settled, Stuck>,
    ) -> Failure {
        let (name, marker) = (self.name(), &self.members[0].marker);
        // Disarm and what follows is done to the originals; create and hold are not.
        let began = !matches!(setback.step, Step::Create | Step::Hold);
        if let Ok(settled) = &settled
            && (began || settled.touched)
        {
            self.tell(settled);
        }
        let short_id = short(&marker.original.id);
        let (rollback, state) = match settled {
            Ok(settled) => match settled.rest {
                Rest::RolledBack if !began && !settled.touched => (
                    Rollback::NotNeeded,
                    format!("the original ({short_id}) was not touched"),
                ),
                Rest::RolledBack => (
                    Rollback::Restored,
                    self.restored(settled.leader.original.as_ref()).await,
                ),
                Rest::Committed => (
                    Rollback::Incomplete,
                    format!("the original ({short_id}) is gone, so the replacement was kept"),
                ),
                Rest::HandsOff(why) => (Rollback::Incomplete, why),
            },
            Err(stuck) if stuck.is_committed => (
                Rollback::Incomplete,
                format!(
                    "the upgrade is committed, but not all that it replaced could be deleted yet \
                     ({stuck}), and Refit goes on trying"
                ),
            ),
            Err(stuck) => (
                Rollback::Incomplete,
                format!(
                    "the upgrade could neither be finished nor taken back yet ({stuck}); the \
                     original ({short_id}) is named {name} or {}, and Refit goes on trying",
                    marker.old_name()
                ),
            ),
        };
        let of = match setback.member {
            0 => String::new(),
            at => format!(
                " of {}, which depends on it,",
                self.members[at].original.name
            ),
        };
        Failure {
            cause: Cause::Failed,
            step: setback.step,
            rollback,
            message: format!(
                "upgrade of {name}: {}{of} {}{last_words}\n{state}",
                setback.step,
                setback.how()
            ),
        }
    }

    /// Tells those who follow the events how it ended.
    pub(super) fn tell(&self, settled: &Settled) {
        let member = &self.members[0];
        if let Some(mut event) = Event::of(&member.marker, settled) {
            // The replacement was never seen, perhaps never made.
            if event.old_id.is_empty() {
                member.replacement_id().clone_into(&mut event.old_id);
            }
            if event.old_image.is_empty() {
                text(&member.plan.create, "/Image").clone_into(&mut event.old_image);
            }
            self.events.tell(event);
        }
    }

    /// What the originals are again; `leader` is what the leader's is.
    async fn restored(&self, leader: Option<&Container>) -> String {
        let mut states = Vec::new();
        for member in &self.members {
            let id = &member.original.id;
            let short_id = short(id);
            let revival = leader.filter(|leader| member.marker.is_leader() && leader.id != *id);
            if let Some(revival) = revival {
                let back = self.back_as(member, &revival.id, "").await;
                states.push(format!(
                    "the original ({short_id}) was started with --rm, so that it is gone: it was \
                     created again from its specification ({}), without what it had written \
                     outside its volumes, and is {back}",
                    short(&revival.id)
                ));
                continue;
            }
            let whose = if member.marker.is_leader() {
                "the original".to_owned()
            } else {
                format!("that of {}", member.original.name)
            };
            let back = self.back_as(member, id, " again").await;
            states.push(format!("{whose} ({short_id}) is {back}"));
        }
        states.join("; ")
    }

    /// As what the container that stands for an original is back, and what the engine chose anew when it
    /// started it.
    async fn back_as(&self, member: &Member, id: &str, again: &str) -> String {
        let back = match member.marker.original.run_state {
            RunState::Running => "running under its name",
            RunState::Paused => "paused under its name",
            RunState::Stopped => "under its name",
        };
        let changes = match observe(self.engine, id).await {
            // Of one that has ended already, the engine tells neither addresses nor ports.
            Ok(seen) if seen.status.is_active() => {
                reach::changes(&member.original.document, &seen.document, &Object::new())
            }
            _ => Vec::new(),
        };
        let changes = changes.iter().map(|change| format!("; {change}"));
        format!("{back}{again}{}", changes.collect::<String>())
    }

    /// Sees whether the originals that a rollback started again stay up for a moment. One that cannot
    /// read what its replacement has left in a volume does not, and the message tells how it ended. One
    /// that is gone, or has another name, is not back.
    pub(super) async fn watch(&self, mut failure: Failure) -> Failure {
        let ran = self.members.iter().filter(|member| member.ran());
        let ran: Vec<&Member> = ran.collect();
        if failure.rollback != Rollback::Restored || ran.is_empty() {
            return failure;
        }
        sleep(WATCH).await;
        for member in ran {
            let name = &member.original.name;
            // That of `--rm` is back under another ID.
            let id = match member.stand_in {
                Some(_) => name,
                None => &member.original.id,
            };
            let what = match existing(self.engine, id).await {
                Ok(None) => {
                    failure.rollback = Rollback::Incomplete;
                    Fault::Gone(None).to_string()
                }
                Ok(Some(seen)) if seen.name != *name => {
                    failure.rollback = Rollback::Incomplete;
                    format!("somebody has renamed it to {}", seen.name)
                }
                _ => match verify::glance_back(self.engine, id).await {
                    Ok(()) => continue,
                    Err(fault) => {
                        let last_words = words::last_words(self.engine, id, None).await;
                        format!("{fault}{last_words}")
                    }
                },
            };
            let whose = if member.marker.is_leader() {
                String::new()
            } else {
                format!("of {name}, ")
            };
            let told = format!("\n{whose}but a moment later {what}");
            failure.message.push_str(&told);
        }
        failure
    }

    pub(super) fn reconciler(&self, verdict: Verdict) -> Reconciler<'_> {
        let markers = self.members.iter().map(|member| member.marker.clone());
        let replacements = self.members.iter().map(|member| member.replacement.clone());
        Reconciler::new(
            self.engine,
            self.identities,
            markers.collect(),
            replacements.collect(),
            verdict,
        )
        .with_stand_in(
            (self.members[0].stand_in.as_ref()).and_then(|stand_in| stand_in.id.clone()),
            None,
        )
    }
}

/// The 12 digits that stand for an ID.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

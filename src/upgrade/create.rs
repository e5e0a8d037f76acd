//! The step create: the replacements, complete but for their names.

use super::{
    look::observe,
    members::Member,
    outcome::{Cause, Failure, Rollback, Step},
    setback::{Attempt, Setback},
    transaction::Transaction,
};
use crate::engine::EngineError;

impl Transaction<'_> {
    /// Creates the replacements, complete but for their names, and sees that each is of the image that
    /// was planned with; the engine's warnings.
    pub(super) async fn create(&self, attempt: &mut Attempt<'_>) -> Result<Vec<String>, Failure> {
        let mut warnings = Vec::new();
        for at in 0..attempt.members.len() {
            let member = &attempt.members[at];
            let marker = &member.marker;
            self.announce(Step::Create, &marker.original.name);
            let body = member.create_body(&attempt.members);
            let platform = self.request.platform.as_ref().filter(|_| at == 0);
            let created = self
                .engine
                .create_container(&marker.new_name(), platform, &body)
                .await;
            let created = match created {
                Ok(created) => created,
                Err(error) => return Err(self.not_created(attempt, at, &error).await),
            };
            warnings.extend(member.warnings(created.warnings));
            self.lock.extend(&created.id);
            attempt.members[at].replacement = Some(created.id);
            if let Err(error) = self.complete(&attempt.members[at]).await {
                return Err(self.undo_create(attempt, at, &error).await);
            }
            if let Err(cancelled) = self.running().check() {
                let setback = Setback::cancelled(Step::Create, cancelled);
                return Err(self.roll_back(attempt, setback).await);
            }
        }
        Ok(warnings)
    }

    async fn complete(&self, member: &Member) -> Result<(), EngineError> {
        let id = member.replacement_id();
        for (network, endpoint) in &member.plan.connect {
            self.engine.connect_network(network, id, endpoint).await?;
        }
        let created = observe(self.engine, id).await?;
        if created.image_id == member.image_id {
            return Ok(());
        }
        Err(EngineError::Refused {
            status: 409,
            message: format!("{} was moved to another image meanwhile", created.image),
        })
    }

    /// What the caller is told of a replacement that could not be created, or perhaps was.
    async fn not_created(
        &self,
        attempt: &mut Attempt<'_>,
        at: usize,
        error: &EngineError,
    ) -> Failure {
        let marker = &attempt.members[at].marker;
        match error {
            EngineError::Refused {
                status: 409,
                message,
            } if at == 0 && message.contains(&marker.new_name()) => Failure::untouched(
                Cause::Conflict,
                Step::Lock,
                format!(
                    "another upgrade of {} is under way, or was left unfinished: {message}",
                    marker.original.name
                ),
            ),
            EngineError::Refused { .. } | EngineError::Unreachable { .. } if at == 0 => {
                Failure::of_engine(Step::Create, error)
            }
            error => self.undo_create(attempt, at, error).await,
        }
    }

    async fn undo_create(
        &self,
        attempt: &mut Attempt<'_>,
        at: usize,
        error: &EngineError,
    ) -> Failure {
        let setback = Setback::of(Step::Create, error).of_member(at);
        let failure = self.roll_back(attempt, setback).await;
        match (failure.rollback, error) {
            (Rollback::NotNeeded, error) => Failure {
                cause: error.into(),
                ..failure
            },
            _ => failure,
        }
    }
}

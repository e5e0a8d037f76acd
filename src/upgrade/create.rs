//! The step create: the replacements, complete but for their names.

use serde_json::Value;
use tracing::warn;

use super::{
    look::observe,
    members::Member,
    outcome::{Cause, Failure, Rollback, Step},
    setback::{Attempt, Setback},
    transaction::Transaction,
};
use crate::{
    engine::{Created, EngineError, Platform},
    plan::Plan,
};

/// A container that is to be created.
struct Wanted<'a> {
    name: String,
    platform: Option<&'a Platform>,
    body: Value,
    plan: &'a Plan,
    /// The ID of the image that it is to be of.
    image_id: &'a str,
}

impl Transaction<'_> {
    /// Creates the replacements, complete but for their names, and sees that each is of the image that
    /// was planned with; the engine's warnings. What stands in for an original comes first: it bears
    /// the journal.
    pub(super) async fn create(&self, attempt: &mut Attempt<'_>) -> Result<Vec<String>, Failure> {
        self.create_stand_in(attempt).await?;
        let mut warnings = Vec::new();
        for at in 0..attempt.members.len() {
            let member = &attempt.members[at];
            let marker = &member.marker;
            self.announce(Step::Create, &marker.original.name);
            let wanted = Wanted {
                name: marker.new_name(),
                platform: self.request.platform.as_ref().filter(|_| at == 0),
                body: member.create_body(&attempt.members),
                plan: &member.plan,
                image_id: &member.image_id,
            };
            let created = match self.make(&wanted).await {
                Ok(created) => created,
                Err(error) => return Err(self.not_created(attempt, at, &error).await),
            };
            warnings.extend(member.warnings(created.warnings.clone()));
            let is_complete = self.complete(&wanted, &created).await;
            attempt.members[at].replacement = Some(created.id);
            if let Err(error) = is_complete {
                return Err(self.undo_create(attempt, at, &error).await);
            }
            self.attach(&mut attempt.members[at]).await;
            if let Err(cancelled) = self.running().check() {
                let setback = Setback::cancelled(Step::Create, cancelled);
                return Err(self.roll_back(attempt, setback).await);
            }
        }
        Ok(warnings)
    }

    async fn create_stand_in(&self, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
        let Member {
            stand_in: Some(stand_in),
            marker,
            ..
        } = &attempt.members[0]
        else {
            return Ok(());
        };
        self.announce(Step::Create, &marker.original.name);
        let wanted = Wanted {
            name: marker.old_name(),
            platform: None,
            body: stand_in.create_body(marker),
            plan: &stand_in.plan,
            image_id: &stand_in.image_id,
        };
        let created = match self.make(&wanted).await {
            Ok(created) => created,
            Err(error) => return Err(self.not_created(attempt, 0, &error).await),
        };
        let is_complete = self.complete(&wanted, &created).await;
        if let Some(stand_in) = &mut attempt.members[0].stand_in {
            stand_in.id = Some(created.id);
        }
        match is_complete {
            Ok(()) => Ok(()),
            Err(error) => Err(self.undo_create(attempt, 0, &error).await),
        }
    }

    async fn make(&self, wanted: &Wanted<'_>) -> Result<Created, EngineError> {
        let Wanted {
            name,
            platform,
            body,
            ..
        } = wanted;
        let created = self.engine.create_container(name, *platform, body).await?;
        self.lock.extend(&created.id);
        Ok(created)
    }

    async fn complete(&self, wanted: &Wanted<'_>, created: &Created) -> Result<(), EngineError> {
        for (network, endpoint) in &wanted.plan.connect {
            self.engine
                .connect_network(network, &created.id, endpoint)
                .await?;
        }
        let created = observe(self.engine, &created.id).await?;
        if created.image_id == wanted.image_id {
            return Ok(());
        }
        Err(EngineError::Refused {
            status: 409,
            message: format!("{} was moved to another image meanwhile", created.image),
        })
    }

    /// Reads along what a replacement prints whose log will be gone if it fails. Without that, the
    /// caller is told less.
    async fn attach(&self, member: &mut Member) {
        if member.stand_in.is_none() {
            return;
        }
        match self.engine.attach(member.replacement_id()).await {
            Ok(output) => member.output = Some(output),
            Err(error) => warn!(
                transaction = member.marker.transaction,
                name = member.original.name,
                %error,
                "what the replacement prints is not read"
            ),
        }
    }

    /// What the caller is told of a container that could not be created, or perhaps was.
    async fn not_created(
        &self,
        attempt: &mut Attempt<'_>,
        at: usize,
        error: &EngineError,
    ) -> Failure {
        let Member {
            marker, stand_in, ..
        } = &attempt.members[at];
        let names = [marker.new_name(), marker.old_name()];
        let is_first = at == 0
            && stand_in
                .as_ref()
                .is_none_or(|stand_in| stand_in.id.is_none());
        match error {
            EngineError::Refused {
                status: 409,
                message,
            } if is_first && names.iter().any(|name| message.contains(name)) => Failure::untouched(
                Cause::Conflict,
                Step::Lock,
                format!(
                    "another upgrade of {} is under way, or was left unfinished: {message}",
                    marker.original.name
                ),
            ),
            EngineError::Refused { .. } | EngineError::Unreachable { .. } if is_first => {
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

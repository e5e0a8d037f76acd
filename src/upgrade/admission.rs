//! Who may be upgraded: everything that Refit would have to refuse is refused here, before
//! anything is touched.

use super::{
    companions,
    identity::Identities,
    look::{existing, observe},
    marker::{self, Marker},
    outcome::{Cause, Failure, Step},
};
use crate::{
    engine::{Container, Engine, EngineError, Status},
    plan::MARKER_LABEL,
};

/// The container that `reference` names: a name, an ID, a unique prefix of one,
/// or the ID of an earlier generation. What the engine itself knows always wins.
///
/// # Errors
/// [`Failure`]: no such container.
pub(super) async fn resolve(
    engine: &dyn Engine,
    identities: &Identities,
    reference: &str,
) -> Result<Container, Failure> {
    let found = match existing(engine, reference).await {
        Ok(None) => identities.current(engine, reference).await,
        found => found,
    };
    found.map_err(failed)?.ok_or_else(|| {
        let message = format!("No such container: {reference}");
        Failure::untouched(Cause::NotFound, Step::Lock, message)
    })
}

/// The container of this ID and its companions, the container first, if they may be upgraded.
///
/// # Errors
/// [`Failure`] with [`Cause::Conflict`] and the reason, if they may not.
pub(super) async fn admit(engine: &dyn Engine, id: &str) -> Result<Vec<Container>, Failure> {
    let leader = observe(engine, id).await.map_err(failed)?;
    admit_member(engine, &leader).await?;
    let companions = companions::find(engine, &leader).await.map_err(failed)?;
    if let Some(companion) = companions.first()
        && leader.is_auto_removed()
    {
        return Err(conflict(format!(
            "{} was started with --rm, and {} depends on it, which could not be brought back with it",
            leader.name, companion.name
        )));
    }
    for companion in &companions {
        admit_member(engine, companion)
            .await
            .and_then(|()| can_follow(companion, &leader))
            .map_err(|failure| Failure {
                message: format!(
                    "{} depends on {}, and would be recreated with it: {failure}",
                    companion.name, leader.name
                ),
                ..failure
            })?;
    }
    Ok(std::iter::once(leader).chain(companions).collect())
}

/// As [`admit`], some time after it admitted `before`.
///
/// # Errors
/// [`Failure`] also where one of these is there and depends on the container no more.
pub(super) async fn admit_again(
    engine: &dyn Engine,
    before: &[Container],
) -> Result<Vec<Container>, Failure> {
    let members = admit(engine, &before[0].id).await?;
    for companion in before {
        let is_member = members.iter().any(|member| member.id == companion.id);
        if !is_member
            && existing(engine, &companion.id)
                .await
                .map_err(failed)?
                .is_some()
        {
            return Err(conflict(format!(
                "{} depended on {} a moment ago: try again",
                companion.name, before[0].name
            )));
        }
    }
    Ok(members)
}

/// The engine starts nothing that depends on a container that does not run, and deletes one of `--rm`
/// when it is stopped.
fn can_follow(companion: &Container, leader: &Container) -> Result<(), Failure> {
    if companion.is_auto_removed() {
        return Err(conflict(
            "it was started with --rm: the engine deletes it when it stops, so it could not be \
             brought back"
                .to_owned(),
        ));
    }
    if companion.status.is_active() && !leader.status.is_active() {
        return Err(conflict(format!(
            "it runs and {} does not, so it could not be started again",
            leader.name
        )));
    }
    Ok(())
}

async fn admit_member(engine: &dyn Engine, container: &Container) -> Result<(), Failure> {
    let name = &container.name;
    if let Some(service) = container.label("com.docker.swarm.service.name") {
        return Err(conflict(format!(
            "{name} is a task of a Swarm service, which would replace it: use docker service \
             update --image IMAGE {service}"
        )));
    }
    let is_over = matches!(
        container.status,
        Status::Exited | Status::Removing | Status::Dead
    );
    if container.is_auto_removed() && is_over {
        return Err(conflict(format!(
            "{name} was started with --rm and has ended: the engine is deleting it"
        )));
    }
    if marker::is_ours(name) {
        return Err(conflict(format!(
            "{name} belongs to an upgrade that was left unfinished"
        )));
    }
    match Marker::of(container) {
        Some(marker) => {
            let original = &marker.original.id;
            if existing(engine, original).await.map_err(failed)?.is_some() {
                return Err(conflict(format!(
                    "an earlier upgrade of {name} was left unfinished: its original {original} \
                     still exists"
                )));
            }
        }
        None if container.label(MARKER_LABEL).is_some() => {
            return Err(conflict(format!(
                "the label {MARKER_LABEL} of {name} cannot be read"
            )));
        }
        None => {}
    }
    // The names that the upgrade gives. One that is taken would be met after the stop.
    for taken in marker::names(name) {
        if existing(engine, &taken).await.map_err(failed)?.is_some() {
            return Err(conflict(format!(
                "a container {taken} exists: another upgrade of {name} is under way or was left \
                 unfinished, or somebody gave it that name"
            )));
        }
    }
    Ok(())
}

fn conflict(message: String) -> Failure {
    Failure::untouched(Cause::Conflict, Step::Lock, message)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn failed(error: EngineError) -> Failure {
    Failure::of_engine(Step::Lock, &error)
}

//! Who may be upgraded: everything that Refit would have to refuse is refused here, before
//! anything is touched.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tracing::warn;

use super::{
    look::{PARALLEL, existing, labelled, observe, text},
    marker::{self, Generation, Marker},
    outcome::{Cause, Failure, Step},
    own,
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::MARKER_LABEL,
};

/// The container that `reference` names: a name, an ID, a unique prefix of one,
/// or the ID of an earlier generation. What the engine itself knows always wins.
///
/// # Errors
/// [`Failure`]: no such container.
pub(super) async fn resolve(engine: &dyn Engine, reference: &str) -> Result<Container, Failure> {
    let failed = |error: EngineError| Failure::of_engine(Step::Lock, &error);
    match observe(engine, reference).await {
        Ok(container) => return Ok(container),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failed(error)),
    }
    let mut matching = Vec::new();
    for container in labelled(engine).await.map_err(failed)?.containers {
        let is_generation =
            |generation: &Generation| reference.len() >= 12 && generation.id.starts_with(reference);
        if Generation::before(&container).iter().any(is_generation) {
            matching.push(container);
        }
    }
    match matching.pop() {
        Some(container) if matching.is_empty() => Ok(container),
        _ => Err(Failure::untouched(
            Cause::NotFound,
            Step::Lock,
            format!("No such container: {reference}"),
        )),
    }
}

/// The container of this ID, if it may be upgraded.
///
/// # Errors
/// [`Failure`] with [`Cause::Conflict`] and the reason, if it may not.
pub(super) async fn admit(engine: &dyn Engine, id: &str) -> Result<Container, Failure> {
    let failed = |error: EngineError| Failure::of_engine(Step::Lock, &error);
    let container = observe(engine, id).await.map_err(failed)?;
    let conflict = |message: String| Err(Failure::untouched(Cause::Conflict, Step::Lock, message));
    let name = &container.name;
    if own::is_own(&container.id) {
        return conflict(format!(
            "Refit itself runs in {name}, and would stop with it"
        ));
    }
    if let Some(service) = container.label("com.docker.swarm.service.name") {
        return conflict(format!(
            "{name} is a task of a Swarm service, which would replace it: use docker service \
             update --image IMAGE {service}"
        ));
    }
    if container.document.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true)) {
        return conflict(format!(
            "{name} was started with --rm: the engine deletes it when it stops, so it could not \
             be brought back"
        ));
    }
    if marker::is_ours(name) {
        return conflict(format!(
            "{name} belongs to an upgrade that was left unfinished"
        ));
    }
    match Marker::of(&container) {
        Some(marker) => {
            let original = &marker.original.id;
            if existing(engine, original).await.map_err(failed)?.is_some() {
                return conflict(format!(
                    "an earlier upgrade of {name} was left unfinished: its original {original} \
                     still exists"
                ));
            }
        }
        None if container.label(MARKER_LABEL).is_some() => {
            return conflict(format!("the label {MARKER_LABEL} of {name} cannot be read"));
        }
        None => {}
    }
    // The names that the upgrade gives. One that is taken would be met after the stop.
    for taken in marker::names(name) {
        if existing(engine, &taken).await.map_err(failed)?.is_some() {
            return conflict(format!(
                "a container {taken} exists: another upgrade of {name} is under way or was left \
                 unfinished, or somebody gave it that name"
            ));
        }
    }
    let dependents = dependents(engine, &container).await.map_err(failed)?;
    if !dependents.is_empty() {
        return conflict(format!(
            "{} would be cut off: they join a namespace of {name} or link to it",
            dependents.join(", ")
        ));
    }
    Ok(container)
}

/// The names of the containers that join a namespace of `leader`, or link to it.
async fn dependents(engine: &dyn Engine, leader: &Container) -> Result<Vec<String>, EngineError> {
    stream::iter(engine.list_containers().await?)
        .map(async |summary| {
            let id = text(&summary, "/Id");
            if id == leader.id {
                return Ok(None);
            }
            let other = match engine.inspect_container(id).await {
                Ok(document) => document,
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error @ EngineError::Unreachable { .. }) => return Err(error),
                Err(error) => {
                    // A broken container must not block every upgrade; the summary has at least
                    // the network mode.
                    warn!(id, %error, "a container cannot be inspected");
                    summary
                }
            };
            let name = [text(&other, "/Name"), text(&other, "/Names/0")].concat();
            let name = name.trim_start_matches('/').to_owned();
            Ok(depends(&other, leader).then_some(name))
        })
        .buffer_unordered(PARALLEL)
        .try_filter_map(async |name| Ok(name))
        .try_collect()
        .await
}

fn depends(other: &Value, leader: &Container) -> bool {
    let modes = ["NetworkMode", "IpcMode", "PidMode"];
    let joins = modes.iter().any(|mode| {
        let mode = text(other, &format!("/HostConfig/{mode}"));
        mode.strip_prefix("container:")
            .is_some_and(|of| of == leader.id || of == leader.name)
    });
    let links = other
        .pointer("/HostConfig/Links")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let linked = links.filter_map(Value::as_str).any(|link| {
        link.split(':')
            .next()
            .is_some_and(|of| of.trim_start_matches('/') == leader.name)
    });
    joins || linked
}

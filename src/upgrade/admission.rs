//! Who may be upgraded: everything that Refit would have to refuse is refused here, before
//! anything is touched.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{
    marker::{self, Generation, Marker},
    outcome::{Cause, Failure, Step},
    own,
    verify::observe,
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::MARKER_LABEL,
};

/// How many containers are inspected at a time.
const PARALLEL: usize = 8;

/// The full ID of the container that `reference` names: a name, an ID, a unique prefix of one,
/// or the ID of an earlier generation. What the engine itself knows always wins.
///
/// # Errors
/// [`Failure`]: no such container.
pub(super) async fn resolve(engine: &dyn Engine, reference: &str) -> Result<String, Failure> {
    let failed = |error: EngineError| Failure::of_engine(Step::Lock, &error);
    match observe(engine, reference).await {
        Ok(container) => return Ok(container.id),
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(failed(error)),
    }
    let mut matching = Vec::new();
    for container in labelled(engine).await.map_err(failed)? {
        let is_generation =
            |generation: &Generation| reference.len() >= 12 && generation.id.starts_with(reference);
        if Generation::before(&container).iter().any(is_generation) {
            matching.push(container.id);
        }
    }
    match matching.as_slice() {
        [id] => Ok(id.clone()),
        _ => Err(Failure::untouched(
            Cause::NotFound,
            Step::Lock,
            format!("No such container: {reference}"),
        )),
    }
}

/// The containers that bear a marker.
pub(super) async fn labelled(engine: &dyn Engine) -> Result<Vec<Container>, EngineError> {
    let ids = engine.list_labelled(MARKER_LABEL).await?;
    inspect_all(engine, ids).await
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
    if let Some(marker) = Marker::of(&container)
        && observe(engine, &marker.original.id).await.is_ok()
    {
        return conflict(format!(
            "an earlier upgrade of {name} was left unfinished: its original {} still exists",
            marker.original.id
        ));
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
    let ids = engine.list_containers().await?;
    let ids = ids
        .iter()
        .filter_map(|container| container.get("Id")?.as_str())
        .filter(|id| *id != leader.id)
        .map(str::to_owned);
    let others = inspect_all(engine, ids.collect()).await?;
    Ok(others
        .iter()
        .filter(|other| depends(other, leader))
        .map(|o| o.name.clone())
        .collect())
}

fn depends(other: &Container, leader: &Container) -> bool {
    let host = |key: &str| {
        other
            .document
            .pointer("/HostConfig")
            .and_then(|host| host.get(key))
    };
    let joins = ["NetworkMode", "IpcMode", "PidMode"].iter().any(|mode| {
        let mode = host(mode).and_then(Value::as_str).unwrap_or_default();
        mode.strip_prefix("container:")
            .is_some_and(|of| of == leader.id || of == leader.name)
    });
    let links = host("Links")
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

/// Inspects containers, a few at a time; one that vanishes meanwhile is left out.
async fn inspect_all(engine: &dyn Engine, ids: Vec<String>) -> Result<Vec<Container>, EngineError> {
    stream::iter(ids)
        .map(async |id| match observe(engine, &id).await {
            Ok(container) => Ok(Some(container)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        })
        .buffer_unordered(PARALLEL)
        .try_filter_map(async |container| Ok(container))
        .try_collect()
        .await
}

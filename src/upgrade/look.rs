//! Looks at containers.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tracing::{debug, warn};

use super::marker;
use crate::{
    engine::{Container, Engine, EngineError},
    plan::MARKER_LABEL,
};

/// How many containers are inspected at a time.
pub(super) const PARALLEL: usize = 8;

/// The containers with a marker that the last look could not inspect. They are tried again every few
/// seconds, and warned of once.
static UNSEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// One look at a container.
pub(super) async fn observe(engine: &dyn Engine, id: &str) -> Result<Container, EngineError> {
    Container::from_document(engine.inspect_container(id).await?)
}

/// A container, or `None` where the engine has none of that reference.
pub(super) async fn existing(
    engine: &dyn Engine,
    reference: &str,
) -> Result<Option<Container>, EngineError> {
    match observe(engine, reference).await {
        Ok(container) => Ok(Some(container)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What bears a marker.
pub(super) struct Labelled {
    pub containers: Vec<Container>,
    /// Whether these are all: the engine did not show some, and may later.
    pub is_complete: bool,
}

/// The containers that bear a marker. One that vanishes meanwhile is left out, and so is one that
/// the engine cannot inspect: it must not keep the others from being looked after.
pub(super) async fn labelled(engine: &dyn Engine) -> Result<Labelled, EngineError> {
    let ids = engine.list_labelled(MARKER_LABEL).await?;
    let looks: Vec<_> = stream::iter(ids)
        .map(async |id| {
            let look = existing(engine, &id).await;
            (id, look)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let mut containers = Vec::new();
    let mut unseen = BTreeSet::new();
    for (id, look) in looks {
        match look {
            Ok(found) => containers.extend(found),
            Err(error @ EngineError::Unreachable { .. }) => return Err(error),
            Err(error) => {
                if is_unseen(&id) {
                    debug!(id, %error, "a container with a marker still cannot be inspected");
                } else {
                    warn!(id, %error, "a container with a marker cannot be inspected: it is tried again");
                }
                unseen.insert(id);
            }
        }
    }
    let is_complete = unseen.is_empty();
    *UNSEEN.lock().unwrap_or_else(PoisonError::into_inner) = unseen;
    Ok(Labelled {
        containers,
        is_complete,
    })
}

fn is_unseen(id: &str) -> bool {
    let unseen = UNSEEN.lock().unwrap_or_else(PoisonError::into_inner);
    unseen.contains(id)
}

/// The names of the parked originals that none of these markers tells of: their replacement was
/// removed by somebody, and with it the journal.
pub(super) async fn orphans(
    engine: &dyn Engine,
    labelled: &[Container],
) -> Result<Vec<String>, EngineError> {
    let told: Vec<String> = labelled
        .iter()
        .filter_map(marker::Marker::of)
        .map(|marker| marker.original.id)
        .collect();
    let summaries = engine.list_containers().await?;
    Ok(summaries
        .iter()
        .filter(|summary| !told.iter().any(|id| id == text(summary, "/Id")))
        .map(|summary| text(summary, "/Names/0"))
        .filter(|name| marker::is_parked(name))
        .map(|name| name.trim_start_matches('/').to_owned())
        .collect())
}

/// The networks that a container is attached to, by name and by ID.
pub(super) fn networks(document: &Value) -> Vec<String> {
    let endpoints = document.pointer("/NetworkSettings/Networks");
    let endpoints = endpoints.and_then(Value::as_object).into_iter().flatten();
    let both = |(name, endpoint): (&String, &Value)| {
        [name.clone(), text(endpoint, "/NetworkID").to_owned()]
    };
    endpoints
        .flat_map(both)
        .filter(|name| !name.is_empty())
        .collect()
}

/// A text in a document; empty where there is none.
pub(super) fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    let value = document.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default()
}

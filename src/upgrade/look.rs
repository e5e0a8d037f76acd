//! Looks at containers.

use futures_util::{StreamExt, stream};
use serde_json::Value;

use crate::engine::{Container, Engine, EngineError};

/// How many containers are inspected at a time.
pub(super) const PARALLEL: usize = 8;

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

/// What bears a label.
#[derive(Default)]
pub(super) struct Labelled {
    pub containers: Vec<Container>,
    /// The IDs of those that the engine did not show, and may later, with what it said.
    pub unseen: Vec<(String, EngineError)>,
}

/// The containers that bear a label. One that vanishes meanwhile is left out; one that the engine
/// cannot inspect must not keep the others from being looked after.
pub(super) async fn bearing(engine: &dyn Engine, label: &str) -> Result<Labelled, EngineError> {
    let ids = engine.list_labelled(label).await?;
    let looks: Vec<_> = stream::iter(ids)
        .map(async |id| {
            let look = existing(engine, &id).await;
            (id, look)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await;
    let mut labelled = Labelled::default();
    for (id, look) in looks {
        match look {
            Ok(found) => labelled.containers.extend(found),
            Err(error @ EngineError::Unreachable { .. }) => return Err(error),
            Err(error) => labelled.unseen.push((id, error)),
        }
    }
    Ok(labelled)
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

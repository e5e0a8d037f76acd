//! The stand-in of an original that the engine deletes when it stops (`--rm`).
//!
//! It is made of the original's own specification, but for `--rm`, before anything is touched, and is
//! never started. It takes the place of the parked original: it bears that name, holds the volumes, and
//! its absence means commit. It bears the journal, too, since a replacement of `--rm` that fails is gone
//! with its marker. On the way back the original is created again from it, under another ID.

use std::{pin::pin, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    look::{existing, observe},
    marker::{Marker, Role},
    planning::{self, Planned},
};
use crate::{
    engine::{Container, Engine, EngineError, StopOptions},
    plan::{self, MARKER_LABEL, Plan},
};

/// How long a container that has ended may take to be deleted.
const REMOVAL: Duration = Duration::from_secs(10);

/// How long lies between two tries to have the name of one that is being deleted.
const PACE: Duration = Duration::from_millis(100);

/// How long one may take to end and be deleted; its stop is bounded by itself.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The stand-in of a member.
pub(super) struct StandIn {
    /// What it is.
    pub plan: Plan,
    /// The ID of its image.
    pub image_id: String,
    /// Its ID, once it is known.
    pub id: Option<String>,
}

impl From<Planned> for StandIn {
    fn from(planned: Planned) -> Self {
        Self {
            plan: planned.plan,
            image_id: planned.image_id,
            id: None,
        }
    }
}

impl StandIn {
    /// The body that it is created with, in the transaction of this marker.
    pub fn create_body(&self, marker: &Marker) -> Value {
        body(&self.plan, false, &marker.with_role(Role::StandIn))
    }
}

fn body(plan: &Plan, auto_remove: bool, marker: &Marker) -> Value {
    let mut body = plan.create.clone();
    body["HostConfig"]["AutoRemove"] = json!(auto_remove);
    plan::set_label(&mut body, MARKER_LABEL, &marker.to_label());
    body
}

/// Whether an original needs a stand-in. One that was never started can be parked: nobody stops it.
pub(super) fn is_needed(original: &Container) -> bool {
    original.is_auto_removed() && original.status.is_active()
}

/// Stops a container, and waits until the engine has deleted it: its name and addresses are free only
/// then. That is asked for first, since afterwards nobody could tell.
pub(super) async fn stop(
    engine: &dyn Engine,
    container: &str,
    options: &StopOptions,
) -> Result<(), EngineError> {
    let mut removal = pin!(engine.wait_removed(container, LONGEST));
    let mut stop = pin!(engine.stop(container, options));
    let mut removed = None;
    let stopped = tokio::select! {
        biased;
        ended = &mut removal => {
            removed = Some(ended);
            stop.await
        }
        stopped = &mut stop => stopped,
    };
    match stopped {
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let removed = match removed {
        Some(removed) => removed,
        None => timeout(REMOVAL, removal).await.unwrap_or_else(|_| {
            let why = format!("it was stopped, and not deleted within {REMOVAL:?}");
            Err(EngineError::unknown(why))
        }),
    };
    // The stop itself may still be under way.
    removed.map_err(EngineError::unknown)
}

/// Sees that a container which has ended is gone, with the volumes that were made for it if `volumes`;
/// mostly, the engine is about to delete it.
pub(super) async fn remove(
    engine: &dyn Engine,
    container: &str,
    volumes: bool,
) -> Result<(), EngineError> {
    match engine.remove(container, volumes).await {
        Err(EngineError::Refused { status: 409, .. }) => {
            engine.wait_removed(container, REMOVAL).await
        }
        removed => removed,
    }
}

/// Creates the original of this marker again, which is planned so; its new ID.
pub(super) async fn revive(
    engine: &dyn Engine,
    marker: &Marker,
    plan: &Plan,
) -> Result<String, EngineError> {
    let body = body(plan, true, &marker.with_role(Role::Revival));
    let name = &marker.original.name;
    let deadline = Instant::now() + REMOVAL;
    loop {
        match engine.create_container(name, None, &body).await {
            // What the engine is still deleting has its name to the last, and is not to be seen.
            Err(EngineError::Refused { status: 409, .. })
                if Instant::now() < deadline && existing(engine, name).await?.is_none() =>
            {
                sleep(PACE).await;
            }
            created => return created.map(|created| created.id),
        }
    }
}

/// Starts what an original was created again as, on all networks of its plan.
pub(super) async fn start_revival(
    engine: &dyn Engine,
    plan: &Plan,
    revival: &str,
) -> Result<(), EngineError> {
    // The process that created it may have died before it was complete.
    for (network, endpoint) in &plan.connect {
        engine.connect_network(network, revival, endpoint).await?;
    }
    engine.start(revival).await
}

/// What an original was, to be created again, by its stand-in.
pub(super) async fn plan_again(engine: &dyn Engine, stand_in: &str) -> Result<Plan, EngineError> {
    let container = observe(engine, stand_in).await?;
    let planned = planning::plan_again(engine, container).await;
    // What was planned once can be planned again, unless the engine is in the way.
    planned
        .map(|planned| planned.plan)
        .map_err(EngineError::unknown)
}

//! From the request to a plan that can be carried out: what the engine would notice only at start is
//! looked for here, before the original is stopped.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    back::Earlier,
    clash::{Clash, clash},
    look::{observe, text},
    marker::RunState,
    outcome::{Cause, Failure, Request, Step},
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::{self, Plan},
};

/// The images of an upgrade.
pub(super) struct Images<'a> {
    /// The original's; `None` where it is gone.
    pub old: Option<&'a Value>,
    /// The replacement's.
    pub new: &'a Value,
    /// What the new one is called.
    pub reference: &'a str,
    /// What the container goes back to, if it does.
    pub earlier: Option<&'a Earlier>,
}

/// The plan of a container.
pub(super) struct Planned {
    pub original: Container,
    pub plan: Plan,
    pub image_id: String,
}

/// Plans.
///
/// # Errors
/// [`Failure`] at step plan, if the request does not fit, or the replacement could not start; nothing
/// was touched.
pub(super) async fn plan(
    engine: &dyn Engine,
    request: &Request,
    original: &Container,
    images: &Images<'_>,
) -> Result<Plan, Failure> {
    let mut others = engine.list_containers().await.map_err(refused)?;
    others.retain(|other| text(other, "/Id") != original.id);
    let renewed = if request.renew_volumes {
        own_anonymous_volumes(&original.document, &others)
    } else {
        Vec::new()
    };
    let inputs = plan::Inputs {
        api: engine.api_version().await.map_err(refused)?,
        container: &original.document,
        old_image: images.old,
        new_image: images.new,
        reference: images.reference,
        patch: &request.patch,
        renewed: &renewed,
    };
    let planned = match images.earlier {
        Some(earlier) => plan::go_back(&inputs, &earlier.specification),
        None => plan::compute(&inputs),
    };
    let plan = planned.map_err(|refusal| {
        let cause = match refusal {
            plan::Refusal::Patch(_) => Cause::BadRequest,
            plan::Refusal::Malformed(_) => Cause::Failed,
        };
        Failure::untouched(cause, Step::Plan, refusal.to_string())
    })?;
    let is_auto_removed = plan.create.pointer("/HostConfig/AutoRemove") == Some(&Value::Bool(true));
    if is_auto_removed && !original.is_auto_removed() {
        return Err(Failure::untouched(
            Cause::BadRequest,
            Step::Plan,
            "HostConfig.AutoRemove: the engine would delete a replacement that fails, and with it \
             what is needed to go back",
        ));
    }
    if let Some(earlier) = images.earlier {
        earlier.check(engine, &plan).await?;
    }
    for network in &plan.networks {
        engine.inspect_network(network).await.map_err(refused)?;
    }
    if request.is_due(&plan) && RunState::of(original.status) != RunState::Stopped {
        can_start(engine, &plan, &others).await?;
    }
    Ok(plan)
}

/// Plans to create a container again as it is.
///
/// # Errors
/// [`Failure`] if it could not be created again; nothing was touched.
pub(super) async fn plan_again(
    engine: &dyn Engine,
    container: Container,
) -> Result<Planned, Failure> {
    let image = match engine.inspect_image(&container.image_id).await {
        Ok(image) => image,
        Err(error) if error.is_not_found() => {
            let message = format!(
                "the image {} of {} is gone, so that it could not be created again",
                container.image, container.name
            );
            return Err(Failure::untouched(Cause::Conflict, Step::Plan, message));
        }
        Err(error) => return Err(refused(error)),
    };
    let image_id = plan::image_id(&image);
    let named = match engine.inspect_image(&container.image).await {
        Ok(named) => plan::image_id(&named),
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(refused(error)),
    };
    let is_named_so = named == image_id;
    let images = Images {
        old: Some(&image),
        new: &image,
        // The name may be another image's by now.
        reference: if is_named_so {
            &container.image
        } else {
            &image_id
        },
        earlier: None,
    };
    let mut plan = plan(engine, &Request::default(), &container, &images).await?;
    if !is_named_so {
        plan.warnings.push(format!(
            "{} names another image now, or none: the container is created again from {image_id}",
            container.image
        ));
    }
    Ok(Planned {
        original: container,
        plan,
        image_id,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in `map_err`")]
fn refused(error: EngineError) -> Failure {
    Failure::of_engine(Step::Plan, &error)
}

/// The anonymous volumes that no other container has, too (of `VolumesFrom`, or by their names).
fn own_anonymous_volumes(original: &Value, others: &[Value]) -> Vec<String> {
    let mounts = others
        .iter()
        .filter_map(|other| other.get("Mounts")?.as_array());
    let shared: HashSet<&str> = mounts.flatten().map(|mount| text(mount, "/Name")).collect();
    let mut own = plan::anonymous_volumes(original);
    own.retain(|volume| !shared.contains(volume.as_str()));
    own
}

/// Sees that the host ports are free, and that the containers are there whose namespaces are joined.
async fn can_start(engine: &dyn Engine, plan: &Plan, others: &[Value]) -> Result<(), Failure> {
    let host_config = &plan.create["HostConfig"];
    if let Some(Clash { port, holder }) = clash(host_config, &plan.asked, others) {
        let (cause, message) = match holder {
            Some(holder) => (
                Cause::Conflict,
                format!("port {port} of the host is published by {holder}"),
            ),
            None => (
                Cause::BadRequest,
                format!("HostConfig.PortBindings: port {port} of the host is asked for twice"),
            ),
        };
        return Err(Failure::untouched(cause, Step::Plan, message));
    }
    for mode in ["/NetworkMode", "/IpcMode", "/PidMode"] {
        if let Some(joined) = text(host_config, mode).strip_prefix("container:") {
            observe(engine, joined).await.map_err(refused)?;
        }
    }
    Ok(())
}

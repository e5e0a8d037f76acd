//! The members of a transaction: what becomes of each, and how far it is.

use serde_json::Value;

use super::{
    addresses::wanted,
    companions::{self, Replaced},
    marker::{DynamicAddress, Marker, RunState},
    outcome::{Cause, Failure, Request, Step},
    planning::{self, Images},
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::{self, MARKER_LABEL, Object, Plan},
};

/// One container of a transaction.
pub(super) struct Member {
    /// As it was seen before anything was touched.
    pub original: Container,
    /// What the replacement is.
    pub plan: Plan,
    /// The ID of the image that the replacement is to be of.
    pub image_id: String,
    /// What the replacement's marker says.
    pub marker: Marker,
    /// The dynamic addresses that the replacement is to have.
    pub addresses: Vec<DynamicAddress>,
    /// The replacement's ID, once it is known.
    pub replacement: Option<String>,
}

/// The plan of a companion.
pub(super) struct Planned {
    pub original: Container,
    pub plan: Plan,
    pub image_id: String,
}

/// Plans to create a companion again as it is.
///
/// # Errors
/// [`Failure`] if it could not be created again; nothing was touched.
pub(super) async fn plan_companion(
    engine: &dyn Engine,
    request: &Request,
    companion: Container,
) -> Result<Planned, Failure> {
    let failed = |error: EngineError| Failure::of_engine(Step::Plan, &error);
    let image = match engine.inspect_image(&companion.image_id).await {
        Ok(image) => image,
        Err(error) if error.is_not_found() => {
            let (name, image) = (&companion.name, &companion.image);
            let message = format!(
                "the image {image} of {name}, which depends on it, is gone: {name} could not be \
                 created again"
            );
            return Err(Failure::untouched(Cause::Conflict, Step::Plan, message));
        }
        Err(error) => return Err(failed(error)),
    };
    let image_id = plan::image_id(&image);
    let named = match engine.inspect_image(&companion.image).await {
        Ok(named) => plan::image_id(&named),
        Err(error) if error.is_not_found() => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let is_named_so = named == image_id;
    let images = Images {
        old: Some(&image),
        new: &image,
        // The name may be another image's by now.
        reference: if is_named_so {
            &companion.image
        } else {
            &image_id
        },
    };
    let unpatched = Request {
        patch: Object::new(),
        renew_volumes: false,
        force: false,
        ..request.clone()
    };
    let mut plan = planning::plan(engine, &unpatched, &companion, &images).await?;
    if !is_named_so {
        plan.warnings.push(format!(
            "{} names another image now, or none: the container is created again from {image_id}",
            companion.image
        ));
    }
    Ok(Planned {
        original: companion,
        plan,
        image_id,
    })
}

/// The members of a transaction: the leader, which `leader` plans, and its companions.
pub(super) fn members(
    transaction: &str,
    request: &Request,
    leader: Planned,
    companions: Vec<Planned>,
) -> Vec<Member> {
    let marker = Marker::new(transaction, &leader.original, request, &leader.plan);
    let wanted = wanted(&leader.original.document, &request.patch);
    let markers: Vec<Marker> = companions
        .iter()
        .map(|planned| marker.of_companion(&planned.original, request, &planned.plan))
        .collect();
    let marker = marker.with_companions(&markers);
    let markers = std::iter::once(marker).chain(markers);
    let planned = std::iter::once(leader).chain(companions);
    let member = |(planned, marker): (Planned, Marker)| Member {
        addresses: if marker.is_leader() {
            wanted.clone()
        } else {
            marker.original.addresses.clone()
        },
        original: planned.original,
        plan: planned.plan,
        image_id: planned.image_id,
        marker,
        replacement: None,
    };
    planned.zip(markers).map(member).collect()
}

impl Member {
    /// The body that the replacement is created with, once those of `others` that it depends on are
    /// replaced.
    pub fn create_body(&self, others: &[Self]) -> Value {
        let mut body = self.plan.create.clone();
        let replaced = others.iter().filter_map(|other| {
            Some(Replaced {
                id: &other.original.id,
                name: &other.original.name,
                by: other.replacement.as_deref()?,
            })
        });
        companions::repoint(&mut body, &replaced.collect::<Vec<_>>());
        plan::set_label(&mut body, MARKER_LABEL, &self.marker.to_label());
        body
    }

    /// The replacement's ID; empty before it is known.
    pub fn replacement_id(&self) -> &str {
        self.replacement.as_deref().unwrap_or_default()
    }

    /// Whether the replacement is started, because the original ran.
    pub fn is_started(&self) -> bool {
        self.marker.original.run_state != RunState::Stopped
    }

    /// What the caller should know of it: of a companion, beginning with its name.
    pub fn warnings(&self, warnings: impl IntoIterator<Item = String>) -> Vec<String> {
        let name = &self.original.name;
        let named = |warning| {
            if self.marker.is_leader() {
                warning
            } else {
                format!("{name}: {warning}")
            }
        };
        warnings.into_iter().map(named).collect()
    }
}

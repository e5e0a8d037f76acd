//! The members of a transaction: what becomes of each, and how far it is.

use serde_json::Value;

use super::{
    addresses::wanted,
    companions::{self, Replaced},
    marker::{DynamicAddress, Marker, Role, RunState},
    outcome::Request,
    planning::Planned,
    stand_in::StandIn,
};
use crate::{
    engine::{Container, Output, Status},
    plan::{self, MARKER_LABEL, Plan},
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
    /// What stands in for an original that the engine deletes when it stops.
    pub stand_in: Option<StandIn>,
    /// What the replacement prints, where its log is gone when it fails.
    pub output: Option<Output>,
}

/// The members of a transaction: the leader, which `leader` plans, with its stand-in, and its
/// companions.
pub(super) fn members(
    transaction: &str,
    request: &Request,
    leader: Planned,
    stand_in: Option<Planned>,
    companions: Vec<Planned>,
) -> Vec<Member> {
    let mut marker = Marker::new(transaction, &leader.original, request, &leader.plan);
    marker.role = stand_in.as_ref().map(|_| Role::Replacement);
    let mut stand_in = stand_in.map(StandIn::from);
    let wanted = wanted(&leader.original.document, &leader.plan.asked);
    let markers: Vec<Marker> = companions
        .iter()
        .map(|planned| marker.of_companion(&planned.original, request, &planned.plan))
        .collect();
    let marker = marker.with_companions(&markers);
    let markers = std::iter::once(marker).chain(markers);
    let planned = std::iter::once(leader).chain(companions);
    let member = |(planned, marker): (Planned, Marker)| Member {
        // Only the leader has one.
        stand_in: stand_in.take(),
        output: None,
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
    /// Whether the original's process ran. One that was between two restarts may do as it likes.
    pub fn ran(&self) -> bool {
        self.original.status.is_active() && self.original.status != Status::Restarting
    }

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

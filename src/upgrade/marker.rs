//! The marker: the label on the replacement that records the transaction.
//!
//! It is the whole journal. While the parked original exists, the upgrade is not committed.

mod generations;
mod making;
mod names;
mod specifications;

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::owner::Owner;
use crate::{
    engine::{Container, RestartPolicy, Status},
    plan::MARKER_LABEL,
};
pub use generations::{Generation, Lineage};
pub use names::{final_name, helper_name, is_ours, is_parked, names};
pub use specifications::Specifications;

/// The label of placeholders, whose value is the marker of their transaction, and of their image, whose
/// value is its ID.
pub const PLACEHOLDER_LABEL: &str = "io.refit.placeholder";

/// How long a stop that is to wait without end is granted.
const ENDLESS_STOP: Duration = Duration::from_secs(60 * 60);

/// The longest stop of a replacement that is taken back: the original is down meanwhile.
const LONGEST_STOP: Duration = Duration::from_secs(5 * 60);

/// What the label says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Marker {
    /// The ID of the transaction.
    pub transaction: String,
    /// The ID of the container that the caller named.
    pub leader: String,
    /// When the transaction must have ended, in seconds since 1970: later, nobody counts as working on
    /// it who cannot be seen.
    pub deadline: u64,
    /// The process that works on it. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The container that this one replaces.
    pub original: Original,
    /// What this container is in a transaction that has a stand-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// How long the engine lets the original take to stop, in seconds; without end if negative.
    #[serde(default)]
    pub stop_timeout: i32,
    /// How long the replacement must run, in ns.
    pub monitor: u64,
    /// How long it may take to become healthy, in ns.
    pub healthy_deadline: u64,
    /// The container ports (`80/tcp`) whose host port the engine chose once, and an upgrade pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<String>,
    /// The restart policy that the replacement is created with: where it has another, a rollback
    /// has begun, and disarmed it. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// When the original was replaced, in seconds since 1970: when it was decided, shortly before.
    /// Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<u64>,
    /// The containers that bore the name before the original, the latest first.
    #[serde(default)]
    pub generations: Vec<Generation>,
    /// What the original was made of, and then the generations. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Specifications::is_empty")]
    pub specifications: Specifications,
    /// The IDs of those before, the latest first. They stay valid, though nobody asks any more which
    /// image they had. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<String>,
    /// On the leader's replacement, the further members: those that depend on others come after
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
}

/// What a container is in the transaction of an original that the engine deletes when it stops
/// (`--rm`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It is never started: it keeps the original's specification and volumes, and the journal.
    StandIn,
    /// It is to take the original's place.
    Replacement,
    /// It is the original, which a rollback created again from its stand-in.
    Revival,
}

/// A container that depends on the leader, as it was before anything was touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Companion {
    /// What its own replacement's marker says of it, too.
    #[serde(flatten)]
    pub original: Original,
    /// As [`Marker::stop_timeout`].
    pub stop_timeout: i32,
    /// As [`Marker::healthy_deadline`].
    pub healthy_deadline: u64,
}

/// The original as it was before anything was touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Original {
    /// Its full ID.
    pub id: String,
    /// Its name, which the replacement is to have.
    pub name: String,
    /// The reference of its image.
    pub image: String,
    /// The ID of its image.
    pub image_id: String,
    /// What it did.
    pub run_state: RunState,
    /// Its restart policy, which rollback gives back.
    pub restart_policy: RestartPolicy,
    /// Its dynamic addresses. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<DynamicAddress>,
}

/// An address that the engine chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DynamicAddress {
    /// The ID of its network.
    pub network: String,
    /// The address.
    pub ip: IpAddr,
}

/// What a container does, as far as an upgrade keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunState {
    /// It runs, or is being restarted by its policy.
    Running,
    /// It is paused.
    Paused,
    /// It does not run.
    Stopped,
}

impl RunState {
    /// The run state that goes with a status.
    #[must_use]
    pub fn of(status: Status) -> Self {
        match status {
            Status::Running | Status::Restarting => Self::Running,
            Status::Paused => Self::Paused,
            Status::Created | Status::Exited | Status::Removing | Status::Dead => Self::Stopped,
        }
    }
}

impl Marker {
    /// As far as a leader's marker tells of them, the markers of all members; its own comes first.
    #[must_use]
    pub fn members(&self) -> Vec<Self> {
        let companions = self.companions.iter().map(|companion| Self {
            original: companion.original.clone(),
            stop_timeout: companion.stop_timeout,
            healthy_deadline: companion.healthy_deadline,
            // Nothing of it is patched.
            restart_policy: Some(companion.original.restart_policy.clone()),
            pinned: Vec::new(),
            generations: Vec::new(),
            specifications: Specifications::default(),
            older: Vec::new(),
            role: None,
            companions: Vec::new(),
            ..self.clone()
        });
        std::iter::once(self.clone()).chain(companions).collect()
    }

    /// It, on a container that is another one in the same transaction.
    #[must_use]
    pub fn with_role(&self, role: Role) -> Self {
        Self {
            role: Some(role),
            ..self.clone()
        }
    }

    /// Whether the container that bears it is this one in the same transaction as `self`.
    #[must_use]
    pub fn is_with(&self, role: Role, container: &Container) -> bool {
        Self::of(container)
            .is_some_and(|other| other.transaction == self.transaction && other.role == Some(role))
    }

    /// Whether it is that of the container that the caller named.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader == self.original.id
    }

    /// The marker on a container, if it bears one that can be read.
    #[must_use]
    pub fn of(container: &Container) -> Option<Self> {
        Self::under(MARKER_LABEL, container)
    }

    /// The marker that a container bears as this label, if it can be read.
    #[must_use]
    pub fn under(label: &str, container: &Container) -> Option<Self> {
        serde_json::from_str(container.label(label)?).ok()
    }

    /// Whether its deadline is over.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        now().as_secs() >= self.deadline
    }

    /// The label's value.
    #[must_use]
    pub fn to_label(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The value of the label of placeholders: without what only a replacement is asked for, which may
    /// be long.
    #[must_use]
    pub fn to_placeholder_label(&self) -> String {
        let short = Self {
            generations: Vec::new(),
            specifications: Specifications::default(),
            older: Vec::new(),
            companions: Vec::new(),
            ..self.clone()
        };
        short.to_label()
    }

    /// How long a stop that somebody lost sight of may still be under way in the engine, which
    /// goes on with it when its client is gone.
    #[must_use]
    pub fn stop_horizon(&self) -> Duration {
        self.longest_stop() + Duration::from_secs(2)
    }

    /// How long the original may take to stop; an hour, where that is to be waited for without end.
    pub(super) fn longest_stop(&self) -> Duration {
        u64::try_from(self.stop_timeout).map_or(ENDLESS_STOP, Duration::from_secs)
    }

    /// How long a replacement may take to stop when it is taken back, in seconds: as long as the
    /// original, but not without end, since the original is down meanwhile.
    #[must_use]
    pub fn bounded_stop_timeout(&self) -> i32 {
        let longest = i32::try_from(LONGEST_STOP.as_secs()).unwrap_or(i32::MAX);
        match self.stop_timeout {
            ..0 => longest,
            seconds => seconds.min(longest),
        }
    }

    /// [`Marker::monitor`] as a duration.
    #[must_use]
    pub fn monitor(&self) -> Duration {
        Duration::from_nanos(self.monitor)
    }

    /// [`Marker::healthy_deadline`] as a duration.
    #[must_use]
    pub fn healthy_deadline(&self) -> Duration {
        Duration::from_nanos(self.healthy_deadline)
    }
}

/// Since 1970.
fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

#[cfg(test)]
mod tests;

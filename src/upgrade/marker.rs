//! The marker: the label on the replacement that records the transaction.
//!
//! It is the whole journal. While the parked original exists, the upgrade is not committed.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    addresses::dynamic,
    outcome::{Incarnation, Request},
    owner::Owner,
};
use crate::{
    engine::{Container, RestartPolicy, Status},
    plan::{MARKER_LABEL, Plan},
};

/// The label of placeholders, whose value is the marker of their transaction, and of their image, whose
/// value is its ID.
pub const PLACEHOLDER_LABEL: &str = "io.refit.placeholder";

/// The suffix of the replacement's name until it is given the original's.
const NEW: &str = ".refit-new";

/// The suffix of the parked original's name.
const OLD: &str = ".refit-old";

/// What comes between the original's name and the number in a placeholder's name.
const HOLD: &str = ".refit-hold-";

/// How long a lost stop is waited for at most: recovery comes before listening.
const LONGEST_STOP: Duration = Duration::from_secs(5 * 60);

/// How long a stop that is to wait without end is granted.
const ENDLESS_STOP: Duration = Duration::from_secs(60 * 60);

/// How long the steps between create and commit may take, beyond what the request grants to stop
/// and to verification.
const MARGIN: Duration = Duration::from_secs(30 * 60);

/// How many earlier generations a marker remembers, with their images.
const GENERATIONS: usize = 10;

/// Of how many further ones it remembers the ID: they make a label of 70 KB.
const OLDER: usize = 1000;

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
    /// The containers that bore the name before the original, the latest first.
    #[serde(default)]
    pub generations: Vec<Generation>,
    /// The IDs of those before, the latest first. They stay valid, though nobody asks any more which
    /// image they had. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub older: Vec<String>,
    /// On the leader's replacement, the further members: those that depend on others come after
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<Companion>,
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

/// An earlier container of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Generation {
    /// Its full ID.
    pub id: String,
    /// The reference of its image.
    pub image: String,
    /// The ID of its image.
    pub image_id: String,
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
    /// The marker of a transaction that is about to carry out `plan` on `original`, its leader.
    #[must_use]
    pub fn new(transaction: &str, original: &Container, request: &Request, plan: &Plan) -> Self {
        let (generations, older) = lineage(original);
        let healthy_deadline = request.healthy_deadline.unwrap_or(plan.healthy_deadline);
        let leader = Self {
            transaction: transaction.to_owned(),
            leader: original.id.clone(),
            deadline: (now() + request.monitor + MARGIN).as_secs(),
            owner: Owner::this_process(),
            original: Original::of(original),
            stop_timeout: request.stop.timeout.unwrap_or(stop_timeout(original)),
            monitor: nanoseconds(request.monitor),
            healthy_deadline: nanoseconds(healthy_deadline),
            pinned: pinned(original, plan),
            restart_policy: restart_policy(plan),
            generations,
            older,
            companions: Vec::new(),
        };
        leader.allowing(leader.slow())
    }

    /// The marker of a companion of this leader, whose replacement is as `plan` says.
    #[must_use]
    pub fn of_companion(&self, original: &Container, request: &Request, plan: &Plan) -> Self {
        let (generations, older) = lineage(original);
        let healthy_deadline = request.healthy_deadline.unwrap_or(plan.healthy_deadline);
        Self {
            original: Original::of(original),
            stop_timeout: stop_timeout(original),
            healthy_deadline: nanoseconds(healthy_deadline),
            pinned: pinned(original, plan),
            restart_policy: restart_policy(plan),
            generations,
            older,
            companions: Vec::new(),
            ..self.clone()
        }
    }

    /// This leader's, which tells of these companions' markers, too.
    #[must_use]
    pub fn with_companions(&self, companions: &[Self]) -> Self {
        let slow = companions.iter().map(Self::slow).sum();
        let companion = |marker: &Self| Companion {
            original: marker.original.clone(),
            stop_timeout: marker.stop_timeout,
            healthy_deadline: marker.healthy_deadline,
        };
        Self {
            companions: companions.iter().map(companion).collect(),
            ..self.allowing(slow)
        }
    }

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
            older: Vec::new(),
            companions: Vec::new(),
            ..self.clone()
        });
        std::iter::once(self.clone()).chain(companions).collect()
    }

    /// Whether it is that of the container that the caller named.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader == self.original.id
    }

    /// How long its original's stop and its replacement's health may take.
    fn slow(&self) -> Duration {
        let stop = u64::try_from(self.stop_timeout).map_or(ENDLESS_STOP, Duration::from_secs);
        stop + self.healthy_deadline()
    }

    /// With a later deadline.
    fn allowing(&self, further: Duration) -> Self {
        Self {
            deadline: self.deadline + further.as_secs(),
            ..self.clone()
        }
    }

    /// The generations before the container that bears it, and the IDs of those before them.
    fn into_lineage(self) -> (Vec<Generation>, Vec<String>) {
        let Original {
            id,
            image,
            image_id,
            ..
        } = self.original;
        let mut generations = vec![Generation {
            id,
            image,
            image_id,
        }];
        generations.extend(self.generations);
        let forgotten = generations.split_off(generations.len().min(GENERATIONS));
        let forgotten = forgotten.into_iter().map(|generation| generation.id);
        (
            generations,
            forgotten.chain(self.older).take(OLDER).collect(),
        )
    }

    /// The IDs that the container which bears it had before, the latest first.
    pub fn earlier(&self) -> impl Iterator<Item = &str> {
        let generations = self.generations.iter().map(|generation| &generation.id);
        std::iter::once(&self.original.id)
            .chain(generations)
            .chain(&self.older)
            .map(String::as_str)
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
            older: Vec::new(),
            companions: Vec::new(),
            ..self.clone()
        };
        short.to_label()
    }

    /// The name of the replacement until it is given the original's. The engine refuses a second
    /// container of this name: it is the lock between processes.
    #[must_use]
    pub fn new_name(&self) -> String {
        let [new, _] = names(&self.original.name);
        new
    }

    /// The name of the parked original.
    #[must_use]
    pub fn old_name(&self) -> String {
        let [_, old] = names(&self.original.name);
        old
    }

    /// The name of a placeholder.
    #[must_use]
    pub fn hold_name(&self, number: usize) -> String {
        format!("{}{HOLD}{number}", self.original.name)
    }

    /// Whether a name is that of one of its placeholders.
    #[must_use]
    pub fn is_hold_name(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.original.name);
        number.is_some_and(|number| number.starts_with(HOLD))
    }

    /// How long a stop that somebody lost sight of may still be under way in the engine, which
    /// goes on with it when its client is gone.
    #[must_use]
    pub fn stop_horizon(&self) -> Duration {
        let timeout = u64::try_from(self.stop_timeout).map_or(LONGEST_STOP, Duration::from_secs);
        timeout.min(LONGEST_STOP) + Duration::from_secs(2)
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

impl Original {
    fn of(container: &Container) -> Self {
        Self {
            id: container.id.clone(),
            name: container.name.clone(),
            image: container.image.clone(),
            image_id: container.image_id.clone(),
            run_state: RunState::of(container.status),
            restart_policy: container.restart_policy.clone(),
            addresses: dynamic(&container.document),
        }
    }
}

impl Generation {
    /// The generations before a container, the latest first.
    #[must_use]
    pub fn before(container: &Container) -> Vec<Self> {
        let (generations, _) = lineage(container);
        generations
    }

    /// It, as the caller is told of a container.
    pub(super) fn into_incarnation(self) -> Incarnation {
        Incarnation {
            id: self.id,
            image: self.image,
            image_id: self.image_id,
        }
    }
}

/// The names of the replacement and of the original of an upgrade of the container `name`, while
/// they do not bear it.
#[must_use]
pub fn names(name: &str) -> [String; 2] {
    [format!("{name}{NEW}"), format!("{name}{OLD}")]
}

/// The name that a container is to have in the end which has this name now.
#[must_use]
pub fn final_name(name: &str) -> &str {
    let stripped = name.strip_suffix(OLD).or_else(|| name.strip_suffix(NEW));
    stripped.unwrap_or(name)
}

/// Whether a name is one that only a transaction gives.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.ends_with(NEW) || is_parked(name) || name.contains(HOLD)
}

/// Whether a name is that of a parked original.
#[must_use]
pub fn is_parked(name: &str) -> bool {
    name.ends_with(OLD)
}

/// How long the engine lets a container take to stop where it is not told, in seconds: as the
/// container says, else the engine's own 10 s.
fn stop_timeout(original: &Container) -> i32 {
    let own = original
        .document
        .pointer("/Config/StopTimeout")
        .and_then(Value::as_i64)
        .and_then(|seconds| i32::try_from(seconds).ok());
    own.unwrap_or(10)
}

/// The generations before a container that is replaced now, and the IDs of those before them.
fn lineage(original: &Container) -> (Vec<Generation>, Vec<String>) {
    let marker = Marker::of(original);
    marker.map(Marker::into_lineage).unwrap_or_default()
}

/// The container ports that this plan or an earlier upgrade pinned.
fn pinned(original: &Container, plan: &Plan) -> Vec<String> {
    let earlier = Marker::of(original).map_or_else(Vec::new, |marker| marker.pinned);
    [&earlier[..], &plan.pinned].concat()
}

/// The restart policy that the replacement is created with.
fn restart_policy(plan: &Plan) -> Option<RestartPolicy> {
    let policy = plan.create.pointer("/HostConfig/RestartPolicy")?;
    RestartPolicy::deserialize(policy).ok()
}

/// Since 1970.
fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Marker {
    /// The marker of a replacement of `original`.
    pub(super) fn after(original: &Container) -> Self {
        let request = Request {
            patch: crate::plan::Object::new(),
            pull: super::Pull::Never,
            platform: None,
            renew_volumes: false,
            stop: crate::engine::StopOptions::default(),
            force: false,
            dry_run: false,
            registry_auth: None,
            monitor: Request::DEFAULT_MONITOR,
            healthy_deadline: None,
            require_same_address: false,
        };
        let plan = Plan {
            create: Value::Null,
            connect: Vec::new(),
            networks: Vec::new(),
            pinned: Vec::new(),
            healthy_deadline: Duration::ZERO,
            changed: true,
            diff: Vec::new(),
            warnings: Vec::new(),
            unmet: Vec::new(),
        };
        Self::new("one", original, &request, &plan)
    }
}

#[cfg(test)]
mod tests;

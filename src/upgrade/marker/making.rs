//! How a marker comes about: from the original, the request and the plan.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::{Companion, Lineage, Marker, Original, RunState, Specifications, now};
use crate::{
    engine::{Container, RestartPolicy},
    plan::Plan,
    upgrade::{addresses::dynamic, outcome::Request, owner::Owner},
};

/// How long the steps between create and commit may take, beyond what the request grants to stop
/// and to verification.
const MARGIN: Duration = Duration::from_secs(30 * 60);

impl Marker {
    /// The marker of a transaction that is about to carry out `plan` on `original`, its leader.
    #[must_use]
    pub fn new(transaction: &str, original: &Container, request: &Request, plan: &Plan) -> Self {
        let lineage = Lineage::of(original);
        let healthy_deadline = request.healthy_deadline.unwrap_or(plan.healthy_deadline);
        let leader = Self {
            transaction: transaction.to_owned(),
            leader: original.id.clone(),
            deadline: (now() + request.monitor + MARGIN).as_secs(),
            owner: Owner::this_process(),
            original: Original::of(original),
            role: None,
            stop_timeout: request.stop.timeout.unwrap_or(stop_timeout(original)),
            monitor: nanoseconds(request.monitor),
            healthy_deadline: nanoseconds(healthy_deadline),
            pinned: pinned(original, plan),
            restart_policy: restart_policy(plan),
            replaced_at: Some(now().as_secs()),
            specifications: Specifications::pack(&lineage.specifications_with(original)),
            generations: lineage.generations,
            older: lineage.older,
            companions: Vec::new(),
        };
        leader.allowing(leader.slow())
    }

    /// The marker of a companion of this leader, whose replacement is as `plan` says.
    #[must_use]
    pub fn of_companion(&self, original: &Container, request: &Request, plan: &Plan) -> Self {
        Self {
            leader: self.leader.clone(),
            deadline: self.deadline,
            // What the request says of the stop is for the leader.
            stop_timeout: stop_timeout(original),
            ..Self::new(&self.transaction, original, request, plan)
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

    /// How long its original's stop and its replacement's health may take.
    fn slow(&self) -> Duration {
        self.longest_stop() + self.healthy_deadline()
    }

    /// With a later deadline.
    fn allowing(&self, further: Duration) -> Self {
        Self {
            deadline: self.deadline + further.as_secs(),
            ..self.clone()
        }
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

/// The container ports that this plan or an earlier upgrade pinned.
fn pinned(original: &Container, plan: &Plan) -> Vec<String> {
    let earlier = Marker::of(original).map_or_else(Vec::new, |marker| marker.pinned);
    let mut pinned = [&earlier[..], &plan.pinned].concat();
    // Going back may pin one again.
    pinned.sort_unstable();
    pinned.dedup();
    pinned
}

/// The restart policy that the replacement is created with.
fn restart_policy(plan: &Plan) -> Option<RestartPolicy> {
    let policy = plan.create.pointer("/HostConfig/RestartPolicy")?;
    RestartPolicy::deserialize(policy).ok()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Marker {
    /// The marker of a replacement of `original`.
    pub(in crate::upgrade) fn after(original: &Container) -> Self {
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
            asked: crate::plan::Object::new(),
        };
        Self::new("one", original, &Request::default(), &plan)
    }
}

//! What the caller is told of an upgrade that did not fail. Pure.

use std::time::Duration;

use super::{
    marker::RunState,
    members::Member,
    outcome::{Incarnation, Outcome, Preview, Recreated, Step},
};
use crate::{engine::Container, plan::Plan};

/// The warnings of a plan that is carried out.
fn warnings(plan: &Plan) -> Vec<String> {
    let pinned = plan.pinned.iter().map(|port| {
        format!("port {port} keeps the host port that the engine chose, and is pinned to it now")
    });
    let pinned: Vec<String> = pinned.collect();
    [&plan.warnings[..], &plan.unmet, &pinned].concat()
}

/// A container as it is.
fn incarnation(container: &Container) -> Incarnation {
    Incarnation {
        id: container.id.clone(),
        image: container.image.clone(),
        image_id: container.image_id.clone(),
    }
}

/// What the steps from create on would do, to the leader first.
pub(super) fn preview(members: Vec<Member>) -> Preview {
    let is_started = members.iter().any(Member::is_started);
    let resurrects = |member: &Member| member.original.restart_policy.resurrects();
    let holds = |member: &Member| !member.addresses.is_empty();
    let steps = [
        (Step::Create, true),
        (Step::Hold, members.iter().any(holds)),
        (Step::Disarm, members.iter().any(resurrects)),
        (Step::Stop, is_started),
        (Step::Park, members.iter().any(|m| m.stand_in.is_none())),
        (Step::Rename, true),
        (Step::Start, is_started),
        (Step::Verify, is_started),
        (Step::Commit, true),
    ];
    let taken = steps.iter().filter(|(_, is_taken)| *is_taken);
    let names = members.iter().map(|member| member.original.name.clone());
    let companions = names.skip(1).collect();
    let (leader, warnings) = leader(members);
    let plan = leader.plan;
    Preview {
        changed: plan.changed,
        create: plan.whole_create(),
        diff: plan.diff,
        steps: taken.map(|(step, _)| *step).collect(),
        companions,
        warnings,
    }
}

/// The leader, and the warnings of all members' plans.
fn leader(mut members: Vec<Member>) -> (Member, Vec<String>) {
    let warnings = members
        .iter()
        .flat_map(|member| member.warnings(warnings(&member.plan)));
    let warnings = warnings.collect();
    (members.swap_remove(0), warnings)
}

/// What a dry run shows where nothing is to do.
pub(super) fn nothing_planned(original: &Container, plan: Plan, reference: &str) -> Preview {
    let other = other_reference(original, reference);
    Preview {
        changed: plan.changed,
        create: plan.whole_create(),
        diff: Vec::new(),
        steps: Vec::new(),
        companions: Vec::new(),
        warnings: [plan.unmet, other].concat(),
    }
}

/// The answer of an upgrade that was committed. `reference` is what the new image is called, and
/// `running` whether the leader runs.
pub(super) fn upgraded(
    members: Vec<Member>,
    reference: String,
    running: bool,
    downtime: Duration,
) -> Outcome {
    let recreated = |member: &Member| Recreated {
        id: member.replacement.clone().unwrap_or_default(),
        name: member.original.name.clone(),
        previous: member.original.id.clone(),
    };
    let companions = members.iter().skip(1).map(recreated).collect();
    let (leader, warnings) = leader(members);
    Outcome {
        current: Incarnation {
            id: leader.replacement.unwrap_or_default(),
            image: reference,
            image_id: leader.image_id,
        },
        previous: incarnation(&leader.original),
        name: leader.original.name,
        changed: true,
        running,
        downtime,
        companions,
        warnings,
    }
}

/// Of a container that is left as it is, the image keeps the name that it was created by.
fn other_reference(original: &Container, reference: &str) -> Vec<String> {
    let is = &original.image;
    let warning = || {
        format!(
            "{reference} is the image that it runs already, by the name {is}, which stays (force \
             changes it)"
        )
    };
    (is != reference).then(warning).into_iter().collect()
}

/// The answer where nothing was to do.
pub(super) fn unchanged(original: &Container, plan: Plan, reference: &str) -> Outcome {
    Outcome {
        current: incarnation(original),
        previous: incarnation(original),
        name: original.name.clone(),
        changed: false,
        running: RunState::of(original.status) == RunState::Running,
        downtime: Duration::ZERO,
        companions: Vec::new(),
        warnings: [plan.unmet, other_reference(original, reference)].concat(),
    }
}

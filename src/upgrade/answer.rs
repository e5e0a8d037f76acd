//! What the caller is told of an upgrade that did not fail. Pure.

use std::time::Duration;

use super::{
    marker::RunState,
    outcome::{Incarnation, Outcome, Preview, Step},
};
use crate::{engine::Container, plan::Plan};

/// The warnings of a plan that is carried out.
pub(super) fn warnings(plan: Plan) -> Vec<String> {
    let pinned = plan.pinned.iter().map(|port| {
        format!("port {port} keeps the host port that the engine chose, and is pinned to it now")
    });
    let pinned = pinned.collect();
    [plan.warnings, plan.unmet, pinned].concat()
}

/// A container as it is.
pub(super) fn incarnation(container: &Container) -> Incarnation {
    Incarnation {
        id: container.id.clone(),
        image: container.image.clone(),
        image_id: container.image_id.clone(),
    }
}

/// What the steps from create on would do; nothing, where it `is_due` to none.
pub(super) fn preview(original: &Container, plan: Plan, reference: &str, is_due: bool) -> Preview {
    let runs = RunState::of(original.status) != RunState::Stopped;
    let steps = [
        (Step::Create, true),
        (Step::Disarm, original.restart_policy.resurrects()),
        (Step::Stop, runs),
        (Step::Park, true),
        (Step::Rename, true),
        (Step::Start, runs),
        (Step::Verify, runs),
        (Step::Commit, true),
    ];
    let taken = steps.iter().filter(|(_, is_taken)| is_due && *is_taken);
    let (changed, create) = (plan.changed, plan.whole_create());
    let (diff, warnings) = if is_due {
        (plan.diff.clone(), warnings(plan))
    } else {
        let other = other_reference(original, reference);
        (Vec::new(), [plan.unmet, other].concat())
    };
    Preview {
        changed,
        create,
        diff,
        steps: taken.map(|(step, _)| *step).collect(),
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
        warnings: [plan.unmet, other_reference(original, reference)].concat(),
    }
}

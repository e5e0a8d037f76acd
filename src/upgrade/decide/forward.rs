//! The way to the commit.

use super::{Member, Next, Repair, Rest, Sight, Verdict, is_half_removed, was_disarmed};
use crate::{
    engine::Status,
    upgrade::marker::{Marker, RunState},
};

/// The way to the commit, where every member can go it.
pub(super) fn forward_all(members: &[Member<'_>], verdict: Verdict) -> Option<Next> {
    let steps: Vec<(&Member<'_>, Step)> = members
        .iter()
        .map(|member| Some((member, member.forward(verdict)?)))
        .collect::<Option<_>>()?;
    let is_pending = steps.iter().any(|(_, step)| *step == Step::Verify);
    if is_pending {
        return Some(Next::Verify);
    }
    let mut steps = steps.iter();
    let unpaused = steps.find(|(_, step)| *step == Step::Pause);
    Some(match unpaused {
        Some((member, _)) => member.repair(Repair::PauseReplacement),
        None => members.first()?.repair(Repair::Commit),
    })
}

/// What a member's replacement lacks on the way to the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Verify,
    Pause,
    Nothing,
}

impl Member<'_> {
    /// `None`: it cannot go that way.
    fn forward(&self, verdict: Verdict) -> Option<Step> {
        let replacement = self.replacement?;
        let marker = self.marker;
        // Of a companion, a prune may have taken the parked original.
        let is_parked = self.original.map_or(!marker.is_leader(), |original| {
            original.name == marker.old_name() && !original.status.is_active()
        });
        if replacement.name != marker.original.name || !is_parked {
            return None;
        }
        forward(marker, replacement, verdict)
    }
}

/// The leader is committed: so are the others.
pub(super) fn commit_rest(companions: &[Member<'_>]) -> Next {
    let mut left = Vec::new();
    for companion in companions {
        let Some(original) = companion.original else {
            continue;
        };
        let marker = companion.marker;
        let is_parked = original.name == marker.old_name() && !original.status.is_active();
        let stands = companion.replacement.is_some_and(|replacement| {
            replacement.name == marker.original.name && !is_half_removed(replacement)
        });
        if is_parked && stands {
            return companion.repair(Repair::Commit);
        }
        left.push(format!(
            "the upgrade is committed, and somebody changed {} or its replacement meanwhile: the \
             original stands as {}",
            marker.original.name, original.name
        ));
    }
    Next::Rest(if left.is_empty() {
        Rest::Committed
    } else {
        Rest::HandsOff(left.join("; "))
    })
}

/// What a replacement lacks on the way to the commit that has the name while the original is parked.
fn forward(marker: &Marker, replacement: &Sight, verdict: Verdict) -> Option<Step> {
    let stopped = marker.original.run_state == RunState::Stopped;
    match (verdict, replacement.status) {
        (Verdict::Failed, _) => None,
        // It may well run, but it would be committed without its restart policy.
        (Verdict::Pending, _) if was_disarmed(marker, replacement) => None,
        _ if is_half_removed(replacement) => None,
        // Nothing is to be verified. One that runs all the same was started by its owner since.
        _ if stopped => Some(Step::Nothing),
        (Verdict::Pending, Status::Running | Status::Paused) => Some(Step::Verify),
        (Verdict::Passed, Status::Running) if marker.original.run_state == RunState::Paused => {
            Some(Step::Pause)
        }
        // One that is paused where the original ran was paused by its owner. One that is being
        // restarted has crashed since it was verified.
        (Verdict::Passed, Status::Running | Status::Paused) => Some(Step::Nothing),
        _ => None,
    }
}

//! Rollback and recovery are one pure function: what stands there → the next repair.
//!
//! [`decide`] is called until it rests: observe, do one repair, observe again. It acts only on
//! names that our own steps give. The replacement is disarmed before it is stopped, stopped
//! before any rename, and removed last: its marker is the only journal.

use super::marker::{Marker, RunState};
use crate::engine::{Container, RestartPolicy, Status};

/// What is known of the replacement's verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nobody has looked yet.
    Pending,
    /// It runs as it should.
    Passed,
    /// It failed, or the transaction did before it could be verified.
    Failed,
}

/// What was seen; `None`: the engine has no such container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The original, by ID.
    pub original: Option<Sight>,
    /// The replacement, by its marker.
    pub replacement: Option<Sight>,
    /// What is known of the replacement's verification.
    pub verdict: Verdict,
}

/// What is looked at of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// Its restart policy.
    pub restart_policy: RestartPolicy,
}

impl From<&Container> for Sight {
    fn from(container: &Container) -> Self {
        Self {
            name: container.name.clone(),
            status: container.status,
            restart_policy: container.restart_policy.clone(),
        }
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Verify the replacement, and decide again with the verdict.
    Verify,
    /// Do this one thing, and observe again.
    Repair(Repair),
    /// Nothing is left to do.
    Rest(Rest),
}

/// One thing done to one container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repair {
    /// Set the replacement's restart policy to `no`.
    DisarmReplacement,
    /// Stop the replacement.
    StopReplacement,
    /// Take the original's name from the replacement.
    UnnameReplacement,
    /// Give the parked original its name.
    Unpark,
    /// Give the original its restart policy.
    Rearm,
    /// Start the original.
    StartOriginal,
    /// Pause the original.
    PauseOriginal,
    /// Remove the replacement, with the volumes that were made for it.
    RemoveReplacement,
    /// Pause the replacement.
    PauseReplacement,
    /// Delete the parked original: the commit.
    Commit,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// The replacement has the name, in the run state that the original had.
    Committed,
    /// The original has its name, its restart policy and its run state; no replacement is left.
    RolledBack,
    /// Somebody else changed things: Refit keeps its hands off. The text says what stands there.
    HandsOff(String),
}

/// Decides the next repair. `observed` is what stands there now, `marker` what should.
#[must_use]
pub fn decide(marker: &Marker, observed: &Observed) -> Next {
    match (&observed.original, &observed.replacement) {
        (None, None) => Next::Rest(Rest::HandsOff(format!(
            "neither the original {} nor its replacement exists any more",
            marker.original.id
        ))),
        (None, Some(replacement)) => without_original(marker, replacement),
        (Some(original), None) => back(marker, original, None, observed.verdict),
        (Some(original), Some(replacement)) => {
            let stands = replacement.name == marker.original.name
                && original.name == marker.old_name()
                && !original.status.is_active();
            match forward(marker, replacement, observed.verdict) {
                Some(next) if stands => next,
                _ => back(marker, original, Some(replacement), observed.verdict),
            }
        }
    }
}

/// The way to the commit, for a replacement that has the name while the original is parked.
fn forward(marker: &Marker, replacement: &Sight, verdict: Verdict) -> Option<Next> {
    let stopped = marker.original.run_state == RunState::Stopped;
    match (verdict, replacement.status) {
        (Verdict::Failed, _) => None,
        // It may well run, but it would be committed without its restart policy.
        (Verdict::Pending, _) if was_disarmed(marker, replacement) => None,
        _ if is_half_removed(replacement) => None,
        // Nothing is to be verified. One that runs all the same was started by its owner since.
        _ if stopped => Some(Next::Repair(Repair::Commit)),
        (Verdict::Pending, Status::Running | Status::Paused) => Some(Next::Verify),
        (Verdict::Passed, Status::Running) if marker.original.run_state == RunState::Paused => {
            Some(Next::Repair(Repair::PauseReplacement))
        }
        // One that is paused where the original ran was paused by its owner. One that is being
        // restarted has crashed since it was verified.
        (Verdict::Passed, Status::Running | Status::Paused) => Some(Next::Repair(Repair::Commit)),
        _ => None,
    }
}

/// Whether a rollback had begun when the process that worked on it died.
fn was_disarmed(marker: &Marker, replacement: &Sight) -> bool {
    let given = marker.restart_policy.as_ref();
    given.is_some_and(|policy| !policy.is_no()) && replacement.restart_policy.is_no()
}

/// The original is gone: committed, or removed by somebody. A replacement that has run was
/// committed, perhaps long ago: whatever it does since, and is called, is its owner's affair. One
/// that never ran is no reason to think so, and somebody may have removed the container for good.
fn without_original(marker: &Marker, replacement: &Sight) -> Next {
    let never_ran =
        replacement.status == Status::Created && marker.original.run_state != RunState::Stopped;
    if replacement.name == marker.new_name() || never_ran {
        return Next::Rest(Rest::HandsOff(format!(
            "the original {} was removed by somebody; its replacement stands as {}",
            marker.original.id, replacement.name
        )));
    }
    Next::Rest(Rest::Committed)
}

/// What somebody else did that the way back cannot undo. It is looked at before the first repair:
/// a replacement that was stopped before the hands came off would leave nothing running, unless the
/// original can still be started ([`may_start`]).
fn hands_off(marker: &Marker, original: &Sight, replacement: Option<&Sight>) -> Option<String> {
    let Marker { original: was, .. } = marker;
    if ![&was.name, &marker.old_name()].contains(&&original.name) {
        return Some(format!("the original was renamed to {}", original.name));
    }
    if let Some(replacement) = replacement
        && ![&was.name, &marker.new_name()].contains(&&replacement.name)
    {
        return Some(format!(
            "the replacement was renamed to {}",
            replacement.name
        ));
    }
    let is_as_it_was = original.name == was.name
        && original.restart_policy == was.restart_policy
        && was.run_state == RunState::Stopped;
    (is_half_removed(original) && !is_as_it_was)
        .then(|| format!("the original {} is half removed and cannot start", was.id))
}

/// Whether the engine began to remove it: it neither updates nor starts such a container.
fn is_half_removed(sight: &Sight) -> bool {
    matches!(sight.status, Status::Removing | Status::Dead)
}

/// Whether the original may be started again although the hands come off: whoever decides has
/// failed with the replacement, and has disarmed it, or it is down for good. Without that, nothing
/// would run. Later, nobody can tell a stop of ours from its owner's.
fn may_start(
    marker: &Marker,
    original: &Sight,
    replacement: Option<&Sight>,
    verdict: Verdict,
) -> bool {
    let is_down = |replacement: &Sight| !replacement.status.is_active() && stays_down(replacement);
    let is_done_with = replacement
        .is_none_or(|replacement| was_disarmed(marker, replacement) || is_down(replacement));
    verdict == Verdict::Failed && is_done_with && !is_half_removed(original)
}

/// Whether no restart of the daemon starts it: one that was never started stays down, whatever its
/// policy, and so does one that is half removed, which the engine would refuse to update.
fn stays_down(sight: &Sight) -> bool {
    sight.status == Status::Created || is_half_removed(sight) || sight.restart_policy.is_no()
}

/// The way back. Each repair is skipped where what it does is done already.
fn back(marker: &Marker, original: &Sight, replacement: Option<&Sight>, verdict: Verdict) -> Next {
    let hands_off = hands_off(marker, original, replacement);
    if let Some(why) = &hands_off
        && !may_start(marker, original, replacement, verdict)
    {
        return Next::Rest(Rest::HandsOff(why.clone()));
    }
    if let Some(replacement) = replacement {
        if !stays_down(replacement) {
            return Next::Repair(Repair::DisarmReplacement);
        }
        if replacement.status.is_active() {
            return Next::Repair(Repair::StopReplacement);
        }
        if replacement.name == marker.original.name && hands_off.is_none() {
            return Next::Repair(Repair::UnnameReplacement);
        }
    }
    if original.name == marker.old_name() {
        return Next::Repair(Repair::Unpark);
    }
    if original.restart_policy != marker.original.restart_policy {
        return Next::Repair(Repair::Rearm);
    }
    match (marker.original.run_state, RunState::of(original.status)) {
        (RunState::Running | RunState::Paused, RunState::Stopped) => {
            return Next::Repair(Repair::StartOriginal);
        }
        (RunState::Paused, RunState::Running) => return Next::Repair(Repair::PauseOriginal),
        _ => {}
    }
    match (hands_off, replacement) {
        (Some(why), _) => Next::Rest(Rest::HandsOff(why)),
        (None, Some(_)) => Next::Repair(Repair::RemoveReplacement),
        (None, None) => Next::Rest(Rest::RolledBack),
    }
}

#[cfg(test)]
mod tests;

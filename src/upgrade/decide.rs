//! Rollback and recovery are one pure function: what stands there → the next repair.
//!
//! [`decide`] is called until it rests: observe, do one repair, observe again. It acts only on
//! names that our own steps give. A replacement is disarmed before it is stopped, stopped before any
//! rename, and removed last, the leader's at the very end: its marker is the only journal.
//!
//! All members go the same way. The leader's original is deleted first: its absence means commit.
//!
//! An original of `--rm` is gone when it has stopped. Its stand-in counts as the parked original then:
//! its absence means commit, and on the way back the original is created again from it.

mod back;
mod forward;

use back::back;
use forward::{commit_rest, forward_all};

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

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The members' containers, in the order of their markers.
    pub members: Vec<Pair>,
    /// What is known of the replacements' verification.
    pub verdict: Verdict,
    /// Whether the leader was started again, and the engine has deleted it since (`--rm`).
    pub ended_again: bool,
}

/// The containers of one member; `None`: the engine has no such container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The original, by ID; or, by its marker, what it was created again as.
    pub original: Option<Sight>,
    /// The replacement, by its marker.
    pub replacement: Option<Sight>,
    /// The stand-in of an original of `--rm`, by its marker.
    pub stand_in: Option<Sight>,
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
    /// Verify the replacements, and decide again with the verdict.
    Verify,
    /// Do this one thing to a container of the member of this number, and observe again.
    Repair(usize, Repair),
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
    /// Remove the original, which has ended, as the engine is about to (`--rm`).
    RemoveOriginal,
    /// Create the original again from its stand-in.
    Revive,
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
    /// Delete the parked original, or what stands in for it: the commit.
    Commit,
    /// Remove the stand-in of an original that is back.
    RemoveStandIn,
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

/// A member: what should be, and what stands there.
#[derive(Clone, Copy)]
struct Member<'a> {
    /// Its place among the members.
    at: usize,
    marker: &'a Marker,
    /// The original, or what stands in for it.
    original: Option<&'a Sight>,
    replacement: Option<&'a Sight>,
    stand_in: StandInState,
}

/// How a member's stand-in stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StandInState {
    /// There is none.
    Nobody,
    /// The original is there.
    Waits,
    /// The original is gone.
    Stands,
    /// The original was started again, and is gone.
    HasFailed,
}

impl<'a> Member<'a> {
    fn new(at: usize, marker: &'a Marker, pair: &'a Pair, ended_again: bool) -> Self {
        let stand_in = match (&pair.stand_in, &pair.original) {
            (None, _) => StandInState::Nobody,
            (Some(_), Some(_)) => StandInState::Waits,
            (Some(_), None) if ended_again => StandInState::HasFailed,
            (Some(_), None) => StandInState::Stands,
        };
        Self {
            at,
            marker,
            original: pair.original.as_ref().or(pair.stand_in.as_ref()),
            replacement: pair.replacement.as_ref(),
            stand_in,
        }
    }

    fn repair(&self, repair: Repair) -> Next {
        Next::Repair(self.at, repair)
    }

    /// Whether its original has ended, and the engine is about to delete it. What was created again
    /// and not started yet is not.
    fn is_going(&self) -> bool {
        let has_ended =
            |original: &Sight| !original.status.is_active() && original.status != Status::Created;
        self.stand_in == StandInState::Waits && self.original.is_some_and(has_ended)
    }
}

/// Decides the next repair. `observed` is what stands there now, the members' `markers` what should:
/// the leader's comes first, and those that depend on others come after them.
#[must_use]
pub fn decide(markers: &[Marker], observed: &Observed) -> Next {
    let pairs = markers.iter().zip(&observed.members).enumerate();
    let members: Vec<Member<'_>> = pairs
        .map(|(at, (marker, pair))| Member::new(at, marker, pair, observed.ended_again))
        .collect();
    let Some((leader, companions)) = members.split_first() else {
        return Next::Rest(Rest::HandsOff("nobody is a member".to_owned()));
    };
    match (leader.original, leader.replacement) {
        _ if leader.is_going() => leader.repair(Repair::RemoveOriginal),
        (None, None) => Next::Rest(Rest::HandsOff(format!(
            "neither the original {} nor its replacement exists any more",
            leader.marker.original.id
        ))),
        (None, Some(replacement)) => match without_original(leader.marker, replacement) {
            Rest::Committed => commit_rest(companions),
            rest => Next::Rest(rest),
        },
        (Some(_), _) => forward_all(&members, observed.verdict)
            .unwrap_or_else(|| back(&members, observed.verdict)),
    }
}

/// Whether a replacement whose original is gone has taken its place.
pub(super) fn has_taken_over(marker: &Marker, replacement: &Sight) -> bool {
    without_original(marker, replacement) == Rest::Committed
}

/// Whether a rollback had begun when the process that worked on it died.
fn was_disarmed(marker: &Marker, replacement: &Sight) -> bool {
    let given = marker.restart_policy.as_ref();
    given.is_some_and(|policy| !policy.is_no()) && replacement.restart_policy.is_no()
}

/// The original is gone: committed, or removed by somebody. A replacement that has run was
/// committed, perhaps long ago: whatever it does since, and is called, is its owner's affair. One
/// that never ran is no reason to think so, and somebody may have removed the container for good.
fn without_original(marker: &Marker, replacement: &Sight) -> Rest {
    let never_ran =
        replacement.status == Status::Created && marker.original.run_state != RunState::Stopped;
    if replacement.name == marker.new_name() || never_ran {
        return Rest::HandsOff(format!(
            "the original {} was removed by somebody; its replacement stands as {}",
            marker.original.id, replacement.name
        ));
    }
    Rest::Committed
}

/// Whether the engine began to remove it: it neither updates nor starts such a container.
fn is_half_removed(sight: &Sight) -> bool {
    matches!(sight.status, Status::Removing | Status::Dead)
}

#[cfg(test)]
mod tests;

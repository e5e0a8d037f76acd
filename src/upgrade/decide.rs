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
    stand_in: StandIn,
}

/// How a member's stand-in stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StandIn {
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
            (None, _) => StandIn::Nobody,
            (Some(_), Some(_)) => StandIn::Waits,
            (Some(_), None) if ended_again => StandIn::HasFailed,
            (Some(_), None) => StandIn::Stands,
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
        self.stand_in == StandIn::Waits && self.original.is_some_and(has_ended)
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

/// The way to the commit, where every member can go it.
fn forward_all(members: &[Member<'_>], verdict: Verdict) -> Option<Next> {
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
fn commit_rest(companions: &[Member<'_>]) -> Next {
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

/// What somebody else did that the way back cannot undo. It is looked at before the first repair:
/// a replacement that was stopped before the hands came off would leave nothing running, unless the
/// original can still be started ([`may_start`]).
fn hands_off(member: &Member<'_>, original: &Sight) -> Option<String> {
    let Member {
        marker,
        replacement,
        stand_in,
        ..
    } = *member;
    let Marker { original: was, .. } = marker;
    if stand_in == StandIn::HasFailed {
        return Some(format!(
            "the original {} was created again and did not stay up, so the engine deleted it \
             (--rm); its stand-in stands as {}",
            was.id, original.name
        ));
    }
    if stand_in == StandIn::Stands && original.name != marker.old_name() {
        return Some(format!("the stand-in was renamed to {}", original.name));
    }
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
fn may_start(member: &Member<'_>, original: &Sight, verdict: Verdict) -> bool {
    let Member {
        marker,
        replacement,
        stand_in,
        ..
    } = *member;
    let is_down = |replacement: &Sight| !replacement.status.is_active() && stays_down(replacement);
    let is_done_with = replacement
        .is_none_or(|replacement| was_disarmed(marker, replacement) || is_down(replacement));
    let is_there = matches!(stand_in, StandIn::Nobody | StandIn::Waits);
    verdict == Verdict::Failed && is_done_with && is_there && !is_half_removed(original)
}

/// Whether no restart of the daemon starts it: one that was never started stays down, whatever its
/// policy, and so does one that is half removed, which the engine would refuse to update.
fn stays_down(sight: &Sight) -> bool {
    sight.status == Status::Created || is_half_removed(sight) || sight.restart_policy.is_no()
}

/// The way back. Each repair is skipped where what it does is done already. What depends on others is
/// stopped before them, and started after them.
fn back(members: &[Member<'_>], verdict: Verdict) -> Next {
    let mut ways = Vec::new();
    let mut left = Vec::new();
    for member in members {
        match member.way_back(verdict) {
            Ok(way) => {
                left.extend(way.hands_off.clone());
                ways.push(way);
            }
            Err(why) if member.marker.is_leader() => return Next::Rest(Rest::HandsOff(why)),
            // Nothing is done to it; the others come back without it.
            Err(why) => left.push(why),
        }
    }
    let ways = ways.iter();
    let repair = (ways.clone().find_map(Way::disarm))
        .or_else(|| ways.clone().rev().find_map(Way::stop))
        .or_else(|| ways.clone().find_map(Way::free_name))
        .or_else(|| ways.clone().find_map(Way::restore))
        .or_else(|| ways.rev().find_map(Way::remove));
    repair.unwrap_or(Next::Rest(if left.is_empty() {
        Rest::RolledBack
    } else {
        Rest::HandsOff(left.join("; "))
    }))
}

/// A member whose original is brought back.
struct Way<'a> {
    member: Member<'a>,
    original: &'a Sight,
    /// Why no more is done than that something runs.
    hands_off: Option<String>,
}

impl<'a> Member<'a> {
    /// # Errors
    /// Why nothing may be done to it.
    fn way_back(&self, verdict: Verdict) -> Result<Way<'a>, String> {
        let Self {
            marker, original, ..
        } = *self;
        let Some(original) = original else {
            let name = &marker.original.name;
            return Err(format!("the original of {name} was removed by somebody"));
        };
        let hands_off = hands_off(self, original);
        match hands_off {
            Some(why) if !may_start(self, original, verdict) => Err(why),
            hands_off => Ok(Way {
                member: *self,
                original,
                hands_off,
            }),
        }
    }
}

impl Way<'_> {
    fn disarm(&self) -> Option<Next> {
        let is_armed = self.member.replacement.is_some_and(|r| !stays_down(r));
        is_armed.then(|| self.member.repair(Repair::DisarmReplacement))
    }

    fn stop(&self) -> Option<Next> {
        let is_active = self.member.replacement?.status.is_active();
        is_active.then(|| self.member.repair(Repair::StopReplacement))
    }

    /// The replacement gives up the original's name. Where a stand-in bears the journal, it goes at
    /// once: renaming a container that the engine is about to delete (`--rm`) can make its name unusable
    /// until the engine restarts (measured on 26.1).
    fn free_name(&self) -> Option<Next> {
        let replacement = self.member.replacement?;
        let is_named = replacement.name == self.member.marker.original.name;
        let repair = match self.member.stand_in {
            StandIn::Nobody if !is_named => return None,
            StandIn::Nobody => Repair::UnnameReplacement,
            _ => Repair::RemoveReplacement,
        };
        self.hands_off.is_none().then(|| self.member.repair(repair))
    }

    /// The original gets back its name, its policy and its run state.
    fn restore(&self) -> Option<Next> {
        let (marker, original) = (self.member.marker, self.original);
        let was = &marker.original;
        let repair = match (was.run_state, RunState::of(original.status)) {
            _ if self.member.stand_in == StandIn::Stands => Repair::Revive,
            _ if original.name == marker.old_name() => Repair::Unpark,
            _ if original.restart_policy != was.restart_policy => Repair::Rearm,
            (RunState::Running | RunState::Paused, RunState::Stopped) => Repair::StartOriginal,
            (RunState::Paused, RunState::Running) => Repair::PauseOriginal,
            _ => return None,
        };
        Some(self.member.repair(repair))
    }

    fn remove(&self) -> Option<Next> {
        let repair = match (self.member.replacement, self.member.stand_in) {
            (Some(_), _) => Repair::RemoveReplacement,
            (None, StandIn::Waits) => Repair::RemoveStandIn,
            _ => return None,
        };
        self.hands_off.is_none().then(|| self.member.repair(repair))
    }
}

#[cfg(test)]
mod tests;

//! The way back to the originals.

use super::{
    Member, Next, Repair, Rest, Sight, StandInState, Verdict, is_half_removed, was_disarmed,
};
use crate::{
    engine::Status,
    upgrade::marker::{Marker, RunState},
};

/// The way back. Each repair is skipped where what it does is done already. What depends on others is
/// stopped before them, and started after them.
pub(super) fn back(members: &[Member<'_>], verdict: Verdict) -> Next {
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
            StandInState::Nobody if !is_named => return None,
            StandInState::Nobody => Repair::UnnameReplacement,
            _ => Repair::RemoveReplacement,
        };
        self.hands_off.is_none().then(|| self.member.repair(repair))
    }

    /// The original gets back its name, its policy and its run state.
    fn restore(&self) -> Option<Next> {
        let (marker, original) = (self.member.marker, self.original);
        let was = &marker.original;
        let repair = match (was.run_state, RunState::of(original.status)) {
            _ if self.member.stand_in == StandInState::Stands => Repair::Revive,
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
            (None, StandInState::Waits) => Repair::RemoveStandIn,
            _ => return None,
        };
        self.hands_off.is_none().then(|| self.member.repair(repair))
    }
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
    if stand_in == StandInState::HasFailed {
        return Some(format!(
            "the original {} was created again and did not stay up, so the engine deleted it \
             (--rm); its stand-in stands as {}",
            was.id, original.name
        ));
    }
    if stand_in == StandInState::Stands && original.name != marker.old_name() {
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
    let is_there = matches!(stand_in, StandInState::Nobody | StandInState::Waits);
    verdict == Verdict::Failed && is_done_with && is_there && !is_half_removed(original)
}

/// Whether no restart of the daemon starts it: one that was never started stays down, whatever its
/// policy, and so does one that is half removed, which the engine would refuse to update.
fn stays_down(sight: &Sight) -> bool {
    sight.status == Status::Created || is_half_removed(sight) || sight.restart_policy.is_no()
}

//! What a transaction does for the addresses, and when.

use std::time::Duration;

use tracing::warn;

use super::{
    dynamic::configured,
    placeholders::{Held, Placeholders, hold_again, make_way, release},
};
use crate::{
    engine::{Container, EngineError, Status},
    upgrade::{
        fault::Fault,
        look::observe,
        marker::RunState,
        members::Member,
        outcome::{Failure, Rollback, Step},
        reach,
        setback::{Attempt, Setback},
        transaction::Transaction,
        verify,
    },
};

/// How long an upgrade waits for another one on its networks, before it stops anything.
const FORWARD: Duration = Duration::from_secs(2 * 60);

/// How long when something is down, or a client waits for its answer.
pub(super) const BACK: Duration = Duration::from_secs(5);

/// What came of the steps from hold to commit.
pub struct Swapped {
    /// Whether the replacement runs.
    pub running: bool,
    /// From stop to start.
    pub downtime: Duration,
    /// What clients have to reach it by that is not what it was.
    pub moved: Vec<String>,
    /// Whether placeholders were made.
    pub has_placeholders: bool,
}

impl Attempt<'_> {
    /// Whether a member is to have a lower address than one that is started before it, or has one
    /// configured.
    pub fn is_out_of_order(&self) -> bool {
        let members = self.members.iter().enumerate();
        let mut pairs = members.flat_map(|(at, member)| {
            let own = [
                member.addresses.clone(),
                configured(&member.original.document),
            ]
            .concat();
            let before = self.members[..at].iter().flat_map(|m| &m.addresses);
            before.flat_map(move |before| own.clone().into_iter().map(move |own| (before, own)))
        });
        pairs.any(|(before, own)| {
            let is_family = before.ip.is_ipv4() == own.ip.is_ipv4();
            before.network == own.network && is_family && own.ip < before.ip
        })
    }
}

impl Transaction<'_> {
    /// Occupies the free addresses below the dynamic ones of the members, but for those that the request
    /// speaks of; other upgrades on their networks wait from here on.
    pub async fn hold(&self, attempt: &Attempt<'_>) -> Result<Held, Setback> {
        let members = attempt.members.iter();
        let wanted: Vec<_> = members
            .flat_map(|member| member.addresses.clone())
            .collect();
        if wanted.is_empty() {
            return Ok(Held::default());
        }
        self.announce(Step::Hold, attempt.name());
        let cancelled = |cancelled| Setback::cancelled(Step::Hold, cancelled);
        self.interruptible(self.window.enter(&wanted, FORWARD))
            .await
            .map_err(cancelled)?;
        let marker = &attempt.members[0].marker;
        let placeholders = Placeholders {
            engine: self.engine,
            marker,
            wanted: &wanted,
        };
        let held = placeholders
            .hold(&|| self.running().check().is_ok())
            .await
            .map_err(|error| {
                // What was not answered may still be made.
                self.running().leave_over();
                Setback::of(Step::Hold, &error)
            })?;
        for number in 1..=held.made {
            self.lock.extend(&marker.hold_name(number));
        }
        self.running().check().map_err(cancelled)?;
        match held.missing {
            Some(why) if self.request.require_same_address => {
                Err(Setback::because(Step::Hold, why))
            }
            _ => Ok(held),
        }
    }

    /// Before a member is started: where one that comes later is to have a lower address, that is held, too,
    /// until it comes.
    pub async fn hold_before(&self, attempt: &Attempt<'_>, at: usize) {
        if attempt.is_out_of_order() {
            let member = &attempt.members[at];
            let (engine, marker) = (self.engine, &attempt.members[0].marker);
            hold_again(engine, marker, &member.addresses).await;
            let configured = configured(&member.original.document);
            if let Err(error) = make_way(engine, marker, &configured).await {
                let (transaction, name) = (&marker.transaction, &member.original.name);
                warn!(transaction, name, %error, "make way for a configured address");
            }
        }
    }

    /// Sees that the started members have their originals' addresses, if the request requires it. Of one
    /// that does not run, verification tells.
    pub async fn require_same_address(&self, attempt: &Attempt<'_>) -> Result<(), Setback> {
        if !self.request.require_same_address {
            return Ok(());
        }
        for (at, member) in attempt.members.iter().enumerate() {
            let seen = observe(self.engine, member.replacement_id())
                .await
                .map_err(|error| Setback::of(Step::Verify, &error).of_member(at))?;
            if seen.status == Status::Running {
                self.check_address(at, member, &seen)?;
            }
        }
        Ok(())
    }

    fn check_address(&self, at: usize, member: &Member, seen: &Container) -> Result<(), Setback> {
        let before = &member.original.document;
        let moved = reach::addresses(before, &seen.document, &member.plan.asked);
        if self.request.require_same_address && !moved.is_empty() {
            return Err(Setback::because(Step::Verify, moved.join("; ")).of_member(at));
        }
        Ok(())
    }

    /// Whether the verified leader runs, and what clients have to reach the members by, where that is
    /// not what it was.
    pub async fn look_again(
        &self,
        attempt: &mut Attempt<'_>,
        held: &Held,
    ) -> Result<(bool, Vec<String>), Failure> {
        let mut warnings = Vec::new();
        let mut running = false;
        for at in 0..attempt.members.len() {
            let member = &attempt.members[at];
            let original = &member.original;
            let checked = match observe(self.engine, member.replacement_id()).await {
                Ok(seen) if member.is_started() && !seen.status.is_active() => {
                    let fault = Fault::Ended {
                        exit: seen.exit,
                        error: seen.error,
                    };
                    Err(Setback::unverified(&fault).of_member(at))
                }
                Ok(seen) => self.check_address(at, member, &seen).map(|()| {
                    running |= at == 0 && seen.status == Status::Running;
                    reach::changes(&original.document, &seen.document, &member.plan.asked)
                }),
                Err(error) if error.is_not_found() && member.is_started() => {
                    let fault = verify::gone(self.engine, member.replacement_id()).await;
                    Err(Setback::unverified(&fault).of_member(at))
                }
                Err(error) => {
                    running |= at == 0 && RunState::of(original.status) == RunState::Running;
                    Ok(vec![format!(
                        "the replacement's addresses and ports were not compared: {error}"
                    )])
                }
            };
            match checked {
                Ok(changes) => warnings.extend(member.warnings(changes)),
                Err(setback) => return Err(self.roll_back(attempt, setback).await),
            }
        }
        if let Some(why) = held.missing.as_ref().filter(|_| !warnings.is_empty()) {
            warnings.push(format!("not all lower addresses could be held: {why}"));
        }
        Ok((running, warnings))
    }

    /// Before an original is started again: no other upgrade is to get its address.
    /// False: one is under way that could.
    pub async fn enter_again(&self, attempt: &Attempt<'_>) -> bool {
        let members = attempt.members.iter();
        let had: Vec<_> = members
            .flat_map(|member| member.marker.original.addresses.clone())
            .collect();
        self.window.enter(&had, BACK).await
    }

    /// The placeholders go. Those that do not are left to recovery, and so are all while the upgrade can
    /// neither be finished nor taken back.
    pub async fn release(&self, attempt: &Attempt<'_>, swapped: &Result<Swapped, Failure>) {
        let is_over = match swapped {
            Ok(swapped) => swapped.has_placeholders,
            Err(failure) => failure.rollback != Rollback::Incomplete,
        };
        let mut had = attempt
            .members
            .iter()
            .flat_map(|m| &m.marker.original.addresses);
        if !is_over || had.next().is_none() {
            return;
        }
        let marker = &attempt.members[0].marker;
        let released = if self.enter_again(attempt).await {
            release(self.engine, marker).await
        } else {
            // What is let go now, it would get.
            Err(EngineError::unknown(
                "another upgrade is under way on its networks",
            ))
        };
        if let Err(error) = released {
            let (transaction, name) = (&marker.transaction, &marker.original.name);
            warn!(transaction, name, %error, "placeholders are left for now");
            self.running().leave_over();
        }
        self.window.leave();
    }
}

//! While a helper is at work, the Refit that is there keeps other clients from its members.

use super::hand_over::step_of_work;
use crate::upgrade::{
    Shared,
    journal::Journal,
    locks::{Guard, Underway},
    look,
    marker::{Marker, Original, names},
    recover::{Recovered, Recovery},
};

impl Shared {
    /// Keeps other clients from what helpers are at, among what was left to others.
    pub(in crate::upgrade) async fn guard_helpers(
        &self,
        recoveries: &[Option<Recovery>],
        journal: &Journal,
    ) {
        let mut guards = Vec::new();
        for recovery in recoveries.iter().flatten() {
            if let Recovered::Left(_) = recovery.ending
                && let Some(teller) = journal.teller(&recovery.transaction)
                && let Some(step) = step_of_work(self.engine.as_ref(), &teller.marker).await
            {
                let of_member = |member: Marker| {
                    let replacement = journal.replacement_of(&member);
                    let Original { id, name, .. } = member.original;
                    let names = names(&name);
                    replacement.into_iter().chain([id, name]).chain(names)
                };
                let members = teller.marker.members().into_iter();
                guards.push(Guard {
                    underway: Underway {
                        transaction: recovery.transaction.clone(),
                        name: recovery.name.clone(),
                        step,
                    },
                    keys: members.flat_map(of_member).collect(),
                    networks: look::networks(&teller.container.document),
                });
            }
        }
        self.isolation.0.guard(guards);
    }
}

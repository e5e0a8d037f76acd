//! What other clients do beside the one that is under test.

use std::time::Duration;

use refit::upgrade::marker::RunState;

use super::{
    container::{Actor, Container},
    fault::{Verb, Whom},
    world::World,
};

impl World {
    /// Another client does something to a container, if it is there and it makes a difference.
    pub(super) fn interfere(&mut self, verb: Verb, whom: Whom) {
        let is_meant = |c: &&Container| (c.id == self.subject) == (whom == Whom::Original);
        let Some(found) = self.lineage(&self.subject).find(is_meant) else {
            return;
        };
        let is_active = found.status.is_active();
        let matters = match verb {
            Verb::Rename | Verb::Remove => true,
            Verb::Stop | Verb::Kill => is_active,
            Verb::Start => !is_active,
        };
        if !matters {
            return;
        }
        let id = found.id.clone();
        let actor = std::mem::replace(&mut self.actor, Actor::Person);
        let done = match verb {
            Verb::Rename => self.rename(&id, "mine"),
            Verb::Start => self.start(&id),
            Verb::Stop => self.stop(&id, Duration::ZERO).map(drop),
            Verb::Kill => self.kill(&id),
            Verb::Remove => {
                drop(self.kill(&id));
                self.remove(&id, false)
            }
        };
        self.actor = actor;
        if done.is_err() {
            return;
        }
        self.done_by_people.push((self.calls.len() - 1, verb, whom));
        let state = match verb {
            Verb::Start => RunState::Running,
            _ => RunState::Stopped,
        };
        if !matches!(verb, Verb::Rename | Verb::Remove) {
            self.excused.push((self.subject.clone(), state));
        }
    }
}

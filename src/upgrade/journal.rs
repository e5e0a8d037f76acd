//! The containers that bear a marker: the only journal there is.

use serde_json::Value;

use super::{
    decide::{Sight, has_taken_over},
    look::{self, Labelled, text},
    marker::{Marker, Role, is_parked},
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::MARKER_LABEL,
};

/// A container, and the marker that it bears.
pub(super) struct Marked {
    pub marker: Marker,
    pub container: Container,
}

impl Marked {
    /// Whether the container, whose original is gone, has taken its place.
    pub fn is_committed(&self) -> bool {
        has_taken_over(&self.marker, &Sight::from(&self.container))
    }
}

/// All containers of an engine that bear a marker.
#[derive(Default)]
pub(super) struct Journal {
    pub marked: Vec<Marked>,
    /// The names of those whose marker cannot be read.
    pub unreadable: Vec<String>,
    /// The IDs of those that the engine did not show, and may later, with what it said.
    pub unseen: Vec<(String, EngineError)>,
}

impl Journal {
    /// Reads it.
    ///
    /// # Errors
    /// The engine cannot be asked what it has.
    pub async fn read(engine: &dyn Engine) -> Result<Self, EngineError> {
        let Labelled { containers, unseen } = look::bearing(engine, MARKER_LABEL).await?;
        let mut journal = Self {
            unseen,
            ..Self::default()
        };
        for container in containers {
            match Marker::of(&container) {
                Some(marker) => journal.marked.push(Marked { marker, container }),
                None => journal.unreadable.push(container.name),
            }
        }
        Ok(journal)
    }

    /// The ID of a member's replacement.
    pub fn replacement_of(&self, member: &Marker) -> Option<String> {
        self.id_of(member, |marker| {
            marker.original.id == member.original.id
                && matches!(marker.role, None | Some(Role::Replacement))
        })
    }

    /// The ID of the container that has this role in the transaction of this marker.
    pub fn with_role(&self, of: &Marker, role: Role) -> Option<String> {
        self.id_of(of, |marker| marker.role == Some(role))
    }

    /// Whether it tells of the leader of the transaction of this marker.
    pub fn has_leader(&self, of: &Marker) -> bool {
        self.id_of(of, Marker::is_leader).is_some()
    }

    fn id_of(&self, of: &Marker, is_it: impl Fn(&Marker) -> bool) -> Option<String> {
        let mut marked = self.of_transaction(&of.transaction);
        marked
            .find(|marked| is_it(&marked.marker))
            .map(|marked| marked.container.id.clone())
    }

    /// The container that tells of a transaction: its stand-in, if there is one, else the leader's
    /// replacement.
    pub fn teller(&self, transaction: &str) -> Option<&Marked> {
        let with = |wanted: &[Option<Role>]| {
            let mut marked = self.of_transaction(transaction);
            marked.find(|Marked { marker, .. }| marker.is_leader() && wanted.contains(&marker.role))
        };
        with(&[Some(Role::StandIn)]).or_else(|| with(&[None, Some(Role::Replacement)]))
    }

    /// The containers of a transaction.
    pub fn of_transaction(&self, transaction: &str) -> impl Iterator<Item = &Marked> {
        let is_it = move |marked: &&Marked| marked.marker.transaction == transaction;
        self.marked.iter().filter(is_it)
    }

    /// Whether the upgrade that made one of these containers was over before all containers were listed
    /// in `summaries`: its originals were gone. Whatever becomes of the container since, it is not looked
    /// after.
    pub fn is_over(&self, one: &Marked, summaries: &[Value]) -> bool {
        let marker = &one.marker;
        let members = marker.members();
        let is_there = |id: &str| members.iter().any(|member| member.original.id == id);
        let has_original = summaries
            .iter()
            .any(|summary| is_there(text(summary, "/Id")));
        !has_original
            && (marker.role.is_none() || self.with_role(marker, Role::StandIn).is_none())
            && one.is_committed()
    }

    /// The names of the parked originals that no marker tells of: their replacement was removed by
    /// somebody, and with it what was written of them.
    pub fn orphans(&self, summaries: &[Value]) -> Vec<String> {
        let told = self.marked.iter().flat_map(|Marked { marker, container }| {
            // A stand-in bears the name of a parked original, and tells of itself.
            let is_stand_in = marker.role == Some(Role::StandIn);
            let itself = is_stand_in.then(|| container.id.clone());
            let originals = marker.members().into_iter();
            originals.map(|member| member.original.id).chain(itself)
        });
        let told: Vec<String> = told.collect();
        let untold = summaries
            .iter()
            .filter(|summary| !told.iter().any(|id| id == text(summary, "/Id")));
        let names = untold.map(|summary| text(summary, "/Names/0"));
        let parked = names.filter(|name| is_parked(name));
        parked
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect()
    }
}

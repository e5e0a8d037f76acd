//! Which containers were there before.

use serde::{Deserialize, Serialize};

use super::{Marker, Original, Role};
use crate::{engine::Container, upgrade::outcome::Incarnation};

/// How many earlier generations a marker remembers, with their images.
const GENERATIONS: usize = 10;

/// Of how many further ones it remembers the ID: they make a label of 70 KB.
const OLDER: usize = 1000;

/// An earlier container of the same name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Generation {
    /// Its full ID.
    pub id: String,
    /// The reference of its image.
    pub image: String,
    /// The ID of its image.
    pub image_id: String,
}

impl Marker {
    /// The generations before the container that bears it, and the IDs of those before them.
    fn into_lineage(self) -> (Vec<Generation>, Vec<String>) {
        let Original {
            id,
            image,
            image_id,
            ..
        } = self.original;
        if self.role == Some(Role::Revival) {
            // It is that one, under another ID.
            let older = std::iter::once(id).chain(self.older);
            return (self.generations, older.take(OLDER).collect());
        }
        let mut generations = vec![Generation {
            id,
            image,
            image_id,
        }];
        generations.extend(self.generations);
        let forgotten = generations.split_off(generations.len().min(GENERATIONS));
        let forgotten = forgotten.into_iter().map(|generation| generation.id);
        (
            generations,
            forgotten.chain(self.older).take(OLDER).collect(),
        )
    }

    /// The IDs that the container which bears it had before, the latest first.
    pub fn earlier(&self) -> impl Iterator<Item = &str> {
        let generations = self.generations.iter().map(|generation| &generation.id);
        std::iter::once(&self.original.id)
            .chain(generations)
            .chain(&self.older)
            .map(String::as_str)
    }
}

impl Generation {
    /// The generations before a container, the latest first.
    #[must_use]
    pub fn before(container: &Container) -> Vec<Self> {
        let (generations, _) = lineage(container);
        generations
    }

    /// It, as the caller is told of a container.
    pub(in crate::upgrade) fn into_incarnation(self) -> Incarnation {
        Incarnation {
            id: self.id,
            image: self.image,
            image_id: self.image_id,
        }
    }
}

/// The generations before a container that is replaced now, and the IDs of those before them.
pub(super) fn lineage(original: &Container) -> (Vec<Generation>, Vec<String>) {
    let marker = Marker::of(original);
    marker.map(Marker::into_lineage).unwrap_or_default()
}

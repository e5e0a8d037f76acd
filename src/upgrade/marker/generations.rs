//! Which containers were there before, and what they were made of.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Marker, Original, Role};
use crate::{engine::Container, plan};

/// How many earlier generations a marker remembers, with their images and specifications.
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
    /// As [`Marker::replaced_at`], when it was replaced itself. Earlier markers do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<u64>,
}

/// All that is known of the containers before one, the latest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lineage {
    /// The last ten.
    pub generations: Vec<Generation>,
    /// What these were made of, where that is known: as [`plan::specification`] has it, with their `Id`
    /// and `Image`.
    pub specifications: Vec<Option<Value>>,
    /// The IDs of those before.
    pub older: Vec<String>,
}

impl Marker {
    /// Of the container that bears it.
    fn into_lineage(self) -> Lineage {
        let mut specifications = self.specifications.unpack().into_iter();
        let of_original = specifications.next().flatten();
        let Original {
            id,
            image,
            image_id,
            ..
        } = self.original;
        if self.role == Some(Role::Revival) {
            // It is that one, under another ID.
            let older = std::iter::once(id).chain(self.older);
            return Lineage::new(self.generations, specifications, older);
        }
        let mut generations = vec![Generation {
            id,
            image,
            image_id,
            replaced_at: self.replaced_at,
        }];
        generations.extend(self.generations);
        let specifications = std::iter::once(of_original).chain(specifications);
        let forgotten = generations.split_off(generations.len().min(GENERATIONS));
        let forgotten = forgotten.into_iter().map(|generation| generation.id);
        Lineage::new(generations, specifications, forgotten.chain(self.older))
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

impl Lineage {
    /// That of a container.
    #[must_use]
    pub fn of(container: &Container) -> Self {
        let marker = Marker::of(container);
        marker.map(Marker::into_lineage).unwrap_or_default()
    }

    fn new(
        generations: Vec<Generation>,
        specifications: impl Iterator<Item = Option<Value>>,
        older: impl Iterator<Item = String>,
    ) -> Self {
        let mut specifications: Vec<_> = specifications.collect();
        specifications.resize(generations.len(), None);
        for (generation, specification) in generations.iter().zip(&mut specifications) {
            if let Some(specification) = specification {
                specification["Id"] = json!(generation.id);
                specification["Image"] = json!(generation.image_id);
            }
        }
        Self {
            generations,
            specifications,
            older: older.take(OLDER).collect(),
        }
    }

    /// What a marker says of a container's and those before it.
    pub(super) fn specifications_with(&self, container: &Container) -> Vec<Option<Value>> {
        let own = plan::specification(&container.document);
        let earlier = self.specifications.iter().cloned().map(|mut known| {
            // They stand beside it.
            for id in ["Id", "Image"] {
                known.as_mut()?.as_object_mut()?.shift_remove(id);
            }
            known
        });
        let all = std::iter::once(Some(own)).chain(earlier);
        all.take(GENERATIONS).collect()
    }
}

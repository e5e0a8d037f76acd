//! What stands there now.

use super::{Reconciler, Seen, Stuck, TRIES};
use crate::{
    engine::{Container, Engine, EngineError},
    upgrade::{
        decide::{Observed, Pair, Sight},
        look::existing,
        marker::{Marker, Role},
    },
};

impl Reconciler<'_> {
    pub(super) async fn observe(&mut self) -> Result<Observed, Stuck> {
        let mut tries = 0;
        loop {
            match self.look().await {
                Ok(observed) => {
                    self.observed = Some(observed.clone());
                    return Ok(observed);
                }
                Err(error) if tries >= TRIES => return Err(Stuck::at("observe", &error)),
                Err(_) => self.reconnect("observe").await?,
            }
            tries += 1;
        }
    }

    async fn look(&mut self) -> Result<Observed, EngineError> {
        let engine = self.engine;
        let mut members = Vec::with_capacity(self.markers.len());
        // The leader comes last: what is done because of it is done at once.
        for (marker, replacement) in self.markers.iter().zip(&mut self.replacements).rev() {
            let mut original = existing(engine, &marker.original.id).await?;
            let mut stand_in = None;
            if marker.role.is_some() {
                let is_it = |found: &Container| marker.is_with(Role::StandIn, found);
                stand_in = seek(engine, &mut self.stand_in, &marker.old_name(), is_it).await?;
                if original.is_none() {
                    let is_it = |found: &Container| marker.is_with(Role::Revival, found);
                    let name = &marker.original.name;
                    original = seek(engine, &mut self.revival, name, is_it).await?;
                }
            }
            let is_it = |found: &Container| {
                Marker::of(found).is_some_and(|found| found.transaction == marker.transaction)
            };
            let replacement = seek(engine, replacement, &marker.new_name(), is_it).await?;
            let sight = |seen: &Option<Container>| seen.as_ref().map(Sight::from);
            members.push(Pair {
                original: sight(&original),
                replacement: sight(&replacement),
                stand_in: sight(&stand_in),
            });
            if marker.is_leader() {
                self.leader.update(Seen {
                    original,
                    replacement,
                });
            }
        }
        members.reverse();
        Ok(Observed {
            members,
            verdict: self.verdict,
            ended_again: self.starts >= TRIES,
        })
    }
}

impl Seen {
    /// One more look. What is gone by now is known from earlier ones.
    fn update(&mut self, seen: Self) {
        self.original = seen.original.or(self.original.take());
        self.replacement = seen.replacement.or(self.replacement.take());
    }
}

/// The container of this ID; where that is not known, the one of this name, if it is the one that is
/// sought, whose ID is noted then.
async fn seek(
    engine: &dyn Engine,
    id: &mut Option<String>,
    name: &str,
    is_it: impl Fn(&Container) -> bool,
) -> Result<Option<Container>, EngineError> {
    let found = match &id {
        Some(id) => existing(engine, id).await?,
        None => existing(engine, name).await?.filter(is_it),
    };
    if let Some(found) = &found {
        *id = Some(found.id.clone());
    }
    Ok(found)
}

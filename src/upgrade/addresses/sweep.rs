//! Placeholders that were left over, by a process that died or an engine that refused to remove them.

use std::collections::BTreeMap;

use super::{image, placeholders::remove, steps::BACK};
use crate::{
    engine::EngineError,
    upgrade::{
        Shared,
        journal::Journal,
        look::{self, Labelled},
        marker::{Marker, PLACEHOLDER_LABEL, is_ours},
        recover::{Recovered, Recovery, is_anothers},
    },
};

/// What is left of one transaction.
#[derive(Default)]
struct Leftover {
    /// The marker that its placeholders bear; nothing where only the image is left.
    marker: Option<Marker>,
    placeholders: Vec<String>,
}

impl Shared {
    /// Removes the placeholders and the images of every transaction that nobody works on, and that is
    /// not among these recoveries as one that goes on; with `dry_run` only says so. What was found.
    pub async fn sweep(&self, recoveries: &[Recovery], dry_run: bool) -> Vec<Recovery> {
        let (mut leftovers, mut found) = match self.leftovers().await {
            Ok(seen) => seen,
            Err(error) => {
                let why = format!("it cannot be seen whether there are any: {error}");
                let recovery = Recovery::unmarked("placeholders".to_owned(), Recovered::Stuck(why));
                return vec![recovery];
            }
        };
        let unfinished = recoveries.iter().filter(|r| !r.ending.is_at_rest());
        for recovery in unfinished {
            leftovers.remove(&recovery.transaction);
        }
        for (transaction, leftover) in leftovers {
            found.extend(self.clear(&transaction, leftover, dry_run).await);
        }
        found
    }

    /// What is left, by transaction, and what cannot be told.
    async fn leftovers(&self) -> Result<(BTreeMap<String, Leftover>, Vec<Recovery>), EngineError> {
        let engine = self.engine.as_ref();
        let mut leftovers: BTreeMap<String, Leftover> = BTreeMap::new();
        // The images first: whoever has made one by now is seen by its placeholders, or its replacement.
        for image in engine.list_labelled_images(PLACEHOLDER_LABEL).await? {
            let labels = image.get("Labels").and_then(|l| l.get(PLACEHOLDER_LABEL));
            if let Some(transaction) = labels.and_then(|label| label.as_str()) {
                leftovers.entry(transaction.to_owned()).or_default();
            }
        }
        let Labelled { containers, unseen } = look::bearing(engine, PLACEHOLDER_LABEL).await?;
        let mut found: Vec<Recovery> = unseen
            .into_iter()
            .map(|(id, error)| {
                let why = format!("a placeholder cannot be inspected: {error}");
                Recovery::unmarked(id, Recovered::Stuck(why))
            })
            .collect();
        for container in containers {
            let marker = Marker::under(PLACEHOLDER_LABEL, &container);
            let Some(marker) = marker.filter(|_| is_ours(&container.name)) else {
                let why = "a placeholder that was renamed, or whose marker cannot be read";
                let ending = Recovered::HandsOff(why.to_owned());
                found.push(Recovery::unmarked(container.name, ending));
                continue;
            };
            let leftover = leftovers.entry(marker.transaction.clone()).or_default();
            leftover.placeholders.push(container.id);
            leftover.marker = Some(marker);
        }
        Ok((leftovers, found))
    }

    /// Removes what is left of a transaction, unless somebody works on it.
    async fn clear(
        &self,
        transaction: &str,
        leftover: Leftover,
        dry_run: bool,
    ) -> Option<Recovery> {
        let engine = self.engine.as_ref();
        if self.isolation.0.runs(transaction) {
            return None;
        }
        let marker = match leftover.marker {
            None => match self.marker_of(transaction).await {
                Ok(marker) => marker,
                Err(error) => {
                    let ending = Recovered::Stuck(error.to_string());
                    return Some(Recovery::unmarked(image::reference(transaction), ending));
                }
            },
            marker => marker,
        };
        let ended = |ending| match &marker {
            Some(marker) => Recovery::of(marker, ending),
            None => Recovery::unmarked(image::reference(transaction), ending),
        };
        if let Some(marker) = &marker
            && is_anothers(marker, engine).await
        {
            let why = "placeholders of a process that lives, or cannot be seen from here";
            return Some(ended(Recovered::Left(why.to_owned())));
        }
        if dry_run {
            return Some(ended(Recovered::Would("rid of its placeholders")));
        }
        let members = marker.iter().flat_map(Marker::members);
        let had: Vec<_> = members.flat_map(|m| m.original.addresses).collect();
        let window = self.windows.window();
        if !window.enter(&had, BACK).await {
            let why = "another upgrade is under way on the networks of its placeholders";
            return Some(ended(Recovered::Stuck(why.to_owned())));
        }
        Some(ended(
            match remove(engine, &leftover.placeholders, transaction).await {
                Ok(()) => Recovered::Cleared,
                Err(error) => {
                    Recovered::Stuck(format!("its placeholders cannot be removed: {error}"))
                }
            },
        ))
    }

    /// The marker of a transaction that has no placeholder yet, or none any more.
    async fn marker_of(&self, transaction: &str) -> Result<Option<Marker>, EngineError> {
        let journal = Journal::read(self.engine.as_ref()).await?;
        let mut marked = journal.of_transaction(transaction);
        Ok(marked.next().map(|marked| marked.marker.clone()))
    }
}

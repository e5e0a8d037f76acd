//! Which container stands for an earlier generation, whose ID stays valid.
//!
//! What is known of earlier generations stands in the markers; here it can be looked up for every
//! request. Invariant: an ID or a name that the engine itself knows always wins, so the engine is
//! asked before anything is made of what was looked up here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Included, Unbounded},
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    Upgrades,
    journal::{Journal, Marked},
    look::{existing, text},
    marker::Marker,
};
use crate::engine::{Container, Engine, EngineError};

/// How long a commit is waited for, whose original somebody calls by its ID.
const PATIENCE: Duration = Duration::from_secs(5);

/// The full ID of the container that stands for an earlier generation, by the full ID of that. They
/// are sorted, so that those which begin alike stand together.
type Table = BTreeMap<String, Arc<str>>;

/// The earlier generations that are known, and what stands for each.
#[derive(Debug, Clone, Default)]
pub struct Identities(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    table: RwLock<Table>,
    /// How many there are: to look into the table for every request that is relayed would cost.
    count: AtomicUsize,
    /// The originals that are being deleted, by full ID: the engine knows them, and the next moment it
    /// does not.
    commits: DashMap<String, CancellationToken>,
}

/// A commit under way: the replacement stands for the original, unless this is dropped before
/// [`Succession::stands`].
#[derive(Debug)]
pub(super) struct Succession {
    identities: Identities,
    original: String,
    replacement: String,
    stands: bool,
    ended: CancellationToken,
}

impl Identities {
    /// Whether no earlier generation is known. Asked for every request.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) == 0
    }

    /// Whether `reference` is the ID of an earlier generation, or the beginning of one that means a
    /// single container. It may well be what the engine calls another.
    #[must_use]
    pub fn knows(&self, reference: &str) -> bool {
        self.find(reference).is_some()
    }

    /// What stands for the earlier generation of this ID or beginning of an ID, if that is a single
    /// container.
    fn find(&self, reference: &str) -> Option<Arc<str>> {
        if reference.is_empty() {
            return None;
        }
        let table = self.read();
        let mut alike = table
            .range::<str, _>((Included(reference), Unbounded))
            .take_while(|(earlier, _)| earlier.starts_with(reference));
        let (_, current) = alike.next()?;
        let is_single = alike.all(|(_, other)| other == current);
        is_single.then(|| Arc::clone(current))
    }

    /// Of the containers that bear a marker, those stand for what it tells of whose original is gone:
    /// it is not among all those that there are.
    pub(super) fn learn(&self, journal: &Journal, summaries: &[Value]) {
        let present = ids(summaries);
        for one in &journal.marked {
            let Marked { marker, container } = one;
            if !present.contains(marker.original.id.as_str()) && one.is_committed() {
                self.note(marker, &container.id);
            }
        }
    }

    /// The container stands for what its marker tells of from now on.
    pub(super) fn note(&self, marker: &Marker, container: &str) {
        self.change(|table| {
            // What another look has told since is newer: it may have been replaced itself.
            let newer = table.get(container).cloned();
            let current = newer.unwrap_or_else(|| container.into());
            repoint(table, &marker.original.id, &current);
            for earlier in marker.earlier() {
                table.insert(earlier.to_owned(), Arc::clone(&current));
            }
        });
    }

    /// The replacement begins to stand for the original, before that is deleted: at no moment does its
    /// ID mean nothing.
    pub(super) fn succeed(&self, marker: &Marker, replacement: &str) -> Succession {
        let ended = CancellationToken::new();
        let original = marker.original.id.clone();
        self.0.commits.insert(original.clone(), ended.clone());
        self.note(marker, replacement);
        Succession {
            identities: self.clone(),
            original,
            replacement: replacement.to_owned(),
            stands: false,
            ended,
        }
    }

    /// Waits until an original is deleted, or kept, that `reference` may mean.
    async fn settled(&self, reference: &str) {
        let mut commits = self.0.commits.iter();
        let meant = commits.find(|commit| commit.key().starts_with(reference));
        let ended = meant.map(|commit| commit.value().clone());
        drop(commits);
        if let Some(ended) = ended {
            // What takes longer, the engine is asked about all the same.
            let _ = timeout(PATIENCE, ended.cancelled()).await;
        }
    }

    /// The container that stands for the earlier generation which `reference` is of, where the
    /// engine itself does not know the reference. What is not known, or gone, another process may
    /// have upgraded: the markers are looked at.
    pub(super) async fn current(
        &self,
        engine: &dyn Engine,
        reference: &str,
    ) -> Result<Option<Container>, EngineError> {
        let found = self.look_up(engine, reference).await?;
        if found.is_some() {
            return Ok(found);
        }
        self.refresh(engine).await?;
        self.look_up(engine, reference).await
    }

    async fn look_up(
        &self,
        engine: &dyn Engine,
        reference: &str,
    ) -> Result<Option<Container>, EngineError> {
        let Some(current) = self.find(reference) else {
            return Ok(None);
        };
        let found = existing(engine, &current).await?;
        match self.find(reference) {
            // It gave way meanwhile.
            Some(next) if next != current => existing(engine, &next).await,
            _ => Ok(found),
        }
    }

    /// Learns from all markers, and forgets what stands for nothing any more.
    async fn refresh(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        // Nothing is forgotten that is learned meanwhile.
        let before: BTreeSet<_> = self.read().values().cloned().collect();
        let journal = Journal::read(engine).await?;
        // Afterwards: an original that is seen with its replacement may be deleted before this.
        let summaries = engine.list_containers().await?;
        self.learn(&journal, &summaries);
        let present = ids(&summaries);
        self.change(|table| {
            table.retain(|_, current| !before.contains(current) || present.contains(&**current));
        });
        Ok(())
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        let table = self.0.table.write();
        let mut table = table.unwrap_or_else(PoisonError::into_inner);
        change(&mut table);
        self.0.count.store(table.len(), Ordering::Relaxed);
    }
}

impl Succession {
    /// The original is gone.
    pub(super) fn stands(mut self) {
        self.stands = true;
    }
}

impl Drop for Succession {
    fn drop(&mut self) {
        let Self {
            original,
            replacement,
            ..
        } = self;
        if !self.stands {
            self.identities.change(|table| {
                table.remove(original);
                repoint(table, replacement, &original.as_str().into());
            });
        }
        self.identities.0.commits.remove(original);
        self.ended.cancel();
    }
}

/// What stood for an earlier generation gives way to another container.
fn repoint(table: &mut Table, from: &str, to: &Arc<str>) {
    for current in table.values_mut().filter(|current| &***current == from) {
        *current = Arc::clone(to);
    }
}

fn ids(summaries: &[Value]) -> BTreeSet<&str> {
    summaries
        .iter()
        .map(|summary| text(summary, "/Id"))
        .collect()
}

impl Upgrades {
    /// The earlier generations that are known.
    #[must_use]
    pub fn identities(&self) -> Identities {
        self.shared.identities.clone()
    }

    /// The full IDs of the containers that stand for earlier generations, by these references to
    /// them. A reference is left out that the engine itself knows, or cannot be asked about, and one
    /// that nothing stands for.
    pub async fn identify(&self, references: BTreeSet<String>) -> HashMap<String, String> {
        let mut identified = HashMap::new();
        for reference in references {
            match self.successor(&reference).await {
                Ok(Some(id)) => drop(identified.insert(reference, id)),
                Ok(None) => {}
                Err(error) => debug!(reference, %error, "ask what has an earlier ID"),
            }
        }
        identified
    }

    async fn successor(&self, reference: &str) -> Result<Option<String>, EngineError> {
        let engine = self.shared.engine.as_ref();
        self.shared.identities.settled(reference).await;
        if existing(engine, reference).await?.is_some() {
            return Ok(None);
        }
        let current = self.shared.identities.current(engine, reference).await?;
        Ok(current.map(|container| container.id))
    }
}

#[cfg(test)]
impl Identities {
    /// As where this container stands for an earlier generation.
    pub(crate) fn of(earlier: &str, current: &str) -> Self {
        let identities = Self::default();
        identities.change(|table| drop(table.insert(earlier.to_owned(), current.into())));
        identities
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    /// The container of generation `number`, whose ID begins with `beginning`.
    fn container(beginning: &str, number: usize) -> Container {
        Container::from_document(json!({
            "Id": format!("{beginning}{number:0>len$}", len = 64 - beginning.len()),
            "Name": "/web", "Image": "sha256:1", "State": { "Status": "running" },
        }))
        .expect("a container")
    }

    #[test]
    fn any_beginning_that_means_one_container_is_known() {
        let identities = Identities::default();
        assert!(identities.is_empty() && !identities.knows("ab"));
        let (web, db) = (container("abcd", 1), container("abef", 1));
        identities.note(&Marker::after(&web), "web2");
        assert!(!identities.is_empty());
        for known in ["a", "ab", "abcd", &web.id[..12], &web.id] {
            assert_eq!(identities.find(known).as_deref(), Some("web2"), "{known}");
        }
        for unknown in ["", "abce", "b", "ABCD", "/abcd", "web2", &(web.id + "0")] {
            assert!(!identities.knows(unknown), "{unknown}");
        }
        // Two containers, two lineages.
        identities.note(&Marker::after(&db), "db2");
        assert!(!identities.knows("ab"));
        assert_eq!(identities.find("abc").as_deref(), Some("web2"));
        assert_eq!(identities.find("abe").as_deref(), Some("db2"));
    }

    #[test]
    fn a_lineage_counts_as_one_whatever_is_learned_first() {
        let generations: Vec<_> = (0..4).map(|n| container("ab", n)).collect();
        let markers: Vec<_> = generations.iter().map(Marker::after).collect();
        let learn = |order: &[usize]| {
            let identities = Identities::default();
            for &number in order {
                identities.note(&markers[number], &generations[number + 1].id);
            }
            identities
        };
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [1, 2, 0]] {
            let identities = learn(&order);
            for earlier in &generations[..3] {
                let current = identities.find(&earlier.id);
                assert_eq!(current.as_deref(), Some(&*generations[3].id), "{order:?}");
            }
            assert!(identities.knows("ab"), "{order:?}");
            assert!(!identities.knows(&generations[3].id), "{order:?}");
        }
        // What did not come about is as if it had never been.
        let identities = learn(&[0, 1]);
        drop(identities.succeed(&markers[2], &generations[3].id));
        for earlier in &generations[..2] {
            let current = identities.find(&earlier.id);
            assert_eq!(current.as_deref(), Some(&*generations[2].id));
        }
        assert!(!identities.knows(&generations[2].id));
        let identities = Identities::default();
        drop(identities.succeed(&markers[0], &generations[1].id));
        assert!(identities.is_empty());
    }

    #[tokio::test]
    async fn whoever_calls_an_original_that_is_being_deleted_waits_for_its_end() {
        let (original, replacement) = (container("ab", 0), container("cd", 1));
        let identities = Identities::default();
        let succession = identities.succeed(&Marker::after(&original), &replacement.id);
        let mut settled = pin!(identities.settled(&original.id[..12]));
        assert!((&mut settled).now_or_never().is_none());
        assert!(identities.settled("cd").now_or_never().is_some());
        assert_eq!(identities.find("ab").as_deref(), Some(&*replacement.id));
        succession.stands();
        settled.await;
        assert!(identities.knows("ab"));
        assert!(identities.settled("ab").now_or_never().is_some());
    }
}

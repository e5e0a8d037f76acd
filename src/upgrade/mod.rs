//! The main job: transaction, decide, verify, recover.
//!
//! Forward is a story of named steps ([`transaction`](self)); backward is reconciliation:
//! rollback and crash recovery are one pure function, [`decide::decide`], called until it rests.
//! While an original exists, the upgrade is not committed.

mod admission;
pub mod decide;
mod image;
pub mod marker;
mod outcome;
mod own;
mod reach;
mod reconcile;
mod transaction;
mod verify;

use std::{sync::Arc, time::Duration};

use dashmap::{DashMap, mapref::entry::Entry};
use futures_util::{StreamExt, stream};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

use self::{
    decide::{Rest, Verdict},
    marker::Marker,
    reconcile::Reconciler,
    transaction::Transaction,
};
use crate::engine::{Engine, EngineError};
pub use outcome::{Cause, Failure, Incarnation, Outcome, Progress, Pull, Request, Rollback, Step};

/// How long an engine that went away mid-way is waited for.
pub(crate) const RECONNECT: Duration = Duration::from_secs(120);

/// How many unfinished transactions are recovered at a time.
const PARALLEL_RECOVERIES: usize = 8;

/// All upgrades of one engine.
#[derive(Debug, Clone)]
pub struct Upgrades {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<dyn Engine>,
    /// The containers (by full ID) that are being upgraded, with their transaction: one at a
    /// time for each.
    locks: DashMap<String, String>,
    /// The running transactions: a server that ends waits for them.
    transactions: TaskTracker,
    /// Whether what an earlier process left unfinished was taken care of.
    recovered: Mutex<bool>,
}

/// An upgrade under way. Dropping it cancels nothing.
#[derive(Debug)]
pub struct Run {
    /// What happens, as it happens.
    pub progress: mpsc::UnboundedReceiver<Progress>,
    /// How it ended.
    pub outcome: oneshot::Receiver<Result<Outcome, Failure>>,
}

impl Upgrades {
    /// Upgrades on `engine`. Nothing is dialled yet.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            shared: Arc::new(Shared {
                engine,
                locks: DashMap::new(),
                transactions: TaskTracker::new(),
                recovered: Mutex::new(false),
            }),
        }
    }

    /// Upgrades the container that `reference` names (name, ID, unique ID prefix, or the ID of
    /// an earlier generation), in a task of its own: whoever asked may go away.
    #[must_use]
    pub fn begin(&self, reference: String, request: Request) -> Run {
        let (tell, progress) = mpsc::unbounded_channel();
        let (end, outcome) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        self.shared.transactions.spawn(async move {
            // Nobody may be listening any more; the upgrade goes on.
            let progress = move |event| drop(tell.send(event));
            let result = shared.upgrade(&reference, &request, &progress).await;
            drop(end.send(result));
        });
        Run { progress, outcome }
    }

    /// Finishes or rolls back what an earlier process left unfinished. Upgrades wait for it; an
    /// engine that cannot be reached now is recovered before the first upgrade.
    ///
    /// # Errors
    /// [`EngineError`] if the engine's containers cannot be listed.
    pub async fn recover(&self) -> Result<(), EngineError> {
        self.shared.recover_once().await
    }

    /// Completes when no transaction runs. None begins meanwhile, if the caller has stopped
    /// accepting.
    pub async fn drain(&self) {
        self.shared.transactions.close();
        self.shared.transactions.wait().await;
    }
}

impl Shared {
    async fn upgrade(
        &self,
        reference: &str,
        request: &Request,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Outcome, Failure> {
        if self.transactions.is_closed() {
            let message = "Refit is shutting down: nothing was touched";
            return Err(Failure::untouched(Cause::Unreachable, Step::Lock, message));
        }
        self.recover_once()
            .await
            .map_err(|error| Failure::of_engine(Step::Lock, &error))?;
        let id = admission::resolve(self.engine.as_ref(), reference).await?;
        let transaction = Uuid::new_v4().to_string();
        let _lock = self.lock(&id, &transaction)?;
        let transaction = Transaction {
            id: transaction,
            engine: self.engine.as_ref(),
            request,
            progress,
        };
        transaction.run(&id).await
    }

    fn lock(&self, id: &str, transaction: &str) -> Result<Lock<'_>, Failure> {
        match self.locks.entry(id.to_owned()) {
            Entry::Occupied(held) => Err(Failure::untouched(
                Cause::Conflict,
                Step::Lock,
                format!(
                    "an upgrade of {id} is under way (transaction {})",
                    held.get()
                ),
            )),
            Entry::Vacant(free) => {
                free.insert(transaction.to_owned());
                Ok(Lock {
                    locks: &self.locks,
                    id: id.to_owned(),
                })
            }
        }
    }

    async fn recover_once(&self) -> Result<(), EngineError> {
        let mut recovered = self.recovered.lock().await;
        if !*recovered {
            recover(self.engine.as_ref()).await?;
            *recovered = true;
        }
        Ok(())
    }
}

/// The right to upgrade one container, given back when it is dropped.
struct Lock<'a> {
    locks: &'a DashMap<String, String>,
    id: String,
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.locks.remove(&self.id);
    }
}

/// Recovers every unfinished transaction of an engine, a few at a time.
async fn recover(engine: &dyn Engine) -> Result<(), EngineError> {
    let left = admission::labelled(engine).await?;
    stream::iter(left)
        .for_each_concurrent(PARALLEL_RECOVERIES, async |container| {
            let Some(marker) = Marker::of(&container) else {
                warn!(name = container.name, "a marker cannot be read: hands off");
                return;
            };
            let (id, verdict) = (Some(container.id), Verdict::Pending);
            let mut reconciler = Reconciler::new(engine, &marker, id, verdict);
            reconciler.outlast_stop();
            let (transaction, name) = (&marker.transaction, &marker.original.name);
            match reconciler.run().await {
                Ok(settled) if !settled.touched && settled.rest == Rest::Committed => {}
                Ok(settled) => info!(transaction, name, rest = ?settled.rest, "recovered"),
                Err(stuck) => warn!(transaction, name, %stuck, "recovery is stuck"),
            }
        })
        .await;
    Ok(())
}

//! The main job: transaction, decide, verify, recover.
//!
//! Forward is a story of named steps ([`transaction`](self)); backward is reconciliation:
//! rollback and crash recovery are one pure function, [`decide::decide`], called until it rests.
//! While an original exists, the upgrade is not committed.

mod admission;
mod answer;
mod clash;
pub mod decide;
mod fault;
mod image;
mod locks;
mod look;
pub mod marker;
mod outcome;
mod own;
mod planning;
mod reach;
mod reconcile;
mod setback;
mod transaction;
mod verify;
mod words;

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    time::sleep,
};
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

use self::{
    decide::{Rest, Verdict},
    locks::Locks,
    marker::Marker,
    reconcile::Reconciler,
    transaction::Transaction,
};
use crate::engine::{Container, Engine, EngineError};
pub use outcome::{
    Cause, Ending, Failure, Incarnation, Outcome, Preview, Progress, Pull, Request, Rollback, Step,
};

/// How soon what could not be finished is tried again; each further time, twice as late.
const MEND_PAUSE: Duration = Duration::from_millis(500);

/// How late at most.
const LONGEST_MEND_PAUSE: Duration = Duration::from_secs(15);

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
    locks: Locks,
    /// The running transactions: a server that ends waits for them.
    transactions: TaskTracker,
    /// Whether what an earlier process left unfinished was looked after.
    recovered: Mutex<bool>,
}

/// An upgrade under way. Dropping it cancels nothing.
#[derive(Debug)]
pub struct Run {
    /// What happens, as it happens.
    pub progress: mpsc::UnboundedReceiver<Progress>,
    /// How it ended.
    pub outcome: oneshot::Receiver<Result<Ending, Failure>>,
}

impl Upgrades {
    /// Upgrades on `engine`. Nothing is dialled yet.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            shared: Arc::new(Shared {
                engine,
                locks: Locks::default(),
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

    /// Finishes or rolls back what an earlier process left unfinished. Upgrades wait for it. What
    /// cannot be done now, because the engine is out of reach or refuses, is tried again from time
    /// to time.
    pub async fn recover(&self) {
        let is_finished = self.shared.recover_first().await;
        if let Err(error) = &is_finished {
            warn!(%error, "recover unfinished upgrades");
        }
        if !is_finished.unwrap_or(false) {
            self.shared.mend();
        }
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
        self: &Arc<Self>,
        reference: &str,
        request: &Request,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Ending, Failure> {
        if self.transactions.is_closed() {
            let message = "Refit is shutting down: nothing was touched";
            return Err(Failure::untouched(Cause::Unreachable, Step::Lock, message));
        }
        let is_finished = self.recover_first().await;
        if !is_finished.map_err(|error| Failure::of_engine(Step::Lock, &error))? {
            self.mend();
        }
        // Between park and rename, no container has the name.
        self.locks.refuse(reference)?;
        let id = admission::resolve(self.engine.as_ref(), reference).await?;
        let transaction = Uuid::new_v4().to_string();
        let lock = self.locks.lock(&id, &transaction)?;
        let transaction = Transaction {
            id: transaction,
            engine: self.engine.as_ref(),
            request,
            lock: &lock,
            progress,
        };
        let result = transaction.run(&id).await;
        drop(lock);
        if let Err(failure) = &result
            && failure.rollback == Rollback::Incomplete
        {
            self.mend();
        }
        result
    }

    /// Recovers, if this process has not done so yet; whether nothing is left unfinished.
    async fn recover_first(&self) -> Result<bool, EngineError> {
        let mut recovered = self.recovered.lock().await;
        if *recovered {
            return Ok(true);
        }
        let is_finished = self.recover().await?;
        *recovered = true;
        Ok(is_finished)
    }

    /// Goes on, in a task of its own, until nothing is left unfinished.
    fn mend(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut pause = MEND_PAUSE;
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_MEND_PAUSE);
                let is_finished = match shared.recover_first().await {
                    Ok(true) => shared.recover().await,
                    unfinished => unfinished,
                };
                if is_finished.unwrap_or(false) {
                    break;
                }
            }
        });
    }

    /// Recovers every unfinished transaction that this process does not work on, a few at a time;
    /// whether all came to rest.
    async fn recover(&self) -> Result<bool, EngineError> {
        let look::Labelled {
            containers,
            is_complete,
        } = look::labelled(self.engine.as_ref()).await?;
        for name in look::orphans(self.engine.as_ref(), &containers).await? {
            warn!(name, "a parked original without its replacement: hands off");
        }
        let settled = stream::iter(containers)
            .map(async |container| self.recover_one(container).await)
            .buffer_unordered(PARALLEL_RECOVERIES);
        // Every one of them: one that is stuck must not cut the others off.
        Ok(settled.fold(is_complete, async |all, one| all && one).await)
    }

    async fn recover_one(&self, container: Container) -> bool {
        let Some(marker) = Marker::of(&container) else {
            warn!(name = container.name, "a marker cannot be read: hands off");
            return true;
        };
        let (transaction, name) = (&marker.transaction, &marker.original.name);
        let own = Uuid::new_v4().to_string();
        let Ok(_lock) = self.locks.lock(&marker.original.id, &own) else {
            return true;
        };
        let (id, verdict) = (Some(container.id), Verdict::Pending);
        let mut reconciler = Reconciler::new(self.engine.as_ref(), &marker, id, verdict);
        reconciler.outlast_stop();
        match reconciler.run().await {
            Ok(settled) => {
                match settled.rest {
                    Rest::Committed if !settled.touched => {}
                    Rest::HandsOff(why) => warn!(transaction, name, why, "hands off"),
                    rest => info!(transaction, name, ?rest, "recovered"),
                }
                true
            }
            Err(stuck) => {
                warn!(transaction, name, %stuck, "recovery is stuck");
                false
            }
        }
    }
}

//! The main job: transaction, decide, verify, recover.
//!
//! Forward is a story of named steps ([`transaction`](self)); backward is reconciliation:
//! rollback and crash recovery are one pure function, [`decide::decide`], called until it rests.
//! While an original exists, the upgrade is not committed.
//!
//! | module | job |
//! |---|---|
//! | `transaction`, `create` | forward: the steps, and what becomes of a failure |
//! | `admission`, `companions`, `target`, `image`, `planning`, `clash` | everything that is refused before the original is touched |
//! | `back` | what a container goes back to, the generation before |
//! | `members` | the containers of one transaction |
//! | `stand_in` | what an original of `--rm` is brought back from |
//! | `addresses` | the replacement answers on the original's |
//! | `verify`, `fault`, `words` | whether the replacement runs as it should; how it failed, in words |
//! | `setback`, `reconcile`, [`decide`], `look` | backward: observe, decide, repair, observe again |
//! | `recover`, [`owner`] | what another process left unfinished, or is working on |
//! | `helper`, `own` | the container that Refit itself runs in |
//! | `identity` | which container the ID of an earlier generation means |
//! | `running`, `locks`, `status` | what others see of a transaction under way, and are kept from |
//! | [`marker`], `journal` | what is written on the containers, and all that is read from them |
//! | `outcome`, `answer`, `reach` | what the caller is told |
//! | `events` | what those are told who follow the engine's events |
//! | `metrics` | what is counted of all this |

mod addresses;
mod admission;
mod answer;
mod back;
mod clash;
mod companions;
mod create;
pub mod decide;
mod events;
mod fault;
mod helper;
mod identity;
mod image;
mod journal;
mod locks;
mod look;
pub mod marker;
mod members;
mod metrics;
mod outcome;
mod own;
pub mod owner;
mod planning;
mod reach;
mod reconcile;
mod recover;
mod running;
mod setback;
mod stand_in;
mod status;
mod target;
mod transaction;
mod verify;
mod words;

use std::{sync::Arc, time::Duration};

use dashmap::DashMap;
use tokio::{
    sync::{OnceCell, mpsc, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::{
    addresses::Windows,
    locks::Lock,
    running::Running,
    status::Failures,
    transaction::{Transaction, Worker},
};
use crate::engine::{Container, Engine};
pub use events::{Action, Event, Events, Listener};
pub use helper::{Line, OwnContainer, Program};
pub use identity::Identities;
pub use locks::{Isolation, Underway};
pub use metrics::Metrics;
pub use outcome::{
    Cause, Ending, Failure, HandedOver, Incarnation, Outcome, Preview, Progress, Pull, Recreated,
    Request, Rollback, Step,
};
pub use recover::{Recovered, Recovery};
pub use running::Direction;
pub use status::{Ended, Former, Report};

/// How soon what could not be finished is tried again; each further time, twice as late.
const MEND_PAUSE: Duration = Duration::from_millis(500);

/// How late at most.
const LONGEST_MEND_PAUSE: Duration = Duration::from_secs(15);

/// All upgrades of one engine.
#[derive(Debug, Clone)]
pub struct Upgrades {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    engine: Arc<dyn Engine>,
    /// What becomes of an upgrade of the container that this process runs in.
    own_container: OwnContainer,
    /// The containers that are being worked on, and that others are kept from.
    isolation: Isolation,
    /// What stands for the containers that were upgraded.
    identities: Identities,
    /// How upgrades of containers failed that were not upgraded since.
    failures: Failures,
    /// How upgrades ended, for those who follow the engine's events.
    events: Events,
    /// Keeps upgrades on one network from each other's addresses.
    windows: Windows,
    /// The running transactions: a server that ends waits for them.
    transactions: TaskTracker,
    /// There when what an earlier process left unfinished was looked after.
    recovered: OnceCell<()>,
    /// What was said last of each container that was found unfinished.
    told: DashMap<String, Recovered>,
    /// Until when a stop may be under way in the engine that an unfinished transaction had asked for.
    lost_stops: DashMap<String, Instant>,
    /// What is counted.
    metrics: Metrics,
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
    /// Upgrades on `engine`, but of the container that this process runs in. Nothing is dialled yet.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self::with_own_container(engine, OwnContainer::Refused)
    }

    /// As [`Upgrades::new`], and this becomes of an upgrade of the container that this process runs in.
    #[must_use]
    pub fn with_own_container(engine: Arc<dyn Engine>, own_container: OwnContainer) -> Self {
        Self {
            shared: Arc::new(Shared {
                engine,
                own_container,
                isolation: Isolation::default(),
                identities: Identities::default(),
                failures: Failures::default(),
                events: Events::default(),
                windows: Windows::default(),
                transactions: TaskTracker::new(),
                recovered: OnceCell::new(),
                told: DashMap::new(),
                lost_stops: DashMap::new(),
                metrics: Metrics::default(),
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
            let counted = shared.metrics.begin();
            let result = shared.upgrade(&reference, &request, &progress).await;
            counted.conclude(&result);
            drop(end.send(result));
        });
        Run { progress, outcome }
    }

    /// What other clients must be kept from meanwhile.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.shared.isolation.clone()
    }

    /// What became of upgrades, as it happens.
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.events.clone()
    }

    /// What is counted, as it happens.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Whether everything was looked after that was unfinished when this process began. What could not
    /// be brought to an end then is tried again, and stands in the way of nothing else.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.shared.recovered.initialized()
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
        // Nothing is to be touched by a dry run.
        if !request.dry_run {
            let is_finished = self.recover_first().await;
            if !is_finished.map_err(|error| Failure::of_engine(Step::Lock, &error))? {
                self.mend();
            }
        }
        // Between park and rename, no container has the name.
        let locks = &self.isolation.0;
        locks.refuse(reference)?;
        let Container { id, name, .. } =
            admission::resolve(self.engine.as_ref(), &self.identities, reference).await?;
        let transaction = Uuid::new_v4().to_string();
        let running = Running::new(&transaction, &name, Direction::Forward, &self.metrics);
        let key = if request.dry_run {
            // It is refused beside an upgrade, and is itself in nobody's way.
            locks.refuse(&id)?;
            &transaction
        } else {
            &id
        };
        let lock = locks.lock(key, running)?;
        let result = self.run(&lock, &id, request, progress, Worker::Refit).await;
        let is_underway = match &result {
            Ok(Ending::HandedOver(_)) => true,
            Ok(_) => false,
            Err(failure) => failure.rollback == Rollback::Incomplete,
        };
        let is_finished = !is_underway && !lock.running.has_left_over();
        drop(lock);
        if !is_finished {
            self.mend();
        }
        result
    }

    /// Runs the transaction that has this lock, on the container of this ID.
    async fn run(
        &self,
        lock: &Lock<'_>,
        id: &str,
        request: &Request,
        progress: &(dyn Fn(Progress) + Send + Sync),
        worker: Worker,
    ) -> Result<Ending, Failure> {
        let transaction = Transaction {
            engine: self.engine.as_ref(),
            request,
            identities: &self.identities,
            lock,
            window: self.windows.window(),
            progress,
            events: &self.events,
            own_container: &self.own_container,
            worker,
        };
        let result = transaction.run(id).await;
        if !request.dry_run {
            self.failures.remember(id, &lock.running, &result);
        }
        lock.running.conclude(&result);
        result
    }
}

//! A simulated engine behind the trait that the real one stands behind: containers, names, run
//! states, restart policies, volumes and addresses in memory. What it does is what the real engines
//! were measured to do; what can go wrong between it and its client is a [`Fault`] at a call.
//!
//! Its time is tokio's, so under a paused clock hours cost nothing.

mod container;
mod create;
mod daemon;
mod fault;
mod image;
mod network;
mod people;
mod world;

use std::{
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use refit::engine::{
    ApiVersion, Created, Engine, EngineError, Exit, Limits, Output, Platform, PullLine,
    RestartPolicy, Result, StopOptions,
};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use container::Actor;
pub use container::{Container, FIRST_BACKOFF, LONGEST_BACKOFF, Mount};
pub use fault::{Call, Death, Fault, Verb, Whom};
pub use world::World;

/// What a test does to the engine right before a container is created.
type Meanwhile = Box<dyn Fn(&mut World) + Send>;

/// How long a container may take to stop where neither the call nor it says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// One process's connection to an engine in memory.
pub struct Simulated {
    engine: Arc<Shared>,
    /// Whether the process lives. One that does not makes no call, and sees no answer, ever again.
    lives: AtomicBool,
    died: Notify,
    /// Told when [`Fault::Cancelled`] comes, and waited for.
    cancel: Notify,
    cancelled: Notify,
}

struct Shared {
    world: Mutex<World>,
    began: Instant,
    meanwhile: Mutex<Option<Meanwhile>>,
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulated").finish_non_exhaustive()
    }
}

fn refused(status: u16, message: impl Into<String>) -> EngineError {
    EngineError::Refused {
        status,
        message: message.into(),
    }
}

fn unreachable() -> EngineError {
    EngineError::Unreachable {
        address: "memory".to_owned(),
        reason: "connection refused".to_owned(),
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    let value = document.pointer(pointer).and_then(Value::as_str);
    value.unwrap_or_default()
}

fn list(document: &Value, pointer: &str) -> Vec<Value> {
    let list = document.pointer(pointer).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// Whether there is such a label among these: a key, or a key with its value.
fn bears(labels: &Value, label: &str) -> bool {
    let (key, value) = match label.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (label, None),
    };
    let borne = labels.get(key);
    borne.is_some_and(|borne| value.is_none_or(|value| borne == value))
}

impl Simulated {
    pub fn new() -> Self {
        Self::connected(Arc::new(Shared {
            world: Mutex::new(World::new()),
            began: Instant::now(),
            meanwhile: Mutex::default(),
        }))
    }

    fn connected(engine: Arc<Shared>) -> Self {
        Self {
            engine,
            lives: AtomicBool::new(true),
            died: Notify::new(),
            cancel: Notify::new(),
            cancelled: Notify::new(),
        }
    }

    /// Another process's connection to the same engine.
    pub fn another(&self) -> Self {
        Self::connected(Arc::clone(&self.engine))
    }

    /// The process dies.
    pub fn crash(&self) {
        self.lives.store(false, Ordering::Relaxed);
        self.died.notify_one();
    }

    /// Completes when the process has died of [`Fault::Crash`].
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// Completes when somebody is to ask for the original back; the call waits for
    /// [`Simulated::has_asked`].
    pub async fn asks_back(&self) {
        self.cancel.notified().await;
    }

    /// Somebody has asked for the original back.
    pub fn has_asked(&self) {
        self.cancelled.notify_one();
    }

    /// What the engine has now.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let world = self.engine.world.lock();
        let mut world = world.unwrap_or_else(PoisonError::into_inner);
        world.advance(self.engine.began.elapsed());
        world
    }

    /// Has something happen right before the next create.
    pub fn before_create(&self, meanwhile: impl Fn(&mut World) + Send + 'static) {
        let at_create = self.engine.meanwhile.lock();
        *at_create.unwrap_or_else(PoisonError::into_inner) = Some(Box::new(meanwhile));
    }

    /// Creates a container by hand and starts it; returns its ID.
    pub fn run(&self, name: &str, body: &Value) -> String {
        let id = self.make(name, body);
        let mut world = self.world();
        world
            .by_itself(|world| world.start(&id))
            .expect("it starts");
        world.changes();
        id
    }

    /// Creates a container by hand; returns its ID.
    pub fn make(&self, name: &str, body: &Value) -> String {
        let mut world = self.world();
        let created = world.create(name, body).expect("it is created");
        world.changes();
        created.id
    }

    /// What inspect prints; null where there is no such container.
    pub fn inspect(&self, reference: &str) -> Value {
        self.world().printed(reference).unwrap_or_default()
    }

    /// A call: what it does, if nothing goes wrong with it.
    async fn call<T>(
        &self,
        what: &'static str,
        subject: &str,
        act: impl FnOnce(&mut World) -> Result<T> + Send,
    ) -> Result<T> {
        self.survive().await;
        let call = Call::new(what, subject);
        let patience = call.patience();
        let fault = self.world().enter(call);
        let act = || {
            let mut world = self.world();
            if world.is_down() {
                return Err(unreachable());
            }
            if world.is_disk_full() {
                return Err(refused(500, "write: no space left on device"));
            }
            world.actor = Actor::Refit;
            act(&mut world)
        };
        match fault {
            None | Some(Fault::DiskFull(_)) => act(),
            Some(Fault::Cancelled) => {
                self.cancel.notify_one();
                self.cancelled.notified().await;
                act()
            }
            Some(Fault::Late(by)) => {
                let answer = act();
                sleep(by).await;
                answer
            }
            Some(Fault::Person { verb, whom }) => {
                self.world().interfere(verb, whom);
                act()
            }
            Some(Fault::Crash { done }) => {
                if done {
                    drop(act());
                }
                self.crash();
                pending().await
            }
            Some(_) if self.world().is_down() => Err(unreachable()),
            Some(Fault::Refused(status)) => Err(refused(status, "refused by a fault")),
            Some(Fault::Unreachable) => Err(unreachable()),
            Some(Fault::Lost { done }) => {
                if done {
                    drop(act());
                }
                Err(EngineError::unknown("connection reset by peer"))
            }
            Some(Fault::Hang { done }) => {
                if done {
                    drop(act());
                }
                let _in_flight = InFlight::new(self);
                sleep(patience).await;
                self.survive().await;
                Err(EngineError::unknown(format!(
                    "no answer within {patience:?}"
                )))
            }
            Some(Fault::Dockerd { how, done }) => {
                if done {
                    drop(act());
                }
                self.world().die(how);
                Err(EngineError::unknown("connection reset by peer"))
            }
        }
    }

    /// Never completes if the process is dead.
    async fn survive(&self) {
        if !self.lives.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }

    /// Waits until the process of a container that is being stopped has ended.
    async fn ended(&self, id: &str) -> Result<()> {
        self.until(|world| !world.find(id).is_some_and(Container::has_process))
            .await
    }

    /// Waits until it is so, unless dockerd dies meanwhile.
    async fn until(&self, is_so: impl Fn(&World) -> bool + Send) -> Result<()> {
        let deaths = self.world().deaths();
        loop {
            {
                let world = self.world();
                if world.deaths() != deaths {
                    return Err(EngineError::unknown("connection reset by peer"));
                }
                if is_so(&world) {
                    return Ok(());
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A call that is not answered yet, until its caller has the answer, or gives up.
struct InFlight<'a>(&'a Simulated);

impl<'a> InFlight<'a> {
    fn new(engine: &'a Simulated) -> Self {
        engine.world().in_flight += 1;
        Self(engine)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.world().in_flight -= 1;
    }
}

#[async_trait]
impl Engine for Simulated {
    async fn api_version(&self) -> Result<ApiVersion> {
        self.call("version", "", |_| {
            Ok(ApiVersion {
                major: 1,
                minor: 51,
            })
        })
        .await
    }

    async fn inspect_container(&self, reference: &str) -> Result<Value> {
        let look = |world: &mut World| world.printed(reference);
        self.call("inspect", reference, look).await
    }

    async fn inspect_image(&self, reference: &str) -> Result<Value> {
        let look = |world: &mut World| world.image(reference).cloned();
        self.call("inspect image", reference, look).await
    }

    async fn inspect_network(&self, reference: &str) -> Result<Value> {
        let look = |world: &mut World| world.printed_network(reference);
        self.call("inspect network", reference, look).await
    }

    async fn inspect_volume(&self, name: &str) -> Result<Value> {
        let look = |world: &mut World| {
            let is_there = world.volumes.contains(name);
            let missing = || refused(404, format!("get {name}: no such volume"));
            is_there
                .then(|| json!({ "Name": name }))
                .ok_or_else(missing)
        };
        self.call("inspect volume", name, look).await
    }

    async fn list_labelled(&self, label: &str) -> Result<Vec<String>> {
        let bears = |c: &&Container| bears(&c.config["Labels"], label);
        let list = |world: &mut World| {
            let labelled = world.containers.iter().filter(bears);
            Ok(labelled.map(|c| c.id.clone()).collect())
        };
        self.call("list labelled", "", list).await
    }

    async fn list_containers(&self) -> Result<Vec<Value>> {
        let summary = |container: &Container| {
            let mounts = container.mounts.iter().map(|m| json!({ "Name": m.volume }));
            json!({
                "Id": container.id, "Names": [format!("/{}", container.name)], "Ports": [],
                "Mounts": mounts.collect::<Vec<_>>(),
                "HostConfig": { "NetworkMode": container.host["NetworkMode"] },
            })
        };
        let list = |world: &mut World| Ok(world.containers.iter().map(summary).collect());
        self.call("list", "", list).await
    }

    async fn list_labelled_images(&self, label: &str) -> Result<Vec<Value>> {
        let list = |world: &mut World| Ok(world.labelled_images(label));
        self.call("list images", "", list).await
    }

    async fn architecture(&self) -> Result<String> {
        let look = |world: &mut World| Ok(world.architecture.clone());
        self.call("architecture", "", look).await
    }

    async fn import_image(&self, reference: &str, changes: &[String], _tar: &[u8]) -> Result<()> {
        let import = |world: &mut World| world.import(reference, changes);
        self.call("import", reference, import).await
    }

    async fn remove_image(&self, reference: &str) -> Result<()> {
        let remove = |world: &mut World| world.untag(reference);
        self.call("remove image", reference, remove).await
    }

    async fn pull(
        &self,
        reference: &str,
        _platform: Option<&Platform>,
        _auth: Option<&str>,
        _progress: &(dyn Fn(PullLine) + Send + Sync),
    ) -> Result<()> {
        let pull = |world: &mut World| world.pull(reference);
        self.call("pull", reference, pull).await
    }

    async fn create_container(
        &self,
        name: &str,
        _platform: Option<&Platform>,
        body: &Value,
    ) -> Result<Created> {
        let meanwhile = self.engine.meanwhile.lock();
        let meanwhile = meanwhile.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(meanwhile) = meanwhile {
            meanwhile(&mut self.world());
        }
        let create = |world: &mut World| world.create(name, body);
        self.call("create", name, create).await
    }

    async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: &Value,
    ) -> Result<()> {
        let connect = |world: &mut World| world.connect(network, container, endpoint);
        self.call("connect", container, connect).await
    }

    async fn update_restart_policy(&self, container: &str, policy: &RestartPolicy) -> Result<()> {
        let update = |world: &mut World| world.update(container, policy);
        self.call("update", container, update).await
    }

    async fn stop(&self, container: &str, options: &StopOptions) -> Result<()> {
        let patience = match options.timeout.map(u64::try_from) {
            Some(Ok(seconds)) => Duration::from_secs(seconds),
            Some(Err(_)) => Duration::MAX,
            None => PATIENCE,
        };
        let stop = |world: &mut World| world.stop(container, patience);
        if self.call("stop", container, stop).await? {
            self.ended(container).await?;
        }
        Ok(())
    }

    async fn start(&self, container: &str) -> Result<()> {
        let start = |world: &mut World| world.start(container);
        self.call("start", container, start).await
    }

    async fn pause(&self, container: &str) -> Result<()> {
        let pause = |world: &mut World| world.pause(container);
        self.call("pause", container, pause).await
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let rename = |world: &mut World| world.rename(container, name);
        self.call("rename", container, rename).await
    }

    async fn remove(&self, container: &str, volumes: bool) -> Result<()> {
        let remove = |world: &mut World| world.remove(container, volumes);
        self.call("remove", container, remove).await
    }

    async fn wait_removed(&self, container: &str, patience: Duration) -> Result<()> {
        let begin = |world: &mut World| Ok(world.find(container).is_some());
        if !self.call("wait removed", container, begin).await? {
            return Ok(());
        }
        let gone = self.until(|world| world.find(container).is_none());
        let gone = timeout(patience, gone).await;
        gone.map_err(|_| EngineError::unknown(format!("it is not removed within {patience:?}")))?
    }

    async fn remove_by_force(&self, container: &str) -> Result<()> {
        let remove = |world: &mut World| world.remove_by_force(container);
        self.call("remove by force", container, remove).await
    }

    async fn first_exit(&self, container: &str) -> Result<Option<Exit>> {
        let recall = |world: &mut World| {
            let removed = world.removed.iter().find(|removed| removed.id == container);
            Ok(world.find(container).or(removed).and_then(|c| c.first_exit))
        };
        self.call("first exit", container, recall).await
    }

    async fn attach(&self, container: &str) -> Result<Output> {
        let attach = |world: &mut World| Ok(world.get(container)?.output.clone());
        self.call("attach", container, attach).await
    }

    /// Every process says once that it is ready.
    async fn log_tail(&self, container: &str, lines: usize) -> Result<Vec<String>> {
        let read = |world: &mut World| Ok(world.get(container)?.output.tail(lines));
        self.call("log", container, read).await
    }

    /// No call by itself: it asks until dockerd answers.
    async fn await_reachable(&self) -> Result<()> {
        self.survive().await;
        let in_flight = InFlight::new(self);
        let back = timeout(Limits::default().reconnect, async {
            while self.world().is_down() {
                sleep(Duration::from_millis(200)).await;
            }
        });
        let back = back.await;
        drop(in_flight);
        self.survive().await;
        back.map_err(|_| unreachable())
    }
}

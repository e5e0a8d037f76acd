//! One case: an original, the replacement that it gets, and what goes wrong.

use std::{sync::Arc, time::Duration};

use refit::{
    engine::EngineError,
    upgrade::{Cause, Ending, Event, Failure, Request, Upgrades, marker::RunState},
};
use serde_json::{Value, json};
use tokio::{
    runtime::Builder,
    time::{sleep, timeout},
};

use crate::{
    request,
    simulated::{Call, Container, Fault, Simulated, World},
    upgrade,
};

/// How long nothing may be called until things count as at rest; mending pauses for less.
const REST: Duration = Duration::from_secs(60);

/// How many times that it may take.
const RESTS: usize = 120;

/// What the original does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    Running,
    Paused,
    /// It crashes as soon as it runs, and its policy restarts it.
    Restarting,
    Stopped,
    NeverStarted,
}

impl Activity {
    fn run_state(self) -> RunState {
        match self {
            Self::Running | Self::Restarting => RunState::Running,
            Self::Paused => RunState::Paused,
            Self::Stopped | Self::NeverStarted => RunState::Stopped,
        }
    }
}

/// What the replacement does once it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    Serves,
    /// It ends before it is verified.
    Exits,
    /// It cannot be started.
    Missing,
}

/// Why an original may not be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The engine deletes it when it stops, and another container joins its network.
    Depended,
    /// Another container runs that joins its network, and it does not.
    Survived,
}

/// Who depends on the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Companions {
    Nobody,
    /// One that joins its name space of this kind (`NetworkMode`, `IpcMode`, `PidMode`), or links to it
    /// (`Links`).
    One(&'static str, Activity),
    /// One that joins its network, and one that joins the processes of that.
    Nested,
}

impl Companions {
    /// Their names, on whom they depend how, and what they do.
    fn all(self) -> Vec<(&'static str, &'static str, &'static str, Activity)> {
        match self {
            Self::Nobody => Vec::new(),
            Self::One(how, activity) => vec![("second", "web", how, activity)],
            Self::Nested => vec![
                ("second", "web", "NetworkMode", Activity::Running),
                ("third", "second", "PidMode", Activity::Running),
            ],
        }
    }
}

/// An upgrade of one container.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub activity: Activity,
    /// The original's restart policy, with its retry count.
    pub policy: &'static str,
    pub replacement: Replacement,
    /// Whether the engine deletes the original when it stops.
    pub is_auto_removed: bool,
    pub obstacle: Option<Obstacle>,
    pub companions: Companions,
    /// Whether an address below the original's is free.
    pub has_gap: bool,
    /// Whether the replacement is what the original was before an upgrade.
    pub goes_back: bool,
}

/// A case that was run to rest.
pub struct Trial {
    /// Before the upgrade.
    pub before: World,
    /// When all was at rest.
    pub world: World,
    /// What the caller was told, and what was there then; nothing if the process died first.
    pub answer: Option<(Result<Ending, Failure>, World)>,
    /// The calls up to the rest.
    pub calls: Vec<Call>,
    /// What was told of it up to then, by one process after the other.
    pub events: Vec<Arc<Event>>,
    /// Whether it came to rest.
    pub is_at_rest: bool,
    /// Whether somebody asked for the original back, and was told that it comes.
    pub is_cancelled: bool,
    /// What one more recovery changed, which should find nothing to do.
    pub unrest: Vec<String>,
    /// What each original's ID stands for in the end, to each process that lives.
    pub successors: Vec<(String, Option<String>)>,
}

impl Trial {
    pub fn is_upgraded(&self) -> bool {
        matches!(&self.answer, Some((Ok(Ending::Upgraded(outcome)), _)) if outcome.changed)
    }

    /// Whether it was refused for what it is.
    pub fn is_refused(&self) -> bool {
        matches!(&self.answer, Some((Err(failure), _)) if failure.cause == Cause::Conflict)
    }

    /// The originals as they were, the leader's first.
    pub fn originals(&self) -> impl Iterator<Item = &Container> {
        originals(&self.before)
    }

    /// Whether the caller was told of another address.
    pub fn tells_of_address(&self) -> bool {
        let told = match &self.answer {
            Some((Ok(Ending::Upgraded(outcome)), _)) => outcome.warnings.join("\n"),
            Some((Err(failure), _)) => failure.message.clone(),
            _ => return false,
        };
        told.contains("the address on network app was")
    }
}

fn originals(before: &World) -> impl Iterator<Item = &Container> {
    let names = ["web", "second", "third"].into_iter();
    names.filter_map(|name| before.find(name))
}

impl Case {
    /// Whether the upgrade succeeds where nothing goes wrong.
    pub fn is_good(self) -> bool {
        self.replacement == Replacement::Serves || self.run_state() == RunState::Stopped
    }

    /// What the container should do in the end.
    pub fn run_state(self) -> RunState {
        self.activity.run_state()
    }

    /// What the member of this name should do in the end.
    pub fn run_state_of(self, name: &str) -> RunState {
        let companions = self.companions.all();
        let companion = companions.iter().find(|(companion, ..)| *companion == name);
        companion.map_or(self.run_state(), |(.., activity)| activity.run_state())
    }

    /// Runs the upgrade with these faults, each at the call of its number, and whatever recovers
    /// from them, to rest.
    pub fn run(self, faults: &[(usize, Fault)]) -> Trial {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(self.run_to_rest(faults))
    }

    async fn run_to_rest(self, faults: &[(usize, Fault)]) -> Trial {
        let mut engine = Arc::new(Simulated::new());
        self.set_up(&engine).await;
        let before = engine.world().clone();
        engine.world().faults = faults.to_vec();

        let mut request = if self.goes_back {
            Request {
                go_back: true,
                ..request(&json!({}))
            }
        } else {
            request(&json!({ "Image": self.replacing_image() }))
        };
        request.stop.timeout = Some(1);
        request.monitor = Duration::from_millis(300);
        let upgrades = Upgrades::new(engine.clone());
        let mut told = vec![upgrades.events()];
        let mut upgrade = upgrades.begin("web".to_owned(), request);
        let mut is_cancelled = false;
        let answer = loop {
            tokio::select! {
                biased;
                told = &mut upgrade.outcome => {
                    break Some((told.expect("an outcome"), engine.world().clone()));
                }
                () = engine.died() => {
                    told.push(recover(&mut engine).events());
                    break None;
                }
                () = engine.asks_back() => {
                    is_cancelled = ask_back(&upgrades, &before).await;
                    engine.has_asked();
                }
            }
        };
        let mut alive = answer.is_some().then_some(upgrades);
        // A process that recovers may die of it, too.
        let is_at_rest = loop {
            tokio::select! {
                biased;
                () = engine.died() => {
                    alive = None;
                    told.push(recover(&mut engine).events());
                }
                // It has ended: nobody asks any more.
                () = engine.asks_back() => engine.has_asked(),
                is_at_rest = rest(&engine) => break is_at_rest,
            }
        };
        let (calls, world) = {
            let mut world = engine.world();
            world.changes();
            world.faults.clear();
            (world.calls.clone(), world.clone())
        };
        let another = recover(&mut engine);
        told.push(another.events());
        rest(&engine).await;
        let events = told.iter().flat_map(|events| events.listen().0).collect();
        let unrest = engine.world().changes();
        let mut successors = Vec::new();
        for upgrades in alive.into_iter().chain([another]) {
            for Container { id, .. } in originals(&before) {
                successors.push((id.clone(), successor(&upgrades, id).await));
            }
        }
        Trial {
            before,
            world,
            answer,
            calls,
            events,
            is_at_rest,
            is_cancelled,
            unrest,
            successors,
        }
    }

    fn replacing_image(self) -> &'static str {
        match self.replacement {
            Replacement::Serves => "web:2",
            Replacement::Exits => "web:exits",
            Replacement::Missing => "web:missing",
        }
    }

    /// Makes the original; where it is to be gone back behind, by an upgrade of what it was before.
    async fn make_original(self, engine: &Arc<Simulated>, mut body: Value) -> String {
        if !self.goes_back {
            return engine.make("web", &body);
        }
        let image = body["Image"].take();
        body["Image"] = json!(self.replacing_image());
        engine.make("web", &body);
        let upgraded = upgrade(engine, &json!({ "Image": image })).await;
        let id = upgraded.expect("an upgrade").current.id;
        let mut world = engine.world();
        // What counts begins with it.
        world.calls.clear();
        world.removed.clear();
        let original = world.containers.iter_mut().find(|c| c.id == id);
        let original = original.expect("the original");
        original.lineage.clone_from(&id);
        original.is_touched = false;
        id
    }

    /// An engine with the original and another container on its network.
    async fn set_up(self, engine: &Arc<Simulated>) {
        engine.world().add_network("app");
        let image = |cmd: Value| json!({ "Cmd": cmd, "Volumes": { "/anonymous": {} } });
        let second = json!({ "Cmd": ["serve"], "Volumes": { "/anonymous": {}, "/fresh": {} } });
        for (reference, config) in [
            ("web:1", image(json!(["serve"]))),
            ("web:stubborn", image(json!(["stubborn"]))),
            ("web:crashing", image(json!(["exit", "1", "20"]))),
            ("web:2", second),
            ("web:exits", image(json!(["exit", "1", "150"]))),
            ("web:missing", image(json!(["missing"]))),
        ] {
            let id = format!("sha256:{reference}");
            engine.world().tag(reference, &id, &config);
        }
        let (policy, retries) = self.policy.split_once(':').unwrap_or((self.policy, "0"));
        let retries: i64 = retries.parse().expect("a number");
        let image = match (self.activity, policy) {
            (Activity::Restarting, _) => "web:crashing",
            // Only one that does not end well is started again by a daemon that restarts.
            (_, "on-failure") => "web:stubborn",
            _ => "web:1",
        };
        let body = json!({
            "Image": image,
            "HostConfig": {
                "NetworkMode": "app", "Binds": ["data:/data"],
                "AutoRemove": self.is_auto_removed,
                "RestartPolicy": { "Name": policy, "MaximumRetryCount": retries },
            },
        });
        let neighbour = json!({ "Image": "web:1", "HostConfig": { "NetworkMode": "app" } });
        if self.has_gap {
            engine.run("gone", &neighbour);
        }
        let id = self.make_original(engine, body).await;
        engine.world().subject.clone_from(&id);
        let by_itself = |act: &dyn Fn(&mut World) -> Result<(), EngineError>| {
            engine
                .world()
                .by_itself(act)
                .expect("the original is made so");
        };
        if self.activity != Activity::NeverStarted {
            by_itself(&|world| world.start(&id));
        }
        engine.run("neighbour", &neighbour);
        if self.has_gap {
            by_itself(&|world| world.remove_by_force("gone"));
        }
        for (name, of, how, activity) in self.companions.all() {
            let host = match how {
                "Links" => json!({ "Links": [format!("{of}:db")] }),
                how => json!({ how: format!("container:{of}") }),
            };
            self.make_companion(engine, name, host, activity);
        }
        // Time enough for a crashing one to be between two of its runs.
        sleep(Duration::from_millis(500)).await;
        if self.obstacle.is_some() {
            let host = json!({ "NetworkMode": "container:web" });
            self.make_companion(engine, "second", host, Activity::Running);
        }
        match self.activity {
            Activity::Paused => by_itself(&|world| world.pause(&id)),
            Activity::Stopped => by_itself(&|world| world.stop(&id, Duration::ZERO).map(drop)),
            _ => {}
        }
        engine.world().changes();
    }

    fn make_companion(self, engine: &Simulated, name: &str, mut host: Value, activity: Activity) {
        host["RestartPolicy"] = json!({ "Name": self.policy.split(':').next() });
        let id = engine.make(name, &json!({ "Image": "web:1", "HostConfig": host }));
        let begin = |world: &mut World| {
            if activity != Activity::NeverStarted {
                world.start(&id)?;
            }
            match activity {
                Activity::Paused => world.pause(&id),
                Activity::Stopped => world.stop(&id, Duration::ZERO).map(drop),
                _ => Ok(()),
            }
        };
        let mut world = engine.world();
        world.by_itself(begin).expect("the companion is made so");
    }
}
/// Asks for the original back, and does not wait for it; whether it comes.
async fn ask_back(upgrades: &Upgrades, before: &World) -> bool {
    let id = &before.find("web").expect("the original").id;
    let asked = timeout(Duration::ZERO, upgrades.cancel(id)).await;
    // It waits for the end, or was refused at once.
    asked.is_err()
}

/// What stands for an original; empty where that is known and nothing does.
async fn successor(upgrades: &Upgrades, id: &str) -> Option<String> {
    if !upgrades.identities().knows(id) {
        return None;
    }
    let mut identified = upgrades.identify([id.to_owned()].into()).await;
    Some(identified.remove(id).unwrap_or_default())
}

/// A new process takes the place of the one that died (or ended), and recovers.
fn recover(engine: &mut Arc<Simulated>) -> Upgrades {
    *engine = Arc::new(engine.another());
    let upgrades = Upgrades::new(engine.clone());
    let recovering = upgrades.clone();
    tokio::spawn(async move { recovering.recover().await });
    upgrades
}

/// Waits until nothing is called any more; false if that does not come.
async fn rest(engine: &Simulated) -> bool {
    for _ in 0..RESTS {
        let calls = engine.world().calls.len();
        sleep(REST).await;
        let world = engine.world();
        if world.calls.len() == calls && world.in_flight == 0 {
            return true;
        }
    }
    false
}

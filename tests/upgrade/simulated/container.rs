//! One simulated container: what create made of it, and what it does.

use std::time::Duration;

use refit::{
    engine::{EngineError, Exit, Output, RestartPolicy, Result, Status},
    plan::MARKER_LABEL,
};
use serde_json::{Map, Value, json};

use super::{refused, text};

/// How long a process takes to end once it was asked to.
const GRACE: Duration = Duration::from_millis(100);

/// The pause before the engine's first restart of a container; each further one is twice as long
/// (moby `restartmanager/restartmanager.go`).
pub const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest such pause.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// A run as long as this makes the engine forget the pauses before it.
const LONG_RUN: Duration = Duration::from_secs(10);

/// Who makes something happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The engine's client that is under test.
    Refit,
    /// Another client.
    Person,
    /// The engine itself: a restart policy, a process that ended.
    Engine,
}

/// What will happen to a container by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Its process ends with this exit code.
    Exit(i64),
    /// Its restart policy starts it again.
    Restart,
}

/// A volume that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub volume: String,
    pub target: String,
    pub options: String,
    /// Whether the engine made it up for this container; only such a volume goes with it.
    pub is_anonymous: bool,
}

/// What a container's process does, as the first word of its `Cmd` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// Runs until it is asked to end, and ends with 0.
    Serve,
    /// Runs until it is killed, with 137.
    Stubborn,
    /// Ends by itself, with a code after a time: `exit 1 150`.
    Exit(i64, Duration),
    /// Cannot be started.
    Missing,
}

/// A container.
#[derive(Debug, Clone)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub image_id: String,
    pub config: Value,
    pub host: Value,
    pub endpoints: Map<String, Value>,
    pub mounts: Vec<Mount>,
    /// The IDs of those that it links to, and what it calls them.
    pub links: Vec<(String, String)>,
    pub policy: RestartPolicy,
    pub status: Status,
    pub restart_count: i64,
    pub exit_code: i64,
    /// How its first run ended; the events tell it.
    pub first_exit: Option<Exit>,
    pub error: String,
    /// Whether a client ended its last run.
    pub is_stopped_by_hand: bool,
    pub due: Option<(Duration, Due)>,
    /// The ID of the container that it descends from by upgrades; its own, if by none.
    pub lineage: String,
    /// Who started it last, restarts by its policy aside.
    pub started_by: Actor,
    /// Whether Refit changed anything of it.
    pub is_touched: bool,
    /// How often Refit ended its process.
    pub stops: u32,
    /// How often its process has begun.
    pub runs: usize,
    /// Those whose namespaces its process is in, each with the run of it that made them.
    pub inside: Vec<(String, usize)>,
    /// What it prints.
    pub output: Output,
    /// When the engine loses patience with a stop.
    killed_at: Option<Duration>,
    since: Duration,
    backoff: Duration,
}

impl Container {
    /// A container that was never started.
    pub fn new(id: String, name: &str, image_id: String, config: Value, host: Value) -> Self {
        let policy = host.get("RestartPolicy").cloned();
        let policy = policy.and_then(|policy| serde_json::from_value(policy).ok());
        Self {
            lineage: id.clone(),
            id,
            name: name.to_owned(),
            image_id,
            config,
            host,
            endpoints: Map::new(),
            mounts: Vec::new(),
            links: Vec::new(),
            policy: policy.unwrap_or_else(|| RestartPolicy::named("no")),
            status: Status::Created,
            restart_count: 0,
            exit_code: 0,
            first_exit: None,
            error: String::new(),
            is_stopped_by_hand: false,
            due: None,
            started_by: Actor::Engine,
            is_touched: false,
            stops: 0,
            runs: 0,
            inside: Vec::new(),
            output: Output::default(),
            killed_at: None,
            since: Duration::ZERO,
            backoff: Duration::ZERO,
        }
    }

    /// Whether it has a process.
    pub fn has_process(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    /// Which namespaces it joins, with the IDs of the containers that they are of.
    pub fn joined(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let modes = ["/NetworkMode", "/IpcMode", "/PidMode"];
        let joined = |mode| Some((mode, text(&self.host, mode).strip_prefix("container:")?));
        modes.into_iter().filter_map(joined)
    }

    /// Whether the engine deletes it when it ends.
    pub fn is_auto_removed(&self) -> bool {
        self.host["AutoRemove"] == true
    }

    /// Whether it bears the same label of Refit's as another, or both bear none.
    pub fn bears_what(&self, other: &Self) -> bool {
        let label = |container: &Self| container.config["Labels"].get(MARKER_LABEL).cloned();
        label(self) == label(other)
    }

    /// What Refit's label says; null where there is none.
    pub fn marker(&self) -> Value {
        let marker = self.config["Labels"][MARKER_LABEL].as_str();
        serde_json::from_str(marker.unwrap_or_default()).unwrap_or_default()
    }

    fn program(&self) -> Program {
        let number = |at: usize| text(&self.config["Cmd"], &format!("/{at}")).parse::<u32>();
        match text(&self.config["Cmd"], "/0") {
            "stubborn" => Program::Stubborn,
            "missing" => Program::Missing,
            "exit" => Program::Exit(
                number(1).expect("an exit code").into(),
                Duration::from_millis(number(2).expect("milliseconds").into()),
            ),
            _ => Program::Serve,
        }
    }

    /// Its process begins.
    ///
    /// # Errors
    /// As the engine says it where it cannot.
    pub fn begin(&mut self, now: Duration) -> Result<()> {
        let program = self.program();
        if program == Program::Missing {
            let why = "exec: \"missing\": executable file not found in $PATH";
            return Err(self.fail(127, refused(400, why)));
        }
        self.error.clear();
        self.exit_code = 0;
        self.status = Status::Running;
        self.runs += 1;
        self.output.push("ready");
        self.since = now;
        self.due = match program {
            Program::Exit(code, after) => Some((now + after, Due::Exit(code))),
            _ => None,
        };
        Ok(())
    }

    /// It cannot be started.
    pub fn fail(&mut self, code: i64, why: EngineError) -> EngineError {
        self.exit_code = code;
        self.error = why.to_string();
        why
    }

    /// The exit code of its process where it is given the time to end.
    pub fn code_when_asked(&self) -> i64 {
        match self.program() {
            Program::Stubborn => 137,
            _ => 0,
        }
    }

    /// Its process was asked to end, and has `patience` until it is killed.
    pub fn ask_to_end(&mut self, now: Duration, patience: Duration) {
        let (after, code) = match self.program() {
            Program::Stubborn => (patience, 137),
            // A paused one ends at once (measured), with the exit code of its trap.
            _ if self.status == Status::Paused => (Duration::ZERO, 0),
            _ if patience < GRACE => (patience, 137),
            _ => (GRACE, 0),
        };
        let asked = (now + after, Due::Exit(code));
        let by_itself = self.due.filter(|(at, _)| *at <= asked.0);
        self.due = Some(by_itself.unwrap_or(asked));
        let kill = now.saturating_add(patience);
        self.killed_at = Some(self.killed_at.map_or(kill, |earlier| earlier.min(kill)));
    }

    /// Its process is frozen; only a stop that is under way goes on.
    pub fn freeze(&mut self) {
        self.status = Status::Paused;
        self.due = self.killed_at.map(|at| (at, Due::Exit(137)));
    }

    /// Its process is gone.
    pub fn end(&mut self, code: i64) {
        self.status = Status::Exited;
        self.exit_code = code;
        self.first_exit.get_or_insert(Exit {
            code,
            oom_killed: false,
        });
        self.due = None;
        self.killed_at = None;
        self.output.end();
        self.leave_networks();
    }

    /// Its addresses are free again.
    pub fn leave_networks(&mut self) {
        for endpoint in self.endpoints.values_mut() {
            endpoint["IPAddress"] = json!("");
        }
    }

    /// Whether its policy starts it again after its last run (moby
    /// `restartmanager/restartmanager.go`, `ShouldRestart`).
    pub fn should_restart(&self) -> bool {
        match self.policy.name.as_str() {
            "always" => true,
            "unless-stopped" => !self.is_stopped_by_hand,
            "on-failure" => {
                let limit = self.policy.maximum_retry_count;
                self.exit_code != 0 && (limit == 0 || self.restart_count < limit)
            }
            _ => false,
        }
    }

    /// Its policy will start it again, later each time.
    pub fn restart_later(&mut self, now: Duration) {
        let is_first = self.backoff.is_zero() || now.saturating_sub(self.since) >= LONG_RUN;
        self.backoff = if is_first {
            FIRST_BACKOFF
        } else {
            (self.backoff * 2).min(LONGEST_BACKOFF)
        };
        self.status = Status::Restarting;
        self.restart_count += 1;
        self.due = Some((now + self.backoff, Due::Restart));
    }

    /// A client starts it: what its policy counted begins anew.
    pub fn forget_restarts(&mut self) {
        self.is_stopped_by_hand = false;
        self.restart_count = 0;
        self.backoff = Duration::ZERO;
    }

    /// As inspect prints it. It is printed so often that nothing is serialized here that can be
    /// cloned.
    pub fn printed(&self) -> Value {
        let mut host = self.host.clone();
        host["RestartPolicy"] = json!({
            "Name": self.policy.name.as_str(),
            "MaximumRetryCount": self.policy.maximum_retry_count,
        });
        let mounts = self.mounts.iter().map(Mount::printed).collect();
        let mut printed = json!({
            "Id": self.id.as_str(), "Name": format!("/{}", self.name),
            "Image": self.image_id.as_str(), "RestartCount": self.restart_count,
            "State": {
                "Status": word(self.status), "ExitCode": self.exit_code, "OOMKilled": false,
                "Running": self.status.is_active(), "Error": self.error.as_str(),
                "StartedAt": format!("{:?}", self.since),
                "FinishedAt": self.first_exit.map_or("0001-01-01T00:00:00Z", |_| "since"),
            },
            "NetworkSettings": { "Networks": null, "Ports": {} },
        });
        printed["Config"] = self.config.clone();
        printed["HostConfig"] = host;
        printed["Mounts"] = Value::Array(mounts);
        printed["NetworkSettings"]["Networks"] = Value::Object(self.endpoints.clone());
        printed
    }
}

impl Mount {
    fn printed(&self) -> Value {
        json!({
            "Type": "volume", "Name": self.volume.as_str(), "Destination": self.target.as_str(),
            "Driver": "local", "Mode": self.options.as_str(), "RW": true, "Propagation": "",
        })
    }
}

/// What inspect calls a status.
fn word(status: Status) -> &'static str {
    match status {
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Restarting => "restarting",
        Status::Exited => "exited",
        Status::Removing => "removing",
        Status::Dead => "dead",
    }
}

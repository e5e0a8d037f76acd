//! One container under load, with an injector and a Refit of its own: cases run on it one after the
//! other, each on what the one before left.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use compat_tests::{Answer, LABEL, PATIENCE, Scenario, direct::exchange, process::Refit, variable};
use serde_json::{Value, json};

use super::{
    calls::{Call, Place},
    check::{Judge, text},
    fault::{Blow, Fault},
    injector::Injector,
    writer::{Writer, is_answered},
};

/// How long Refit waits for a call, where one may hang.
const SHORT: [&str; 4] = ["--call-timeout", "1s", "--work-timeout", "3s"];

/// The same where none does: an engine that has just been started on a busy machine takes its time.
const LONG: [&str; 4] = ["--call-timeout", "20s", "--work-timeout", "60s"];

/// How long it waits for an engine that is away.
const RECONNECT: [&str; 2] = ["--reconnect-timeout", "40s"];

const MONITOR: Duration = Duration::from_millis(200);
const HEALTHY_DEADLINE: Duration = Duration::from_secs(5);
const HEALTH_INTERVAL: Duration = Duration::from_millis(100);

/// What becomes of the upgrade where nothing else goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// It serves.
    Good,
    /// It serves and takes writes, too, but its health check fails; and it brings a fresh volume along.
    Unhealthy,
}

/// One upgrade, and what one of its calls is to meet.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub replacement: Replacement,
    pub fault: Option<(Place, Fault)>,
}

impl Case {
    /// Whether its fault is such a one.
    pub fn met(&self, is_such: impl FnOnce(Blow) -> bool) -> bool {
        self.fault.is_some_and(|(_, fault)| is_such(fault.blow))
    }
}

/// What came of a case.
pub struct Trial {
    pub case: Case,
    pub calls: Vec<Call>,
    /// Whether the call was met that the fault was meant for.
    pub is_done: bool,
    /// What the caller was told: nothing, where Refit was killed.
    pub told: Option<Answer>,
    pub problems: Vec<String>,
    /// Refit's, of all its processes.
    pub log: String,
}

/// A container under load, with what stands around it.
pub struct Lane {
    /// The name of the container, its volume and its network.
    name: String,
    /// Where its port is published.
    published: SocketAddr,
    injector: Injector,
    writer: Writer,
    /// What inspect printed of the container at the end of the case before.
    standing: Value,
    /// How many acknowledged writes were looked for already.
    checked: usize,
    /// What the Refits of the case said.
    log: Arc<Mutex<String>>,
    /// Last, as it removes the rest.
    scenario: Scenario,
}

impl Lane {
    /// A lane of a matrix, with its container. No two numbers are the same, not even of two matrices.
    pub fn new(matrix: &str, number: u8, at_end: &[&str]) -> Self {
        let scenario = Scenario::without_refit(&format!("{matrix}-{number}"));
        let name = scenario.named("db");
        let subnet = format!("10.212.{number}.0/24");
        scenario.docker(&["network", "create", "--subnet", &subnet, &name]);
        let address = Ipv4Addr::new(10, 212, number, 9);
        let port = 27_000 + u16::from(number);
        create(&scenario, &name, address, port, at_end);
        let socket = scenario.folder().join("engine.sock");
        let mut lane = Self {
            injector: Injector::new(&socket, &scenario.engine(), &name),
            writer: Writer::new((address, 6379).into()),
            published: (Ipv4Addr::LOCALHOST, port).into(),
            standing: Value::Null,
            checked: 0,
            log: Arc::default(),
            scenario,
            name,
        };
        assert!(lane.writer.is_served(), "{} takes no write", lane.name);
        lane.standing = lane.look().expect("a standing container");
        lane
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> usize {
        self.writer.written()
    }

    /// Runs a case; where it has problems, the lane is of no use any more.
    pub fn run(&mut self, case: Case) -> Trial {
        self.log.lock().expect("the log").clear();
        self.injector.arm(case.fault);
        let was = self.standing.clone();
        let image = other_image(&was);
        let mut problems: Vec<String> = self.kept_up().into_iter().collect();
        let mut refit = self.start_refit(case);
        let told = self.upgrade(case.replacement, &image);
        if told.is_none() && self.is_killed(case) {
            // Reaped first.
            drop(refit);
            refit = self.start_refit(case);
        }
        self.injector.await_engine();
        let calls = self.injector.calls();
        match self.rest(is_patient(case, told.as_ref())) {
            Ok(is) => {
                let judge = Judge {
                    case,
                    image: &image,
                    calls: &calls,
                    was: &was,
                    is: &is,
                };
                problems.extend(judge.problems(told.as_ref()));
                self.standing = is;
            }
            Err(why) => problems.push(format!("it does not come to rest: {why}")),
        }
        problems.extend(self.moved_volumes());
        problems.extend(self.unserved());
        drop(refit);
        let is_done = self.injector.is_done();
        if !is_done && case.fault.is_some_and(|(place, _)| place.look.is_none()) {
            problems.push("the call that was to meet the fault did not come".to_owned());
        }
        Trial {
            case,
            calls,
            is_done,
            told,
            problems,
            log: self.log.lock().expect("the log").clone(),
        }
    }

    /// Whether every write that was ever acknowledged is there.
    pub fn lost_in_all(&self) -> Option<String> {
        self.lost(0)
    }

    /// Starts Refit; again, where the fault killed it before it listened.
    fn start_refit(&self, case: Case) -> Refit {
        let hangs = |(_, fault): (Place, Fault)| !fault.blow.ends_engine();
        let limits = if case.fault.is_some_and(hangs) {
            SHORT
        } else {
            LONG
        };
        loop {
            let (listen, engine) = (self.scenario.refit(), self.injector.address());
            let log = Arc::clone(&self.log);
            let tell = move |line: &str| {
                let mut log = log.lock().expect("the log");
                writeln!(log, "    {line}").expect("memory");
            };
            let further = [&["--engine", &engine][..], &limits, &RECONNECT].concat();
            let spawn = || Refit::spawn(&listen, &further, tell);
            let (refit, listening) = self.injector.start(spawn);
            if listening.wait() {
                return refit;
            }
            assert!(self.injector.is_done(), "refit ended");
        }
    }

    fn is_killed(&self, case: Case) -> bool {
        case.met(Blow::ends_refit) && self.injector.is_done()
    }

    fn upgrade(&self, replacement: Replacement, image: &str) -> Option<Answer> {
        let path = format!("/containers/{}/upgrade?pull=always&t=1", self.name);
        let body = self.patch(replacement, image).to_string();
        exchange(&self.scenario.refit(), "POST", &path, &body).ok()
    }

    fn patch(&self, replacement: Replacement, image: &str) -> Value {
        let mut patch = json!({
            "Image": image,
            "UpgradeConfig": {
                "Monitor": nanoseconds(MONITOR),
                "HealthyDeadline": nanoseconds(HEALTHY_DEADLINE),
            },
        });
        if replacement == Replacement::Unhealthy {
            patch["Healthcheck"] = json!({
                "Test": ["CMD", "false"],
                "Interval": nanoseconds(HEALTH_INTERVAL),
                "Timeout": nanoseconds(HEALTHY_DEADLINE),
                "Retries": 1,
            });
            patch["HostConfig"] = json!({ "Mounts": [{
                "Type": "volume",
                "Target": "/fresh",
                "VolumeOptions": { "Labels": { LABEL: self.scenario.name() } },
            }] });
        }
        patch
    }

    /// The container stays as the case before left it.
    fn kept_up(&self) -> Option<String> {
        let is = self.look();
        let same = |is: &Value| {
            let same = |pointer| text(is, pointer) == text(&self.standing, pointer);
            same("/Id") && same("/State/StartedAt")
        };
        match is {
            Ok(is) if same(&is) => None,
            is => Some(format!("it did not stay at rest before: {is:?}")),
        }
    }

    /// What inspect prints of the container, once it is at rest: at once, or with patience.
    fn rest(&self, is_patient: bool) -> Result<Value, String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.look() {
                Err(_) if is_patient && Instant::now() < deadline => {
                    thread::sleep(Duration::from_millis(50));
                }
                seen => return seen,
            }
        }
    }

    /// What inspect prints of the container, if it runs, and no other one is there.
    fn look(&self) -> Result<Value, String> {
        let containers = self.list("/containers/json?all=1&");
        let names = names(&containers, "/Names/0");
        if names != [format!("/{}", self.name)] {
            return Err(format!("the containers are {names:?}"));
        }
        let document = self.scenario.document(&self.name);
        match text(&document, "/State/Status") {
            "running" => Ok(document),
            status => Err(format!("it is {status}")),
        }
    }

    /// What the engine lists of the lane's own; `path` ends where the filters begin.
    fn list(&self, path: &str) -> Value {
        let filters = json!({ "label": [format!("{LABEL}={}", self.scenario.name())] });
        let path = format!("{path}filters={filters}");
        self.scenario.ask("GET", &path).json()
    }

    /// No volume is lost, and none is left over.
    fn moved_volumes(&self) -> Option<String> {
        let volumes = self.list("/volumes?")["Volumes"].take();
        let names = names(&volumes, "/Name");
        (names != [self.name.as_str()]).then(|| format!("the volumes are {names:?}"))
    }

    /// What a client of the container's meets.
    fn unserved(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.writer.is_served() {
            problems.push("it takes no writes at its address".to_owned());
            return problems;
        }
        if !is_answered(self.published) {
            problems.push(format!("it does not answer at port {}", self.published));
        }
        let written = self.written();
        problems.extend(self.lost(self.checked));
        self.checked = written;
        let two = format!("/containers/{}/archive?path=/data/two", self.name);
        if self.scenario.ask("HEAD", &two).status != 404 {
            problems.push("two members of the lineage ran at once".to_owned());
        }
        problems
    }

    fn lost(&self, from: usize) -> Option<String> {
        match self.writer.lost(from) {
            Ok(lost) if lost.is_empty() => None,
            Ok(lost) => {
                let (count, of) = (lost.len(), self.written() - from);
                Some(format!(
                    "{count} of {of} acknowledged writes are lost: {lost:?}"
                ))
            }
            Err(error) => Some(format!("the writes cannot be read: {error}")),
        }
    }
}

/// Whether the end may come later than the answer, or than the end of recovery: where that is what was
/// told, or where the engine that came back may still be starting what it found.
fn is_patient(case: Case, told: Option<&Answer>) -> bool {
    let rollback = told.map(|told| told.text_of("Rollback"));
    match rollback.as_deref() {
        Some("incomplete") => true,
        Some("restored") => false,
        _ => case.met(Blow::ends_engine),
    }
}

/// A Redis that is its volume's sole writer, as far as it can tell.
fn create(scenario: &Scenario, name: &str, address: Ipv4Addr, port: u16, at_end: &[&str]) {
    let label = scenario.label();
    scenario.docker(&["volume", "create", &label, name]);
    let volume = format!("{name}:/data");
    let (address, port) = (address.to_string(), format!("{port}:6379"));
    let image = image("7.0");
    let container = ["create", &label, "--name", name];
    let place = [
        "--network",
        name,
        "--ip",
        &address,
        "-p",
        &port,
        "-v",
        &volume,
    ];
    let program = [&image, "/data/sole", "/data", "redis-server"];
    // An older Redis reads what a newer one wrote, as long as it is a plain log of commands.
    let options = "--dir /data --protected-mode no --appendonly yes --appendfsync always \
        --aof-use-rdb-preamble no --auto-aof-rewrite-percentage 0 --save";
    let options: Vec<&str> = options.split_whitespace().chain([""]).collect();
    scenario.docker(&[&container[..], &place, at_end, &program, &options].concat());
    let sole = format!("{name}:/data/sole");
    scenario.docker(&["cp", env!("CARGO_BIN_EXE_sole"), &sole]);
    scenario.start(name);
}

fn image(version: &str) -> String {
    format!("{}/redis:{version}", variable("REFIT_REGISTRY"))
}

/// The image that the container is not of.
fn other_image(document: &Value) -> String {
    let is = text(document, "/Config/Image");
    image(if is.ends_with("7.0") { "8.0" } else { "7.0" })
}

fn names<'v>(list: &'v Value, pointer: &str) -> Vec<&'v str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|entry| text(entry, pointer)).collect()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a short duration")
}

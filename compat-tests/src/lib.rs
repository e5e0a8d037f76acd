//! Shared pieces of the scenarios: a real engine, a Refit in front of it, and what they are asked.
//!
//! A scenario runs against the engine that `REFIT_ENGINE` names, with the binary that `REFIT_BIN`
//! names; `compat-tests/run.sh` sets both, for one engine after the other. Scenarios of one engine
//! run one at a time: each starts a Refit of its own, which recovers what it finds unfinished.

#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "helpers of tests panic"
)]

pub mod direct;
pub mod engines;
pub mod images;
pub mod process;
pub mod recorder;
pub mod rows;
pub mod same;

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use process::{Refit, Vitals};

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The label that a scenario's containers bear; its value is the scenario's name.
pub const LABEL: &str = "refit-test";

/// The label that Refit keeps its journal and the generations in.
pub const MARKER: &str = "io.refit.upgrade";

/// What `compat-tests/run.sh` set.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run compat-tests/run.sh"))
}

/// How often a scenario repeats what must not fail even once: as `REFIT_REPEAT` says, else
/// once: what matters on every change is that it happens at all.
pub fn repeat() -> usize {
    let times = env::var("REFIT_REPEAT").ok();
    times.map_or(1, |times| times.parse().expect("REFIT_REPEAT: a number"))
}

/// One scenario: an engine, and a Refit in front of it. Dropping it removes the scenario's
/// containers, images, volumes and networks, and ends its Refit.
pub struct Scenario {
    name: String,
    folder: TempDir,
    refit: Option<Refit>,
}

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, as it came.
    pub text: String,
}

impl Answer {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The JSON of each line of a stream.
    pub fn lines(&self) -> Vec<Value> {
        let line = |line| serde_json::from_str(line).expect("JSON");
        self.text.lines().map(line).collect()
    }

    /// `Warnings`, but for the one that Docker 28 earns wherever a container is on a further
    /// network: it does not tell whether the MAC address there was configured.
    pub fn warnings(&self) -> Vec<String> {
        let warnings = self.json()["Warnings"].take();
        let warnings = warnings.as_array().expect("a list").iter();
        let texts = warnings.map(|warning| warning.as_str().expect("a text").to_owned());
        texts
            .filter(|warning| !warning.starts_with("the MAC address on network "))
            .collect()
    }

    /// A text of the body's JSON; empty where there is none.
    pub fn text_of(&self, key: &str) -> String {
        self.json()[key].as_str().unwrap_or_default().to_owned()
    }
}

impl Scenario {
    /// A scenario of this name, with a running Refit.
    pub fn new(name: &str) -> Self {
        let mut scenario = Self::without_refit(name);
        scenario.start_refit();
        scenario
    }

    /// A scenario of this name that looks at the engine alone, or whose Refit is yet to be started.
    pub fn without_refit(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("refit-")
            .tempdir()
            .expect("a folder");
        let scenario = Self {
            name: name.to_owned(),
            folder,
            refit: None,
        };
        scenario.clean();
        scenario
    }

    /// The engine's own address.
    pub fn engine(&self) -> String {
        variable("REFIT_ENGINE")
    }

    /// Refit's address.
    pub fn refit(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// A folder of the scenario's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A name for a container, a volume or a network of this scenario.
    pub fn named(&self, what: &str) -> String {
        format!("{}-{what}", self.name)
    }

    /// The option that marks a container as this scenario's.
    pub fn label(&self) -> String {
        format!("--label={LABEL}={}", self.name)
    }

    /// Starts Refit and waits until it listens (which is after recovery).
    pub fn start_refit(&mut self) {
        self.start_refit_at(&self.engine());
    }

    /// As [`Scenario::start_refit`], with another address of the engine.
    pub fn start_refit_at(&mut self, engine: &str) {
        self.start_refit_with(&["--engine", engine]);
    }

    /// As [`Scenario::start_refit`], with further arguments.
    pub fn start_refit_with(&mut self, further: &[&str]) {
        // Shown where a test fails.
        let tell = |line: &str| eprintln!("refit: {line}");
        let (refit, listening) = Refit::spawn(&self.refit(), further, tell);
        assert!(listening.wait(), "refit ended");
        self.refit = Some(refit);
    }

    /// Ends Refit by SIGKILL.
    pub fn kill_refit(&mut self) {
        self.refit = None;
    }

    /// Ends Refit by SIGTERM, and waits for its end.
    pub fn terminate_refit(&mut self) -> ExitStatus {
        let refit = self.refit.take();
        refit.expect("a running refit").terminate()
    }

    /// Makes Refit stand still, as a machine that is short of time does.
    pub fn hold_refit(&self) {
        self.running_refit().signal(Signal::STOP);
    }

    /// Lets Refit go on.
    pub fn release_refit(&self) {
        self.running_refit().signal(Signal::CONT);
    }

    /// What Refit holds now.
    pub fn vitals_of_refit(&self) -> Vitals {
        self.running_refit().vitals()
    }

    fn running_refit(&self) -> &Refit {
        self.refit.as_ref().expect("a running refit")
    }

    /// Runs `docker` against the engine; it must succeed. Returns its output without the last
    /// line break.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = docker(&self.engine(), arguments, b"");
        assert!(output.status.success(), "docker {arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// `docker run -d` with the scenario's label; returns the ID.
    pub fn run(&self, arguments: &[&str]) -> String {
        let label = self.label();
        self.docker(&[&["run", "-d", label.as_str()], arguments].concat())
    }

    /// What inspect prints of a container at this JSON pointer.
    pub fn inspect(&self, container: &str, pointer: &str) -> Value {
        let document: Value =
            serde_json::from_str(&self.docker(&["inspect", container])).expect("a document");
        document[0].pointer(pointer).cloned().unwrap_or_default()
    }

    /// As [`Scenario::inspect`], of a text.
    pub fn text(&self, container: &str, pointer: &str) -> String {
        let text = self.inspect(container, pointer);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Nothing of ours is left, and the container is the original, running as it was, with the
    /// restart policy `always`.
    pub fn assert_original(&self, name: &str, id: &str) {
        assert_eq!(self.text(name, "/Id"), id);
        assert_eq!(self.text(name, "/State/Status"), "running");
        assert_eq!(self.text(name, "/HostConfig/RestartPolicy/Name"), "always");
        assert!(!self.exists(&format!("{name}.refit-new")));
        assert!(!self.exists(&format!("{name}.refit-old")));
    }

    /// Whether the engine has a container of this name or ID.
    pub fn exists(&self, container: &str) -> bool {
        docker(&self.engine(), &["inspect", container], b"")
            .status
            .success()
    }

    /// Removes an image's name from the engine, if it is there.
    pub fn forget_image(&self, image: &str) {
        docker(&self.engine(), &["rmi", image], b"");
    }

    /// Removes a volume from the engine that no container of the scenario has any more.
    pub fn forget_volume(&self, volume: &str) {
        docker(&self.engine(), &["volume", "rm", volume], b"");
    }

    /// `POST` through Refit, with curl.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.post_as(path, body, None)
    }

    /// As [`Scenario::post`], with the private registry's user and this password.
    pub fn post_as(&self, path: &str, body: &str, password: Option<&str>) -> Answer {
        let header = password.map(|password| {
            let auth = json!({
                "username": "refit",
                "password": password,
                "serveraddress": variable("REFIT_PRIVATE_REGISTRY"),
            });
            format!("X-Registry-Auth: {}", URL_SAFE.encode(auth.to_string()))
        });
        let further: Vec<&str> = header.iter().flat_map(|header| ["-H", header]).collect();
        let child = self.spawn_post(path, body, &further);
        answer(&child.wait_with_output().expect("curl"))
    }

    /// As [`Scenario::post`], with further arguments of curl, and without waiting for it.
    pub fn spawn_post(&self, path: &str, body: &str, further: &[&str]) -> Child {
        let mut curl = Command::new("curl")
            .args([
                "-sS",
                "--max-time",
                "120",
                "-w",
                "\n%{http_code}",
                "--data-binary",
                "@-",
            ])
            .arg("--unix-socket")
            .arg(self.socket())
            .args(further)
            .arg(format!("http://docker{path}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl");
        // Refit may refuse a large body before it has read it all.
        drop(
            curl.stdin
                .take()
                .expect("its input")
                .write_all(body.as_bytes()),
        );
        curl
    }

    /// Upgrades a container to an image, with a short `Monitor`.
    pub fn upgrade(&self, container: &str, image: &str) -> Answer {
        self.post(
            &format!("/containers/{container}/upgrade?pull=never&t=5"),
            &patch(image),
        )
    }

    /// As [`Scenario::upgrade`], with this patch and a `Monitor` of 200 ms.
    pub fn upgrade_with(&self, container: &str, patch: &Value) -> Answer {
        self.upgrade_watched(container, patch, Duration::from_millis(200))
    }

    /// As [`Scenario::upgrade_with`], where the replacement ends by itself. An engine may take its
    /// time to say so, and nobody waits for the whole `Monitor`.
    pub fn upgrade_in_vain(&self, container: &str, patch: &Value) -> Answer {
        self.upgrade_watched(container, patch, Duration::from_secs(10))
    }

    fn upgrade_watched(&self, container: &str, patch: &Value, monitor: Duration) -> Answer {
        let mut patch = patch.clone();
        let monitor = u64::try_from(monitor.as_nanos()).expect("a number");
        patch["UpgradeConfig"]["Monitor"] = json!(monitor);
        patch["UpgradeConfig"]["HealthyDeadline"] = json!(10_000_000_000_u64);
        self.post(
            &format!("/containers/{container}/upgrade?pull=never&t=5"),
            &patch.to_string(),
        )
    }

    /// The words that a `docker` command prints; none where it fails.
    fn words(&self, arguments: &[&str]) -> Vec<String> {
        let listed = docker(&self.engine(), arguments, b"");
        let lines = String::from_utf8_lossy(&listed.stdout);
        lines.split_whitespace().map(str::to_owned).collect()
    }

    /// Waits until `condition` holds.
    pub fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Removes the scenario's containers, volumes, networks and images.
    fn clean(&self) {
        let (label, name) = (
            format!("label={LABEL}={}", self.name),
            format!("name={}-", self.name),
        );
        for id in self.words(&["ps", "-aq", "--filter", &label]) {
            self.remove(&id);
        }
        for filter in [&name, &label] {
            for volume in self.words(&["volume", "ls", "-q", "--filter", filter]) {
                self.words(&["volume", "rm", &volume]);
            }
        }
        for id in self.words(&["network", "ls", "-q", "--filter", &name]) {
            self.words(&["network", "rm", &id]);
        }
        for id in self.words(&["images", "-aq", "--filter", &label]) {
            self.words(&["rmi", "-f", &id]);
        }
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        self.kill_refit();
        self.clean();
    }
}

/// A patch to an image, with a `Monitor` of 1 s and a `HealthyDeadline` of 10 s.
pub fn patch(image: &str) -> String {
    json!({
        "Image": image,
        "UpgradeConfig": { "Monitor": 1_000_000_000_u64, "HealthyDeadline": 10_000_000_000_u64 },
    })
    .to_string()
}

/// What curl printed, with the status that `-w` put on its last line.
pub fn answer(output: &Output) -> Answer {
    let text = String::from_utf8_lossy(&output.stdout);
    let (text, status) = text.rsplit_once('\n').unwrap_or(("", "0"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(status != "000", "no answer: {error}");
    Answer {
        status: status.parse().unwrap_or(0),
        text: text.to_owned(),
    }
}

/// The docker CLI.
pub fn docker_program() -> String {
    env::var("REFIT_DOCKER").unwrap_or_else(|_| "docker".to_owned())
}

/// Runs the docker CLI against an address, with `input`.
pub fn docker(host: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(docker_program())
        .args(["-H", host])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the docker CLI");
    // A command that does not read its input may be gone.
    drop(child.stdin.take().expect("its input").write_all(input));
    child.wait_with_output().expect("the docker CLI")
}

//! A Refit in a container.

use std::{
    fs, io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use compat_tests::{
    Answer, PATIENCE, Scenario,
    direct::{exchange, socket},
    engines, variable,
};
use serde_json::{Value, json};

/// How long an upgrade is watched.
pub const MONITOR: Duration = Duration::from_millis(1500);

/// The same where something is to happen meanwhile, or where what is watched ends by itself.
pub const LONG: Duration = Duration::from_secs(6);

/// How many helpers may be paused too late.
const HELPERS: usize = 5;

/// Where the folder with the engine's socket is, as the engine and its containers see it.
const FOLDER: &str = "/run/refit";

/// The engine's address, as containers with that folder see it.
pub const ENGINE: &str = "unix:///run/refit/docker.sock";

/// A Refit in a container of its scenario. It listens in a folder beside the engine's socket.
pub struct Own {
    pub scenario: Scenario,
    /// The container's name.
    pub name: String,
    /// The name of its listener's folder.
    folder: String,
}

impl Own {
    /// A Refit of the image `old`, in a container that is run with these options.
    pub fn new(scenario: &str, options: &[&str]) -> Self {
        let own = Self::without_refit(scenario);
        own.run(options);
        own
    }

    /// As [`Own::new`], before it runs.
    pub fn without_refit(scenario: &str) -> Self {
        let scenario = Scenario::without_refit(scenario);
        let own = Self {
            name: scenario.named("refit"),
            folder: scenario.named("socket"),
            scenario,
        };
        own.clean();
        let serve = own.serve();
        own.build("old", &serve);
        own.build("new", &serve);
        own
    }

    /// Another copy of the program, in a folder that the container of [`Own::run`] has, too.
    pub fn program(&self) -> Program {
        let folder = self.listener();
        fs::create_dir_all(&folder).expect("a folder");
        let outside = folder.join("refit");
        fs::copy(variable("REFIT_BIN"), &outside).expect("copy it");
        Program {
            inside: format!("{FOLDER}/{}/refit", self.folder),
            outside,
        }
    }

    /// Runs Refit in a container with these options.
    pub fn run(&self, options: &[&str]) {
        self.run_as(options, &[]);
    }

    /// As [`Own::run`], with these arguments instead of the image's.
    pub fn run_as(&self, options: &[&str], arguments: &[&str]) {
        let folder = format!("{FOLDER}:{FOLDER}");
        let fixed = ["--name", &self.name, "-v", &folder];
        // The engine takes either.
        let restart: &[&str] = if options.contains(&"--rm") {
            &[]
        } else {
            &["--restart", "always"]
        };
        let old = self.image("old");
        self.scenario
            .run(&[&fixed, restart, options, &[old.as_str()], arguments].concat());
        self.until_it_answers();
    }

    /// The arguments by which it serves.
    pub fn arguments(&self) -> [String; 5] {
        let listen = format!("unix://{FOLDER}/{}/docker.sock", self.folder);
        ["serve", "--listen", &listen, "--engine", ENGINE].map(str::to_owned)
    }

    /// The lines of a Dockerfile by which it serves.
    pub fn serve(&self) -> String {
        let command = json!(self.arguments());
        format!("ENTRYPOINT [\"/refit\"]\nCMD {command}")
    }

    /// Builds a further image of Refit, that tells which one it is.
    pub fn build(&self, what: &str, dockerfile: &str) {
        let dockerfile = format!("{dockerfile}\nLABEL which={what}");
        self.scenario.build_refit(what, &dockerfile);
    }

    /// The name of an image.
    pub fn image(&self, what: &str) -> String {
        self.scenario.named(what)
    }

    fn listener(&self) -> PathBuf {
        let engine = variable("REFIT_ENGINE");
        let beside = socket(&engine).parent().expect("a folder");
        beside.join(&self.folder)
    }

    /// One request of it.
    ///
    /// # Errors
    /// It does not listen, or did not answer.
    pub fn try_ask(&self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let socket = self.listener().join("docker.sock");
        exchange(&format!("unix://{}", socket.display()), method, path, body)
    }

    /// As [`Own::try_ask`], of one that answers.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.try_ask(method, path, body).expect("Refit's answer")
    }

    /// The path of the upgrade of its container.
    pub fn path(&self) -> String {
        format!("/containers/{}/upgrade", self.name)
    }

    /// Asks it for an upgrade of its own container.
    ///
    /// # Errors
    /// It did not answer.
    pub fn try_upgrade(&self, patch: &Value) -> io::Result<Answer> {
        let target = format!("{}?pull=never&t=5", self.path());
        self.try_ask("POST", &target, &monitored(patch))
    }

    /// As [`Own::try_upgrade`], of one that answers.
    pub fn upgrade(&self, patch: &Value) -> Answer {
        self.try_upgrade(patch).expect("Refit's answer")
    }

    /// As [`Own::upgrade`], which goes on without it.
    pub fn hand_over(&self, patch: &Value) -> Value {
        let answer = self.upgrade(patch);
        assert_eq!(answer.status, 202, "{}", answer.text);
        let told = answer.json();
        assert_eq!(told["Name"], self.name.as_str());
        assert_eq!(told["Helper"]["Name"], self.helper());
        assert_eq!(told["Status"], self.path());
        told
    }

    /// The name of its helper.
    pub fn helper(&self) -> String {
        format!("{}.refit-helper", self.name)
    }

    pub fn until_it_answers(&self) {
        self.scenario.until(
            "it answers",
            |_| matches!(self.try_ask("GET", "/_ping", ""), Ok(answer) if answer.status == 200),
        );
    }

    /// Waits until nobody is at work any more, and nothing of an upgrade is left; what it then tells of
    /// the last one.
    pub fn until_it_rests(&self) -> Value {
        let left =
            ["helper", "new", "old", "hold-1"].map(|end| format!("{}.refit-{end}", self.name));
        self.scenario.until("nothing is left", |scenario| {
            scenario.exists(&self.name) && !left.iter().any(|name| scenario.exists(name))
        });
        self.until_it_answers();
        assert_eq!(self.text("/State/Status"), "running");
        self.ask("GET", &self.path(), "").json()
    }

    /// Pauses its helper as soon as it runs, mostly before the stop; the helper's ID.
    pub fn pause_helper(&self) -> String {
        let path = format!("/containers/{}", self.helper());
        let deadline = Instant::now() + PATIENCE;
        while self.scenario.ask("POST", &format!("{path}/pause")).status != 204 {
            assert!(Instant::now() < deadline, "no helper runs");
            thread::sleep(Duration::from_millis(2));
        }
        self.scenario
            .ask("GET", &format!("{path}/json"))
            .text_of("Id")
    }

    /// Lets its helper go on.
    pub fn unpause_helper(&self) {
        let path = format!("/containers/{}/unpause", self.helper());
        self.scenario.ask("POST", &path);
    }

    /// Has something done, with the helper's ID, while the helper of an upgrade stands still that has not
    /// come to the stop; the upgrade's answer, and what ran before ([`Own::run_of`]). One that a busy
    /// engine pauses too late ends its upgrade, and another is asked for.
    ///
    /// # Panics
    /// Each of them was paused too late.
    pub fn before_the_stop(&self, act: impl Fn(&str)) -> (Answer, [String; 2]) {
        for _ in 0..HELPERS {
            let patch = json!({ "Image": self.image(self.other()) });
            let run = self.run_of();
            let answer = thread::scope(|scope| {
                let asked = scope.spawn(|| self.try_upgrade(&patch));
                let helper = self.pause_helper();
                // The engine writes down late what it has printed.
                thread::sleep(Duration::from_millis(300));
                let told = self.scenario.docker(&["logs", &helper]);
                let is_late = told.contains(r#""Step":"stop""#);
                if is_late {
                    self.unpause_helper();
                } else {
                    act(&helper);
                }
                let answer = asked.join().expect("no panic there");
                (!is_late).then(|| answer.expect("Refit's answer"))
            });
            if let Some(answer) = answer {
                return (answer, run);
            }
            self.until_it_rests();
        }
        panic!("{HELPERS} helpers were paused too late");
    }

    /// Its container, and since when that runs.
    pub fn run_of(&self) -> [String; 2] {
        ["/Id", "/State/StartedAt"].map(|pointer| self.text(pointer))
    }

    /// What inspect prints of its container.
    pub fn text(&self, pointer: &str) -> String {
        self.scenario.text(&self.name, pointer)
    }

    /// Which image it is of.
    pub fn which(&self) -> String {
        self.text("/Config/Labels/which")
    }

    /// Which image it is to be upgraded to.
    pub fn other(&self) -> &'static str {
        if self.which() == "old" { "new" } else { "old" }
    }

    /// Ends the helper's process by SIGKILL, as the kernel does, if it runs.
    pub fn kill_helper(&self) -> bool {
        let path = format!("/containers/{}/json", self.helper());
        match self.scenario.ask("GET", &path).json()["State"]["Pid"].as_u64() {
            None | Some(0) => false,
            Some(pid) => engines::inside(&["sh", "-c", &format!("kill -KILL {pid}")]),
        }
    }

    fn clean(&self) {
        self.scenario.remove(&self.helper());
        drop(fs::remove_dir_all(self.listener()));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if thread::panicking() {
            for container in [&self.name, &self.helper()] {
                let log = compat_tests::docker(&self.scenario.engine(), &["logs", container], b"");
                eprintln!(
                    "the log of {container}: {}",
                    String::from_utf8_lossy(&log.stdout)
                );
                eprintln!("{}", String::from_utf8_lossy(&log.stderr));
            }
        }
        self.clean();
    }
}

/// A program in a folder that is mounted.
pub struct Program {
    /// Where containers see it.
    pub inside: String,
    /// Where the host sees it.
    pub outside: PathBuf,
}

/// A patch to this image, which is watched for so long.
pub fn watched(image: &str, monitor: Duration) -> Value {
    json!({ "Image": image, "UpgradeConfig": { "Monitor": nanoseconds(monitor) } })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a number")
}

/// A patch with what is watched for how long, where it does not say so itself.
pub fn monitored(patch: &Value) -> String {
    let mut patch = patch.clone();
    if patch["UpgradeConfig"]["Monitor"].is_null() {
        patch["UpgradeConfig"]["Monitor"] = json!(nanoseconds(MONITOR));
    }
    patch["UpgradeConfig"]["HealthyDeadline"] = json!(nanoseconds(Duration::from_secs(6)));
    patch.to_string()
}

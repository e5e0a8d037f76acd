//! The words of a transcript, and what they do to an engine.
//!
//! A container is called by the name that it was created with, whatever it is called since, and then
//! referred to by its ID; `/web` is whatever bears the name `web` now.
//!
//! | does | |
//! |---|---|
//! | `create NAME [OPTION…] PROGRAM…` | options as the docker CLI has them ([`body`](super::body)) |
//! | `start NAME`, `pause NAME`, `kill NAME` | |
//! | `stop [-t SECONDS] NAME`, `hang-up-stop …` | the second gives the call up before its answer |
//! | `rename NAME NEW`, `update NAME POLICY`, `rm [-v\|-f] NAME`, `connect NAME NETWORK` | |
//! | `import IMAGE`, `rmi IMAGE` | an image without a file, of the command `/pause` and the label `pause` |
//! | `run …` | create, start, and wait until its program says so |
//! | `dockerd killed`, `dockerd restarted` | |
//!
//! The answer is `done`, the status of a refusal, or `lost`.
//!
//! | asks | answer |
//! |---|---|
//! | `until NAME STATUS`, `until NAME gone`, `until NAME looping` | `done` or `never` |
//! | `between-runs NAME…` | `done` once all wait to be run again, and will for a while; or `never` |
//! | `status NAME` | status, exit code, and `error` where there is one |
//! | `is NAME` | `up` if it runs, or will by itself; else its status |
//! | `field NAME POINTER`, `summary NAME POINTER` | what inspect, or the list, prints there |
//! | `image REFERENCE POINTER`, `network REFERENCE POINTER` | the same of an image, a network |
//! | `address NAME NETWORK` | the last part of the IPv4 address, or `none` |
//! | `joined NAME NETWORK` | `yes` if inspect prints the network's ID, else `no` |
//! | `volume NAME` | `there` or `gone`; `@web/path` is what `web` was created with at `/path` |
//! | `labelled KEY` | the containers that bear the label, or `none` |
//!
//! A program is the name of an executable in the image: `serve` ends when it is asked to, with 0;
//! `stubborn` does not; `exit CODE MILLISECONDS` ends by itself; `missing` is none.

use std::time::Duration;

use refit::engine::{Container, Engine, EngineError, Result, Status, StopOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::{
    super::simulated::{Death, FIRST_BACKOFF, LONGEST_BACKOFF},
    body::{self, Words},
    stage::Stage,
};

/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long lies between two looks.
const PACE: Duration = Duration::from_millis(10);

/// When a call is given up that hangs up.
const HANG_UP: Duration = Duration::from_millis(200);

/// A tar without an entry: two empty blocks.
const EMPTY_TAR: [u8; 1024] = [0; 1024];

/// How often a container was restarted that loops: its next pause is more than a second long.
const LOOPS: i64 = 5;

/// How long the pauses must be yet in which dockerd is ended; ending it takes a part of a second.
const PAUSE_LEFT: Duration = Duration::from_secs(5);

/// How long such a moment is waited for: a few pauses.
const PATIENCE_BETWEEN_RUNS: Duration = Duration::from_secs(90);

/// A container of the transcript.
struct Known {
    /// What it is called there.
    name: String,
    id: String,
    /// The volumes that it was created with, by their targets.
    volumes: Vec<(String, String)>,
}

/// A stage, and what the transcript has made there so far.
pub struct Bench<'a> {
    stage: &'a dyn Stage,
    known: Vec<Known>,
}

impl<'a> Bench<'a> {
    pub fn new(stage: &'a dyn Stage) -> Self {
        Self {
            stage,
            known: Vec::new(),
        }
    }

    /// Carries out one line of the transcript, and answers.
    pub async fn act(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, words) = words.split_first().expect("a verb");
        let answer = match (*verb, words) {
            ("create", [name, options @ ..]) => done(self.create(name, options).await),
            ("run", [name, options @ ..]) => done(self.run(name, options).await),
            ("until", [name, state]) => self.until(name, state).await,
            ("between-runs", names) => self.between_runs(names).await,
            ("status", [name]) => answer(self.status(name).await),
            ("is", [name]) => answer(self.is(name).await),
            ("dockerd", [how]) => done(self.restart(how).await),
            ("volume", [volume]) => {
                let is_there = self.stage.has_volume(&self.volume(volume));
                (if is_there { "there" } else { "gone" }).to_owned()
            }
            ("labelled", [label]) => answer(self.labelled(label).await),
            ("address", [name, network]) => answer(self.address(name, network).await),
            ("joined", [name, network]) => answer(self.joined(name, network).await),
            ("field" | "summary" | "image" | "network", [of, pointer]) => {
                let printed = self.printed(verb, of).await;
                answer(printed.map(|printed| shown(printed.pointer(pointer))))
            }
            _ => done(self.change(verb, words).await),
        };
        self.told(answer)
    }

    /// Removes what the transcript has made.
    pub fn clear(self) {
        let (mut containers, mut volumes) = (Vec::new(), Vec::new());
        for known in self.known {
            containers.push(known.id);
            volumes.extend(known.volumes.into_iter().map(|(_, volume)| volume));
        }
        self.stage.clear(&containers, &volumes);
    }

    fn engine(&self) -> &'a dyn Engine {
        self.stage.engine()
    }

    async fn change(&self, verb: &str, words: &[&str]) -> Result<()> {
        let engine = self.engine();
        match (verb, words) {
            ("start", [name]) => engine.start(&self.reference(name)).await,
            ("pause", [name]) => engine.pause(&self.reference(name)).await,
            ("kill", [name]) => self.stage.kill(&self.reference(name)),
            ("stop", [options @ .., name]) => {
                let options = stop_options(options);
                engine.stop(&self.reference(name), &options).await
            }
            ("hang-up-stop", [options @ .., name]) => {
                let (options, id) = (stop_options(options), self.reference(name));
                let stop = timeout(HANG_UP, engine.stop(&id, &options)).await;
                stop.unwrap_or_else(|_| Err(EngineError::unknown("given up")))
            }
            ("rename", [name, new]) => engine.rename(&self.reference(name), &self.named(new)).await,
            ("rm", ["-v", name]) => engine.remove(&self.reference(name), true).await,
            ("rm", ["-f", name]) => engine.remove_by_force(&self.reference(name)).await,
            ("rm", [name]) => engine.remove(&self.reference(name), false).await,
            ("import", [image]) => {
                let changes = ["CMD [\"/pause\"]", "LABEL pause=1"].map(str::to_owned);
                engine
                    .import_image(&self.named(image), &changes, &EMPTY_TAR)
                    .await
            }
            ("rmi", [image]) => engine.remove_image(&self.named(image)).await,
            ("update", [name, policy]) => {
                let policy = body::policy(policy);
                engine
                    .update_restart_policy(&self.reference(name), &policy)
                    .await
            }
            ("connect", [name, network]) => {
                let (network, id) = (self.named(network), self.reference(name));
                engine.connect_network(&network, &id, &json!({})).await
            }
            _ => panic!("no such line: {verb} {words:?}"),
        }
    }

    async fn create(&mut self, name: &str, options: &[&str]) -> Result<()> {
        let body = body::body(options, self);
        let created = self
            .engine()
            .create_container(&self.named(name), None, &body)
            .await?;
        let document = self.engine().inspect_container(&created.id).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mounts = document["Mounts"].as_array().into_iter().flatten();
        self.known.push(Known {
            name: name.to_owned(),
            id: created.id,
            volumes: mounts
                .map(|m| (text(&m["Destination"]), text(&m["Name"])))
                .collect(),
        });
        Ok(())
    }

    /// Creates a container, starts it and waits until its program is ready, as its log says.
    async fn run(&mut self, name: &str, options: &[&str]) -> Result<()> {
        self.create(name, options).await?;
        let id = self.reference(name);
        self.engine().start(&id).await?;
        while self.engine().log_tail(&id, 1).await?.is_empty() {
            sleep(PACE).await;
        }
        Ok(())
    }

    async fn look(&self, name: &str) -> Result<Container> {
        let document = self.engine().inspect_container(&self.reference(name)).await;
        Container::from_document(document?)
    }

    async fn until(&self, name: &str, state: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let look = self.look(name).await;
            let is_so = match (state, &look) {
                ("gone", look) => look.as_ref().is_err_and(EngineError::is_not_found),
                ("looping", Ok(seen)) => {
                    seen.status == Status::Restarting && seen.restart_count >= LOOPS
                }
                (state, Ok(seen)) => seen.document["State"]["Status"] == state,
                (_, Err(_)) => false,
            };
            if is_so {
                return "done".to_owned();
            }
            sleep(PACE).await;
        }
        "never".to_owned()
    }

    /// Waits until dockerd can be ended while none of these containers is being run.
    async fn between_runs(&self, names: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE_BETWEEN_RUNS;
        while Instant::now() < deadline {
            let mut left = LONGEST_BACKOFF;
            for name in names {
                let look = self.look(name).await;
                left = left.min(look.map_or(Duration::ZERO, |seen| pause_left(&seen)));
            }
            if left >= PAUSE_LEFT {
                return "done".to_owned();
            }
            sleep(PACE).await;
        }
        "never".to_owned()
    }

    async fn status(&self, name: &str) -> Result<String> {
        let seen = self.look(name).await?;
        let status = seen.document["State"]["Status"]
            .as_str()
            .unwrap_or_default();
        let error = if seen.error.is_empty() { "" } else { " error" };
        Ok(format!("{status} {}{error}", seen.exit.code))
    }

    async fn is(&self, name: &str) -> Result<String> {
        if self.look(name).await?.status.is_active() {
            return Ok("up".to_owned());
        }
        self.status(name).await
    }

    async fn printed(&self, verb: &str, of: &str) -> Result<Value> {
        let engine = self.engine();
        match verb {
            "field" => engine.inspect_container(&self.reference(of)).await,
            "image" => engine.inspect_image(&self.named(of)).await,
            "network" => engine.inspect_network(&self.named(of)).await,
            _ => {
                let id = self.reference(of);
                let mut listed = engine.list_containers().await?.into_iter();
                Ok(listed
                    .find(|summary| summary["Id"] == id)
                    .unwrap_or_default())
            }
        }
    }

    async fn labelled(&self, label: &str) -> Result<String> {
        let ids = self.engine().list_labelled(label).await?;
        let bears = |known: &&Known| ids.contains(&known.id);
        let names: Vec<&str> = self
            .known
            .iter()
            .filter(bears)
            .map(|k| k.name.as_str())
            .collect();
        Ok(if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(" ")
        })
    }

    /// What a container's endpoint on a network says.
    async fn endpoint(&self, name: &str, network: &str, field: &str) -> Result<String> {
        let seen = self.look(name).await?;
        let endpoint = &seen.document["NetworkSettings"]["Networks"][self.named(network)];
        Ok(endpoint[field].as_str().unwrap_or_default().to_owned())
    }

    async fn address(&self, name: &str, network: &str) -> Result<String> {
        let address = self.endpoint(name, network, "IPAddress").await?;
        let last = address.rsplit('.').next().filter(|last| !last.is_empty());
        Ok(last.unwrap_or("none").to_owned())
    }

    async fn joined(&self, name: &str, network: &str) -> Result<String> {
        let id = self.endpoint(name, network, "NetworkID").await?;
        let printed = self.engine().inspect_network(&self.named(network)).await?;
        let answer = if printed["Id"] == id { "yes" } else { "no" };
        Ok(answer.to_owned())
    }

    /// Has dockerd end, and waits until it is back.
    async fn restart(&self, how: &str) -> Result<()> {
        self.stage.restart(match how {
            "killed" => Death::Killed,
            "restarted" => Death::Graceful,
            how => panic!("dockerd cannot be {how}"),
        });
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.engine().list_containers().await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(PACE).await,
            }
        }
    }

    /// An answer as the transcript writes it: with the names that it uses.
    fn told(&self, mut answer: String) -> String {
        for known in &self.known {
            answer = answer.replace(&known.id, &format!("<{}>", known.name));
            for (target, volume) in &known.volumes {
                if volume.len() == 64 {
                    answer = answer.replace(volume, &format!("@{}{target}", known.name));
                }
            }
        }
        match self.stage.prefix() {
            "" => answer,
            prefix => answer.replace(prefix, ""),
        }
    }
}

impl Words for Bench<'_> {
    fn named(&self, what: &str) -> String {
        format!("{}{what}", self.stage.prefix())
    }

    fn reference(&self, name: &str) -> String {
        let mut known = self.known.iter().rev();
        let known = known.find(|known| known.name == name);
        // What was not created is looked for by its name, too.
        known.map_or_else(
            || self.named(name.trim_start_matches('/')),
            |known| known.id.clone(),
        )
    }

    fn volume(&self, word: &str) -> String {
        let Some((name, target)) = word.strip_prefix('@').and_then(|word| word.split_once('/'))
        else {
            return self.named(word);
        };
        let mut known = self.known.iter().rev();
        let known = known
            .find(|known| known.name == name)
            .expect("its container");
        let mut volumes = known.volumes.iter();
        let volume = volumes.find(|(at, _)| at.strip_prefix('/') == Some(target));
        volume.expect("such a volume").1.clone()
    }
}

/// How long a container waits yet until the engine runs it again; zero where it does not wait.
fn pause_left(seen: &Container) -> Duration {
    if seen.status != Status::Restarting {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(seen.restart_count - 1).expect("a restart was counted");
    let factor = 2_u32.saturating_pow(doublings);
    let pause = FIRST_BACKOFF.saturating_mul(factor).min(LONGEST_BACKOFF);
    let since = match seen.document["State"]["FinishedAt"].as_str() {
        // The simulated engine ends as soon as it is told to, and prints no time.
        Some("since") => Duration::ZERO,
        ended => {
            let ended = ended.and_then(|ended| humantime::parse_rfc3339(ended).ok());
            ended.expect("a time").elapsed().unwrap_or_default()
        }
    };
    pause.saturating_sub(since)
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

fn stop_options(words: &[&str]) -> StopOptions {
    let timeout = match words {
        ["-t", seconds] => Some(seconds.parse().expect("seconds")),
        _ => None,
    };
    StopOptions {
        timeout,
        signal: None,
    }
}

fn done(result: Result<()>) -> String {
    answer(result.map(|()| "done".to_owned()))
}

fn answer(result: Result<String>) -> String {
    match result {
        Ok(answer) => answer,
        Err(EngineError::Refused { status, .. }) => status.to_string(),
        Err(EngineError::Unreachable { .. }) => "unreachable".to_owned(),
        Err(EngineError::Unknown { .. }) => "lost".to_owned(),
    }
}

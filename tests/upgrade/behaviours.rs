//! What engines do, as transcripts that a simulated engine and the real ones must answer alike.
//!
//! A transcript (`behaviours/*.txt`) is a list of behaviours, each a title and lines of what is done
//! and asked, in the words of [`bench`](self::bench). A line's answer stands behind `=>`, and is
//! `done` where nothing stands there; an engine that answers differently has a column of its own:
//!
//! ```text
//! == a stop ends what is paused
//! run web serve
//! pause web
//! start web => 409 | 28.5: done
//! ```
//!
//! The tests of `refit` play them on the simulated engine, `compat-tests` on real ones and on the
//! simulated one beside them.

mod bench;
mod body;
mod daemon;
mod stage;

use std::fmt::Write;

pub use stage::{NETWORKS, Stage};

use serde_json::json;
use tokio::runtime::Builder;

use super::simulated::{Simulated, World};
use bench::Bench;

/// The transcripts, by the names of their files.
const TRANSCRIPTS: [(&str, &str); 8] = [
    ("addresses", include_str!("behaviours/addresses.txt")),
    ("companions", include_str!("behaviours/companions.txt")),
    ("create", include_str!("behaviours/create.txt")),
    ("names", include_str!("behaviours/names.txt")),
    ("policies", include_str!("behaviours/policies.txt")),
    ("references", include_str!("behaviours/references.txt")),
    ("runs", include_str!("behaviours/runs.txt")),
    ("volumes", include_str!("behaviours/volumes.txt")),
];

/// One behaviour.
pub struct Behaviour {
    title: String,
    lines: Vec<Line>,
}

/// One line of a transcript.
struct Line {
    act: String,
    /// The answer of every engine that none of the columns is of.
    answer: String,
    /// Versions with an answer of their own.
    columns: Vec<(String, String)>,
}

/// Every behaviour but those of a daemon that restarts.
pub fn behaviours() -> Vec<Behaviour> {
    let all = TRANSCRIPTS
        .iter()
        .flat_map(|(file, text)| parse(file, text));
    all.collect()
}

/// What becomes of containers when the daemon restarts.
pub fn restarts() -> Vec<Behaviour> {
    let all = daemon::transcripts().into_iter();
    all.flat_map(|text| parse("daemon", &text)).collect()
}

/// What a simulated engine answers to a behaviour.
pub fn simulate(behaviour: &Behaviour) -> Vec<String> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async {
        let engine = Simulated::new();
        set_up(&mut engine.world());
        behaviour.play(&engine).await
    })
}

/// The images and networks of the transcripts; that a real engine's are the same, the transcripts say.
fn set_up(world: &mut World) {
    let behaving = json!({
        "Cmd": ["serve"], "Entrypoint": null, "User": "root", "WorkingDir": "/tmp",
        "Env": ["PATH=/usr/local/bin:/bin", "A=image", "B=image"], "Labels": { "of-image": "1" },
        "ExposedPorts": { "7000/tcp": {} }, "Volumes": { "/anonymous": {} },
    });
    world.tag("behaving", "sha256:behaving", &behaving);
    let entered = json!({ "Entrypoint": ["env"], "Cmd": ["serve"] });
    world.tag("entered", "sha256:entered", &entered);
    for network in NETWORKS {
        world.add_network(network);
    }
}

fn parse(file: &str, text: &str) -> Vec<Behaviour> {
    let mut behaviours: Vec<Behaviour> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix("== ") {
            behaviours.push(Behaviour {
                title: format!("{file}: {title}"),
                lines: Vec::new(),
            });
        } else if !line.is_empty() && !line.starts_with('#') {
            let behaviour = behaviours.last_mut().expect("a title comes first");
            behaviour.lines.push(Line::parse(line));
        }
    }
    behaviours
}

impl Line {
    fn parse(line: &str) -> Self {
        let (act, answers) = line.split_once(" => ").unwrap_or((line, "done"));
        let mut answers = answers.split(" | ");
        let answer = answers.next().expect("an answer");
        let column = |column: &str| {
            let (version, answer) = column.split_once(": ").expect("a version");
            (version.to_owned(), answer.to_owned())
        };
        Self {
            act: act.to_owned(),
            answer: answer.to_owned(),
            columns: answers.map(column).collect(),
        }
    }

    /// What an engine of this version should answer; the simulated one has none.
    fn expected(&self, version: Option<&str>) -> &str {
        let own = |(of, _): &&(String, String)| version.is_some_and(|version| of == version);
        let own = self.columns.iter().find(own);
        own.map_or(&self.answer, |(_, answer)| answer)
    }
}

impl Behaviour {
    /// What happens, line by line.
    pub async fn play(&self, stage: &dyn Stage) -> Vec<String> {
        let mut bench = Bench::new(stage);
        let mut answers = Vec::new();
        for line in &self.lines {
            answers.push(bench.act(&line.act).await);
        }
        bench.clear();
        answers
    }

    /// Tells of the lines that were not answered as they should be by an engine of this version; the
    /// simulated one has none. Empty if there is none.
    pub fn differences(&self, answers: &[String], version: Option<&str>) -> String {
        let mut told = String::new();
        for (line, answer) in self.lines.iter().zip(answers) {
            let expected = line.expected(version);
            if answer != expected {
                let engine = version.unwrap_or("the simulated engine");
                let Line { act, .. } = line;
                let title = &self.title;
                writeln!(told, "{title}\n  {act} => {expected}\n  {engine}: {answer}")
                    .expect("a text takes everything");
            }
        }
        told
    }

    /// How many lines it has.
    pub fn len(&self) -> usize {
        self.lines.len()
    }
}

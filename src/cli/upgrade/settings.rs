//! Arguments become what is asked of the endpoint, of which containers, and how it is told; or all
//! mistakes in them, together.

mod reader;

use std::{fmt, time::Duration};

use serde_json::{Value, json};
use url::form_urlencoded;

use self::reader::Reader;
use super::{
    args::{Args, FailureAction, Format, Pull},
    values::Object,
};

/// The parameter of an upgrade to the generation before.
const ROLLBACK: &str = "rollback";

/// What was meant.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) task: Task,
    pub(super) whose: Whose,
    pub(super) call: Call,
    pub(super) rolling: Rolling,
    pub(super) output: Output,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Upgrade,
    Rollback,
    History,
    Recover,
}

/// Which containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// This one. The words behind it are further ones if they are containers, else a command.
    Words {
        container: String,
        rest: Vec<String>,
    },
    /// These.
    Names(Vec<String>),
    /// Those that match.
    Filter(Vec<String>),
}

/// What is asked of the endpoint for each of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Call {
    /// Parameters, but for `pull`.
    query: Vec<(&'static str, String)>,
    /// Whether to pull, where that was said.
    pub(super) pull: Option<Pull>,
    pub(super) dry_run: bool,
    /// The body.
    pub(super) body: Object,
}

/// How several are taken one after the other, in Swarm's words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rolling {
    /// How many at once; all if 0.
    pub(super) parallelism: usize,
    /// How long each waits for its turn after the one before has ended.
    pub(super) delay: Duration,
    /// The share of failures that is tolerated.
    pub(super) max_failure_ratio: f64,
    pub(super) failure_action: FailureAction,
    /// How many are left out, of the last.
    pub(super) partition: usize,
}

/// How it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Text,
    /// The new IDs alone.
    Quiet,
    /// A line of JSON for each.
    Json,
}

/// All mistakes in the arguments. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker upgrade: {}", self.0.join("\ndocker upgrade: "))?;
        write!(f, "\n\nSee 'docker upgrade --help'.")
    }
}

impl Settings {
    /// Reads the arguments.
    pub(super) fn parse(args: &Args) -> Result<Self, Mistakes> {
        let mut reader = Reader::default();
        let task = match (args.rollback, args.history, args.recover) {
            (true, ..) => Task::Rollback,
            (_, true, _) => Task::History,
            (.., true) => Task::Recover,
            _ => Task::Upgrade,
        };
        let mut call = reader.call(args);
        if task == Task::Rollback {
            call.query.push((ROLLBACK, "1".to_owned()));
        }
        let whose = reader.whose(task, args, &mut call);
        let ratio = args.max_failure_ratio.unwrap_or_default();
        if !(0.0..=1.0).contains(&ratio) {
            reader.mistake(
                "--max-failure-ratio",
                format!("{ratio} is not between 0 and 1"),
            );
        }
        let rolling = Rolling {
            parallelism: args.parallelism,
            delay: reader
                .duration("--delay", args.delay.as_deref())
                .unwrap_or_default(),
            max_failure_ratio: ratio,
            failure_action: args.failure_action.unwrap_or_default(),
            partition: args.partition,
        };
        let output = match (args.format, args.quiet) {
            (Some(Format::Json), _) => Output::Json,
            (None, true) => Output::Quiet,
            (None, false) => Output::Text,
        };
        if !reader.0.is_empty() {
            return Err(Mistakes(reader.0));
        }
        Ok(Self {
            task,
            whose,
            call,
            rolling,
            output,
        })
    }
}

impl Call {
    /// The request target of an upgrade of `container`, which tells what happens as it happens.
    pub(super) fn target(&self, container: &str, pull: Pull) -> String {
        let pull = match pull {
            Pull::Always => "always",
            Pull::Missing => "missing",
            Pull::Never => "never",
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("name", container)
            .append_pair("stream", "1");
        // What is gone back to is pulled where it is gone, unless it was said otherwise.
        if !self.is_back() || self.pull.is_some() {
            query.append_pair("pull", pull);
        }
        query.extend_pairs(&self.query);
        format!("/containers/upgrade?{}", query.finish())
    }

    /// It, of a container that is to run this command.
    pub(super) fn with_command(mut self, command: &[String]) -> Self {
        if !command.is_empty() {
            self.body.insert("Cmd".to_owned(), json!(command));
        }
        self
    }

    /// It, back to the generation before.
    pub(super) fn going_back(&self) -> Self {
        let kept = self
            .query
            .iter()
            .filter(|(name, _)| matches!(*name, "t" | "signal"));
        let mut back = Self {
            query: kept.cloned().collect(),
            ..Self::default()
        };
        if let Some(config) = self.body.get("UpgradeConfig") {
            back.body.insert("UpgradeConfig".to_owned(), config.clone());
        }
        back.query.push((ROLLBACK, "1".to_owned()));
        back
    }

    /// Whether it goes back.
    pub(super) fn is_back(&self) -> bool {
        self.query.iter().any(|(name, _)| *name == ROLLBACK)
    }

    /// Whether it says what is to be another.
    pub(super) fn changes(&self) -> bool {
        self.body.keys().any(|field| field != "UpgradeConfig")
    }

    /// The image that is asked for.
    pub(super) fn image(&self) -> Option<&str> {
        self.body.get("Image").and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests;

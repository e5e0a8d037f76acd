//! Options are read one after the other; what is wrong with one keeps none of the others from being read.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::{
    super::{
        args::Args,
        plugin,
        values::{self, Object},
    },
    Call, Task, Whose,
};
use crate::cli::engine::duration;

/// Reads options, and keeps the mistakes.
#[derive(Debug, Default)]
pub(super) struct Reader(pub(super) Vec<String>);

impl Reader {
    pub(super) fn mistake(&mut self, option: &str, what: impl fmt::Display) {
        self.0.push(format!("{option}: {what}"));
    }

    /// What `parse` makes of a value, if it is no mistake.
    fn read<T>(
        &mut self,
        option: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(option, error);
                None
            }
        }
    }

    fn all<T>(
        &mut self,
        option: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let read = |text: &String| self.read(option, text, &parse);
        texts.iter().filter_map(read).collect()
    }

    pub(super) fn duration(&mut self, option: &str, text: Option<&str>) -> Option<Duration> {
        self.read(option, text?, duration)
    }

    /// Which containers; a command that can stand behind no container goes to the call.
    pub(super) fn whose(&mut self, task: Task, args: &Args, call: &mut Call) -> Whose {
        let words = &args.words;
        if let Some(option) = words
            .first()
            .filter(|word| word.starts_with('-') && *word != "--")
        {
            self.0.push(format!("unknown flag: {option}"));
        }
        if task == Task::Recover {
            if let Some(word) = words.first() {
                self.mistake("--recover", format!("\"{word}\": it is of all containers"));
            }
            return Whose::Filter(Vec::new());
        }
        if let Some(name) = &args.name {
            let (image, command) = match words.split_first() {
                Some((image, command)) if task == Task::Upgrade => (Some(image), command),
                None if task != Task::Upgrade => (None, &[][..]),
                _ => {
                    self.mistake(
                        "--name",
                        "an IMAGE is expected behind it, as in --name db redis:8",
                    );
                    (None, &[][..])
                }
            };
            if let Some(image) = image {
                call.body.insert("Image".to_owned(), image.clone().into());
            }
            *call = call.clone().with_command(command);
            return Whose::Names(vec![name.clone()]);
        }
        for filter in &args.filter {
            let (key, value) = filter.split_once('=').unwrap_or((filter, ""));
            // The engine takes an empty one for everything.
            if key.trim().is_empty() || value.trim().is_empty() {
                let what = format!("bad format of filter \"{filter}\" (expected name=value)");
                self.mistake("--filter", what);
            }
        }
        if !args.filter.is_empty() {
            let command = match words.split_first() {
                Some((dashes, command)) if dashes == "--" => command,
                _ => words,
            };
            *call = call.clone().with_command(command);
            return Whose::Filter(args.filter.clone());
        }
        if task != Task::Upgrade && !words.is_empty() {
            return Whose::Names(words.clone());
        }
        match words.split_first() {
            Some((container, rest)) if !container.is_empty() => {
                if let Some(option) = rest.first().filter(|word| plugin::is_option(word)) {
                    self.0.push(format!(
                        "{option}: options stand before the CONTAINER; a command that begins so \
                         stands behind --"
                    ));
                }
                Whose::Words {
                    container: container.clone(),
                    rest: rest.to_vec(),
                }
            }
            _ => {
                self.0
                    .push("it requires at least 1 argument: a CONTAINER".to_owned());
                Whose::Filter(Vec::new())
            }
        }
    }

    pub(super) fn call(&mut self, args: &Args) -> Call {
        let flags = [
            ("force", args.force),
            ("dryRun", args.dry_run),
            ("renewVolumes", args.renew_volumes),
        ];
        let texts = [
            ("platform", args.platform.clone()),
            ("t", args.time.map(|seconds| seconds.to_string())),
            ("signal", args.signal.clone()),
        ];
        let flags = flags
            .into_iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(name, _)| (name, "1".to_owned()));
        let texts = texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        Call {
            query: flags.chain(texts).collect(),
            pull: args.pull,
            dry_run: args.dry_run,
            body: self.body(args),
        }
    }

    fn body(&mut self, args: &Args) -> Object {
        let mut body = Object::new();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.to_owned(), value);
            }
        };
        put("Image", args.image.clone().map(Value::from));
        put(
            "Entrypoint",
            args.entrypoint.clone().map(|program| json!([program])),
        );
        put("Env", list(self.variables(args)));
        put(
            "Labels",
            object(self.all("--label", &args.label, values::label)),
        );
        put("HostConfig", object(self.host_config(args)));
        let networks = self.all("--network", &args.network, values::network);
        let endpoints = networks.into_iter().filter(|(name, _)| !is_mode(name));
        put(
            "NetworkingConfig",
            object(endpoints).map(|endpoints| json!({ "EndpointsConfig": endpoints })),
        );
        put("UpgradeConfig", object(self.upgrade_config(args)));
        body
    }

    /// Those of files first: what is said by itself wins.
    fn variables(&mut self, args: &Args) -> Vec<Value> {
        let of_files = self.all("--env-file", &args.env_file, values::variables_of_file);
        let said = self.all("--env", &args.env, values::variable);
        of_files
            .into_iter()
            .flatten()
            .chain(said)
            .map(Value::from)
            .collect()
    }

    fn host_config(&mut self, args: &Args) -> Vec<(String, Value)> {
        let ports = self.all("--publish", &args.publish, values::publish);
        let mut bindings = Object::new();
        for (port, binding) in ports.into_iter().flatten() {
            match (bindings.get_mut(&port), binding) {
                (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
                (_, binding) => drop(bindings.insert(port, binding)),
            }
        }
        let memory = args.memory.as_deref();
        let cpus = args.cpus.as_deref();
        let mode = args.network.iter().rfind(|network| is_mode(network));
        let fields = [
            (
                "Binds",
                list(self.all("--volume", &args.volume, values::volume)),
            ),
            (
                "Mounts",
                list(self.all("--mount", &args.mount, values::mount)),
            ),
            (
                "Memory",
                memory.and_then(|text| self.read("--memory", text, values::bytes)),
            ),
            (
                "NanoCpus",
                cpus.and_then(|text| self.read("--cpus", text, values::cpus)),
            ),
            ("PortBindings", object(bindings)),
            ("NetworkMode", mode.cloned().map(Value::from)),
        ];
        let given = fields.into_iter();
        given
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }

    fn upgrade_config(&mut self, args: &Args) -> Vec<(String, Value)> {
        let limits = [
            ("Monitor", "--monitor", &args.monitor),
            (
                "HealthyDeadline",
                "--healthy-deadline",
                &args.healthy_deadline,
            ),
        ];
        let read = |(field, option, text): (&str, &str, &Option<String>)| {
            let limit = self.duration(option, text.as_deref())?;
            let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
            Some((field.to_owned(), limit.into()))
        };
        limits.into_iter().filter_map(read).collect()
    }
}

/// Whether what `docker run --network` takes is no network.
fn is_mode(network: &str) -> bool {
    matches!(network, "host" | "none") || network.starts_with("container:")
}

/// A list, if there is something in it.
fn list(values: Vec<Value>) -> Option<Value> {
    (!values.is_empty()).then(|| values.into())
}

/// An object, if there is something in it.
fn object(fields: impl IntoIterator<Item = (String, Value)>) -> Option<Value> {
    let fields: Object = fields.into_iter().collect();
    (!fields.is_empty()).then(|| fields.into())
}

//! The body of a create, as the words of a transcript say it.
//!
//! The options are the docker CLI's: `--restart`, `--rm`, `-v`, `--mount`, `--network`, `--label`,
//! `-e`, `--entrypoint`, `--link`, `--ipc`, `--pid`, `--stop-timeout`; `--volume PATH` is an entry of
//! `Volumes`, `--image` names another image, `--link-id` links by ID, and `--network` may be given twice.

use refit::engine::RestartPolicy;
use serde_json::{Value, json};

/// The image of a container that names no other.
const IMAGE: &str = "behaving";

/// What the words of a transcript mean on a stage.
pub trait Words {
    /// What something of the transcript is called there.
    fn named(&self, what: &str) -> String;
    /// A volume: `data`, or `@web/path`.
    fn volume(&self, word: &str) -> String;
    /// What a container is referred to by.
    fn reference(&self, name: &str) -> String;
}

/// `on-failure:3`.
pub fn policy(word: &str) -> RestartPolicy {
    let (name, retries) = word.split_once(':').unwrap_or((word, "0"));
    RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count: retries.parse().expect("a number"),
    }
}

/// The body that these words ask for.
pub fn body(words: &[&str], meaning: &dyn Words) -> Value {
    let mut host = json!({ "NetworkMode": meaning.named("app") });
    let mut body = json!({ "Image": meaning.named(IMAGE) });
    let mut endpoints = json!({});
    let mut words = words.iter();
    let mut program: Vec<&str> = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || *words.next().expect("a value");
        match *word {
            "--rm" => host["AutoRemove"] = json!(true),
            "--restart" => host["RestartPolicy"] = json!(policy(value())),
            "-v" => push(&mut host["Binds"], json!(bind(value(), meaning))),
            "--mount" => push(&mut host["Mounts"], mount(value(), meaning)),
            "--link" => push(&mut host["Links"], json!(meaning.named(value()))),
            "--link-id" => {
                let (name, alias) = value().split_once(':').expect("a link");
                let link = format!("{}:{alias}", meaning.reference(name));
                push(&mut host["Links"], json!(link));
            }
            "--ipc" => host["IpcMode"] = json!(mode(value(), meaning)),
            "--pid" => host["PidMode"] = json!(mode(value(), meaning)),
            "--network" => {
                let mode = mode(value(), meaning);
                if endpoints == json!({}) {
                    host["NetworkMode"] = json!(mode);
                }
                if !mode.starts_with("container:") && mode != "none" {
                    endpoints[mode] = json!({});
                }
            }
            "--label" => {
                let (key, value) = value().split_once('=').expect("a label");
                body["Labels"][key] = json!(value);
            }
            "-e" => push(&mut body["Env"], json!(value())),
            "--volume" => body["Volumes"][value()] = json!({}),
            "--entrypoint" => push(&mut body["Entrypoint"], json!(value())),
            "--stop-timeout" => {
                body["StopTimeout"] = json!(value().parse::<u32>().expect("seconds"));
            }
            "--image" => body["Image"] = json!(meaning.named(value())),
            word => {
                program.push(word);
                program.extend(words.by_ref());
            }
        }
    }
    if !program.is_empty() {
        body["Cmd"] = json!(program);
    }
    body["HostConfig"] = host;
    if endpoints
        .as_object()
        .is_some_and(|endpoints| endpoints.len() > 1)
    {
        body["NetworkingConfig"] = json!({ "EndpointsConfig": endpoints });
    }
    body
}

fn push(list: &mut Value, entry: Value) {
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().expect("a list").push(entry);
}

/// `data:/data:nocopy`, or `/data`.
fn bind(word: &str, meaning: &dyn Words) -> String {
    let volume = |(volume, rest): (&str, &str)| format!("{}:{rest}", meaning.volume(volume));
    word.split_once(':').map_or_else(|| word.to_owned(), volume)
}

/// `data:/data`, or `/data`.
fn mount(word: &str, meaning: &dyn Words) -> Value {
    match word.split_once(':') {
        Some((volume, target)) => {
            json!({ "Type": "volume", "Source": meaning.volume(volume), "Target": target })
        }
        None => json!({ "Type": "volume", "Target": word }),
    }
}

/// `app`, `none`, `container:web`.
fn mode(word: &str, meaning: &dyn Words) -> String {
    match word.split_once(':') {
        Some((kind, name)) => format!("{kind}:{}", meaning.reference(name)),
        None if matches!(word, "none" | "bridge" | "shareable") => word.to_owned(),
        None => meaning.named(word),
    }
}

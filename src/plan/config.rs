//! `Config`: what the image gave is left out, what a person set stays.
//!
//! What is left out is what the engine's own merge (moby `daemon/commit.go`, `merge`) adds back
//! from the image at create.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::{
    MARKER_LABEL, Object,
    fields::{Part, Policy},
    mounts::clean,
};

/// The label in which compose records the ID of the image that a container was made from.
pub(super) const COMPOSE_IMAGE: &str = "com.docker.compose.image";

/// The replacement's `Config` before the patch: `mine` without what came from `base`, and without
/// what the engine refuses beside `host_config`.
pub(super) fn inherit(mine: &Object, base: &Object, host_config: &Object) -> Object {
    let mut config = mine.clone();
    command(&mut config, base);
    let takes_hostname = !hostname_is_refused(host_config);
    for field in mine.keys() {
        match Part::Config.policy(field) {
            Policy::Variables => env(&mut config, base),
            Policy::ImageDefault if is_default(field, mine, base) => {
                config.shift_remove(field);
            }
            Policy::ImageDefaultByKey => by_key(&mut config, base, field),
            Policy::HostName if !takes_hostname => {
                config.shift_remove(field);
            }
            _ => {}
        }
    }
    if let Some(labels) = config.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.shift_remove(MARKER_LABEL);
    }
    config
}

/// Whether a whole value is the image's. Docker 20.10 cleans the path of a container's `WorkingDir`,
/// and not that of an image's.
fn is_default(field: &str, mine: &Object, base: &Object) -> bool {
    let path = |config: &Object| {
        let path = config.get(field)?.as_str()?;
        (field == "WorkingDir" && !path.is_empty()).then(|| clean(path))
    };
    mine.get(field) == base.get(field) || path(mine).is_some_and(|mine| Some(mine) == path(base))
}

/// Makes compose's own record of the image true, where there is one.
pub(super) fn follow_image(config: &mut Object, new_image: &Value) {
    let label = config
        .get_mut("Labels")
        .and_then(|labels| labels.get_mut(COMPOSE_IMAGE));
    if let (Some(label), Some(id)) = (label, new_image.get("Id")) {
        *label = id.clone();
    }
}

/// The engine refuses a host name where the container has no UTS namespace of its own, and
/// inspect prints one all the same.
fn hostname_is_refused(host_config: &Object) -> bool {
    let mode = |key: &str| {
        host_config
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    mode("UTSMode") == "host" || mode("NetworkMode").starts_with("container:")
}

/// `Entrypoint` and `Cmd`, whose inspect hides what was sent:
///
/// - `Entrypoint` null over a set base: it was sent as `[""]` (no entrypoint at all);
/// - an Entrypoint that a person set shuts out the image's Cmd, so a Cmd beside it is a person's,
///   even where it equals the image's (but an empty list lets the image's Cmd through);
/// - `Cmd` null over a set base: the Entrypoint was given, even where it equals the image's.
fn command(config: &mut Object, base: &Object) {
    let is_set = |object: &Object, field: &str| {
        object
            .get(field)
            .and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    let entrypoint_equals = config.get("Entrypoint").unwrap_or(&Value::Null)
        == base.get("Entrypoint").unwrap_or(&Value::Null);
    let entrypoint_cleared =
        config.get("Entrypoint").is_none_or(Value::is_null) && is_set(base, "Entrypoint");
    let cmd_shut_out = !is_set(config, "Cmd") && is_set(base, "Cmd");
    let entrypoint_is_mine = !entrypoint_equals || (cmd_shut_out && is_set(config, "Entrypoint"));
    let cmd_is_mine = entrypoint_cleared || (entrypoint_is_mine && is_set(config, "Entrypoint"));

    if entrypoint_cleared {
        config.insert("Entrypoint".to_owned(), json!([""]));
    } else if !entrypoint_is_mine {
        config.shift_remove("Entrypoint");
    }
    if !cmd_is_mine && config.get("Cmd") == base.get("Cmd") {
        config.shift_remove("Cmd");
    }
}

/// `Env`, by variable: one whose value stands in base just so came from the image. Of a variable
/// that stands there twice the last entry counts.
fn env(config: &mut Object, base: &Object) {
    let Some(from_image) = base.get("Env").and_then(Value::as_array) else {
        return;
    };
    let from_image: HashSet<&Value> = from_image.iter().collect();
    if let Some(env) = config.get_mut("Env").and_then(Value::as_array_mut) {
        let all = env.clone();
        let counts: HashMap<&str, &Value> = all.iter().map(|e| (variable(e), e)).collect();
        env.retain(|entry| {
            let counts = counts.get(variable(entry));
            counts.is_none_or(|entry| !from_image.contains(entry))
        });
    }
}

/// The variable that an entry of `Env` is about.
pub(super) fn variable(entry: &Value) -> &str {
    let entry = entry.as_str().unwrap_or_default();
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

/// An object field, by key: an entry that stands in base just so came from the image.
fn by_key(config: &mut Object, base: &Object, field: &str) {
    let Some(from_image) = base.get(field).and_then(Value::as_object) else {
        return;
    };
    let Some(mine) = config.get_mut(field).and_then(Value::as_object_mut) else {
        return;
    };
    mine.retain(|key, value| from_image.get(key) != Some(value));
    if mine.is_empty() {
        config.shift_remove(field);
    }
}

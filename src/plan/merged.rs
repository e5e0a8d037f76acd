//! What the engine makes of a create body: moby `daemon/commit.go`, `merge`, and the defaults of
//! its `runconfig`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Object, config::variable};

/// The `Config` that a container created from `create` on an image with the config `image` will
/// have, as far as the engine merges the two.
pub(super) fn merged(create: &Object, image: &Object) -> Object {
    let mut config = create.clone();
    for field in ["ExposedPorts", "Labels", "Volumes"] {
        by_key(&mut config, image, field);
    }
    env(&mut config, image);
    command(&mut config, image);
    healthcheck(&mut config, image);
    for field in ["User", "WorkingDir", "StopSignal"] {
        if is_nothing(config.get(field)) {
            inherit(&mut config, image, field);
        }
    }
    config
}

/// Whether a value says no more than that nothing was said.
pub(super) fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::Bool(true)) => false,
    }
}

fn inherit(config: &mut Object, image: &Object, field: &str) {
    match image.get(field) {
        Some(value) => config.insert(field.to_owned(), value.clone()),
        None => config.shift_remove(field),
    };
}

/// The container's keys win.
fn by_key(config: &mut Object, image: &Object, field: &str) {
    let Some(from_image) = image.get(field).and_then(Value::as_object) else {
        return;
    };
    if !config.get(field).is_some_and(Value::is_object) {
        config.insert(field.to_owned(), json!({}));
    }
    if let Some(mine) = config.get_mut(field).and_then(Value::as_object_mut) {
        for (key, value) in from_image {
            mine.entry(key).or_insert_with(|| value.clone());
        }
    }
}

/// The container's variables win, and a bare name keeps the image's away.
fn env(config: &mut Object, image: &Object) {
    let list = |object: &Object| object.get("Env").and_then(Value::as_array).cloned();
    let mut env = list(config).unwrap_or_default();
    let mut inherited = list(image).unwrap_or_default();
    let given: HashSet<&str> = env.iter().map(variable).collect();
    inherited.retain(|entry| !given.contains(variable(entry)));
    env.extend(inherited);
    config.insert("Env".to_owned(), Value::Array(env));
}

/// A given Entrypoint shuts out the image's Cmd; `[""]` says that there is none.
fn command(config: &mut Object, image: &Object) {
    if is_nothing(config.get("Entrypoint")) {
        if is_nothing(config.get("Cmd")) {
            inherit(config, image, "Cmd");
        }
        if config.get("Entrypoint").is_none_or(Value::is_null) {
            inherit(config, image, "Entrypoint");
        }
    }
    if config.get("Entrypoint") == Some(&json!([""])) {
        config.insert("Entrypoint".to_owned(), Value::Null);
    }
}

/// By sub-field: one that is empty is the image's.
fn healthcheck(config: &mut Object, image: &Object) {
    let Some(from_image) = image.get("Healthcheck").and_then(Value::as_object) else {
        return;
    };
    if !config.get("Healthcheck").is_some_and(Value::is_object) {
        config.insert("Healthcheck".to_owned(), json!({}));
    }
    if let Some(mine) = config.get_mut("Healthcheck").and_then(Value::as_object_mut) {
        for (key, value) in from_image {
            if is_nothing(mine.get(key)) {
                mine.insert(key.clone(), value.clone());
            }
        }
    }
}

//! The patch: the request's body, in the shape of `POST /containers/create`.
//!
//! Scalars and lists replace; `null` goes back to the new image's default. `Env` merges by
//! variable; object fields merge by key, where `null` removes the key; `Binds` and `Mounts`
//! merge by target.

use serde_json::Value;

use super::{Object, config, mounts};

/// Why a body is no patch. The message names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PatchError {
    field: String,
    problem: &'static str,
}

/// What a field's value must be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    /// A list of texts.
    Texts,
    /// A list of texts, or one text (Docker takes both for a command).
    Command,
    Object,
    /// A list of objects that have a text `Target`.
    Mounts,
    Bool,
    Integer,
}

/// The fields that the merge itself reads, and those of `Config`; a wrong type anywhere else is
/// the engine's to refuse, at create, before anything is touched.
const SHAPES: &[(&str, Shape)] = &[
    ("Image", Shape::Text),
    ("Hostname", Shape::Text),
    ("Domainname", Shape::Text),
    ("User", Shape::Text),
    ("WorkingDir", Shape::Text),
    ("StopSignal", Shape::Text),
    ("MacAddress", Shape::Text),
    ("Env", Shape::Texts),
    ("Shell", Shape::Texts),
    ("OnBuild", Shape::Texts),
    ("Cmd", Shape::Command),
    ("Entrypoint", Shape::Command),
    ("Labels", Shape::Object),
    ("ExposedPorts", Shape::Object),
    ("Volumes", Shape::Object),
    ("Healthcheck", Shape::Object),
    ("AttachStdin", Shape::Bool),
    ("AttachStdout", Shape::Bool),
    ("AttachStderr", Shape::Bool),
    ("Tty", Shape::Bool),
    ("OpenStdin", Shape::Bool),
    ("StdinOnce", Shape::Bool),
    ("ArgsEscaped", Shape::Bool),
    ("NetworkDisabled", Shape::Bool),
    ("StopTimeout", Shape::Integer),
    ("HostConfig", Shape::Object),
    ("HostConfig/Binds", Shape::Texts),
    ("HostConfig/Mounts", Shape::Mounts),
    ("HostConfig/Tmpfs", Shape::Object),
    ("HostConfig/PortBindings", Shape::Object),
    ("HostConfig/RestartPolicy", Shape::Object),
    ("HostConfig/Sysctls", Shape::Object),
    ("HostConfig/StorageOpt", Shape::Object),
    ("HostConfig/Annotations", Shape::Object),
    ("HostConfig/LogConfig", Shape::Object),
    ("HostConfig/Memory", Shape::Integer),
    ("HostConfig/NetworkMode", Shape::Text),
    ("NetworkingConfig", Shape::Object),
    ("NetworkingConfig/EndpointsConfig", Shape::Object),
];

/// The fields of `HostConfig` that merge by key; `LogConfig` does one object deeper.
pub(super) const HOST_BY_KEY: [&str; 5] = [
    "PortBindings",
    "Sysctls",
    "Tmpfs",
    "StorageOpt",
    "Annotations",
];

/// Checks a request's body and brings it into the form that [`super::Inputs::patch`] takes: names
/// of fields as the API writes them (Docker reads them in any case), commands as lists.
///
/// # Errors
/// [`PatchError`], which names the field that has a value of the wrong type.
pub fn check(mut patch: Object) -> Result<Object, PatchError> {
    for (path, shape) in SHAPES {
        let mut parent = &mut patch;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            let Some(key) = spelled(parent, name) else {
                break;
            };
            if key != name {
                let value = parent.shift_remove(&key).unwrap_or_default();
                parent.insert(name.to_owned(), value);
            }
            let Some(value) = parent.get_mut(name) else {
                break;
            };
            if names.peek().is_none() {
                check_shape(path, *shape, value)?;
                break;
            }
            let Some(object) = value.as_object_mut() else {
                break;
            };
            parent = object;
        }
    }
    Ok(patch)
}

/// The key of `object` that Docker would read as `name`.
pub(super) fn spelled(object: &Object, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))
        .cloned()
}

fn check_shape(path: &str, shape: Shape, value: &mut Value) -> Result<(), PatchError> {
    let are_texts = |list: &[Value]| list.iter().all(Value::is_string);
    let problem = match (shape, &*value) {
        (_, Value::Null) => return Ok(()),
        (Shape::Command, Value::String(_)) => {
            *value = Value::Array(vec![value.take()]);
            return Ok(());
        }
        (Shape::Text, value) if !value.is_string() => "a text is expected",
        (Shape::Bool, value) if !value.is_boolean() => "true or false is expected",
        (Shape::Integer, value) if !value.is_i64() => "an integer is expected",
        (Shape::Object, value) if !value.is_object() => "an object is expected",
        (Shape::Texts | Shape::Command, value)
            if !value.as_array().is_some_and(|list| are_texts(list)) =>
        {
            "a list of texts is expected"
        }
        (Shape::Mounts, value) if !value.as_array().is_some_and(|list| are_mounts(list)) => {
            "a list of objects with a Target is expected"
        }
        _ => return Ok(()),
    };
    Err(PatchError {
        field: path.replace('/', "."),
        problem,
    })
}

fn are_mounts(list: &[Value]) -> bool {
    list.iter()
        .all(|mount| mount.get("Target").is_some_and(Value::is_string))
}

/// Applies a checked patch to the `Config` that the original alone would give.
pub(super) fn apply_config(config: &mut Object, patch: &Object, warnings: &mut Vec<String>) {
    for (field, value) in patch {
        match (field.as_str(), value) {
            // The image was resolved into the body's reference; our own settings stay with us;
            // the other two are no part of `Config`.
            ("Image" | "UpgradeConfig" | "HostConfig" | "NetworkingConfig", _) => {}
            ("Env", Value::Array(env)) => apply_env(config, env),
            (name, value) if config::BY_KEY.contains(&name) => merge(config, field, value, 1),
            (_, Value::Null) => {
                config.shift_remove(field);
            }
            (_, value) => {
                if !SHAPES.iter().any(|(name, _)| name == field) {
                    warnings.push(format!(
                        "{field}: unknown to Refit, handed on to the engine"
                    ));
                }
                config.insert(field.clone(), value.clone());
            }
        }
    }
}

/// Applies a checked patch to the `HostConfig` that the original alone would give.
///
/// # Errors
/// [`PatchError`] if the patch's own is no object: there is no default to go back to.
pub(super) fn apply_host_config(host: &mut Object, patch: &Object) -> Result<(), PatchError> {
    let patch = match patch.get("HostConfig") {
        None => return Ok(()),
        Some(Value::Object(patch)) => patch,
        Some(_) => {
            return Err(PatchError {
                field: "HostConfig".to_owned(),
                problem: "an object is expected",
            });
        }
    };
    // All of them before any is added: a patch that names a target twice is the engine's to refuse.
    for target in mounts::targets(patch) {
        unmount(host, &target);
    }
    for (field, value) in patch {
        let field = &spelled(host, field).unwrap_or_else(|| field.clone());
        match (field.as_str(), value) {
            ("Binds" | "Mounts", Value::Array(added)) => {
                for mount in added {
                    push(host, field, mount.clone());
                }
            }
            (name, value) if HOST_BY_KEY.contains(&name) => merge(host, field, value, 1),
            ("LogConfig", value) => merge(host, field, value, 2),
            (_, Value::Null) => {
                host.shift_remove(field);
            }
            (_, value) => {
                host.insert(field.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// Takes whatever is mounted at `target` out of `Binds`, `Mounts` and `Tmpfs`.
fn unmount(host: &mut Object, target: &str) {
    if let Some(binds) = host.get_mut("Binds").and_then(Value::as_array_mut) {
        binds.retain(|bind| {
            bind.as_str()
                .is_none_or(|bind| mounts::bind_target(bind) != target)
        });
    }
    if let Some(mounted) = host.get_mut("Mounts").and_then(Value::as_array_mut) {
        mounted.retain(|mount| {
            let at = mount.get("Target").and_then(Value::as_str);
            at.is_none_or(|at| mounts::clean(at) != target)
        });
    }
    if let Some(mounted) = host.get_mut("Tmpfs").and_then(Value::as_object_mut) {
        mounted.retain(|at, _| mounts::clean(at) != target);
    }
}

fn push(host: &mut Object, field: &str, value: Value) {
    match host.get_mut(field).and_then(Value::as_array_mut) {
        Some(list) => list.push(value),
        None => {
            host.insert(field.to_owned(), Value::Array(vec![value]));
        }
    }
}

/// `K=V` sets a variable, a bare `K` removes it: the bare name is what tells the engine to leave
/// out the image's.
fn apply_env(config: &mut Object, patch: &[Value]) {
    let mut env = match config.get_mut("Env") {
        Some(Value::Array(env)) => std::mem::take(env),
        _ => Vec::new(),
    };
    for entry in patch {
        let is_same = |mine: &Value| config::variable(mine) == config::variable(entry);
        let at = env.iter().position(is_same).unwrap_or(env.len());
        env.retain(|mine| !is_same(mine));
        env.insert(at, entry.clone());
    }
    config.insert("Env".to_owned(), Value::Array(env));
}

/// Merges by key, `depth` objects deep; deeper values replace. `null` removes.
pub(super) fn merge(parent: &mut Object, field: &str, patch: &Value, depth: usize) {
    match patch {
        Value::Null => {
            parent.shift_remove(field);
        }
        Value::Object(entries) if depth > 0 => {
            let child = parent.entry(field).or_insert(Value::Null);
            if !child.is_object() {
                *child = Value::Object(Object::new());
            }
            if let Value::Object(child) = child {
                for (key, value) in entries {
                    merge(child, key, value, depth - 1);
                }
            }
        }
        value => {
            parent.insert(field.to_owned(), value.clone());
        }
    }
}

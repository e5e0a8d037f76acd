//! The patch: the request's body, in the shape of `POST /containers/create`.
//!
//! Scalars and lists replace; `null` goes back to the new image's default. `Env` merges by
//! variable; object fields merge by key, where `null` removes the key; `Binds` and `Mounts`
//! merge by target.

use serde_json::Value;

use super::{
    Object, config,
    fields::{Part, Policy, Shape, policy},
    mounts,
};

/// Why a body is no patch. The message names the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PatchError {
    field: String,
    problem: &'static str,
}

impl PatchError {
    pub(super) fn new(field: impl Into<String>, problem: &'static str) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }
}

/// Checks a request's body and brings it into the form that [`super::Inputs::patch`] takes: names
/// of fields as the API writes them (Docker reads them in any case), commands as lists.
///
/// # Errors
/// [`PatchError`], which names the field that has a value of the wrong type.
pub fn check(mut patch: Object) -> Result<Object, PatchError> {
    check_part(Part::Config, "", &mut patch)?;
    if let Some(Value::Object(host)) = patch.get_mut("HostConfig") {
        check_part(Part::HostConfig, "HostConfig.", host)?;
    }
    if let Some(Value::Object(networking)) = patch.get_mut("NetworkingConfig") {
        const ENDPOINTS: &str = "EndpointsConfig";
        const PATH: &str = "NetworkingConfig.EndpointsConfig";
        check_field(networking, ENDPOINTS, Shape::Object, PATH)?;
        let endpoints = networking.get_mut(ENDPOINTS).and_then(Value::as_object_mut);
        for (network, endpoint) in endpoints.into_iter().flatten() {
            let field = format!("{PATH}.{network}");
            check_shape(&field, Shape::Object, endpoint)?;
            if let Value::Object(endpoint) = endpoint {
                check_part(Part::Endpoint, &format!("{field}."), endpoint)?;
            }
        }
    }
    Ok(patch)
}

/// Checks every field of one part, whose paths begin with `prefix`.
fn check_part(part: Part, prefix: &str, fields: &mut Object) -> Result<(), PatchError> {
    for (name, _, shape) in part.table() {
        check_field(fields, name, *shape, &format!("{prefix}{name}"))?;
    }
    Ok(())
}

fn check_field(
    fields: &mut Object,
    name: &str,
    shape: Shape,
    path: &str,
) -> Result<(), PatchError> {
    let mut spellings = fields.keys().filter(|key| key.eq_ignore_ascii_case(name));
    let Some(key) = spellings.next().cloned() else {
        return Ok(());
    };
    if spellings.next().is_some() {
        return Err(PatchError::new(
            path,
            "it is given twice, in different spellings",
        ));
    }
    if key != name {
        let value = fields.shift_remove(&key).unwrap_or_default();
        fields.insert(name.to_owned(), value);
    }
    match fields.get_mut(name) {
        Some(value) => check_shape(path, shape, value),
        None => Ok(()),
    }
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
    Err(PatchError::new(path, problem))
}

fn are_mounts(list: &[Value]) -> bool {
    list.iter()
        .all(|mount| mount.get("Target").is_some_and(Value::is_string))
}

/// Applies a checked patch to the `Config` that the original alone would give.
pub(super) fn apply_config(config: &mut Object, patch: &Object) {
    for (field, value) in patch {
        match (field.as_str(), Part::Config.policy(field), value) {
            // The image was resolved into the body's reference; the other two are no part of
            // `Config`.
            ("HostConfig" | "NetworkingConfig", ..) | (_, Policy::Image, _) => {}
            (_, Policy::Variables, Value::Array(env)) => apply_env(config, env),
            (_, Policy::ImageDefaultByKey, value) => merge(config, field, value, 1),
            (_, _, Value::Null) => {
                config.shift_remove(field);
            }
            (_, _, value) => {
                config.insert(field.clone(), value.clone());
            }
        }
    }
}

/// The fields of a patch that stand in no row of the table: an engine says nothing of one that it
/// does not know, either.
pub(super) fn unknown(patch: &Object) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut look = |part: Part, prefix: &str, patch: Option<&Object>| {
        let fields = patch.into_iter().flat_map(Object::keys);
        let fields = fields.filter(|field| policy(part, field).is_none());
        unknown.extend(fields.map(|field| format!("{prefix}{field}")));
    };
    look(Part::Config, "", Some(patch));
    let host = patch.get("HostConfig").and_then(Value::as_object);
    look(Part::HostConfig, "HostConfig.", host);
    let endpoints = endpoints(patch).and_then(Value::as_object);
    for (network, endpoint) in endpoints.into_iter().flatten() {
        let prefix = format!("NetworkingConfig.EndpointsConfig.{network}.");
        look(Part::Endpoint, &prefix, endpoint.as_object());
    }
    unknown
}

/// What a patch says of `EndpointsConfig`; null where it says null of all of `NetworkingConfig`.
#[must_use]
pub fn endpoints(patch: &Object) -> Option<&Value> {
    match patch.get("NetworkingConfig") {
        Some(Value::Object(networking)) => networking.get("EndpointsConfig"),
        networking => networking,
    }
}

/// Applies a checked patch to the `HostConfig` that the original alone would give.
///
/// # Errors
/// [`PatchError`] if the patch's own is no object: there is no default to go back to.
pub(super) fn apply_host_config(
    host: &mut Object,
    patch: &Object,
    container: &Value,
) -> Result<(), PatchError> {
    let patch = match patch.get("HostConfig") {
        None => return Ok(()),
        Some(Value::Object(patch)) => patch,
        Some(_) => {
            return Err(PatchError::new("HostConfig", "an object is expected"));
        }
    };
    // All of them before any is added: a patch that names a target twice is the engine's to refuse.
    for target in mounts::targets(patch) {
        unmount(host, &target);
    }
    swap_follows_memory(host, patch);
    options_go_with_their_driver(host, patch);
    privileges_bring_their_own(host, patch);
    for (field, value) in patch {
        match (Part::HostConfig.policy(field), value) {
            (Policy::Mounts, Value::Array(added)) => {
                mounts::append(host, field, mounts::restated(added, container));
            }
            (Policy::KeptByKey { depth }, value) => merge(host, field, value, depth),
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

/// Of a container that was given a memory limit alone, the engine prints twice as much as the limit
/// of memory and swap (moby `daemon/daemon_unix.go`, `adaptContainerSettings`); it must not stand in
/// the way of another memory limit.
fn swap_follows_memory(host: &mut Object, patch: &Object) {
    if patch.contains_key("MemorySwap") {
        return;
    }
    let Some(memory) = patch.get("Memory") else {
        return;
    };
    let doubled = |memory: Option<&Value>| memory?.as_i64()?.checked_mul(2).filter(|to| *to > 0);
    let swap = host.get("MemorySwap").and_then(Value::as_i64);
    if swap.is_some() && swap == doubled(host.get("Memory")) {
        let swap = doubled(Some(memory)).unwrap_or_default();
        host.insert("MemorySwap".to_owned(), Value::from(swap));
    }
}

/// What the engine derives of `Privileged` where nothing else is said (moby `daemon/create_unix.go`;
/// `daemon/daemon_unix.go`, `generateSecurityOpt`), and then prints like what somebody set.
fn privileges_bring_their_own(host: &mut Object, patch: &Object) {
    let is_privileged = |object: &Object| object.get("Privileged") == Some(&Value::Bool(true));
    if !patch.contains_key("Privileged") || is_privileged(patch) == is_privileged(host) {
        return;
    }
    if is_privileged(patch) {
        for field in ["MaskedPaths", "ReadonlyPaths"] {
            host.shift_remove(field);
        }
    } else if let Some(options) = host.get_mut("SecurityOpt").and_then(Value::as_array_mut) {
        options.retain(|option| option != "label=disable");
    }
}

/// Another log driver takes none of the options of the one before.
fn options_go_with_their_driver(host: &mut Object, patch: &Object) {
    let driver = |object: &Object| object.get("LogConfig")?.get("Type").cloned();
    let asked = driver(patch);
    if asked.is_some()
        && asked != driver(host)
        && let Some(log) = host.get_mut("LogConfig").and_then(Value::as_object_mut)
    {
        log.shift_remove("Config");
    }
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

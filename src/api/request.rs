//! What a caller asks for: path, query, headers and body become a checked request, or an error
//! that names the mistake.

use std::time::Duration;

use hyper::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::{
    reply::Mistake,
    route::{self, Route, route},
    signal,
};
use crate::{
    engine::{Platform, StopOptions},
    plan,
    upgrade::{Pull, Request},
};

/// The query's parameters, as they are written.
const PARAMETERS: [&str; 10] = [
    "pull",
    "t",
    "signal",
    "dryRun",
    "force",
    "rollback",
    "renewVolumes",
    "stream",
    "platform",
    "name",
];

/// One call of the endpoint.
#[derive(Debug)]
pub(super) struct Call {
    /// Whatever names the container.
    pub reference: String,
    /// The upgrade.
    pub request: Request,
    /// Whether progress is wanted as it happens.
    pub stream: bool,
}

/// `UpgradeConfig` of the body.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct UpgradeConfig {
    /// In ns.
    monitor: Option<u64>,
    /// In ns.
    healthy_deadline: Option<u64>,
    require_same_address: Option<bool>,
}

/// Reads a call. `target` is the one of the request line, as it stands there.
///
/// # Errors
/// [`Mistake`] with the parameter or field that is wrong.
pub(super) fn read(target: &str, headers: &HeaderMap, body: &[u8]) -> Result<Call, Mistake> {
    let query = Query::read(route::query(target), &PARAMETERS)?;
    let reference = reference(route(target), &query)?;
    let mut patch = match body {
        [] => plan::Object::new(),
        body => match serde_json::from_slice(body) {
            Ok(Value::Object(patch)) => patch,
            Ok(_) => return Err(Mistake::bad("the body is no JSON object")),
            Err(error) => return Err(Mistake::bad(format!("the body is no JSON: {error}"))),
        },
    };
    let config = upgrade_config(&mut patch)?;
    let patch = plan::check_patch(patch).map_err(|error| Mistake::bad(error.to_string()))?;
    if patch.get("Image").is_some_and(|image| image == "") {
        return Err(Mistake::bad("Image: an image reference is expected"));
    }
    let go_back = query.flag("rollback")?;
    if go_back {
        query.refuse_beside_rollback(&patch)?;
    }
    Ok(Call {
        reference,
        request: Request {
            patch,
            pull: query.pull()?,
            platform: query.platform()?,
            renew_volumes: query.flag("renewVolumes")?,
            stop: query.stop()?,
            force: query.flag("force")?,
            go_back,
            dry_run: query.flag("dryRun")?,
            registry_auth: registry_auth(headers)?,
            monitor: config
                .monitor
                .map_or(Request::DEFAULT_MONITOR, Duration::from_nanos),
            healthy_deadline: config.healthy_deadline.map(Duration::from_nanos),
            require_same_address: config.require_same_address.unwrap_or_default(),
        },
        stream: query.flag("stream")?,
    })
}

/// Reads what names the container of a call that has neither parameters nor a body.
///
/// # Errors
/// [`Mistake`] with the parameter that is wrong.
pub(super) fn read_reference(target: &str) -> Result<String, Mistake> {
    let query = Query::read(route::query(target), &[])?;
    reference(route(target), &query)
}

/// What names the container: a path's segment or the query's `name`, as the engine can be asked
/// for it. Docker itself prints names with a slash in front, and takes them so.
fn reference(route: Option<Route>, query: &Query) -> Result<String, Mistake> {
    let given = match route {
        Some(Route::OfPath(_)) if query.get("name").is_some() => {
            return Err(Mistake::bad("name: the path names the container already"));
        }
        Some(Route::OfPath(id)) => id,
        _ => query.get("name").unwrap_or_default().to_owned(),
    };
    let reference = given.trim_start_matches('/');
    if reference.is_empty() {
        return Err(Mistake::bad(format!(
            "name: a container is expected, not \"{given}\""
        )));
    }
    // No container is called so, and the engine can't be asked: its router decodes and cleans a
    // path before it looks at it, and redirects.
    if reference
        .split('/')
        .any(|segment| matches!(segment, "" | "." | ".."))
    {
        return Err(Mistake::no_such_container(reference));
    }
    Ok(reference.to_owned())
}

/// Takes `UpgradeConfig`, which is no part of the patch, out of the body.
fn upgrade_config(body: &mut plan::Object) -> Result<UpgradeConfig, Mistake> {
    let mut config = match take(body, "UpgradeConfig") {
        None | Some(Value::Null) => return Ok(UpgradeConfig::default()),
        Some(config) => config,
    };
    if let Value::Object(fields) = &mut config {
        for name in ["Monitor", "HealthyDeadline", "RequireSameAddress"] {
            if let Some(value) = take(fields, name) {
                fields.insert(name.to_owned(), value);
            }
        }
    }
    serde_path_to_error::deserialize(config)
        .map_err(|error| Mistake::bad(format!("UpgradeConfig.{error}")))
}

/// Takes the field that Docker would read as `name`: in any case, and the last of several.
fn take(object: &mut plan::Object, name: &str) -> Option<Value> {
    let mut taken = None;
    while let Some(key) = object.keys().find(|key| key.eq_ignore_ascii_case(name)) {
        taken = object.shift_remove(&key.clone());
    }
    taken
}

fn registry_auth(headers: &HeaderMap) -> Result<Option<String>, Mistake> {
    let Some(value) = headers.get("x-registry-auth") else {
        return Ok(None);
    };
    let value = value
        .to_str()
        .map_err(|_| Mistake::bad("X-Registry-Auth: no text"))?;
    Ok((!value.is_empty()).then(|| value.to_owned()))
}

/// The query's parameters, decoded; each is one of those that are known, and stands there once.
struct Query(Vec<(String, String)>);

impl Query {
    fn read(query: &str, known: &[&str]) -> Result<Self, Mistake> {
        // Docker takes it for an empty one; but whoever writes `?dryRun` means the contrary of none.
        if let Some(bare) = query.split('&').find(|part| known.contains(part)) {
            let message = format!("{bare}: a value is expected, as in {bare}=...");
            return Err(Mistake::bad(message));
        }
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                return Err(Mistake::bad(format!("{name}: no such query parameter")));
            }
            if read.iter().any(|(known, _)| *known == name) {
                return Err(Mistake::bad(format!("{name}: given twice")));
            }
            read.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(read))
    }

    /// A parameter's value; an empty one is as good as none, as Docker has it.
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// `1`, `true` and `0`, `false`, as the docker CLI writes them.
    fn flag(&self, name: &str) -> Result<bool, Mistake> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("1" | "true") => Ok(true),
            Some(value) => Err(Mistake::bad(format!(
                "{name}: \"{value}\" is neither true nor false"
            ))),
        }
    }

    /// A generation is gone back to as it was: whatever else is to be another is a further upgrade.
    fn refuse_beside_rollback(&self, patch: &plan::Object) -> Result<(), Mistake> {
        let refuse = |what: &str| {
            Mistake::bad(format!(
                "{what}: not together with rollback, which takes everything from the generation before"
            ))
        };
        if let Some(field) = patch.keys().next() {
            return Err(refuse(field));
        }
        if self.flag("renewVolumes")? {
            return Err(refuse("renewVolumes"));
        }
        match self.platform()? {
            Some(_) => Err(refuse("platform")),
            None => Ok(()),
        }
    }

    fn pull(&self) -> Result<Pull, Mistake> {
        match self.get("pull") {
            None | Some("missing") => Ok(Pull::Missing),
            Some("always") => Ok(Pull::Always),
            Some("never") => Ok(Pull::Never),
            Some(value) => Err(Mistake::bad(format!(
                "pull: \"{value}\" is none of missing, always and never"
            ))),
        }
    }

    fn platform(&self) -> Result<Option<Platform>, Mistake> {
        let parse = |value: &str| {
            let platform = value.parse();
            platform.map_err(|error| Mistake::bad(format!("platform: \"{value}\": {error}")))
        };
        self.get("platform").map(parse).transpose()
    }

    fn stop(&self) -> Result<StopOptions, Mistake> {
        let timeout = match self.get("t") {
            None => None,
            Some(value) => match value.parse() {
                Ok(seconds) if seconds >= -1 => Some(seconds),
                _ => {
                    return Err(Mistake::bad(format!(
                        "t: \"{value}\" is no number of seconds"
                    )));
                }
            },
        };
        let signal = match self.get("signal") {
            Some(signal) if !signal::is_known(signal) => {
                return Err(Mistake::bad(format!(
                    "signal: \"{signal}\" is no signal of Linux"
                )));
            }
            signal => signal.map(str::to_owned),
        };
        Ok(StopOptions { timeout, signal })
    }
}

#[cfg(test)]
mod tests;

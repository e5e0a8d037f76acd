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
const PARAMETERS: [&str; 9] = [
    "pull",
    "t",
    "signal",
    "dryRun",
    "force",
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
    Ok(Call {
        reference,
        request: Request {
            patch,
            pull: query.pull()?,
            platform: query.platform()?,
            renew_volumes: query.flag("renewVolumes")?,
            stop: query.stop()?,
            force: query.flag("force")?,
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
pub(super) fn take(object: &mut plan::Object, name: &str) -> Option<Value> {
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
mod tests {
    use super::*;

    fn read_text(target: &str, body: &str) -> Result<Call, Mistake> {
        read(target, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn nothing_said_is_the_defaults() {
        let call = read_text("/v1.41/containers/web/upgrade", "").unwrap();
        assert_eq!(call.reference, "web");
        assert_eq!(call.request.monitor, Duration::from_secs(5));
        assert_eq!(call.request.healthy_deadline, None);
        assert!(!call.request.require_same_address);
        assert_eq!(call.request.pull, Pull::Missing);
        assert!(!call.stream && !call.request.force && call.request.patch.is_empty());
    }

    #[test]
    fn an_empty_parameter_is_not_given() {
        let query: String = PARAMETERS.map(|name| format!("{name}=&")).concat();
        let call = read_text(&format!("/containers/web/upgrade?{query}"), "").unwrap();
        assert_eq!(call.reference, "web");
        assert_eq!(call.request.stop, StopOptions::default());
        assert_eq!(call.request.pull, Pull::Missing);
        assert!(!call.stream && !call.request.force);
    }

    #[test]
    fn upgrade_config_is_read_in_any_case() {
        for body in [
            r#"{"upgradeConfig": {"monitor": 7, "healthyDeadline": 8, "requireSameAddress": true}}"#,
            r#"{"UPGRADECONFIG": {"MONITOR": 7, "HealthyDeadline": 8, "REQUIRESAMEADDRESS": true}}"#,
            r#"{"UpgradeConfig": {"Monitor": 1},
                "upgradeconfig": {"Monitor": 7, "healthydeadline": 8, "RequireSameAddress": true}}"#,
        ] {
            let request = read_text("/containers/web/upgrade", body).unwrap().request;
            assert_eq!(request.monitor, Duration::from_nanos(7), "{body}");
            let deadline = Some(Duration::from_nanos(8));
            assert_eq!(request.healthy_deadline, deadline, "{body}");
            assert!(request.require_same_address, "{body}");
            assert!(request.patch.is_empty(), "{body}");
        }
    }

    #[test]
    fn everything_said_is_read() {
        let call = read_text(
            "/containers/upgrade?name=%2Fweb&pull=always&t=3&signal=SIGINT&force=1&stream=true\
             &platform=linux/arm64&renewVolumes=1",
            r#"{"Image": "web:2", "UpgradeConfig": {"Monitor": 1000000000, "HealthyDeadline": 5}}"#,
        )
        .unwrap();
        assert_eq!(call.reference, "web");
        assert_eq!(call.request.stop.timeout, Some(3));
        assert_eq!(call.request.stop.signal.as_deref(), Some("SIGINT"));
        assert_eq!(call.request.monitor, Duration::from_secs(1));
        let deadline = Some(Duration::from_nanos(5));
        assert_eq!(call.request.healthy_deadline, deadline);
        assert_eq!(call.request.patch.get("Image"), Some(&Value::from("web:2")));
        assert!(call.request.patch.get("UpgradeConfig").is_none());
        assert!(call.stream && call.request.force && call.request.renew_volumes);
        let platform = call.request.platform.unwrap();
        assert_eq!(platform.to_string(), "linux/arm64");
    }

    #[test]
    fn a_name_is_taken_as_docker_prints_it() {
        for target in [
            "/containers/%2Fweb/upgrade",
            "/v1.41/containers/%2F%2Fweb/upgrade",
            "/containers/upgrade?name=/web",
            "/containers/upgrade?name=%2F%2Fweb",
        ] {
            assert_eq!(read_text(target, "").unwrap().reference, "web", "{target}");
        }
        let link = read_text("/containers/web%2Fdb/upgrade", "").unwrap();
        assert_eq!(link.reference, "web/db");
    }

    #[test]
    fn a_name_that_the_engine_would_redirect_is_no_container() {
        for name in [
            ".", "..", "/.", "/..", "a/../b", "a/./b", "a//b", "a/", "../web",
        ] {
            let encoded = name.replace('.', "%2E").replace('/', "%2F");
            for target in [
                format!("/containers/upgrade?name={name}"),
                format!("/containers/upgrade?name={encoded}"),
                format!("/containers/{encoded}/upgrade"),
            ] {
                let mistake = read_text(&target, "").expect_err(&target);
                let name = name.trim_start_matches('/');
                assert_eq!(mistake.message(), format!("No such container: {name}"));
                assert_eq!(mistake.status(), 404, "{target}");
            }
        }
    }

    #[test]
    fn a_mistake_is_named() {
        let cases = [
            ("/containers/web/upgrade?nonsense=1", "", "nonsense"),
            ("/containers/web/upgrade?pull=often", "", "often"),
            ("/containers/web/upgrade?t=soon", "", "soon"),
            ("/containers/web/upgrade?t=-2", "", "-2"),
            ("/containers/web/upgrade?signal=NOPE", "", "NOPE"),
            ("/containers/web/upgrade?signal=9999", "", "9999"),
            ("/containers/web/upgrade?signal=0", "", "signal"),
            (
                "/containers/web/upgrade?platform=linux//v8",
                "",
                "platform: \"linux//v8\"",
            ),
            (
                "/containers/web/upgrade?renewVolumes=some",
                "",
                "renewVolumes",
            ),
            ("/containers/web/upgrade?force=maybe", "", "maybe"),
            ("/containers/web/upgrade?pull=\"a<{b", "", "\"a<{b"),
            ("/containers/web/upgrade?pull=a#b", "", "a#b"),
            ("/containers/web/upgrade?t=&t=2", "", "t: given twice"),
            ("/containers/web/upgrade?t=1&t=2", "", "t: given twice"),
            ("/containers/upgrade", "", "name"),
            ("/containers/upgrade?name=", "", "name"),
            (
                "/containers/upgrade?name=/",
                "",
                "name: a container is expected, not \"/\"",
            ),
            (
                "/containers/%2F/upgrade",
                "",
                "name: a container is expected, not \"/\"",
            ),
            ("/containers/web/upgrade?name=db", "", "already"),
            ("/containers/web/upgrade", "{", "JSON"),
            ("/containers/web/upgrade", "[]", "JSON object"),
            ("/containers/web/upgrade", r#"{"Env": "A=1"}"#, "Env"),
            ("/containers/web/upgrade", r#"{"Image": 7}"#, "Image"),
            ("/containers/web/upgrade", r#"{"Image": ""}"#, "Image"),
            (
                "/containers/web/upgrade",
                r#"{"HostConfig": {"Binds": [1]}}"#,
                "HostConfig.Binds",
            ),
            (
                "/containers/web/upgrade",
                r#"{"UpgradeConfig": {"Monitor": "5s"}}"#,
                "Monitor",
            ),
            (
                "/containers/web/upgrade",
                r#"{"UpgradeConfig": {"Moniter": 5}}"#,
                "Moniter",
            ),
            (
                "/containers/web/upgrade",
                r#"{"UpgradeConfig": {"RequireSameAddress": 1}}"#,
                "RequireSameAddress",
            ),
        ];
        for (target, body, named) in cases {
            let mistake = read_text(target, body).expect_err(target);
            assert_eq!(mistake.status(), 400, "{target} {body}");
            assert!(mistake.message().contains(named), "{}", mistake.message());
        }
    }
}

//! While an upgrade is under way, other clients are kept from its members. Reads pass.
//!
//! | refused, where it is a member's | why |
//! |---|---|
//! | start, stop, restart, kill, pause, unpause, update, rename, files written, removal, commit (it pauses) | the transaction relies on what it has seen |
//! | a name that the transaction gives, for another container (create, rename) | it could not give it any more |
//! | a network connected to it, or cut off; its networks removed | so that it is attached to the same networks afterwards |
//! | prune of containers, networks, volumes or images | it would delete the parked original, or its network |
//!
//! Processes in a container (exec, attach) are the container's own affair: they pass.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;
use url::form_urlencoded;

use super::{request::take, route::split};
use crate::upgrade::{Isolation, Underway};

/// The largest body that is read to see which container it names. Real ones have a few hundred
/// bytes.
pub(crate) const BODY_LIMIT: u64 = 64 * 1024;

/// What a request would change.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change<'a> {
    /// Containers, by name or ID.
    Containers(Vec<Cow<'a, str>>),
    /// A network, by name or ID.
    Network(Cow<'a, str>),
    /// The container that the body names.
    OfBody,
    /// Whatever is not in use.
    Prune,
}

/// What the head of a request tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Free,
    /// It has to wait, or to be refused.
    Refused(Underway),
    /// The body tells.
    OfBody,
}

/// Whether a request may pass, as far as its head tells.
#[must_use]
pub fn judge(isolation: &Isolation, method: &str, target: &str) -> Verdict {
    let (path, query) = split(target);
    // The engine routes by the decoded path.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let underway = match change(method, unversioned(&path), query) {
        Some(Change::OfBody) if isolation.of_any().is_some() => return Verdict::OfBody,
        None | Some(Change::OfBody) => None,
        Some(Change::Prune) => isolation.of_any(),
        Some(Change::Network(network)) => isolation.of_network(&network),
        Some(Change::Containers(containers)) => containers
            .iter()
            .find_map(|container| isolation.of_container(bare(container))),
    };
    underway.map_or(Verdict::Free, Verdict::Refused)
}

/// The upgrade that a request with this body would get in the way of, of those whose head does not
/// tell.
#[must_use]
pub fn judge_body(isolation: &Isolation, body: &[u8]) -> Option<Underway> {
    // What is none, the engine refuses.
    let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
        return None;
    };
    let container = take(&mut body, "Container")?;
    isolation.of_container(bare(container.as_str()?))
}

/// A path without its version, as the engine's routes take one (`/v{version:[0-9.]+}`).
pub(super) fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v").unwrap_or_default();
    let (version, _) = rest.split_once('/').unwrap_or_default();
    let is_version = !version.is_empty()
        && version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_version {
        &rest[version.len()..]
    } else {
        path
    }
}

/// Docker prints names with a slash in front, and takes them so.
fn bare(reference: &str) -> &str {
    reference.trim_start_matches('/')
}

/// What a request would change of what a transaction relies on (the routes of moby's
/// `api/server/router`; a container's name may have slashes in it).
fn change<'a>(method: &str, path: &'a str, query: &'a str) -> Option<Change<'a>> {
    let of_query = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value)
    };
    let (kind, rest) = path
        .strip_prefix('/')?
        .split_once('/')
        .unwrap_or((&path[1..], ""));
    match (method, kind, rest) {
        ("POST", "containers" | "networks" | "volumes" | "images", "prune") => Some(Change::Prune),
        ("POST", "commit", "") => Some(Change::Containers(
            of_query("container").into_iter().collect(),
        )),
        ("POST", "containers", "create") => {
            Some(Change::Containers(of_query("name").into_iter().collect()))
        }
        ("DELETE", "containers", name) => Some(Change::Containers(vec![name.into()])),
        ("DELETE", "networks", network) => Some(Change::Network(network.into())),
        ("POST", "networks", rest)
            if rest.ends_with("/connect") || rest.ends_with("/disconnect") =>
        {
            Some(Change::OfBody)
        }
        ("POST" | "PUT", "containers", rest) => {
            let (name, verb) = rest.rsplit_once('/')?;
            let mut containers = vec![Cow::from(name)];
            match (method, verb) {
                (
                    "POST",
                    "start" | "stop" | "restart" | "kill" | "pause" | "unpause" | "update"
                    | "checkpoints",
                )
                | ("PUT", "archive") => {}
                ("POST", "rename") => containers.extend(of_query("name")),
                _ => return None,
            }
            Some(Change::Containers(containers))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(method: &str, target: &str) -> String {
        let (path, query) = split(target);
        match change(method, unversioned(path), query) {
            None => "nothing".to_owned(),
            Some(Change::Containers(names)) => names.join(" "),
            Some(Change::Network(network)) => format!("network {network}"),
            Some(Change::OfBody) => "of body".to_owned(),
            Some(Change::Prune) => "prune".to_owned(),
        }
    }

    #[test]
    fn what_a_request_would_change() {
        let cases = [
            ("POST", "/containers/web/start", "web"),
            ("POST", "/v1.41/containers/web/stop?t=1", "web"),
            ("POST", "/containers/web/restart", "web"),
            ("POST", "/containers/web/kill?signal=HUP", "web"),
            ("POST", "/v1.41.0/containers/web/kill", "web"),
            ("POST", "/containers/web/checkpoints", "web"),
            ("POST", "/vx/containers/web/kill", "nothing"),
            ("POST", "/containers/web/pause", "web"),
            ("POST", "/containers/web/unpause", "web"),
            ("POST", "/containers/web/update", "web"),
            ("POST", "/containers/a/b/start", "a/b"),
            ("POST", "/containers/other/rename?name=web", "other web"),
            ("PUT", "/containers/web/archive?path=/", "web"),
            ("DELETE", "/containers/web?force=1", "web"),
            ("POST", "/containers/create?name=web", "web"),
            ("POST", "/containers/create", ""),
            ("POST", "/commit?container=web&repo=r", "web"),
            ("POST", "/networks/app/connect", "of body"),
            ("POST", "/v1.51/networks/app/disconnect", "of body"),
            ("DELETE", "/networks/app", "network app"),
            ("POST", "/containers/prune", "prune"),
            ("POST", "/networks/prune", "prune"),
            ("POST", "/volumes/prune?filters=x", "prune"),
            ("POST", "/v1.51/images/prune", "prune"),
            ("POST", "/containers/web/exec", "nothing"),
            ("POST", "/containers/web/attach", "nothing"),
            ("POST", "/containers/web/wait", "nothing"),
            ("POST", "/containers/web/resize?h=1&w=1", "nothing"),
            ("POST", "/exec/0/start", "nothing"),
            ("POST", "/networks/create", "nothing"),
            ("POST", "/build/prune", "nothing"),
            ("DELETE", "/volumes/data", "nothing"),
            ("POST", "/", "nothing"),
            ("POST", "*", "nothing"),
        ];
        for (method, target, what) in cases {
            assert_eq!(changed(method, target), what, "{method} {target}");
        }
    }

    #[test]
    fn what_is_a_members_is_refused_however_it_is_written() {
        let isolation = Isolation::around("web");
        let refused = |method, target| match judge(&isolation, method, target) {
            Verdict::Refused(underway) => underway.name == "web",
            Verdict::Free | Verdict::OfBody => false,
        };
        for (method, target) in [
            ("POST", "/containers/web/stop"),
            ("POST", "/v1.41/containers/%2Fweb/stop"),
            ("POST", "/%63ontainers/w%65b/stop"),
            ("POST", "http://docker/containers/web/stop"),
            ("DELETE", "/containers/web?v=1"),
            ("POST", "/containers/other/rename?name=%2Fweb"),
            ("POST", "/containers/create?platform=&name=web"),
            ("POST", "/commit?container=web"),
            ("DELETE", "/v1.41/networks/app"),
            ("POST", "/volumes/prune"),
        ] {
            assert!(refused(method, target), "{method} {target}");
        }
        for (method, target) in [
            ("GET", "/containers/web/json"),
            ("HEAD", "/containers/web/archive?path=/"),
            ("POST", "/containers/web2/stop"),
            ("POST", "/containers/other/rename?name=another"),
            ("POST", "/containers/create?name=other"),
            ("POST", "/containers/create?name=other&x=web"),
            ("DELETE", "/networks/other"),
        ] {
            assert!(!refused(method, target), "{method} {target}");
        }
    }

    #[test]
    fn a_body_names_a_member_in_any_case() {
        let isolation = Isolation::around("web");
        for body in [
            r#"{"Container": "web"}"#,
            r#"{"container": "/web", "EndpointConfig": {}}"#,
            r#"{"Container": "other", "CONTAINER": "web"}"#,
        ] {
            assert!(judge_body(&isolation, body.as_bytes()).is_some(), "{body}");
        }
        for body in [
            r#"{"Container": "other"}"#,
            r#"{"Container": 7}"#,
            "web",
            "",
        ] {
            assert_eq!(judge_body(&isolation, body.as_bytes()), None, "{body}");
        }
    }
}

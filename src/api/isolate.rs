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

use std::{
    borrow::Cow,
    fmt::{self, Formatter},
};

use percent_encoding::percent_decode_str;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_bytes::ByteBuf;
use url::form_urlencoded;

use super::route::split;
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
    OfBody(Naming),
}

/// How a body names a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By the `Container` of an object: network connect and disconnect.
    Json,
    /// By the `name` of a form, which goes before that of the query (Go's `Request.ParseForm`):
    /// rename, which alone of all takes a body of any type.
    Form,
}

/// Whether a request may pass, as far as its head tells.
#[must_use]
pub fn judge(isolation: &Isolation, method: &str, target: &str) -> Verdict {
    let (path, query) = split(target);
    // The engine routes by the decoded path.
    let path = percent_decode_str(path).decode_utf8_lossy();
    let path = unversioned(&path);
    let underway = match change(method, path, query) {
        None => None,
        Some(Change::Prune) => isolation.of_any(),
        Some(Change::Network(network)) => isolation.of_network(&network),
        Some(Change::Containers(containers)) => containers
            .iter()
            .find_map(|container| isolation.of_container(bare(container))),
    };
    match (underway, naming(method, path)) {
        (Some(underway), _) => Verdict::Refused(underway),
        (None, Some(naming)) if isolation.of_any().is_some() => Verdict::OfBody(naming),
        (None, _) => Verdict::Free,
    }
}

/// The upgrade that a request with this body would get in the way of, of those whose head does not
/// tell.
#[must_use]
pub fn judge_body(isolation: &Isolation, naming: Naming, body: &[u8]) -> Option<Underway> {
    let containers = match naming {
        Naming::Json => container_of(body).into_iter().collect(),
        Naming::Form => values(&String::from_utf8_lossy(body), "name"),
    };
    containers
        .iter()
        .find_map(|container| isolation.of_container(bare(container)))
}

/// The container that an object names; of what is none, the engine refuses it.
fn container_of(body: &[u8]) -> Option<String> {
    // Not `from_slice`: old versions of the engine mind nothing that follows.
    let mut json = serde_json::Deserializer::from_slice(body);
    let OfContainer(container) = OfContainer::deserialize(&mut json).ok()?;
    container
}

/// What a query or a form may give for a name: of several values the first. Before Go 1.17, a semicolon
/// divides pairs, too.
fn values(pairs: &str, name: &str) -> Vec<String> {
    let first = |pairs: &str| {
        let mut pairs = form_urlencoded::parse(pairs.as_bytes());
        let found = pairs.find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    };
    let mut values = Vec::from_iter(first(pairs));
    if pairs.contains(';') {
        values.extend(first(&pairs.replace(';', "&")));
    }
    values
}

/// The `Container` of a body as Go's `encoding/json` reads it: called so in any case, of several the
/// last that is not null; what is no text is mended, rather than refused.
struct OfContainer(Option<String>);

impl<'de> Deserialize<'de> for OfContainer {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = OfContainer;

            fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<OfContainer, A::Error> {
                let mut container = None;
                while let Some(name) = fields.next_key::<ByteBuf>()? {
                    if name.eq_ignore_ascii_case(b"container") {
                        let value: Option<ByteBuf> = fields.next_value()?;
                        container = value.or(container);
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                let text = container.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                Ok(OfContainer(text))
            }
        }

        json.deserialize_map(Fields)
    }
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
fn change<'a>(method: &str, path: &'a str, query: &str) -> Option<Change<'a>> {
    let of_query = |name| values(query, name).into_iter().map(Cow::from);
    let (kind, rest) = path
        .strip_prefix('/')?
        .split_once('/')
        .unwrap_or((&path[1..], ""));
    match (method, kind, rest) {
        ("POST", "containers" | "networks" | "volumes" | "images", "prune") => Some(Change::Prune),
        ("POST", "commit", "") => Some(Change::Containers(of_query("container").collect())),
        ("POST", "containers", "create") => Some(Change::Containers(of_query("name").collect())),
        ("DELETE", "containers", name) => Some(Change::Containers(vec![name.into()])),
        ("DELETE", "networks", network) => Some(Change::Network(network.into())),
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

/// How the body of a request names a container that it would change.
fn naming(method: &str, path: &str) -> Option<Naming> {
    if method != "POST" {
        return None;
    }
    // Without a name between the two, it is no route.
    let of_network = path.strip_prefix("/networks/");
    let connects = |rest: &str| rest.ends_with("/connect") || rest.ends_with("/disconnect");
    let of_container = path.strip_prefix("/containers/");
    if of_network.is_some_and(connects) {
        Some(Naming::Json)
    } else if of_container.is_some_and(|rest| rest.ends_with("/rename")) {
        Some(Naming::Form)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(method: &str, target: &str) -> String {
        let (path, query) = split(target);
        let path = unversioned(path);
        match change(method, path, query) {
            None if naming(method, path).is_some() => "of body".to_owned(),
            None => "nothing".to_owned(),
            Some(Change::Containers(names)) => names.join(" "),
            Some(Change::Network(network)) => format!("network {network}"),
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
            ("POST", "/containers/create?a=b;name=web", "web"),
            ("PUT", "/containers/web/archive?path=/", "web"),
            ("DELETE", "/containers/web?force=1", "web"),
            ("POST", "/containers/create?name=web", "web"),
            ("POST", "/containers/create", ""),
            ("POST", "/commit?container=web&repo=r", "web"),
            ("POST", "/networks/app/connect", "of body"),
            ("POST", "/v1.51/networks/app/disconnect", "of body"),
            // The engine has no such route: nothing of it is held until its body has come.
            ("POST", "/networks/connect", "nothing"),
            ("POST", "/containers/rename?name=web", "nothing"),
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
            Verdict::Free | Verdict::OfBody(_) => false,
        };
        for (method, target) in [
            ("POST", "/containers/web/stop"),
            ("POST", "/v1.41/containers/%2Fweb/stop"),
            ("POST", "/%63ontainers/w%65b/stop"),
            ("POST", "http://docker/containers/web/stop"),
            ("POST", "x:/containers/web/stop"),
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
    fn a_form_names_a_member_before_the_query() {
        let isolation = Isolation::around("web");
        let rename = judge(&isolation, "POST", "/containers/two/rename?name=three");
        assert_eq!(rename, Verdict::OfBody(Naming::Form));
        for (form, is_refused) in [
            ("name=web", true),
            ("a=b&name=%77eb&name=two", true),
            ("a=b;name=/web", true),
            ("name=two&name=web", false),
            ("", false),
        ] {
            let underway = judge_body(&isolation, Naming::Form, form.as_bytes());
            assert_eq!(underway.is_some(), is_refused, "{form}");
        }
        let idle = Isolation::default();
        assert_eq!(
            judge(&idle, "POST", "/containers/two/rename?name=three"),
            Verdict::Free
        );
    }

    #[test]
    fn a_body_names_a_member_as_the_engine_reads_it() {
        let isolation = Isolation::around("web");
        let deep = format!(
            r#"{{"x": {}{}, "Container": "web"}}"#,
            "[".repeat(500),
            "]".repeat(500)
        );
        for body in [
            br#"{"Container": "web"}"#.as_slice(),
            br#"{"container": "/web", "EndpointConfig": {}}"#,
            br#"{"Container": "other", "CONTAINER": "web"}"#,
            br#"{"Container": "web", "container": null}"#,
            br#"{"\u0043ontainer": "w\u0065b"}"#,
            br#"{"Container": "web"} {"Container": "other"}"#,
            b"{\"Container\": \"web\", \"x\": \"\xff\"}",
            br#"{"\ud800": "\udc00", "Container": "web", "n": 1e999}"#,
            deep.as_bytes(),
        ] {
            let text = String::from_utf8_lossy(body);
            let underway = judge_body(&isolation, Naming::Json, body);
            assert!(underway.is_some(), "{text}");
        }
        for body in [
            r#"{"Container": "other"}"#,
            r#"{"Container": "web", "Container": "other"}"#,
            r#"{"CONTAINER": "web", "Container": "other"}"#,
            r#"{"x": {"Container": "web"}}"#,
            r#"{"Container": 7}"#,
            r#"{"Container": "web""#,
            "web",
            "",
        ] {
            let underway = judge_body(&isolation, Naming::Json, body.as_bytes());
            assert_eq!(underway, None, "{body}");
        }
    }
}

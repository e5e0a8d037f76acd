//! Companions: the containers that join a namespace of the leader or link to it, or to another
//! companion. The engine knows whom they depend on by ID, so they are recreated with it.
//!
//! Those that only have its volumes (`VolumesFrom`) hold them themselves, and are left alone.

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tracing::warn;

use super::look::{PARALLEL, text};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::Object,
};

/// The settings of `HostConfig` that join another container's namespace.
const MODES: [&str; 3] = ["NetworkMode", "IpcMode", "PidMode"];

/// The companions of `leader`; each comes after those that it depends on.
///
/// # Errors
/// As the engine says it; also where it shows no more of one than that it depends on another: it could
/// not be recreated.
pub(super) async fn find(
    engine: &dyn Engine,
    leader: &Container,
) -> Result<Vec<Container>, EngineError> {
    let mut others = others(engine, leader).await?;
    let mut members = vec![leader.clone()];
    loop {
        let depends = |other: &Other| members.iter().any(|member| other.depends_on(member));
        let (found, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(depends);
        others = rest;
        if found.is_empty() {
            break;
        }
        for companion in found {
            members.push(companion.seen?);
        }
    }
    Ok(in_order(members.split_off(1)))
}

/// Another container, as far as the engine shows it.
struct Other {
    seen: Result<Container, EngineError>,
    /// Its inspect document, or its line in the list where it cannot be inspected.
    document: Value,
}

impl Other {
    fn depends_on(&self, member: &Container) -> bool {
        depends(&self.document, member)
    }
}

/// Every container but the leader, and but those that depend on none, which are most: nothing is kept of
/// them. One that vanishes meanwhile is left out.
async fn others(engine: &dyn Engine, leader: &Container) -> Result<Vec<Other>, EngineError> {
    stream::iter(engine.list_containers().await?)
        .map(async |summary| {
            let id = text(&summary, "/Id");
            if id == leader.id {
                return Ok(None);
            }
            let (seen, document) = match engine.inspect_container(id).await {
                Ok(document) if dependencies(&document).next().is_none() => return Ok(None),
                Ok(document) => (Container::from_document(document.clone()), document),
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error @ EngineError::Unreachable { .. }) => return Err(error),
                Err(error) => {
                    // A broken container must not block every upgrade; its line has at least the
                    // network mode.
                    warn!(id, %error, "a container cannot be inspected");
                    (Err(error), summary)
                }
            };
            Ok(Some(Other { seen, document }))
        })
        .buffered(PARALLEL)
        .try_filter_map(async |other| Ok(other))
        .try_collect()
        .await
}

/// Whether a container joins a namespace of `member`, or links to it.
pub(super) fn depends(document: &Value, member: &Container) -> bool {
    dependencies(document).any(|of| of == member.id || of == member.name)
}

/// The containers whose namespaces a container joins, or that it links to, as the engine calls them.
fn dependencies(document: &Value) -> impl Iterator<Item = &str> {
    let joined = MODES.iter().filter_map(|mode| {
        let mode = text(document, &format!("/HostConfig/{mode}"));
        mode.strip_prefix("container:")
    });
    let links = document
        .pointer("/HostConfig/Links")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let linked = links.filter_map(|link| link.as_str()?.split(':').next());
    joined.chain(linked.map(|of| of.trim_start_matches('/')))
}

/// Each after those that it depends on.
fn in_order(mut companions: Vec<Container>) -> Vec<Container> {
    let mut ordered = Vec::with_capacity(companions.len());
    while !companions.is_empty() {
        let is_free = |companion: &Container| {
            let document = &companion.document;
            let mut others = companions.iter().filter(|other| other.id != companion.id);
            !others.any(|other| depends(document, other))
        };
        // No engine lets two containers depend on each other.
        let next = companions.iter().position(is_free).unwrap_or(0);
        ordered.push(companions.remove(next));
    }
    ordered
}

/// A member that got a replacement, which others are to depend on.
pub(super) struct Replaced<'a> {
    /// The original's full ID.
    pub id: &'a str,
    /// The original's name.
    pub name: &'a str,
    /// The replacement's full ID.
    pub by: &'a str,
}

/// Has a planned create body depend on the replacements, by ID: the engine resolves a link's text
/// anew whenever it starts, and names pass over meanwhile.
pub(super) fn repoint(create: &mut Value, replaced: &[Replaced<'_>]) {
    let Some(host) = create.get_mut("HostConfig").and_then(Value::as_object_mut) else {
        return;
    };
    for Replaced { id, name, by } in replaced {
        for mode in MODES {
            let joined = mode_of(host, mode);
            if joined.is_some_and(|of| of == *id || of == *name) {
                host.insert(mode.to_owned(), Value::from(format!("container:{by}")));
            }
        }
        let links = host.get_mut("Links").and_then(Value::as_array_mut);
        for link in links.into_iter().flatten() {
            if let Some((of, alias)) = link.as_str().and_then(|link| link.split_once(':'))
                && of == *name
            {
                *link = Value::from(format!("{by}:{alias}"));
            }
        }
    }
}

fn mode_of<'a>(host: &'a Object, mode: &str) -> Option<&'a str> {
    host.get(mode)?.as_str()?.strip_prefix("container:")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn container(name: &str, host: &Value) -> Container {
        Container::from_document(json!({
            "Id": format!("id-of-{name}"), "Name": format!("/{name}"), "Image": "sha256:1",
            "State": { "Status": "running" }, "HostConfig": host,
        }))
        .expect("a container")
    }

    #[test]
    fn a_companion_comes_after_those_that_it_depends_on() {
        let join = |name: &str| json!({ "NetworkMode": format!("container:id-of-{name}") });
        let companions = vec![
            container(
                "d",
                &json!({ "PidMode": "container:id-of-b", "Links": ["/c:/d/c"] }),
            ),
            container("c", &join("b")),
            container("b", &join("web")),
            container("a", &join("web")),
        ];
        let ordered = in_order(companions);
        let names: Vec<_> = ordered.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["b", "c", "d", "a"]);
        // What no engine prints, ends all the same.
        let around = vec![container("a", &join("b")), container("b", &join("a"))];
        assert_eq!(in_order(around).len(), 2);
    }

    #[test]
    fn whoever_joins_or_links_depends() {
        let web = container("web", &json!({}));
        for (host, is_so) in [
            (json!({ "NetworkMode": "container:id-of-web" }), true),
            (json!({ "IpcMode": "container:web" }), true),
            (json!({ "PidMode": "container:id-of-web" }), true),
            (json!({ "Links": ["/web:/b/db"] }), true),
            (json!({ "Links": ["/other:/b/web"] }), false),
            (json!({ "VolumesFrom": ["id-of-web"] }), false),
            (json!({ "NetworkMode": "container:id-of-other" }), false),
            (json!({ "NetworkMode": "web", "Links": null }), false),
        ] {
            assert_eq!(
                depends(&container("b", &host).document, &web),
                is_so,
                "{host}"
            );
        }
    }

    #[test]
    fn a_create_body_is_pointed_at_the_replacements() {
        let mut create = json!({ "HostConfig": {
            "NetworkMode": "container:id-of-web", "IpcMode": "shareable",
            "PidMode": "container:id-of-other", "Links": ["web:db", "other:web"],
        } });
        let replaced = Replaced {
            id: "id-of-web",
            name: "web",
            by: "new",
        };
        repoint(&mut create, &[replaced]);
        let expected = json!({ "HostConfig": {
            "NetworkMode": "container:new", "IpcMode": "shareable",
            "PidMode": "container:id-of-other", "Links": ["new:db", "other:web"],
        } });
        assert_eq!(create, expected);
    }
}

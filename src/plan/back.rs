//! Going back: what an earlier container was made of takes the place of the merge.
//!
//! It is planned with its own image as base and as target, so that the same laws make of it what it
//! was. What differs is told of the container as it is now.

use serde_json::{Value, json};

use super::{
    Because, Change, Inputs, Object, Plan, Refusal, Replacement, diff, entries,
    fields::{Part, Policy},
    health,
    mounts::{self, Kind},
    replacement, warnings,
};

/// What inspect prints of an endpoint, and a plan reads of it although it is never sent.
const READ: [&str; 2] = ["NetworkID", "IPAddress"];

/// What is needed to make a container again: the parts of its inspect document that a plan reads, in
/// their places, without Refit's own label. Its IDs are not among them.
#[must_use]
pub fn specification(container: &Value) -> Value {
    let part = |pointer: &str| container.pointer(pointer).cloned().unwrap_or_default();
    let mut config = part("/Config");
    if let Some(labels) = config.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.shift_remove(super::MARKER_LABEL);
    }
    let mut networks = part("/NetworkSettings/Networks");
    let endpoints = networks.as_object_mut().into_iter().flatten();
    for endpoint in endpoints.filter_map(|(_, endpoint)| endpoint.as_object_mut()) {
        endpoint.retain(|field, _| {
            READ.contains(&field.as_str()) || Part::Endpoint.policy(field) != Policy::Printed
        });
    }
    json!({
        "State": { "Status": part("/State/Status") },
        "Config": config,
        "HostConfig": part("/HostConfig"),
        "Mounts": part("/Mounts"),
        "MountLabel": part("/MountLabel"),
        "NetworkSettings": { "Networks": networks, "Ports": part("/NetworkSettings/Ports") },
    })
}

/// Computes the plan of a replacement that is what an earlier container was: of this
/// [`specification`], with the `Id` and the `Image` that it had. Of the inputs, the container and its
/// image are those of now, the new image is the one of then, and there is no patch.
///
/// # Errors
/// [`Refusal`] if a document lacks what every engine prints.
pub fn go_back(inputs: &Inputs<'_>, specification: &Value) -> Result<Plan, Refusal> {
    let none = Object::new();
    let now = Inputs {
        patch: &none,
        renewed: &[],
        ..*inputs
    };
    let then = Inputs {
        container: specification,
        old_image: Some(inputs.new_image),
        ..now
    };
    let kept = replacement(&Inputs {
        new_image: inputs.old_image.unwrap_or(inputs.new_image),
        ..now
    })?;
    let wanted = replacement(&then)?;
    let is_other_image = inputs.container.get("Image") != inputs.new_image.get("Id");
    let changes = diff::diff(&now, &kept, &wanted).into_iter();
    let because = |change| Change {
        because: Because::GenerationBefore,
        ..change
    };
    Ok(Plan {
        changed: is_other_image || diff::is_effective(&now, &kept, &wanted),
        diff: changes.map(because).collect(),
        warnings: warnings::going_back(&now, &wanted),
        unmet: Vec::new(),
        asked: asked(&kept, &wanted),
        healthy_deadline: health::healthy_deadline(&then, &wanted.body),
        create: Value::Object(wanted.body),
        connect: wanted.connect,
        networks: wanted.networks,
        pinned: wanted.pinned,
    })
}

/// The volumes that a create body mounts by name: the engine makes those that are not there.
#[must_use]
pub fn named_volumes(create: &Value) -> Vec<String> {
    let mounted = mounts::mounted(&entries(create.get("HostConfig"))).into_iter();
    let named = mounted.filter(|mount| mount.kind == Kind::Volume && !mount.source.is_empty());
    named.map(|mount| mount.source).collect()
}

/// The networks of an inspect document, by name, with the IDs of those that were joined.
#[must_use]
pub fn networks_of(container: &Value) -> Vec<(String, Option<String>)> {
    let printed = entries(container.pointer("/NetworkSettings/Networks")).into_iter();
    let id = |endpoint: &Value| endpoint.get("NetworkID")?.as_str().map(str::to_owned);
    let named = |(name, endpoint)| (name, id(&endpoint).filter(|id| !id.is_empty()));
    printed.map(named).collect()
}

/// What differs of the networks, the addresses and the ports, as if a request had said so.
fn asked(now: &Replacement, then: &Replacement) -> Object {
    let host = |of: &Replacement| entries(of.body.get("HostConfig"));
    let bindings = |of: &Replacement| entries(host(of).get("PortBindings"));
    let (was, will) = (bindings(now), bindings(then));
    let ports = was.keys().chain(will.keys());
    let differ = ports.filter(|port| was.get(*port) != will.get(*port));
    let of_port = |port: &String| (port.clone(), will.get(port).cloned().unwrap_or_default());
    let mut of_host = json!({ "PortBindings": differ.map(of_port).collect::<Object>() });
    let mode = |of: &Replacement| host(of).get("NetworkMode").cloned();
    if mode(now) != mode(then) {
        of_host["NetworkMode"] = mode(then).unwrap_or_default();
    }
    let of = |replacement: &Replacement| replacement.endpoints.iter().cloned().collect::<Object>();
    let (was, will) = (of(now), of(then));
    let left = was.keys().filter(|network| !will.contains_key(*network));
    let mut endpoints: Object = left.map(|name| (name.clone(), Value::Null)).collect();
    for (network, settings) in &will {
        if let Some(configured @ Value::Object(_)) = settings.get("IPAMConfig") {
            endpoints.insert(network.clone(), json!({ "IPAMConfig": configured }));
        }
    }
    let said = json!({
        "HostConfig": of_host,
        "NetworkingConfig": { "EndpointsConfig": endpoints },
    });
    entries(Some(&said))
}

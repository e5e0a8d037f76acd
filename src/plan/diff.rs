//! What differs between the container as it is and as it will be, with the reason of each value.

use std::{collections::BTreeSet, fmt};

use serde_json::{Value, json};

use super::{
    Inputs, MARKER_LABEL, Object,
    config::{BY_KEY, COMPOSE_IMAGE, variable},
    merged::{is_nothing, merged},
    patch::{HOST_BY_KEY, spelled},
};

/// One value that will be another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The field, as the create body names it, and the key in it where fields merge by key:
    /// `Env.PATH`, `Labels.tier`, `HostConfig.Memory`.
    pub path: String,
    /// The value as inspect prints it now; null where there is none.
    pub from: Value,
    /// The value that it will print; null where there will be none.
    pub to: Value,
    /// Why.
    pub because: Because,
}

/// Why a value will be another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Because {
    /// It came from the old image, and the new one says so (or nothing) of it.
    NewImageDefault,
    /// A person set it on the container; it is the same in another form (a volume by its name, a
    /// port by its number).
    Kept,
    /// The request says so.
    FromRequest,
    /// Nobody says anything of it any more: the engine's own default.
    EngineDefault,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewImageDefault => "new image default",
            Self::Kept => "kept: set on the container",
            Self::FromRequest => "from the request",
            Self::EngineDefault => "engine default",
        })
    }
}

/// The parts of a create body that are no part of `Config`.
const PARTS: [&str; 3] = ["Image", "HostConfig", "NetworkingConfig"];

/// The endpoints of one create body, by network.
pub(super) type Endpoints = Vec<(String, Value)>;

/// Compares. `create` is the body that will be sent; `endpoints` are those that the container alone
/// would give, and those that it will have.
pub(super) fn diff(
    inputs: &Inputs<'_>,
    create: &Object,
    endpoints: [&Endpoints; 2],
) -> Vec<Change> {
    let config = |document: &Value| entries(document.get("Config"));
    let mine = config(inputs.container);
    let diff = Diff {
        patch: inputs.patch,
        create,
        theirs: &config(inputs.new_image),
        base: &inputs.old_image.map(config).unwrap_or_default(),
    };
    let mut changes = diff.image(inputs, &mine);
    changes.extend(diff.config(&mine));
    changes.extend(diff.host_config(&entries(inputs.container.get("HostConfig"))));
    changes.extend(diff_endpoints(endpoints));
    changes
}

struct Diff<'a> {
    patch: &'a Object,
    create: &'a Object,
    theirs: &'a Object,
    base: &'a Object,
}

impl Diff<'_> {
    fn image(&self, inputs: &Inputs<'_>, mine: &Object) -> Vec<Change> {
        let because = if self.patch.contains_key("Image") {
            Because::FromRequest
        } else {
            Because::NewImageDefault
        };
        let id = |document: &Value, field: &str| document.get(field).cloned().unwrap_or_default();
        let reference = mine.get("Image").cloned().unwrap_or_default();
        let ids = [id(inputs.container, "Image"), id(inputs.new_image, "Id")];
        [
            ("Image", [reference, json!(inputs.reference)]),
            ("ImageId", ids),
        ]
        .into_iter()
        .filter(|(_, [from, to])| from != to)
        .map(|(path, [from, to])| Change {
            path: path.to_owned(),
            from,
            to,
            because,
        })
        .collect()
    }

    fn config(&self, mine: &Object) -> Vec<Change> {
        let will = merged(self.create, self.theirs);
        let mut changes = Vec::new();
        for field in keys(mine, &will) {
            if PARTS.contains(&field.as_str()) {
                continue;
            }
            let split = |config: &Object| match field.as_str() {
                "Env" => variables(config.get("Env")),
                name if BY_KEY.contains(&name) => entries(config.get(name)),
                name => whole(config.get(name)),
            };
            let [from, to, sent] = [mine, &will, self.create].map(split);
            let [theirs, base] = [self.theirs, self.base].map(split);
            changes.extend(compare(&field, &from, &to, |key| {
                if is_patched(self.patch, &field, key) {
                    Because::FromRequest
                } else if field == "Labels" && key == COMPOSE_IMAGE {
                    Because::NewImageDefault
                } else if says(&sent, key) {
                    Because::Kept
                } else if theirs.contains_key(key) || base.contains_key(key) {
                    Because::NewImageDefault
                } else {
                    Because::EngineDefault
                }
            }));
        }
        changes.retain(|change| change.path != format!("Labels.{MARKER_LABEL}"));
        changes
    }

    fn host_config(&self, mine: &Object) -> Vec<Change> {
        let [will, patch] = [self.create, self.patch].map(|body| entries(body.get("HostConfig")));
        let mut changes = Vec::new();
        for field in keys(mine, &will) {
            let split = |config: &Object| match field.as_str() {
                name if HOST_BY_KEY.contains(&name) => entries(config.get(name)),
                name => whole(config.get(name)),
            };
            let [from, to] = [mine, &will].map(split);
            // Create takes them in another form than inspect prints.
            if field == "Links" && !patch.contains_key("Links") {
                continue;
            }
            let name = format!("HostConfig.{field}");
            changes.extend(compare(&name, &from, &to, |key| {
                if is_patched(&patch, &field, key) {
                    Because::FromRequest
                } else {
                    Because::Kept
                }
            }));
        }
        changes
    }
}

/// Whether the patch says something of a key of a field; the empty key is the whole field.
fn is_patched(patch: &Object, field: &str, key: &str) -> bool {
    match spelled(patch, field).and_then(|field| patch.get(&field)) {
        None => false,
        Some(Value::Array(env)) if field == "Env" => env.iter().any(|entry| variable(entry) == key),
        Some(Value::Object(map)) if !key.is_empty() => map.contains_key(key),
        Some(_) => true,
    }
}

fn diff_endpoints([before, after]: [&Endpoints; 2]) -> Vec<Change> {
    let map = |endpoints: &Endpoints| endpoints.iter().cloned().collect::<Object>();
    compare(
        "NetworkingConfig.EndpointsConfig",
        &map(before),
        &map(after),
        |_| Because::FromRequest,
    )
}

/// The keys of both, in one order.
fn keys(mine: &Object, will: &Object) -> BTreeSet<String> {
    mine.keys().chain(will.keys()).cloned().collect()
}

/// The changes from one to the other, by key. Of a whole field, all forms of nothing are the same; in
/// a map, they say something (`"80/tcp": {}`).
fn compare(
    path: &str,
    from: &Object,
    to: &Object,
    because: impl Fn(&str) -> Because,
) -> Vec<Change> {
    keys(from, to)
        .iter()
        .filter(|key| from.get(*key) != to.get(*key) && (says(from, key) || says(to, key)))
        .map(|key| Change {
            path: match key.as_str() {
                "" => path.to_owned(),
                key => format!("{path}.{key}"),
            },
            from: from.get(key).cloned().unwrap_or_default(),
            to: to.get(key).cloned().unwrap_or_default(),
            because: because(key),
        })
        .collect()
}

/// Whether something is said of a key.
fn says(map: &Object, key: &str) -> bool {
    let value = map.get(key);
    value.is_some() && !(key.is_empty() && is_nothing(value))
}

/// A field that is compared as a whole, under the empty key.
fn whole(value: Option<&Value>) -> Object {
    value
        .map(|value| (String::new(), value.clone()))
        .into_iter()
        .collect()
}

/// An object, or an empty one where there is none.
fn entries(value: Option<&Value>) -> Object {
    let map = value.and_then(Value::as_object);
    map.cloned().unwrap_or_default()
}

/// `Env` by variable; a bare name says that there is none.
fn variables(env: Option<&Value>) -> Object {
    let entries = env.and_then(Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| {
            let (name, value) = entry.as_str()?.split_once('=')?;
            Some((name.to_owned(), Value::from(value)))
        })
        .collect()
}

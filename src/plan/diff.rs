//! What differs between the container as it is and as it will be, with the reason of each value.

use std::{collections::BTreeSet, fmt};

use serde_json::{Value, json};

use super::{
    Inputs, MARKER_LABEL, Object, Replacement,
    config::{COMPOSE_IMAGE, variable},
    entries,
    fields::{Part, Policy},
    merged::{is_nothing, merged},
    mounts,
};

/// One value that will be another.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The field, as the create body names it, and the key in it where fields merge by key:
    /// `Env.PATH`, `Labels.tier`, `HostConfig.Memory`.
    pub path: String,
    /// The value as inspect prints it now; null where there is none.
    pub from: Value,
    /// The value that it will print; null where there will be none, or the engine's own default.
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
    /// It was so before the last upgrade, which is gone back behind.
    GenerationBefore,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewImageDefault => "new image default",
            Self::Kept => "kept: set on the container",
            Self::FromRequest => "from the request",
            Self::EngineDefault => "engine default",
            Self::GenerationBefore => "from the generation before",
        })
    }
}

/// The fields of which zero, false or an empty list is another thing than nothing: stop at once, no
/// init whatever the engine's default is, never swap, mask nothing.
const ZERO_SAYS: [&str; 5] = [
    "StopTimeout",
    "HostConfig.Init",
    "HostConfig.MemorySwappiness",
    "HostConfig.MaskedPaths",
    "HostConfig.ReadonlyPaths",
];

/// The fields of `HostConfig` that the engine derives of others, where nothing is said of them.
const DERIVED: [&str; 4] = ["MemorySwap", "SecurityOpt", "MaskedPaths", "ReadonlyPaths"];

/// The parts of a create body that are no part of `Config`.
const PARTS: [&str; 3] = ["Image", "HostConfig", "NetworkingConfig"];

/// Compares the container with what it `will` be. `kept` is what it would be without a request.
pub(super) fn diff(inputs: &Inputs<'_>, kept: &Replacement, will: &Replacement) -> Vec<Change> {
    let diff = Diff::new(inputs, will);
    let mine = entries(inputs.container.get("Config"));
    let mut changes = diff.image(&mine);
    changes.extend(diff.config(&mine));
    changes.extend(diff.host_config(&entries(inputs.container.get("HostConfig"))));
    changes.extend(diff_endpoints(kept, will));
    changes
}

/// Whether the request makes the replacement another than what the container alone would give: a
/// value that the image has by default, or the engine, makes no difference.
pub(super) fn is_effective(inputs: &Inputs<'_>, kept: &Replacement, will: &Replacement) -> bool {
    let diff = Diff::new(inputs, will);
    let host = entries(kept.body.get("HostConfig"));
    let mut mine = merged(&kept.body, &diff.theirs);
    mine.insert("MacAddress".to_owned(), kept.mac_address.clone());
    let changes = [
        diff.config(&mine),
        diff.host_config(&host),
        diff_endpoints(kept, will),
    ];
    changes.into_iter().flatten().any(|change| {
        let is_mounts = ["HostConfig.Binds", "HostConfig.Mounts"].contains(&change.path.as_str());
        let [from, to] = [change.from, change.to].map(|value| {
            let mut value = canonical(value);
            // The engine mounts in the order of the targets.
            if let Some(list) = value.as_array_mut().filter(|_| is_mounts) {
                list.sort_by_key(Value::to_string);
            }
            value
        });
        from != to
    })
}

/// A value without what says nothing in it: what differs in form only is the same.
fn canonical(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let said = map.into_iter().map(|(key, value)| (key, canonical(value)));
            Value::Object(said.filter(|(_, value)| !is_nothing(Some(value))).collect())
        }
        Value::Array(list) => list.into_iter().map(canonical).collect(),
        other => other,
    }
}

struct Diff<'a> {
    inputs: &'a Inputs<'a>,
    will: &'a Replacement,
    create: &'a Object,
    theirs: Object,
    base: Object,
}

impl<'a> Diff<'a> {
    fn new(inputs: &'a Inputs<'a>, will: &'a Replacement) -> Self {
        Self {
            inputs,
            will,
            create: &will.body,
            theirs: inputs.theirs(),
            base: inputs.base(),
        }
    }

    fn image(&self, mine: &Object) -> Vec<Change> {
        let inputs = self.inputs;
        let because = if inputs.patch.contains_key("Image") {
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
        let mut will = merged(self.create, &self.theirs);
        will.insert("MacAddress".to_owned(), self.will.mac_address.clone());
        let mut changes = Vec::new();
        for field in keys(mine, &will) {
            if PARTS.contains(&field.as_str()) {
                continue;
            }
            let split = |config: &Object| match Part::Config.policy(&field) {
                Policy::Variables => variables(config.get(&field)),
                Policy::ImageDefaultByKey => entries(config.get(&field)),
                _ => whole(config.get(&field)),
            };
            let [from, to, sent] = [mine, &will, self.create].map(split);
            let [theirs, base] = [&self.theirs, &self.base].map(split);
            changes.extend(compare(&field, &from, &to, |key| {
                if self.is_asked(&field, key) {
                    Because::FromRequest
                } else if field == "Labels" && key == COMPOSE_IMAGE {
                    Because::NewImageDefault
                } else if says(&field, &sent, key) {
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
        let host = |body: &Object| entries(body.get("HostConfig"));
        let [will, patch] = [self.create, self.inputs.patch].map(host);
        let mut changes = Vec::new();
        for field in keys(mine, &will) {
            let policy = Part::HostConfig.policy(&field);
            let split = |config: &Object| match policy {
                Policy::KeptByKey { depth: 1 } => entries(config.get(&field)),
                _ => whole(config.get(&field)),
            };
            let [from, to] = [mine, &will].map(split);
            // Create takes them in another form than inspect prints.
            if policy == Policy::Links && !patch.contains_key(&field) {
                continue;
            }
            let name = format!("HostConfig.{field}");
            changes.extend(compare(&name, &from, &to, |key| {
                if policy == Policy::Mounts {
                    self.because_of_mounts(&patch, &field, mine)
                } else if is_patched(&patch, &field, key) {
                    Because::FromRequest
                } else if DERIVED.contains(&field.as_str()) {
                    Because::EngineDefault
                } else {
                    Because::Kept
                }
            }));
        }
        changes
    }

    /// Whether the request says something of a key of a field of `Config`, or of what the field hangs
    /// on.
    fn is_asked(&self, field: &str, key: &str) -> bool {
        let patch = self.inputs.patch;
        let host = |field: &str| patch.get("HostConfig")?.get(field);
        is_patched(patch, field, key)
            || match field {
                "Cmd" => patch.contains_key("Entrypoint"),
                "ExposedPorts" => {
                    host("PortBindings").is_some_and(|ports| ports.get(key).is_some())
                }
                "MacAddress" => patch.contains_key("NetworkingConfig"),
                _ => false,
            }
    }

    /// Why `Binds` or `Mounts` is another list: what is mounted at one of the request's targets gives
    /// way, and what the request may not take away stays.
    fn because_of_mounts(&self, patch: &Object, field: &str, mine: &Object) -> Because {
        let asked = mounts::targets(patch);
        let own = mine.get(field).map(|list| (field.to_owned(), list.clone()));
        let gives_way = mounts::targets(&own.into_iter().collect());
        let is_asked = !self.inputs.renewed.is_empty()
            || patch.get(field).is_some_and(|list| !list.is_null())
            || gives_way.iter().any(|target| asked.contains(target));
        let is_taken_away = patch.get(field).is_some_and(Value::is_null) && !gives_way.is_empty();
        if is_asked || is_taken_away {
            Because::FromRequest
        } else {
            Because::Kept
        }
    }
}

/// Whether the patch says something of a key of a field; the empty key is the whole field.
fn is_patched(patch: &Object, field: &str, key: &str) -> bool {
    match patch.get(field) {
        None => false,
        Some(Value::Array(env)) if field == "Env" => env.iter().any(|entry| variable(entry) == key),
        Some(Value::Object(map)) if !key.is_empty() => map.contains_key(key),
        Some(_) => true,
    }
}

fn diff_endpoints(kept: &Replacement, will: &Replacement) -> Vec<Change> {
    let map = |of: &Replacement| of.endpoints.iter().cloned().collect::<Object>();
    compare(
        "NetworkingConfig.EndpointsConfig",
        &map(kept),
        &map(will),
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
        .filter(|key| {
            from.get(*key) != to.get(*key) && (says(path, from, key) || says(path, to, key))
        })
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

/// Whether something is said of a key of the field at `path`.
fn says(path: &str, map: &Object, key: &str) -> bool {
    let value = map.get(key);
    let is_nothing = if ZERO_SAYS.contains(&path) {
        value.is_none_or(Value::is_null)
    } else {
        is_nothing(value)
    };
    value.is_some() && !(key.is_empty() && is_nothing)
}

/// A field that is compared as a whole, under the empty key.
fn whole(value: Option<&Value>) -> Object {
    value
        .map(|value| (String::new(), value.clone()))
        .into_iter()
        .collect()
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

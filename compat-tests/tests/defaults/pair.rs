//! One container on an old image, upgraded to a new one, beside a fresh one on the new image.

use std::collections::{BTreeMap, BTreeSet};

use compat_tests::{MARKER, Scenario};
use serde_json::{Map, Value, json};

/// What an image says something of.
const FIELDS: [&str; 11] = [
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "User",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "Healthcheck",
    "StopSignal",
    "Shell",
];

/// An old image and a new one.
pub struct Pair<'a> {
    pub scenario: &'a Scenario,
    pub old: &'a str,
    pub new: &'a str,
    /// What a container of the new image has of the fields above if its user says nothing; of
    /// `Env` by variable, with the `=`.
    pub defaults: &'a Value,
}

/// What a user says at `docker run`.
pub struct Row {
    pub name: &'static str,
    /// The options; `NAMED` stands for a named volume of the row's own.
    pub options: &'static str,
    pub command: &'static str,
    /// What the upgraded container has other than the new image's defaults; null removes.
    pub expected: Value,
    /// Where it differs from a fresh container of the new image with the same arguments, and why
    /// that is right.
    pub unlike_fresh: &'static [(&'static str, &'static str)],
}

impl Pair<'_> {
    /// Upgrades a container that was made with the row's arguments, and compares it with what the
    /// row expects, with a fresh one, and with what it was.
    pub fn check(&self, row: &Row) {
        let at = row.name;
        let (name, fresh) = (self.named(row, "old"), self.named(row, "fresh"));
        self.create(row, &name, self.old);
        self.scenario.start(&name);
        let before = volumes(&self.scenario.document(&name));
        let targets: Vec<&str> = before.keys().map(String::as_str).collect();
        let targets = targets.join(" ");
        self.inside(
            &name,
            &format!("for at in {targets}; do echo $at > $at/file; done"),
        );

        let image = json!({ "Image": self.new });
        let upgraded = self.scenario.upgrade_with(&name, &image);
        assert_eq!(upgraded.status, 200, "{at}: {}", upgraded.text);
        assert_eq!(upgraded.json()["Running"], true, "{at}");

        self.create(row, &fresh, self.new);
        let [after, made] = [&name, &fresh].map(|name| self.scenario.document(name));
        let mut expected = self.defaults.clone();
        merge(&mut expected, &row.expected);
        let seen = settings(&after["Config"]);
        for field in FIELDS {
            assert_eq!(seen[field], expected[field], "{at}: {field}");
        }
        compare(row, &after, &made);

        // The same volumes, with what was in them, and those that the new image asks for besides.
        let (after, made) = (volumes(&after), volumes(&made));
        for (target, volume) in &before {
            assert_eq!(after.get(target), Some(volume), "{at}: {target}");
        }
        let kept = self.inside(
            &name,
            &format!("cd /; for at in {targets}; do cat $at/file; done"),
        );
        assert_eq!(kept.replace('\n', " "), targets, "{at}");
        let all: BTreeSet<&String> = before.keys().chain(made.keys()).collect();
        assert_eq!(after.keys().collect::<BTreeSet<_>>(), all, "{at}");
        self.scenario.remove(&name);
        self.scenario.remove(&fresh);
    }

    fn create(&self, row: &Row, name: &str, image: &str) {
        let named = self.named(row, "volume");
        let options = row.options.replace("NAMED", &named);
        let mut arguments = vec!["create", "--name", name];
        let label = self.scenario.label();
        arguments.push(&label);
        // Quicker, and the engine gives no address that could be another afterwards.
        if !row.options.contains("publish") {
            arguments.push("--network=none");
        }
        arguments.extend(options.split_whitespace());
        arguments.push(image);
        arguments.extend(row.command.split_whitespace());
        self.scenario.docker(&arguments);
    }

    fn named(&self, row: &Row, what: &str) -> String {
        let row = row.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        self.scenario.named(&format!("{row}-{what}"))
    }

    /// What a command prints in a container, as root.
    fn inside(&self, container: &str, command: &str) -> String {
        let exec = ["exec", "-u", "0", container, "/bin/sh", "-c", command];
        self.scenario.docker(&exec)
    }
}

/// A container's settings but for those that are its own: all of them are what the fresh one has.
fn compare(row: &Row, upgraded: &Value, fresh: &Value) {
    let mut sides = [upgraded, fresh].map(|document| {
        let (mut config, mut host) = (document["Config"].clone(), document["HostConfig"].clone());
        let settings = settings(&config);
        for (field, value) in settings.as_object().into_iter().flatten() {
            config[field] = value.clone();
        }
        config["Hostname"] = Value::Null;
        mounts(&mut host, fresh);
        json!({ "Config": config, "HostConfig": host })
    });
    for (pointer, why) in row.unlike_fresh {
        let [upgraded, fresh] = sides.each_ref().map(|side| side.pointer(pointer).cloned());
        assert_ne!(upgraded, fresh, "{}: no longer: {why}", row.name);
        for side in &mut sides {
            remove(side, pointer);
        }
    }
    let [upgraded, fresh] = sides;
    for part in ["Config", "HostConfig"] {
        let [mine, others] = [&upgraded, &fresh].map(|side| side[part].as_object().expect("it"));
        let fields = mine.keys().chain(others.keys());
        for field in fields {
            assert_eq!(
                mine.get(field),
                others.get(field),
                "{}: {part}.{field}, upgraded and fresh",
                row.name
            );
        }
    }
}

/// The fields that an image says something of: nothing said is null, and `Env` goes by variable.
fn settings(config: &Value) -> Value {
    let mut settings = Map::new();
    for field in FIELDS {
        let mut value = config.get(field).cloned().unwrap_or_default();
        match (field, &mut value) {
            ("Env", Value::Array(entries)) => {
                let mut variables = Map::new();
                for entry in entries.iter().filter_map(Value::as_str) {
                    let at = entry.find('=').unwrap_or(entry.len());
                    let twice = variables.insert(entry[..at].to_owned(), json!(entry[at..]));
                    assert_eq!(twice, None, "{entry} stands there twice");
                }
                value = Value::Object(variables);
            }
            ("Labels", Value::Object(labels)) => {
                labels.remove(MARKER);
            }
            ("Healthcheck", Value::Object(check)) => check.retain(|_, value| *value != 0),
            _ => {}
        }
        let is_nothing = value == "" || value == json!([]) || value == json!({});
        settings.insert(
            field.to_owned(),
            if is_nothing { Value::Null } else { value },
        );
    }
    Value::Object(settings)
}

/// Takes out of a `HostConfig` how Refit writes the mounts that stand in the fresh one's, too, and
/// the anonymous volumes, which it holds by name; that they are the same is checked by itself.
fn mounts(host: &mut Value, fresh: &Value) {
    let target = |bind: &str| bind.split(':').nth(1).unwrap_or_default().to_owned();
    let texts = |binds: &Value| -> Vec<String> {
        let binds = binds.as_array().into_iter().flatten();
        binds.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let given: Vec<String> = texts(&fresh["HostConfig"]["Binds"]);
    let given: Vec<String> = given.iter().map(|bind| target(bind)).collect();
    let binds: Vec<String> = texts(&host["Binds"])
        .into_iter()
        .filter(|bind| given.contains(&target(bind)))
        .map(|bind| bind.replace(":nocopy", "").replace(",nocopy", ""))
        .collect();
    host["Binds"] = json!(binds);
    let mounts = host.get_mut("Mounts").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten() {
        if mount["VolumeOptions"] == json!({ "NoCopy": true }) {
            remove(mount, "/VolumeOptions");
        }
    }
}

/// The volumes of a container, by target.
fn volumes(document: &Value) -> BTreeMap<String, Value> {
    let mounts = document["Mounts"].as_array().into_iter().flatten();
    mounts
        .filter(|mount| mount["Type"] == "volume")
        .map(|mount| {
            let target = mount["Destination"].as_str().unwrap_or_default();
            (target.to_owned(), mount["Name"].clone())
        })
        .collect()
}

/// Merges by key; null removes.
fn merge(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else {
        *into = from.clone();
        return;
    };
    for (key, value) in from {
        if value.is_null() {
            into.insert(key.clone(), Value::Null);
        } else {
            merge(into.entry(key).or_insert(Value::Null), value);
        }
    }
    into.retain(|key, value| !value.is_null() || FIELDS.contains(&key.as_str()));
}

fn remove(document: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    let key = key.replace("~1", "/");
    if let Some(parent) = document.pointer_mut(parent).and_then(Value::as_object_mut) {
        parent.remove(&key);
    }
}

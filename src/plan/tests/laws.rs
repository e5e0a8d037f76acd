//! The laws of a three-way merge, on arbitrary documents.

use proptest::{collection::btree_map, prelude::*, sample::select};

use super::*;
use crate::plan::{
    config::variable,
    merged::{is_nothing, merged},
};

const MERGED: [&str; 6] = ["Env", "Labels", "Entrypoint", "Cmd", "Healthcheck", "User"];

/// `MERGED`, with few names and values, so that the sides often share them.
fn config(command: impl Strategy<Value = [Value; 2]>) -> impl Strategy<Value = Value> {
    let variables = || btree_map("[A-D]", "[xy=]{0,2}", 0..4);
    let health = btree_map("Interval|Retries|Timeout", 1..3, 0..3);
    let user = select(vec!["", "me", "you"]);
    (variables(), variables(), health, user, command).prop_map(
        |(env, labels, health, user, [entrypoint, cmd])| {
            let env: Vec<_> = env.iter().map(|(k, v)| format!("{k}={v}")).collect();
            json!({ "Env": env, "Labels": labels, "Healthcheck": health, "User": user,
                "Entrypoint": entrypoint, "Cmd": cmd })
        },
    )
}

/// An image's, which has a command.
fn image_config() -> impl Strategy<Value = Value> {
    let commands = r#"
        null | ["a"]
        null | ["b"]
        ["a"] | null
        ["a"] | ["b"]
        ["b"] | ["a"]
    "#;
    config(select(table(commands)))
}

/// What a person gives.
fn given() -> impl Strategy<Value = Value> {
    let [none, empty, a, b] = [json!(null), json!([]), json!(["a"]), json!(["b"])];
    let cmd = select(vec![none.clone(), a.clone(), b.clone()]);
    let entrypoint = select(vec![none, empty, json!([""]), a, b]);
    config((entrypoint, cmd).prop_map(|(entrypoint, cmd)| [entrypoint, cmd]))
}

/// What the engine makes of a create body on an image; `None` where it answers "no command
/// specified".
fn created(create: &Value, image: &Value) -> Option<Value> {
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let merged = merged(&object(create), &object(image));
    let mut config: Value = MERGED
        .iter()
        .map(|field| (*field, merged.get(*field).cloned().unwrap_or_default()))
        .collect();
    // The order says nothing where every variable stands once.
    if let Some(env) = config["Env"].as_array_mut() {
        env.sort_by_key(Value::to_string);
    }
    let has_command = |field: &str| !is_nothing(config.get(field));
    (has_command("Entrypoint") || has_command("Cmd")).then_some(config)
}

/// The `Config` of the replacement.
fn replaced(case: &Case) -> Option<Value> {
    created(&case.plan().create, &case.new_image["Config"])
}

/// What a person gave on the image `base`, to be upgraded to `theirs`; with mounts and networks of
/// several kinds.
fn case(given: &Value, base: &Value, theirs: &Value, patch: Value) -> Option<Case> {
    let mut case = Case::new().patch(patch);
    case.old_image = Some(json!({ "Id": "sha256:old", "Config": base }));
    case.new_image = json!({ "Id": "sha256:new", "Config": theirs });
    case.container = json!({
        "Image": "sha256:old",
        "Config": created(given, base)?,
        "HostConfig": {
            "Binds": ["data:/data:ro", "/anonymous"], "NetworkMode": "back",
            "Mounts": [{ "Type": "volume", "Target": "/more" }],
        },
        "Mounts": [
            { "Type": "volume", "Name": "data", "Destination": "/data" },
            { "Type": "volume", "Name": "f00d", "Destination": "/anonymous" },
            { "Type": "volume", "Name": "beef", "Destination": "/more" },
            { "Type": "volume", "Name": "cafe", "Destination": "/image" },
        ],
        "NetworkSettings": { "Networks": {
            "app": { "NetworkID": "a1", "Aliases": ["www"] },
            "back": { "NetworkID": "b2", "GwPriority": 1 },
            "center": { "NetworkID": "c3" },
        } },
    });
    Some(case)
}

/// An upgrade with a patch that the engine takes.
fn upgrade() -> impl Strategy<Value = Case> {
    let api = select(vec![OLD_API, NEW_API]);
    let sides = (given(), image_config(), image_config(), given(), api);
    sides.prop_filter_map(
        "no command specified",
        |(given, base, theirs, patch, api)| {
            let case = case(&given, &base, &theirs, patch)?.api(api);
            replaced(&case).is_some().then_some(case)
        },
    )
}

/// The document with the keys of every object turned round.
fn turned(document: &Value) -> Value {
    match document {
        Value::Object(map) => {
            let turned = map.iter().rev().map(|(k, v)| (k.clone(), turned(v)));
            turned.collect()
        }
        Value::Array(list) => list.iter().map(turned).collect(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn what_came_from_the_image_follows_it(base in image_config(), theirs in image_config()) {
        let nothing = json!({});
        let case = case(&nothing, &base, &theirs, json!({})).expect("a command");
        prop_assert_eq!(replaced(&case), created(&nothing, &theirs));
    }

    #[test]
    fn on_the_same_image_nothing_changes(mut case in upgrade()) {
        case.patch = json!({});
        case.new_image = case.old_image.clone().expect("it has one");
        prop_assert!(!case.plan().changed);
        prop_assert_eq!(replaced(&case), Some(case.container["Config"].clone()));
    }

    #[test]
    fn the_patch_wins(mut case in upgrade(), gone in "[A-D]") {
        let env = case.patch["Env"].as_array_mut().expect("a list");
        env.retain(|entry| variable(entry) != gone);
        env.push(json!(gone));
        case.patch["Labels"][&gone] = Value::Null;
        let (replaced, patch) = (replaced(&case).expect("a command"), &case.patch);
        let env = replaced["Env"].as_array().expect("a list");
        for entry in patch["Env"].as_array().expect("a list") {
            let of_name = env.iter().filter(|e| variable(e) == variable(entry));
            prop_assert_eq!(of_name.collect::<Vec<_>>(), [entry]);
        }
        let theirs = &case.new_image["Config"]["Labels"];
        prop_assert_eq!(replaced["Labels"].get(&gone), theirs.get(&gone));
        for field in ["Labels", "Healthcheck"] {
            for (key, value) in patch[field].as_object().expect("an object") {
                prop_assert!(value.is_null() || &replaced[field][key] == value, "{}", key);
            }
        }
        for field in ["Entrypoint", "Cmd", "User"] {
            let is_set = ![json!(null), json!([]), json!([""]), json!("")].contains(&patch[field]);
            prop_assert!(!is_set || replaced[field] == patch[field], "{}", field);
        }
    }

    #[test]
    fn planning_twice_changes_nothing(first in upgrade()) {
        let mut second = Case { patch: json!({}), ..first.clone() };
        second.container["Image"] = first.new_image["Id"].clone();
        second.container["Config"] = replaced(&first).expect("a command");
        second.container["HostConfig"] = first.create("/HostConfig");
        second.old_image = Some(first.new_image.clone());
        prop_assert!(!second.plan().changed);
        prop_assert_eq!(replaced(&second), replaced(&first));
        for part in ["/HostConfig", "/NetworkingConfig"] {
            prop_assert_eq!(second.create(part), first.create(part));
        }
    }

    /// Whatever the upgrade was, and whatever the request.
    #[test]
    fn going_back_makes_it_what_it_was(first in upgrade()) {
        let old_image = first.old_image.clone().expect("it has one");
        let mut after = first.container.clone();
        after["Image"] = first.new_image["Id"].clone();
        after["Config"] = replaced(&first).expect("a command");
        after["HostConfig"] = first.create("/HostConfig");
        let mut then = specification(&first.container);
        then["Image"] = old_image["Id"].clone();
        let plan = go_back(&Inputs {
            api: first.api,
            container: &after,
            old_image: Some(&first.new_image),
            new_image: &old_image,
            reference: first.reference,
            patch: &Object::new(),
            renewed: &[],
        }, &then).expect("a plan");
        let config = created(&plan.create, &old_image["Config"]);
        prop_assert_eq!(config, Some(first.container["Config"].clone()));
        let again = Case { patch: json!({}), new_image: old_image, ..first.clone() }.plan();
        prop_assert_eq!(&plan.create, &again.create);
        prop_assert_eq!(&plan.connect, &again.connect);
        prop_assert!(plan.changed);
    }

    #[test]
    fn the_order_of_keys_says_nothing(mut case in upgrade()) {
        case.patch["HostConfig"] = json!({
            "Mounts": [{ "Target": "/data" }], "Binds": ["a:/b", "c:/data"], "Tmpfs": { "/b": "" },
            "NetworkMode": "other",
        });
        case.patch["NetworkingConfig"] = json!({ "EndpointsConfig": { "z": {}, "b2": null, "y": {} } });
        let other = Case {
            api: case.api,
            container: turned(&case.container),
            old_image: case.old_image.as_ref().map(turned),
            new_image: turned(&case.new_image),
            patch: turned(&case.patch),
            ..case.clone()
        };
        prop_assert_eq!(other.plan(), case.plan());
    }

    /// Whatever stands in the documents, there is a plan or a refusal that names the field.
    #[test]
    fn it_is_total(field in "[A-Z][a-z]{2,8}", value in anything(), host in anything()) {
        for field in MERGED.into_iter().chain(["Hostname", field.as_str()]) {
            let mut case = Case::new().mine(field, value.clone()).container("/Mounts", host.clone());
            for field in ["Binds", "Mounts", "Tmpfs", "Links", "NetworkMode"] {
                case = case.host(field, host.clone());
            }
            let case = case.container("/NetworkSettings/Networks", host.clone());
            prop_assert!(case.compute().is_ok());
            if let Err(refusal) = case.patch(json!({ field: value.clone() })).compute() {
                prop_assert!(refusal.to_string().starts_with(field));
            }
        }
    }
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z./:=]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-zA-Z/]{0,5}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

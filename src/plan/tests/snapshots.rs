//! What the engines really print, and what is planned of it. `compat-tests/record.sh` records the
//! documents.

use super::*;

/// The recorded documents, by engine and container.
const DOCUMENTS: [(&str, &str, &str); 6] = [
    ("20.10", "plain", include_str!("documents/20.10-plain.json")),
    ("20.10", "rich", include_str!("documents/20.10-rich.json")),
    ("26.1", "plain", include_str!("documents/26.1-plain.json")),
    ("26.1", "rich", include_str!("documents/26.1-rich.json")),
    ("28.5", "plain", include_str!("documents/28.5-plain.json")),
    ("28.5", "rich", include_str!("documents/28.5-rich.json")),
];

/// A recorded document with its images.
fn recorded(text: &str, patch: Value) -> Case {
    let mut document: Value = serde_json::from_str(text).expect("JSON");
    let minor = document["api"]
        .as_str()
        .and_then(|api| api.strip_prefix("1."));
    Case {
        api: ApiVersion {
            major: 1,
            minor: minor
                .and_then(|minor| minor.parse().ok())
                .expect("a version"),
        },
        container: document["container"].take(),
        old_image: Some(document["old_image"].take()),
        new_image: document["new_image"].take(),
        reference: "redis:8.0",
        patch,
        renewed: Vec::new(),
    }
}

/// A plan, as it is reviewed.
fn shown(case: &Case) -> Value {
    let plan = case.plan();
    let diff = plan.diff.iter().map(|change| {
        let Change { path, from, to, .. } = change;
        json!([path, from, to, change.because.to_string()])
    });
    json!({
        "create": plan.create, "connect": plan.connect, "networks": plan.networks,
        "pinned": plan.pinned, "changed": plan.changed, "diff": diff.collect::<Value>(),
        "warnings": plan.warnings, "unmet": plan.unmet,
    })
}

#[test]
fn of_what_engines_print() {
    for (version, kind, text) in DOCUMENTS {
        let case = recorded(text, json!({}));
        insta::assert_json_snapshot!(format!("{version}-{kind}"), shown(&case));
    }
}

#[test]
fn of_what_engines_print_with_a_patch() {
    let patch = json!({
        "Env": ["TZ=CET", "REDIS_VERSION"], "Entrypoint": null, "Labels": { "owner": null },
        "HostConfig": {
            "Memory": 268_435_456, "Binds": ["other:/more"], "Sysctls": null,
            "PortBindings": { "7000/udp": null },
        },
        "NetworkingConfig": { "EndpointsConfig": { "record-back": null, "third": {} } },
    });
    for (version, _, text) in DOCUMENTS.iter().filter(|(_, kind, _)| *kind == "rich") {
        let case = recorded(text, patch.clone());
        insta::assert_json_snapshot!(format!("{version}-patched"), shown(&case));
    }
}

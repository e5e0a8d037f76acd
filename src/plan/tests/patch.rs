//! The request's body: what it may be, and how it is read.

use super::*;

#[test]
fn a_mistake_names_its_field() {
    for (field, mistakes) in [
        ("Image", json!([1])),
        ("Env", json!(["A=1", ["A=1", 2]])),
        ("Cmd", json!([[1]])),
        ("Entrypoint", json!([{}])),
        ("Labels", json!([["a=b"]])),
        ("labels", json!([["a=b"]])),
        ("Tty", json!(["yes"])),
        ("StopTimeout", json!([1.5])),
        ("HostConfig", json!([[], null])),
        ("HostConfig.Binds", json!(["a:/b"])),
        ("HostConfig.Mounts", json!([[{}], [{ "Target": 1 }]])),
        ("hostconfig.memory", json!(["1g"])),
        ("HostConfig.Tmpfs", json!([[]])),
        ("NetworkingConfig.EndpointsConfig", json!([[]])),
    ] {
        for mistake in mistakes.as_array().expect("a list") {
            let mut patch = json!({});
            set(&mut patch, &field.replace('.', "/"), mistake.clone());
            let refusal = Case::new().patch(patch.clone()).compute();
            let message = refusal.expect_err("a refusal").to_string();
            let (named, _) = message.split_once(": ").expect("a field");
            assert!(named.eq_ignore_ascii_case(field), "{patch}: {message}");
        }
    }
}

/// Docker reads the names of fields in any case.
#[test]
fn the_patch_is_merged_by_field_and_key() {
    let log = json!({ "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } });
    let case = Case::new()
        .mine("Env", json!(["A=1"]))
        .host("LogConfig", log)
        .host("Sysctls", json!({ "a": "1" }))
        .host("ShmSize", json!(1))
        .patch(json!({
            "env": ["B=2"],
            "LABELS": { "k": "v" },
            "user": "me",
            "hostConfig": {
                "memory": 7,
                "sysctls": { "b": "2" },
                "tmpfs": { "/t": "" },
                "PortBindings": { "80/tcp": null, "443/tcp": [{ "HostPort": "8443" }] },
                "LogConfig": { "Config": { "max-size": "9m", "max-file": null } },
                "MaskedPaths": [],
                "shmsize": null,
            },
            "networkingconfig": { "endpointsconfig": { "backend": {} } },
        }));
    assert_eq!(
        case.plan().create,
        json!({
            "Hostname": "4cf5a1f9d8b3", "Tty": false, "Volumes": null, "Image": "nginx:1.28",
            "Env": ["A=1", "B=2"],
            "Labels": { "k": "v" },
            "User": "me",
            "ExposedPorts": { "443/tcp": {} },
            "HostConfig": {
                "Binds": null, "NetworkMode": "bridge", "VolumesFrom": null, "Links": null,
                "UTSMode": "",
                "Memory": 7,
                "Sysctls": { "a": "1", "b": "2" },
                "Tmpfs": { "/t": "" },
                "PortBindings": { "443/tcp": [{ "HostPort": "8443" }] },
                "LogConfig": { "Type": "json-file", "Config": { "max-size": "9m" } },
                "MaskedPaths": [],
            },
            "NetworkingConfig": { "EndpointsConfig": { "bridge": {}, "backend": {} } },
        })
    );
    assert_eq!(case.plan().warnings, [""; 0]);
}

#[test]
fn an_unknown_field_is_handed_on_with_a_warning() {
    let patch = json!({ "Image": "x", "Novelty": [1], "UpgradeConfig": { "Monitor": 1 } });
    let plan = Case::new().patch(patch).plan();
    assert_eq!(plan.create["Novelty"], json!([1]));
    let [warning] = plan.warnings.as_slice() else {
        panic!("one warning: {:?}", plan.warnings);
    };
    assert!(warning.starts_with("Novelty: "), "{warning}");
    // Ours, not the engine's.
    assert_eq!(plan.create["Image"], json!("nginx:1.28"));
    assert_eq!(plan.create.get("UpgradeConfig"), None);
}

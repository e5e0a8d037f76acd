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
    let plan = Case::new()
        .patch(json!({
            "Image": "x", "Novelty": [1], "HostConfig": { "Other": 2 },
            "NetworkingConfig": { "EndpointsConfig": { "app": { "Third": 3 } } },
        }))
        .plan();
    assert_eq!(plan.create["Novelty"], json!([1]));
    assert_eq!(plan.create["HostConfig"]["Other"], json!(2));
    let endpoints = &plan.create["NetworkingConfig"]["EndpointsConfig"];
    assert_eq!(endpoints["app"]["Third"], json!(3));
    let named: Vec<&str> = plan
        .warnings
        .iter()
        .filter_map(|warning| warning.strip_suffix(": unknown to Refit, handed on to the engine"))
        .collect();
    let third = "NetworkingConfig.EndpointsConfig.app.Third";
    assert_eq!(named, ["Novelty", "HostConfig.Other", third]);
    // The reference that was resolved, not the request's.
    assert_eq!(plan.create["Image"], json!("nginx:1.28"));
}

#[test]
fn a_field_is_read_in_any_case() {
    let patch = json!({
        "labels": { "k": "v" }, "hostconfig": { "memory": 7, "logCONFIG": { "Config": { "a": "b" } } },
        "networkingConfig": { "endpointsConfig": { "bridge": { "aliases": ["www"] } } },
    });
    let case = Case::new().patch(patch);
    for (pointer, value) in [
        ("/Labels/k", json!("v")),
        ("/HostConfig/Memory", json!(7)),
        ("/HostConfig/LogConfig/Config/a", json!("b")),
        (
            "/NetworkingConfig/EndpointsConfig/bridge",
            json!({ "Aliases": ["www"] }),
        ),
    ] {
        assert_eq!(case.create(pointer), value, "{pointer}");
    }
}

/// `docker run --memory 64m` makes the limit of memory and swap twice as much.
#[test]
fn the_limit_of_swap_follows_the_limit_of_memory() {
    for [mine, patch, sent] in table(
        r#"
        { "Memory": 64, "MemorySwap": 128 } | { "Memory": 100 }                    | { "Memory": 100, "MemorySwap": 200 }
        { "Memory": 64, "MemorySwap": 128 } | { "Memory": 0 }                      | { "Memory": 0, "MemorySwap": 0 }
        { "Memory": 64, "MemorySwap": 128 } | { "Memory": null }                   | { "MemorySwap": 0 }
        { "Memory": 64, "MemorySwap": 128 } | { "Memory": 100, "MemorySwap": 300 } | { "Memory": 100, "MemorySwap": 300 }
        { "Memory": 64, "MemorySwap": 128 } | { "CpuShares": 1 }                   | { "CpuShares": 1, "Memory": 64, "MemorySwap": 128 }
        // These were chosen.
        { "Memory": 64, "MemorySwap": 100 } | { "Memory": 80 }                     | { "Memory": 80, "MemorySwap": 100 }
        { "Memory": 64, "MemorySwap": -1 }  | { "Memory": 80 }                     | { "Memory": 80, "MemorySwap": -1 }
        { "Memory": 0, "MemorySwap": 0 }    | { "Memory": 80 }                     | { "Memory": 80, "MemorySwap": 0 }
        "#,
    ) {
        let mut case = Case::new().patch(json!({ "HostConfig": patch }));
        case.container["HostConfig"] = mine.clone();
        let mut host = case.create("/HostConfig");
        host.sort_all_objects();
        assert_eq!(host, sent, "{mine} {patch}");
    }
    let mine = [("Memory", json!(64)), ("MemorySwap", json!(128))];
    let [memory, swap] = mine;
    let case = Case::new().host(memory.0, memory.1).host(swap.0, swap.1);
    let diff = case
        .patch(json!({ "HostConfig": { "Memory": 100 } }))
        .plan()
        .diff;
    let of_swap = diff
        .iter()
        .find(|change| change.path == "HostConfig.MemorySwap");
    assert_eq!(
        of_swap.map(|change| change.because),
        Some(Because::EngineDefault)
    );
}

#[test]
fn another_log_driver_takes_no_options_of_the_one_before() {
    let mine = json!({ "Type": "json-file", "Config": { "max-size": "1m" } });
    for [patch, sent] in table(
        r#"
        { "Config": { "max-file": "2" } }                        | { "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } }
        { "Type": "json-file", "Config": { "max-size": null } }  | { "Type": "json-file", "Config": {} }
        { "Type": "none" }                                       | { "Type": "none" }
        { "Type": "syslog", "Config": { "tag": "x" } }           | { "Type": "syslog", "Config": { "tag": "x" } }
        "#,
    ) {
        let case = Case::new().host("LogConfig", mine.clone());
        let case = case.patch(json!({ "HostConfig": { "LogConfig": patch } }));
        assert_eq!(case.create("/HostConfig/LogConfig"), sent, "{patch}");
    }
}

/// What the engine made of `Privileged` is not what somebody set.
#[test]
fn privileges_bring_their_own() {
    let case = Case::new().host(
        "SecurityOpt",
        json!(["label=disable", "seccomp=unconfined"]),
    );
    let given = case.clone().host("Privileged", json!(false));
    let host = given
        .patch(json!({ "HostConfig": { "Privileged": true } }))
        .create("/HostConfig");
    assert_eq!(host.get("MaskedPaths"), None);
    assert_eq!(
        host["SecurityOpt"],
        json!(["label=disable", "seccomp=unconfined"])
    );
    let taken = case.host("Privileged", json!(true));
    let host = taken
        .clone()
        .patch(json!({ "HostConfig": { "Privileged": false } }));
    assert_eq!(
        host.create("/HostConfig/SecurityOpt"),
        json!(["seccomp=unconfined"])
    );
    let host = taken.patch(json!({ "HostConfig": { "Privileged": true } }));
    assert_eq!(host.plan().diff.len(), Case::new().plan().diff.len());
}

#[test]
fn a_field_in_two_spellings_is_refused() {
    for (patch, named) in [
        (json!({ "Image": "a", "image": "b" }), "Image"),
        (
            json!({ "HostConfig": { "Memory": 1, "MEMORY": 2 } }),
            "HostConfig.Memory",
        ),
    ] {
        let refusal = Case::new().patch(patch).compute().expect_err("a refusal");
        assert!(refusal.to_string().starts_with(named), "{refusal}");
    }
}

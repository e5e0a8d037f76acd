//! Going back to what an earlier container was.

use super::*;

/// The specification of a container, as a marker hands it out.
fn known(container: &Value) -> Value {
    let mut known = specification(container);
    for id in ["Id", "Image"] {
        known[id] = container[id].clone();
    }
    known
}

/// The plan of going back from the container of this case, which is of the new image.
fn back(case: &Case, then: &Value) -> Plan {
    let mut now = case.container.clone();
    now["Image"] = case.new_image["Id"].clone();
    go_back(
        &Inputs {
            api: case.api,
            container: &now,
            old_image: Some(&case.new_image),
            new_image: case.old_image.as_ref().expect("it has one"),
            reference: "nginx:1.27",
            patch: &Object::new(),
            renewed: &[],
        },
        then,
    )
    .expect("a plan")
}

/// A container with something of each part that a plan reads.
fn of_all_parts() -> Case {
    let endpoint = json!({
        "NetworkID": "a1", "EndpointID": "e", "Gateway": "10.0.0.1", "DNSNames": ["web"],
        "Aliases": ["www", ID[..12]], "IPAddress": "10.0.0.2", "MacAddress": "02:42:0a:00:00:02",
        "IPAMConfig": { "IPv4Address": "10.0.0.2" }, "FromTheFuture": [1],
    });
    let ports = json!({ "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "32768" }] });
    let mounts = json!([
        { "Type": "volume", "Name": "data", "Destination": "/data", "Mode": "ro", "RW": false },
        { "Type": "volume", "Name": "f0".repeat(32), "Destination": "/scratch" },
        { "Type": "bind", "Source": "/srv", "Destination": "/srv", "Propagation": "rslave" },
    ]);
    Case::new()
        .mine("Labels", json!({ "owner": "alice", "maintainer": "NGINX", "version": "1.27", MARKER_LABEL: "{}" }))
        .mine("FromTheFuture", json!({ "a": null }))
        .host("Binds", json!(["data:/data:ro", "/srv:/srv:rslave"]))
        .host("Links", json!(["/db:/web/database"]))
        .host("PortBindings", json!({ "80/tcp": [{ "HostPort": "" }] }))
        .container("/Mounts", mounts)
        .container("/MountLabel", json!("system_u"))
        .container("/State", json!({ "Status": "running", "Pid": 7 }))
        .container("/NetworkSettings/Ports", ports)
        .container("/NetworkSettings/Networks/app", endpoint)
}

#[test]
fn a_specification_is_what_planning_reads() {
    let mut case = of_all_parts();
    for (api, status) in [
        (NEW_API, "running"),
        (OLD_API, "running"),
        (NEW_API, "created"),
        (OLD_API, "exited"),
    ] {
        case = case.api(api).container("/State/Status", json!(status));
        let whole = case.plan();
        let known = Case {
            container: known(&case.container),
            ..case.clone()
        };
        assert_eq!(known.plan(), whole, "{status}");
    }
    let specification = specification(&case.container);
    let text = specification.to_string();
    for gone in [MARKER_LABEL, "EndpointID", "Gateway", "Pid", "sha256:old"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
    assert_eq!(specification["Config"]["Labels"]["owner"], "alice");
    // Of nothing, too: whatever an engine prints.
    assert_eq!(super::specification(&json!(7))["Config"], Value::Null);
}

#[test]
fn what_differs_from_now_comes_from_the_generation_before() {
    let case = Case::new();
    let then = known(&Case::new().host("Memory", json!(7)).container);
    let mut now = case.clone().mine("Env", json!(["NGINX_VERSION=1.28"]));
    now.container["Config"]["Image"] = json!("nginx:1.28");
    let plan = back(&now, &then);
    assert!(plan.changed && plan.unmet.is_empty());
    let because = plan.diff.iter().map(|change| change.because.to_string());
    assert!(
        because
            .into_iter()
            .all(|because| because == "from the generation before")
    );
    let paths: Vec<&str> = plan
        .diff
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    for path in [
        "Image",
        "ImageId",
        "Env.NGINX_VERSION",
        "Env.PATH",
        "HostConfig.Memory",
    ] {
        assert!(paths.contains(&path), "{path}: {paths:?}");
    }
    let of_memory = plan
        .diff
        .iter()
        .find(|change| change.path == "HostConfig.Memory");
    let of_memory = of_memory.expect("it differs");
    assert_eq!((&of_memory.from, &of_memory.to), (&json!(0), &json!(7)));
}

#[test]
fn nothing_differs_from_what_is_the_same() {
    let mut case = of_all_parts();
    case.new_image = case.old_image.clone().expect("it has one");
    case.container["HostConfig"] = case.plan().create["HostConfig"].clone();
    case.container["HostConfig"]["Links"] = json!(["/db:/web/database"]);
    let plan = back(&case, &known(&case.container));
    assert!(!plan.changed, "{:?}", plan.diff);
    assert_eq!(plan.diff, []);
}

#[test]
fn networks_addresses_and_ports_that_differ_are_asked_for() {
    let mut now = Case::new().host(
        "PortBindings",
        json!({ "80/tcp": [{ "HostPort": "8081" }] }),
    );
    now = now.container(
        "/NetworkSettings/Networks/new",
        json!({ "NetworkID": "n1" }),
    );
    let plan = back(&now, &known(&of_all_parts().container));
    let asked = Value::Object(plan.asked);
    let pinned = json!([{ "HostPort": "32768", "HostIp": "" }]);
    assert_eq!(
        asked["HostConfig"],
        json!({ "PortBindings": { "80/tcp": pinned } })
    );
    let endpoints = &asked["NetworkingConfig"]["EndpointsConfig"];
    let configured = json!({ "IPAMConfig": { "IPv4Address": "10.0.0.2" } });
    assert_eq!(*endpoints, json!({ "new": null, "app": configured }));
    assert_eq!(plan.pinned, ["80/tcp"]);
    let same = known(&Case::new().container);
    let nothing = json!({
        "HostConfig": { "PortBindings": {} }, "NetworkingConfig": { "EndpointsConfig": {} },
    });
    assert_eq!(Value::Object(back(&Case::new(), &same).asked), nothing);
}

#[test]
fn going_back_warns_of_what_it_does_not_take_back() {
    let then = known(&of_all_parts().mine("User", json!("me")).container);
    let warnings = back(&Case::new(), &then).warnings;
    for told in [
        "volumes are as they are now",
        "the user was root, and is me now",
    ] {
        let is_told = warnings.iter().any(|warning| warning.contains(told));
        assert!(is_told, "{told}: {warnings:?}");
    }
    // No value follows the image.
    let is_meant = |warning: &String| warning.contains("equal to what the old image says");
    assert!(!warnings.iter().any(is_meant), "{warnings:?}");
    let without = back(&Case::new(), &known(&Case::new().container));
    assert_eq!(without.warnings, [""; 0]);
}

#[test]
fn volumes_and_networks_are_told_by_name() {
    let then = known(&of_all_parts().container);
    let volumes = named_volumes(&back(&Case::new(), &then).create);
    assert_eq!(volumes, ["data".to_owned(), "f0".repeat(32)]);
    let named = |name: &str, id: &str| (name.to_owned(), Some(id.to_owned()));
    let networks = networks_of(&then);
    assert_eq!(networks, [named("bridge", "b1"), named("app", "a1")]);
}

#[test]
fn a_specification_without_a_part_is_refused() {
    for part in ["Config", "HostConfig"] {
        let mut then = known(&Case::new().container);
        then[part] = Value::Null;
        let case = Case::new();
        let inputs = Inputs {
            api: case.api,
            container: &case.container,
            old_image: None,
            new_image: &case.new_image,
            reference: "nginx:1.27",
            patch: &Object::new(),
            renewed: &[],
        };
        let refusal = go_back(&inputs, &then).expect_err(part);
        assert_eq!(refusal, Refusal::Malformed(part));
    }
}

//! Endpoints: what a person configured, under the key that the engine matches.

use super::*;

/// An endpoint as inspect prints it, with what a person configured.
fn endpoint(id: &str, configured: &Value) -> Value {
    let mut endpoint = json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "DriverOpts": null, "GwPriority": 0,
        "NetworkID": id, "EndpointID": "e", "Gateway": "10.0.0.1", "IPAddress": "10.0.0.2",
        "IPPrefixLen": 24, "MacAddress": "02:42:0a:00:00:02", "DNSNames": ["web", "4cf5a1f9d8b3"],
    });
    for (key, value) in configured.as_object().expect("an object") {
        endpoint[key] = value.clone();
    }
    endpoint
}

fn case(mode: &str, networks: Value) -> Case {
    Case::new()
        .host("NetworkMode", json!(mode))
        .container("/NetworkSettings/Networks", networks)
}

/// On `app` (ID `a1`) and on `back` (ID `b2`).
fn on_two() -> Case {
    let app = endpoint("a1", &json!({ "Aliases": ["www", "4cf5a1f9d8b3"] }));
    let back = endpoint("b2", &json!({ "Aliases": ["api"] }));
    case("app", json!({ "back": back, "app": app }))
}

fn endpoints(case: &Case) -> Value {
    case.create("/NetworkingConfig/EndpointsConfig")
}

#[test]
fn the_mode_alone_makes_an_endpoint_without_settings() {
    for (mode, name) in [
        ("bridge", "bridge"),
        ("default", "bridge"),
        ("default", "default"),
        ("host", "host"),
        ("none", "none"),
        ("app", "app"),
        ("a1", "app"),
    ] {
        // The short ID is no alias of a person's.
        let configured = json!({ "Aliases": ["4cf5a1f9d8b3"] });
        let case = case(mode, json!({ name: endpoint("a1", &configured) }));
        assert_eq!(endpoints(&case), json!({}), "{mode}");
        assert_eq!(case.create("/HostConfig/NetworkMode"), json!(mode));
        assert_eq!(case.plan().networks, ["a1"], "{mode}");
    }
    let case = case(
        "container:abc",
        json!({ "app": endpoint("a1", &json!({})) }),
    );
    assert_eq!(endpoints(&case), json!({}));
    assert_eq!(case.plan().networks, [""; 0]);
}

#[test]
fn what_a_person_configured_is_kept() {
    let configured = json!({
        "IPAMConfig": { "IPv4Address": "10.0.0.9" }, "Aliases": ["www"], "Links": ["db:database"],
        "DriverOpts": { "k": "v" }, "GwPriority": 5,
    });
    let case = case("app", json!({ "app": endpoint("a1", &configured) }));
    assert_eq!(endpoints(&case), json!({ "app": configured }));
}

#[test]
fn the_main_network_is_first_and_keyed_as_its_mode_says() {
    for mode in ["app", "a1"] {
        let plan = on_two().host("NetworkMode", json!(mode)).plan();
        assert_eq!(
            plan.create["NetworkingConfig"].to_string(),
            format!(
                r#"{{"EndpointsConfig":{{"{mode}":{{"Aliases":["www"]}},"b2":{{"Aliases":["api"]}}}}}}"#
            )
        );
        assert_eq!(plan.networks, ["a1", "b2"]);
    }
    // Never started: no IDs yet.
    let unjoined = endpoint("", &json!({}));
    let case = case("app", json!({ "app": unjoined, "back": unjoined }));
    assert_eq!(endpoints(&case), json!({ "app": {}, "back": {} }));
    assert_eq!(case.plan().networks, ["app", "back"]);
}

#[test]
fn create_takes_one_network_below_1_44() {
    let case_of_two = on_two().api(OLD_API);
    assert_eq!(
        endpoints(&case_of_two),
        json!({ "app": { "Aliases": ["www"] } })
    );
    let back = ("b2".to_owned(), json!({ "Aliases": ["api"] }));
    assert_eq!(case_of_two.plan().connect, [back]);
    let first = ApiVersion::MANY_NETWORKS_IN_CREATE;
    assert_eq!(on_two().api(first).plan().connect, []);
    // What is connected after create counts as a change, too.
    let patch = json!({ "NetworkingConfig": { "EndpointsConfig": { "b2": { "Aliases": null } } } });
    let mut case_of_two = case_of_two.patch(patch);
    case_of_two.new_image = image("sha256:old", "1.27");
    assert!(case_of_two.plan().changed);
    // Without an endpoint in create it would join its main network, which was disconnected.
    let disconnected = case("app", json!({ "back": endpoint("b2", &json!({})) }));
    assert_eq!(endpoints(&disconnected.api(OLD_API)), json!({ "b2": {} }));
}

#[test]
fn a_configured_mac_address_is_sent_where_the_version_takes_it() {
    for [patch, mac] in table(
        r#"
        {}                                                                          | "02::1"
        { "MacAddress": "02::2" }                                                   | "02::2"
        { "MacAddress": null }                                                      | null
        { "NetworkingConfig": { "EndpointsConfig": { "a1": { "MacAddress": "3" } } } } | "3"
        "#,
    ) {
        for (api, sent) in [
            (NEW_API, [&Value::Null, &mac]),
            (OLD_API, [&mac, &Value::Null]),
        ] {
            let case = on_two().api(api).mine("MacAddress", json!("02::1"));
            let case = case.patch(patch.clone());
            let (container, sent_to) = (case.create("/MacAddress"), endpoints(&case));
            assert_eq!(
                [&container, &sent_to["app"]["MacAddress"]],
                sent,
                "{patch} {api}"
            );
            assert_eq!(sent_to["b2"]["MacAddress"], Value::Null, "{patch} {api}");
        }
    }
}

#[test]
fn links_are_translated() {
    let links = json!(["/db:/web/database", "/cache:/web/cache", "plain:alias"]);
    let case = Case::new().host("Links", links);
    let sent = json!(["db:database", "cache:cache", "plain:alias"]);
    assert_eq!(case.create("/HostConfig/Links"), sent);
}

/// Whether the patch calls a network by its name or its ID.
#[test]
fn a_patch_merges_endpoints_by_network_and_setting() {
    for [patch, sent, networks] in table(
        r#"
        { "app": { "Links": ["a:b"] } }  | { "app": { "Aliases": ["www"], "Links": ["a:b"] }, "b2": { "Aliases": ["api"] } } | ["a1", "b2"]
        { "a1": { "Aliases": null } }    | { "app": {}, "b2": { "Aliases": ["api"] } }                                       | ["a1", "b2"]
        { "back": { "Aliases": ["x"] } } | { "app": { "Aliases": ["www"] }, "b2": { "Aliases": ["x"] } }                     | ["a1", "b2"]
        { "b2": { "Aliases": ["x"] } }   | { "app": { "Aliases": ["www"] }, "b2": { "Aliases": ["x"] } }                     | ["a1", "b2"]
        { "back": null, "new": {} }      | { "app": { "Aliases": ["www"] }, "new": {} }                                      | ["a1", "new"]
        { "b2": null, "unknown": null }  | { "app": { "Aliases": ["www"] } }                                                 | ["a1"]
        null                             | {}                                                                                | ["a1"]
        "#,
    ) {
        let case = on_two().patch(json!({ "NetworkingConfig": { "EndpointsConfig": patch } }));
        assert_eq!(endpoints(&case), sent, "{patch}");
        assert_eq!(json!(case.plan().networks), networks, "{patch}");
    }
    // Where create is given endpoints, the mode makes none.
    let patch = json!({ "NetworkingConfig": { "EndpointsConfig": { "new": {} } } });
    let case = Case::new().patch(patch);
    assert_eq!(endpoints(&case), json!({ "bridge": {}, "new": {} }));
}

#[test]
fn another_network_mode_takes_the_main_networks_place() {
    for [mode, sent, networks] in table(
        r#"
        "app"           | { "app": { "Aliases": ["www"] }, "b2": { "Aliases": ["api"] } } | ["a1", "b2"]
        "a1"            | { "a1": { "Aliases": ["www"] }, "b2": { "Aliases": ["api"] } }  | ["a1", "b2"]
        "other"         | { "other": {}, "b2": { "Aliases": ["api"] } }                   | ["other", "b2"]
        "back"          | { "back": { "Aliases": ["api"] } }                              | ["b2"]
        "host"          | {}                                                              | ["host"]
        "none"          | {}                                                              | ["none"]
        "container:abc" | {}                                                              | []
        "#,
    ) {
        let case = on_two().patch(json!({ "HostConfig": { "NetworkMode": mode } }));
        assert_eq!(endpoints(&case), sent, "{mode}");
        assert_eq!(json!(case.plan().networks), networks, "{mode}");
    }
}

/// Docker 20.10 adds the short ID and the host name to what was given.
#[test]
fn the_aliases_that_the_engine_adds_are_nobodys() {
    let given = json!({ "Aliases": ["www", "4cf5a1f9d8b3", "node-1"] });
    let case = case("app", json!({ "app": endpoint("a1", &given) }));
    let case = case.mine("Hostname", json!("node-1"));
    for (api, aliases) in [
        (OLD_API, json!(["www"])),
        (NEW_API, json!(["www", "node-1"])),
    ] {
        let sent = endpoints(&case.clone().api(api));
        assert_eq!(sent["app"]["Aliases"], aliases, "{api}");
    }
}

/// On a further network: before the first start the engine prints what was configured, and before
/// 28 it makes up no other address than one made of the IP address.
#[test]
fn a_mac_address_of_a_further_network_is_kept_where_it_can_be_told() {
    const DOCKER_26: ApiVersion = ApiVersion {
        major: 1,
        minor: 45,
    };
    let (generated, other) = (json!("02:42:0a:00:00:02"), json!("02:00:00:00:00:01"));
    for (api, status, mac, kept, warns) in [
        (DOCKER_26, "running", &generated, false, false),
        (DOCKER_26, "running", &other, true, false),
        (NEW_API, "running", &generated, false, false),
        (NEW_API, "running", &other, false, true),
        (NEW_API, "running", &json!("aa:bb:cc:00:00:01"), false, true),
        (NEW_API, "running", &json!("00:1b:44:11:3a:b7"), true, false),
        (NEW_API, "created", &other, true, false),
        // It can be sent to the main network only.
        (OLD_API, "running", &other, false, false),
    ] {
        let further = endpoint("b2", &json!({ "MacAddress": mac }));
        let main = endpoint("a1", &json!({}));
        let case = case("app", json!({ "app": main, "back": further })).api(api);
        let case = case.container("/State/Status", json!(status));
        let plan = case.plan();
        let sent = &plan.create["NetworkingConfig"]["EndpointsConfig"]["b2"]["MacAddress"];
        assert_eq!(!sent.is_null(), kept, "{api} {status} {mac}");
        let about = plan.warnings.iter().filter(|w| w.contains("MAC address"));
        assert_eq!(about.count(), usize::from(warns), "{api} {status} {mac}");
        let named = json!({ "EndpointsConfig": { "b2": { "MacAddress": "02::7" } } });
        let case = case.patch(json!({ "NetworkingConfig": named }));
        assert_eq!(case.plan().warnings, [""; 0]);
    }
}

/// The mode names it: without another mode, the engine would join it all the same.
#[test]
fn the_main_network_cannot_be_left_by_itself() {
    for (mode, patch) in [
        ("app", json!({ "app": null })),
        ("app", json!({ "a1": null })),
    ] {
        let patch = json!({ "NetworkingConfig": { "EndpointsConfig": patch } });
        let refusal = on_two()
            .host("NetworkMode", json!(mode))
            .patch(patch)
            .compute();
        let refusal = refusal.expect_err("a refusal").to_string();
        assert!(refusal.contains("main network"), "{refusal}");
    }
    let patch = json!({
        "HostConfig": { "NetworkMode": "back" },
        "NetworkingConfig": { "EndpointsConfig": { "app": null } },
    });
    let sent = endpoints(&on_two().patch(patch));
    assert_eq!(sent, json!({ "back": { "Aliases": ["api"] } }));
}

/// `docker run --mac-address` is of the container, whichever its main network is.
#[test]
fn a_configured_mac_address_goes_with_the_main_network() {
    for (mode, mac) in [("other", json!("02::1")), ("host", Value::Null)] {
        let case = on_two().mine("MacAddress", json!("02::1"));
        let case = case.patch(json!({ "HostConfig": { "NetworkMode": mode } }));
        assert_eq!(endpoints(&case)[mode]["MacAddress"], mac, "{mode}");
    }
}

/// A stopped container's is not printed any more, whether it was configured or not.
#[test]
fn a_mac_address_that_is_not_printed_is_warned_of() {
    for (status, warns) in [("exited", true), ("created", false)] {
        let further = endpoint("b2", &json!({ "MacAddress": "" }));
        let main = endpoint("a1", &json!({}));
        let case = case("app", json!({ "app": main, "back": further }));
        let case = case.container("/State/Status", json!(status));
        assert_eq!(case.plan().warnings.len(), usize::from(warns), "{status}");
        let named = json!({ "EndpointsConfig": { "b2": { "MacAddress": null } } });
        let case = case.patch(json!({ "NetworkingConfig": named }));
        assert_eq!(case.plan().warnings, [""; 0], "{status}");
    }
}

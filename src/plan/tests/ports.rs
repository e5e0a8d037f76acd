//! Published ports.

use super::*;

/// A container whose engine chose numbers; for `80/tcp`, one in IPv4 and another in IPv6.
fn case(bindings: &str) -> Case {
    let ports = json!({
        "80/tcp": [
            { "HostIp": "0.0.0.0", "HostPort": "32768" },
            { "HostIp": "::", "HostPort": "32769" },
            { "HostIp": "127.0.0.1", "HostPort": "8001" },
            { "HostIp": "127.0.0.2", "HostPort": "8001" },
        ],
        "53/udp": [{ "HostIp": "0.0.0.0", "HostPort": "32770" }],
        "81/tcp": null,
        "82/tcp": [
            { "HostIp": "::", "HostPort": "32772" },
            { "HostIp": "0.0.0.0", "HostPort": "32771" },
            { "HostIp": "::", "HostPort": "32771" },
            { "HostIp": "0.0.0.0", "HostPort": "32772" },
        ],
    });
    Case::new().container("/NetworkSettings/Ports", ports).host(
        "PortBindings",
        serde_json::from_str(bindings).expect("JSON"),
    )
}

#[test]
fn an_ephemeral_port_keeps_its_number_and_the_address_that_was_asked_for() {
    for [asked, sent, pinned] in table(
        r#"
        // Nothing, zero, or a range was asked for.
        { "80/tcp": [{ "HostIp": "", "HostPort": "" }] }           | { "80/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "32768" }, { "HostIp": "::", "HostPort": "32769" }] } | ["80/tcp"]
        { "82/tcp": [{ "HostIp": "", "HostPort": "0" }] }          | { "82/tcp": [{ "HostIp": "", "HostPort": "32771" }] }           | ["82/tcp"]
        { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8000-8010" }] } | { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8001" }] } | ["80/tcp"]
        { "80/tcp": [{ "HostIp": "::", "HostPort": "" }] }         | { "80/tcp": [{ "HostIp": "::", "HostPort": "32769" }] }         | ["80/tcp"]
        { "53/udp": [{ "HostIp": "", "HostPort": "" }] }           | { "53/udp": [{ "HostIp": "", "HostPort": "32770" }] }           | ["53/udp"]
        // One number at two addresses.
        { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "" }, { "HostIp": "127.0.0.2", "HostPort": "" }] } | { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8001" }, { "HostIp": "127.0.0.2", "HostPort": "8001" }] } | ["80/tcp"]
        // Two of one port get two numbers.
        { "82/tcp": [{ "HostIp": "", "HostPort": "" }, { "HostIp": "", "HostPort": "" }] } | { "82/tcp": [{ "HostIp": "", "HostPort": "32771" }, { "HostIp": "", "HostPort": "32772" }] } | ["82/tcp"]
        // A number stays, and is given to none beside it.
        { "80/tcp": [{ "HostIp": "", "HostPort": "32768" }, { "HostIp": "", "HostPort": "" }] } | { "80/tcp": [{ "HostIp": "", "HostPort": "32768" }, { "HostIp": "", "HostPort": "32769" }] } | ["80/tcp"]
        { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }       | { "80/tcp": [{ "HostIp": "", "HostPort": "8080" }] }            | []
        // One that is not published now has none.
        { "81/tcp": [{ "HostIp": "", "HostPort": "" }] }           | { "81/tcp": [{ "HostIp": "", "HostPort": "" }] }                | []
        {}                                                         | {}                                                              | []
        null                                                       | null                                                            | []
        "#,
    ) {
        let plan = case(&asked.to_string()).plan();
        assert_eq!(plan.create["HostConfig"]["PortBindings"], sent, "{asked}");
        assert_eq!(json!(plan.pinned), pinned, "{asked}");
    }
}

#[test]
fn all_published_ports_keep_their_numbers() {
    for bindings in ["null", "{}"] {
        let plan = case(bindings).host("PublishAllPorts", json!(true)).plan();
        assert_eq!(
            plan.create["HostConfig"]["PortBindings"],
            json!({
                "80/tcp": [
                    { "HostIp": "0.0.0.0", "HostPort": "32768" },
                    { "HostIp": "::", "HostPort": "32769" },
                ],
                "53/udp": [{ "HostIp": "", "HostPort": "32770" }],
                "82/tcp": [{ "HostIp": "", "HostPort": "32771" }],
            })
        );
        assert_eq!(plan.create["HostConfig"]["PublishAllPorts"], true);
        assert_eq!(plan.pinned, ["80/tcp", "53/udp", "82/tcp"]);
    }
}

#[test]
fn what_the_patch_binds_is_not_pinned() {
    let ephemeral = r#"{ "80/tcp": [{ "HostIp": "", "HostPort": "" }] }"#;
    for patch in [json!(null), json!([{ "HostPort": "9090" }])] {
        let plan = case(ephemeral)
            .patch(json!({ "HostConfig": { "PortBindings": { "80/tcp": patch } } }))
            .plan();
        let sent = &plan.create["HostConfig"]["PortBindings"]["80/tcp"];
        assert_eq!(*sent, patch);
        assert!(plan.pinned.is_empty(), "{patch}");
    }
}

#[test]
fn a_published_port_stays_exposed_whatever_the_new_image_exposes() {
    let mut case = Case::new().patch(json!({
        "HostConfig": { "PortBindings": { "443/tcp": [{ "HostPort": "8443" }] } },
    }));
    case.new_image["Config"]["ExposedPorts"] = json!({ "9000/tcp": {} });
    assert_eq!(
        case.create("/ExposedPorts"),
        json!({ "443/tcp": {}, "80/tcp": {} })
    );
    // It is the image's affair again where it is not published any more.
    let patch = json!({ "HostConfig": { "PortBindings": { "80/tcp": null } } });
    assert_eq!(case.patch(patch).create("/ExposedPorts"), Value::Null);
}

#[test]
fn pinning_alone_is_no_change() {
    let mut case = case(r#"{ "80/tcp": [{ "HostIp": "", "HostPort": "" }] }"#);
    case.new_image = image("sha256:old", "1.27");
    assert!(!case.plan().changed);
}

#[test]
fn all_are_published_no_more_where_that_is_asked_for() {
    for all in [json!(false), Value::Null] {
        let case = case("{}").host("PublishAllPorts", json!(true));
        let plan = case
            .patch(json!({ "HostConfig": { "PublishAllPorts": all } }))
            .plan();
        assert_eq!(
            plan.create["HostConfig"]["PortBindings"],
            json!({}),
            "{all}"
        );
        assert_eq!(plan.pinned, [""; 0], "{all}");
    }
}

#[test]
fn nothing_is_pinned_where_nothing_is_published() {
    for mode in ["host", "none", "container:db"] {
        let case = case(r#"{ "53/udp": [{ "HostIp": "", "HostPort": "" }] }"#);
        let case = case.patch(json!({ "HostConfig": { "NetworkMode": mode } }));
        assert_eq!(case.plan().pinned, [""; 0], "{mode}");
    }
}

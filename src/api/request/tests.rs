use super::*;

fn read_text(target: &str, body: &str) -> Result<Call, Mistake> {
    read(target, &HeaderMap::new(), body.as_bytes())
}

#[test]
fn nothing_said_is_the_defaults() {
    let call = read_text("/v1.41/containers/web/upgrade", "").unwrap();
    assert_eq!(call.reference, "web");
    assert_eq!(call.request.monitor, Duration::from_secs(5));
    assert_eq!(call.request.healthy_deadline, None);
    assert!(!call.request.require_same_address);
    assert_eq!(call.request.pull, Pull::Missing);
    assert!(!call.stream && !call.request.force && call.request.patch.is_empty());
}

#[test]
fn an_empty_parameter_is_not_given() {
    let query: String = PARAMETERS.map(|name| format!("{name}=&")).concat();
    let call = read_text(&format!("/containers/web/upgrade?{query}"), "").unwrap();
    assert_eq!(call.reference, "web");
    assert_eq!(call.request.stop, StopOptions::default());
    assert_eq!(call.request.pull, Pull::Missing);
    assert!(!call.stream && !call.request.force);
}

#[test]
fn upgrade_config_is_read_in_any_case() {
    for body in [
        r#"{"upgradeConfig": {"monitor": 7, "healthyDeadline": 8, "requireSameAddress": true}}"#,
        r#"{"UPGRADECONFIG": {"MONITOR": 7, "HealthyDeadline": 8, "REQUIRESAMEADDRESS": true}}"#,
        r#"{"UpgradeConfig": {"Monitor": 1},
            "upgradeconfig": {"Monitor": 7, "healthydeadline": 8, "RequireSameAddress": true}}"#,
    ] {
        let request = read_text("/containers/web/upgrade", body).unwrap().request;
        assert_eq!(request.monitor, Duration::from_nanos(7), "{body}");
        let deadline = Some(Duration::from_nanos(8));
        assert_eq!(request.healthy_deadline, deadline, "{body}");
        assert!(request.require_same_address, "{body}");
        assert!(request.patch.is_empty(), "{body}");
    }
}

#[test]
fn everything_said_is_read() {
    let call = read_text(
        "/containers/upgrade?name=%2Fweb&pull=always&t=3&signal=SIGINT&force=1&stream=true\
         &platform=linux/arm64&renewVolumes=1",
        r#"{"Image": "web:2", "UpgradeConfig": {"Monitor": 1000000000, "HealthyDeadline": 5}}"#,
    )
    .unwrap();
    assert_eq!(call.reference, "web");
    assert_eq!(call.request.stop.timeout, Some(3));
    assert_eq!(call.request.stop.signal.as_deref(), Some("SIGINT"));
    assert_eq!(call.request.monitor, Duration::from_secs(1));
    let deadline = Some(Duration::from_nanos(5));
    assert_eq!(call.request.healthy_deadline, deadline);
    assert_eq!(call.request.patch.get("Image"), Some(&Value::from("web:2")));
    assert!(call.request.patch.get("UpgradeConfig").is_none());
    assert!(call.stream && call.request.force && call.request.renew_volumes);
    let platform = call.request.platform.unwrap();
    assert_eq!(platform.to_string(), "linux/arm64");
}

#[test]
fn a_rollback_takes_what_every_upgrade_takes_but_a_patch() {
    let target = "/containers/web/upgrade?rollback=1&renewVolumes=0&platform=&pull=never&t=3\
                  &signal=INT&force=1&dryRun=1&stream=1";
    let body = r#"{"upgradeconfig": {"Monitor": 7, "RequireSameAddress": true}}"#;
    for (body, monitor) in [("", 5_000_000_000), ("{}", 5_000_000_000), (body, 7)] {
        let call = read_text(target, body).unwrap();
        let request = call.request;
        assert!(request.go_back && request.force && request.dry_run && call.stream);
        assert_eq!((request.pull, request.stop.timeout), (Pull::Never, Some(3)));
        assert_eq!(request.monitor, Duration::from_nanos(monitor));
        assert!(request.patch.is_empty() && !request.renew_volumes);
    }
    let call = read_text(
        "/containers/web/upgrade?rollback=false",
        r#"{"Cmd": ["a"]}"#,
    );
    assert!(!call.unwrap().request.go_back);
}

#[test]
fn a_name_is_taken_as_docker_prints_it() {
    for target in [
        "/containers/%2Fweb/upgrade",
        "/v1.41/containers/%2F%2Fweb/upgrade",
        "/containers/upgrade?name=/web",
        "/containers/upgrade?name=%2F%2Fweb",
    ] {
        assert_eq!(read_text(target, "").unwrap().reference, "web", "{target}");
    }
    let link = read_text("/containers/web%2Fdb/upgrade", "").unwrap();
    assert_eq!(link.reference, "web/db");
}

#[test]
fn a_name_that_the_engine_would_redirect_is_no_container() {
    for name in [
        ".", "..", "/.", "/..", "a/../b", "a/./b", "a//b", "a/", "../web",
    ] {
        let encoded = name.replace('.', "%2E").replace('/', "%2F");
        for target in [
            format!("/containers/upgrade?name={name}"),
            format!("/containers/upgrade?name={encoded}"),
            format!("/containers/{encoded}/upgrade"),
        ] {
            let mistake = read_text(&target, "").expect_err(&target);
            let name = name.trim_start_matches('/');
            assert_eq!(mistake.message(), format!("No such container: {name}"));
            assert_eq!(mistake.status(), 404, "{target}");
        }
    }
}

#[test]
fn a_mistake_is_named() {
    let cases = [
        ("/containers/web/upgrade?nonsense=1", "", "nonsense"),
        ("/containers/web/upgrade?pull=often", "", "often"),
        ("/containers/web/upgrade?dryRun", "", "dryRun=..."),
        (
            "/containers/web/upgrade?pull=never&rollback",
            "",
            "rollback=...",
        ),
        ("/containers/web/upgrade?t=soon", "", "soon"),
        ("/containers/web/upgrade?t=-2", "", "-2"),
        ("/containers/web/upgrade?signal=NOPE", "", "NOPE"),
        ("/containers/web/upgrade?signal=9999", "", "9999"),
        ("/containers/web/upgrade?signal=0", "", "signal"),
        (
            "/containers/web/upgrade?platform=linux//v8",
            "",
            "platform: \"linux//v8\"",
        ),
        (
            "/containers/web/upgrade?renewVolumes=some",
            "",
            "renewVolumes",
        ),
        ("/containers/web/upgrade?force=maybe", "", "maybe"),
        ("/containers/web/upgrade?rollback=2", "", "rollback: \"2\""),
        (
            "/containers/web/upgrade?rollback=1",
            r#"{"Image": "web:1", "UpgradeConfig": {"Monitor": 5}}"#,
            "Image: not together with rollback",
        ),
        (
            "/containers/web/upgrade?rollback=1",
            r#"{"hostconfig": null}"#,
            "HostConfig: not together with rollback",
        ),
        (
            "/containers/web/upgrade?rollback=1",
            r#"{"UpgradeConfig": {"To": 2}}"#,
            "UpgradeConfig.To",
        ),
        (
            "/containers/web/upgrade?rollback=1&renewVolumes=1",
            "",
            "renewVolumes: not together with rollback",
        ),
        (
            "/containers/web/upgrade?rollback=1&platform=linux/arm64",
            "",
            "platform: not together with rollback",
        ),
        ("/containers/web/upgrade?pull=\"a<{b", "", "\"a<{b"),
        ("/containers/web/upgrade?pull=a#b", "", "a#b"),
        ("/containers/web/upgrade?t=&t=2", "", "t: given twice"),
        ("/containers/web/upgrade?t=1&t=2", "", "t: given twice"),
        ("/containers/upgrade", "", "name"),
        ("/containers/upgrade?name=", "", "name"),
        (
            "/containers/upgrade?name=/",
            "",
            "name: a container is expected, not \"/\"",
        ),
        (
            "/containers/%2F/upgrade",
            "",
            "name: a container is expected, not \"/\"",
        ),
        ("/containers/web/upgrade?name=db", "", "already"),
        ("/containers/web/upgrade", "{", "JSON"),
        ("/containers/web/upgrade", "[]", "JSON object"),
        ("/containers/web/upgrade", r#"{"Env": "A=1"}"#, "Env"),
        ("/containers/web/upgrade", r#"{"Image": 7}"#, "Image"),
        ("/containers/web/upgrade", r#"{"Image": ""}"#, "Image"),
        (
            "/containers/web/upgrade",
            r#"{"HostConfig": {"Binds": [1]}}"#,
            "HostConfig.Binds",
        ),
        (
            "/containers/web/upgrade",
            r#"{"UpgradeConfig": {"Monitor": "5s"}}"#,
            "Monitor",
        ),
        (
            "/containers/web/upgrade",
            r#"{"UpgradeConfig": {"Moniter": 5}}"#,
            "Moniter",
        ),
        (
            "/containers/web/upgrade",
            r#"{"UpgradeConfig": {"RequireSameAddress": 1}}"#,
            "RequireSameAddress",
        ),
    ];
    for (target, body, named) in cases {
        let mistake = read_text(target, body).expect_err(target);
        assert_eq!(mistake.status(), 400, "{target} {body}");
        assert!(mistake.message().contains(named), "{}", mistake.message());
    }
}

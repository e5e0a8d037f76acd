use super::*;

fn plain(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| console::strip_ansi_codes(line).into_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn an_answer_is_a_line() {
    let answer = |changes: Value| {
        let mut answer = json!({
            "Id": "de217f89ed9e6b", "Name": "db", "Image": "redis:8.0", "ImageId": "sha256:13478ab60000ff",
            "Previous": { "Id": "e3d6", "Image": "redis:7.0", "ImageId": "sha256:1ae4" },
            "Changed": true, "Running": true, "Downtime": 363_545_680, "Warnings": [],
        });
        for (name, value) in changes.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        plain(&answer_lines("db", &answer))
    };
    for (changes, line) in [
        (
            json!({}),
            "db upgraded: redis:7.0 -> redis:8.0, down for 0.4s",
        ),
        (json!({ "Changed": false }), "db is up to date: redis:8.0"),
        (
            json!({ "Running": false }),
            "db upgraded: redis:7.0 -> redis:8.0, it does not run, as before",
        ),
        (
            json!({ "Image": "redis:7.0" }),
            "db upgraded: redis:7.0 (13478ab60000), down for 0.4s",
        ),
        (
            json!({ "Companions": [{ "Name": "a" }, { "Name": "b" }] }),
            "db upgraded: redis:7.0 -> redis:8.0, down for 0.4s, with a, b",
        ),
    ] {
        assert_eq!(answer(changes), line);
    }
}

#[test]
fn a_dry_run_is_in_groups_with_reasons() {
    let change = |path: &str, from: Value, to: Value, because: &str| json!({ "Path": path, "From": from, "To": to, "Because": because });
    let diff = [
        change(
            "Image",
            json!("redis:7.0"),
            json!("redis:8.0"),
            "from the request",
        ),
        change(
            "ImageId",
            json!("sha256:1ae452ca0000ffff"),
            json!("sha256:13478ab60000ffff"),
            "from the request",
        ),
        change("Env.LEVEL", Value::Null, json!("debug"), "from the request"),
        change("Cmd", json!(["a"]), json!(["b"]), "new image default"),
        change("Labels.old", json!("x"), Value::Null, "new image default"),
        change("Labels.empty", json!("x"), json!(""), "new image default"),
        change(
            "HostConfig.Memory",
            json!(0),
            json!(268_435_456),
            "from the request",
        ),
        change(
            "HostConfig.Binds",
            json!(["a:/a"]),
            json!(["a:/a", "b:/b"]),
            "from the request",
        ),
        change(
            "HostConfig.PortBindings.80/tcp",
            Value::Null,
            json!([{}]),
            "from the request",
        ),
        change(
            "ExposedPorts.80/tcp",
            Value::Null,
            json!({}),
            "new image default",
        ),
        change(
            "NetworkingConfig.EndpointsConfig.side",
            Value::Null,
            json!({}),
            "from the request",
        ),
    ];
    let answer = json!({
        "Changed": true,
        "Plan": { "Diff": diff, "Steps": ["create", "stop", "start"], "Companions": ["sidecar"] },
    });
    insta::assert_snapshot!(plain(&answer_lines("db", &answer)));
    let nothing = json!({ "Changed": false, "Plan": { "Diff": [], "Steps": [] } });
    assert_eq!(
        plain(&answer_lines("db", &nothing)),
        "db is up to date: an upgrade would change nothing"
    );
}

#[test]
fn a_path_is_of_the_group_with_its_longest_beginning() {
    for (path, group) in [
        ("Image", "Image"),
        ("ImageId", "Image"),
        ("ImageX", "Config"),
        ("Env.Image", "Config"),
        ("HostConfig.Memory", "Config"),
        ("HostConfig.Binds", "Mounts"),
        ("Volumes./data", "Mounts"),
        ("HostConfig.PortBindings.80/tcp", "Ports"),
        ("ExposedPorts.80/tcp", "Ports"),
        ("HostConfig.NetworkMode", "Networks"),
        ("NetworkingConfig.EndpointsConfig.a", "Networks"),
    ] {
        assert_eq!(group_of(path), group, "{path}");
    }
}

#[test]
fn a_history_is_a_table() {
    let answer = json!({
        "State": "upgraded", "Id": "aaaaaaaaaaaaaaaa", "Image": "redis:8.0", "ImageId": "sha256:bbbbbbbbbbbbbbbb",
        "Generations": [
            { "Id": "cccccccccccccccc", "Image": "redis:7.0", "ImageId": "sha256:dddddddddddddddd",
              "ReplacedAt": "2026-11-22T10:00:00Z" },
            { "Id": "eeeeeeeeeeeeeeee", "Image": "redis:6.0", "ImageId": "sha256:ffffffffffffffff" },
        ],
    });
    insta::assert_snapshot!(history("db", &answer, &Value::Null));
    let failed = json!({
        "State": "failed", "Step": "verify", "Rollback": "restored", "message": "it ended",
        "Generations": [],
    });
    let container = json!({
        "Id": "aaaaaaaaaaaaaaaa", "Image": "sha256:bbbbbbbbbbbbbbbb", "Config": { "Image": "redis:8.0" },
    });
    let told = history("db", &failed, &container);
    for told_of in [
        "db: the last upgrade failed at verify (rollback: restored): it ended\n",
        "current      aaaaaaaaaaaa   redis:8.0   bbbbbbbbbbbb",
    ] {
        assert!(told.contains(told_of), "{told_of}: {told}");
    }
}

#[test]
fn several_containers_are_a_table() {
    let share = |name: &str, ended: Option<Ended>| Share {
        name: name.to_owned(),
        left: ended.is_none().then_some("not begun"),
        ended,
        taken_back: false,
        stuck: None,
    };
    let upgraded = || json!({ "Changed": true, "Image": "web:2", "Downtime": 1_500_000_000 });
    let failed = |rollback| {
        Failed::read(
            500,
            &json!({ "message": "m", "Step": "verify", "Rollback": rollback }),
        )
    };
    let shares = [
        share("web-1", Some(Ok(upgraded()))),
        Share {
            taken_back: true,
            ..share("web-2", Some(Ok(upgraded())))
        },
        share(
            "web-3",
            Some(Ok(json!({ "Changed": false, "Image": "web:2" }))),
        ),
        share("web-4", Some(Err(failed("restored")))),
        share("web-5", Some(Err(failed("incomplete")))),
        share("web-6", Some(Err(failed("not needed")))),
        share("web-7", None),
    ];
    insta::assert_snapshot!(summary(&shares));
}

#[test]
fn the_exit_code_is_that_of_what_most_needs_to_be_looked_at() {
    use std::process::ExitCode;

    use crate::cli::upgrade::answer::exit_code;

    let failed = |status, rollback: &str| {
        Failed::read(status, &json!({ "message": "m", "Rollback": rollback }))
    };
    let code = |failures: &[Failed]| exit_code(failures.iter());
    let (back, stuck) = (failed(500, "restored"), failed(500, "incomplete"));
    assert_eq!(code(&[]), ExitCode::SUCCESS);
    assert_eq!(code(std::slice::from_ref(&back)), ExitCode::from(1));
    assert_eq!(code(&[back.clone(), stuck, back]), ExitCode::from(2));
    assert_eq!(code(&[failed(400, "not needed")]), ExitCode::from(64));
    assert_eq!(code(&[failed(503, "not needed")]), ExitCode::from(69));
    assert_eq!(code(&[failed(404, "not needed")]), ExitCode::from(1));
    assert_eq!(code(&[Failed::lost("x")]), ExitCode::from(69));
}

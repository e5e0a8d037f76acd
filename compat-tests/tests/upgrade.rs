//! Upgrades and rollbacks of real containers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use compat_tests::{MARKER, Scenario, answer, docker, patch, variable};
use serde_json::{Value, json};

const RUNNING: &str = "running";

fn status(scenario: &Scenario, container: &str) -> String {
    scenario.text(container, "/State/Status")
}

fn redis(scenario: &Scenario, name: &str, command: &[&str]) -> String {
    scenario.docker(&[&["exec", name, "redis-cli"], command].concat())
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one container, looked at from all sides"
)]
fn redis_keeps_its_data_name_address_ports_volumes_and_policy() {
    let scenario = Scenario::new("redis");
    let (name, network, volume) = (
        scenario.named("db"),
        scenario.named("net"),
        scenario.named("data"),
    );
    scenario.docker(&["network", "create", "--subnet", "10.211.7.0/24", &network]);
    let original = scenario.run(&[
        "--name",
        &name,
        "--network",
        &network,
        "--ip",
        "10.211.7.9",
        "-p",
        "26379:6379",
        "--restart",
        "on-failure:3",
        "--label",
        "owner=alice",
        "-e",
        "MINE=1",
        "-v",
        &format!("{volume}:/data"),
        "-v",
        "/scratch",
        "redis:7.0",
        "redis-server",
        "--dir",
        "/data",
        "--appendonly",
        "yes",
        "--protected-mode",
        "no",
    ]);
    scenario.until("redis answers", |s| {
        docker(&s.engine(), &["exec", &name, "redis-cli", "ping"], b"").stdout == b"PONG\n"
    });
    let keys: Vec<String> = (0..100_000)
        .map(|n| format!("SET key:{n} value:{n}\r\n"))
        .collect();
    let keys = keys.concat();
    let engine = scenario.engine();
    let loaded = docker(
        &engine,
        &["exec", "-i", &name, "redis-cli", "--pipe"],
        keys.as_bytes(),
    );
    assert!(loaded.status.success(), "{loaded:?}");
    assert_eq!(redis(&scenario, &name, &["dbsize"]), "100000");
    scenario.docker(&["exec", &name, "sh", "-c", "echo kept > /scratch/file"]);
    let volumes = |s: &Scenario| {
        let mut names: Vec<String> = s
            .inspect(&name, "/Mounts")
            .as_array()
            .into_iter()
            .flatten()
            .map(|mount| format!("{}:{}", mount["Name"], mount["Destination"]))
            .collect();
        names.sort();
        names
    };
    let before = volumes(&scenario);
    assert_eq!(before.len(), 2);

    let upgraded = scenario.upgrade(&name, "redis:8.0");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let body = upgraded.json();
    assert_eq!(body["Changed"], true);
    assert_eq!(body["Running"], true);
    assert_eq!(body["Name"], name);
    assert_eq!(body["Previous"]["Id"], original);
    assert_eq!(body["Image"], "redis:8.0");
    assert!(body["Downtime"].as_u64().unwrap_or(0) > 0);

    scenario.until("the keys are loaded", |s| {
        redis(s, &name, &["dbsize"]) == "100000"
    });
    assert!(redis(&scenario, &name, &["info", "server"]).contains("redis_version:8."));
    assert_eq!(
        redis(&scenario, &name, &["get", "key:99999"]),
        "value:99999"
    );
    assert_eq!(
        scenario.docker(&["exec", &name, "cat", "/scratch/file"]),
        "kept"
    );
    assert_eq!(volumes(&scenario), before);
    assert_eq!(scenario.inspect(&name, "/Id"), body["Id"]);
    let address = format!("/NetworkSettings/Networks/{network}/IPAddress");
    assert_eq!(scenario.inspect(&name, &address), "10.211.7.9");
    let port = "/HostConfig/PortBindings/6379~1tcp/0/HostPort";
    assert_eq!(scenario.inspect(&name, port), "26379");
    assert_eq!(
        scenario.inspect(&name, "/HostConfig/RestartPolicy/MaximumRetryCount"),
        3
    );
    // A published port is reachable where the engine is.
    let ping = "echo PING | nc -w 5 127.0.0.1 26379";
    let on_host = ["run", "--rm", "--network", "host", "busybox", "sh", "-c"];
    assert_eq!(scenario.docker(&[&on_host[..], &[ping]].concat()), "+PONG");
    assert_eq!(scenario.inspect(&name, "/Config/Labels/owner"), "alice");
    let env = scenario.inspect(&name, "/Config/Env").to_string();
    assert!(env.contains("MINE=1"), "{env}");
    assert!(!scenario.exists(&original));

    // The ID of the generation before still names it.
    let again = scenario.upgrade(&original, "redis:8.0");
    assert_eq!(
        (again.status, &again.json()["Changed"]),
        (200, &false.into()),
        "{}",
        again.text
    );
}

#[test]
fn a_failing_replacement_is_rolled_back_and_the_answer_says_why() {
    let scenario = Scenario::new("failing");
    let name = scenario.named("web");
    let id = scenario.run(&[
        "--name",
        &name,
        "--restart",
        "always",
        "-v",
        "/data",
        "busybox",
        "sh",
        "-c",
        "trap 'exit 0' TERM; while :; do sleep 0.1; done",
    ]);
    let reset =
        r#""Cmd": null, "UpgradeConfig": {"Monitor": 10000000000, "HealthyDeadline": 8000000000}"#;
    let bodies = [
        (
            format!(r#"{{"Image": "refit-test/exits", {reset}}}"#),
            "verify",
            // With its last words.
            "exit code 3; its last log lines:\nstarting up\ncannot read the configuration\n",
        ),
        (
            format!(r#"{{"Image": "refit-test/unhealthy", {reset}}}"#),
            "verify",
            "health",
        ),
        (
            r#"{"Cmd": ["/no/such/program"]}"#.to_owned(),
            "start",
            "no/such/program",
        ),
    ];
    for (body, step, why) in bodies {
        let failed = scenario.post(&format!("/containers/{name}/upgrade?pull=never&t=5"), &body);
        assert_eq!(failed.status, 500, "{}", failed.text);
        assert_eq!(failed.text_of("Step"), step, "{}", failed.text);
        assert_eq!(failed.text_of("Rollback"), "restored");
        assert!(failed.text_of("message").contains(why), "{}", failed.text);
        scenario.assert_original(&name, &id);
    }
}

#[test]
fn what_fails_before_stop_touches_nothing() {
    let scenario = Scenario::new("untouched");
    let name = scenario.named("web");
    let id = scenario.run(&[
        "--name",
        &name,
        "--restart",
        "always",
        "busybox",
        "sleep",
        "1000",
    ]);
    let started = scenario.inspect(&name, "/State/StartedAt");
    let path = |query: &str| format!("/v1.41/containers/{name}/upgrade{query}");
    let huge = format!(r#"{{"Labels": {{"a": "{}"}}}}"#, "x".repeat(10 << 20));
    let by_query = format!("/containers/upgrade?name={name}&pull=never");
    let cases = [
        (
            path("?pull=never"),
            patch("no/such:image"),
            404,
            "no/such:image",
        ),
        (by_query, patch("no/such:image"), 404, "no/such:image"),
        (
            path("?pull=never"),
            r#"{"HostConfig": {"Memory": 1}}"#.to_owned(),
            400,
            "emory",
        ),
        (
            path("?pull=never"),
            r#"{"HostConfig": {"AutoRemove": true}}"#.to_owned(),
            400,
            "AutoRemove",
        ),
        (path("?nonsense=1"), String::new(), 400, "nonsense"),
        (path("?t=soon"), String::new(), 400, "soon"),
        (path("?signal=NOPE"), String::new(), 400, "NOPE"),
        (path("?signal=9999"), String::new(), 400, "9999"),
        (path(""), "{".to_owned(), 400, "JSON"),
        (path(""), r#"{"Env": "A=1"}"#.to_owned(), 400, "Env"),
        (path(""), huge, 400, "larger"),
        (
            "/containers/no-such/upgrade".to_owned(),
            String::new(),
            404,
            "no-such",
        ),
        (
            "/containers/upgrade?name=/".to_owned(),
            String::new(),
            400,
            "name",
        ),
        (
            "/containers/upgrade?name=..".to_owned(),
            String::new(),
            404,
            "No such container: ..",
        ),
    ];
    for (path, body, status, named) in cases {
        let refused = scenario.post(&path, &body);
        assert_eq!(refused.status, status, "{path}: {}", refused.text);
        assert!(
            refused.text_of("message").contains(named),
            "{}",
            refused.text
        );
        assert_eq!(refused.text_of("Rollback"), "not needed");
        scenario.assert_original(&name, &id);
        assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
    }
    // A name that the upgrade would give is taken.
    let stray = format!("{name}.refit-old");
    scenario.run(&["--name", &stray, "busybox"]);
    let refused = scenario.post(&path("?pull=never"), &patch("redis:8.0"));
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(refused.text_of("message").contains(&stray));
    assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
    scenario.docker(&["rm", "-f", &stray]);
    // No body at all asks for the container's own image again: nothing to do.
    let same = scenario.post(&path("?pull=never"), "");
    assert_eq!(
        (same.status, &same.json()["Changed"]),
        (200, &false.into()),
        "{}",
        same.text
    );
    assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
}

#[test]
fn a_pull_needs_the_right_password_and_a_wrong_one_touches_nothing() {
    let scenario = Scenario::new("registry");
    let name = scenario.named("db");
    let image = format!("{}/private/redis:8.0", variable("REFIT_PRIVATE_REGISTRY"));
    scenario.forget_image(&image);
    let id = scenario.run(&["--name", &name, "--restart", "always", "redis:7.0"]);
    let started = scenario.inspect(&name, "/State/StartedAt");
    let path = format!("/containers/{name}/upgrade");
    for pull in ["missing", "always"] {
        for auth in [None, Some("wrong")] {
            let refused = scenario.post_as(&format!("{path}?pull={pull}"), &patch(&image), auth);
            assert!([404, 500].contains(&refused.status), "{}", refused.text);
            assert_eq!(refused.text_of("Step"), "pull", "{}", refused.text);
            assert_eq!(refused.text_of("Rollback"), "not needed");
            let message = refused.text_of("message");
            assert!(
                message.contains(&image) && message.contains("auth"),
                "{message}"
            );
            scenario.assert_original(&name, &id);
            assert_eq!(scenario.inspect(&name, "/State/StartedAt"), started);
        }
    }
    let path = format!("{path}?pull=always&stream=true");
    let pulled = scenario.post_as(&path, &patch(&image), Some("secret"));
    let lines = pulled.lines();
    // The engine's own lines pass through.
    assert!(
        lines
            .iter()
            .any(|line| line["status"] == "Pulling from private/redis" && line["id"] == "8.0"),
        "{}",
        pulled.text
    );
    assert_eq!(
        lines.last().unwrap()["aux"]["Changed"],
        true,
        "{}",
        pulled.text
    );
    assert_eq!(scenario.inspect(&name, "/Config/Image"), image);
}

#[test]
fn a_missing_image_is_pulled() {
    let scenario = Scenario::new("missing");
    let name = scenario.named("db");
    let image = format!("{}/redis:8.0", variable("REFIT_REGISTRY"));
    scenario.forget_image(&image);
    scenario.run(&["--name", &name, "redis:7.0"]);
    let path = format!("/containers/{name}/upgrade");
    let pulled = scenario.post(&path, &patch(&image));
    assert_eq!(pulled.status, 200, "{}", pulled.text);
    assert_eq!(scenario.inspect(&name, "/Config/Image"), image);
    let absent = format!("{}/redis:0.0", variable("REFIT_REGISTRY"));
    let failed = scenario.post(&path, &patch(&absent));
    assert_eq!(
        (failed.status, failed.text_of("Step").as_str()),
        (404, "pull"),
        "{}",
        failed.text
    );
}

#[test]
fn a_paused_container_stays_paused() {
    let scenario = Scenario::new("paused");
    let name = scenario.named("db");
    scenario.run(&["--name", &name, "redis:7.0"]);
    scenario.docker(&["pause", &name]);
    let upgraded = scenario.upgrade(&name, "redis:8.0");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(status(&scenario, &name), "paused");
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
    scenario.docker(&["unpause", &name]);
    assert_eq!(redis(&scenario, &name, &["ping"]), "PONG");
}

#[test]
fn a_port_that_the_engine_chose_stays_and_what_it_chooses_anew_is_told() {
    let scenario = Scenario::new("moved");
    let (name, lower, network) = (
        scenario.named("db"),
        scenario.named("lower"),
        scenario.named("net"),
    );
    scenario.docker(&["network", "create", "--subnet", "10.211.8.0/24", &network]);
    let join = ["--network", network.as_str()];
    scenario.run(&[&["--name", &lower][..], &join, &["redis:7.0"]].concat());
    scenario.run(&[&["--name", &name, "-p", "6379"][..], &join, &["redis:7.0"]].concat());
    // IPv6 may have another number, and the engine prints the two in any order.
    let port = || {
        let ports = scenario.inspect(&name, "/NetworkSettings/Ports/6379~1tcp");
        let mut ports = ports.as_array().unwrap().iter();
        let port = ports.find(|port| port["HostIp"] == "0.0.0.0").unwrap();
        port["HostPort"].as_str().unwrap().to_owned()
    };

    // A rollback is a restart, at which the engine chooses anew.
    let failed = scenario.upgrade_in_vain(&name, &json!({ "Image": "refit-test/exits" }));
    let message = failed.text_of("message");
    assert_eq!(failed.text_of("Rollback"), "restored", "{message}");
    let (_, told) = message.split_once("port 6379/tcp was published").unwrap();
    assert!(told.contains(&port()), "{message}");

    // The engine hands out the lowest address that is free.
    scenario.docker(&["rm", "-fv", &lower]);
    let before = port();
    let upgraded = scenario.upgrade(&name, "redis:8.0");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(port(), before);
    let warnings = upgraded.json()["Warnings"].to_string();
    assert!(
        warnings.contains("port 6379/tcp keeps the host port"),
        "{warnings}"
    );
    // Of two, this one stays.
    let address = format!("/NetworkSettings/Networks/{network}/IPAddress");
    assert_eq!(scenario.inspect(&name, &address), "10.211.8.3");
    assert!(!warnings.contains("the address"), "{warnings}");

    let path = format!("/containers/{name}/upgrade?pull=never&force=1");
    let again = scenario.post(&path, &patch("redis:8.0"));
    assert_eq!(again.json()["Changed"], true, "{}", again.text);
    assert_eq!(again.json()["Warnings"], json!([]));
    assert_eq!(port(), before);
}

#[test]
fn the_containers_own_stop_timeout_goes_with_a_signal_of_the_requests() {
    let scenario = Scenario::new("signal");
    let name = scenario.named("web");
    scenario.run(&[
        "--name",
        &name,
        "--stop-timeout",
        "1",
        "refit-test/stubborn",
    ]);
    // A first process ignores what it does not handle.
    let path = format!("/containers/{name}/upgrade?pull=never&signal=SIGUSR1");
    let upgraded = scenario.post(&path, &patch("refit-test/healthy"));
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    let downtime = Duration::from_nanos(upgraded.json()["Downtime"].as_u64().unwrap());
    // Not the engine's own 10 s.
    assert!(downtime < Duration::from_secs(8), "{downtime:?}");
}

#[test]
fn what_a_person_set_stays() {
    let scenario = Scenario::new("settings");
    let (name, other, back, front) = (
        scenario.named("db"),
        scenario.named("other"),
        scenario.named("back"),
        scenario.named("front"),
    );
    scenario.docker(&["network", "create", "--subnet", "10.211.10.0/24", &back]);
    scenario.docker(&["network", "create", "--subnet", "10.211.11.0/24", &front]);
    scenario.run(&["--name", &other, "-v", "/from", "redis:7.0"]);
    let named = format!("{}:/named:ro", scenario.named("data"));
    let flags = "--add-host=db:10.0.0.1 --cap-add=NET_ADMIN --cap-drop=MKNOD --cpu-shares=512 \
        --device=/dev/null:/dev/nothing --dns=10.0.0.53 --domainname=example.org \
        --env=LEVEL=debug --expose=9000 --group-add=7 --health-cmd=true --health-interval=1s \
        --hostname=db-1 --init --ip=10.211.10.9 --ipc=private --label=owner=alice \
        --log-opt=max-size=1m --memory=128m \
        --mount=type=volume,dst=/anonymous --network-alias=cache --oom-score-adj=5 \
        --pids-limit=200 --publish=127.0.0.1:26380:6379 --read-only --restart=on-failure:4 \
        --security-opt=no-new-privileges --shm-size=32m --stop-signal=SIGINT --stop-timeout=7 \
        --sysctl=net.core.somaxconn=512 --tmpfs=/scratch:size=1m --ulimit=nofile=1000:2000 \
        --user=0:0 --volume=/image --volume=/tmp:/host:ro --workdir=/named";
    let mut flags: Vec<&str> = flags.split_whitespace().collect();
    // The docker CLI hands no MAC address to older engines.
    if scenario.docker(&["version", "--format", "{{.Server.APIVersion}}"]) != "1.41" {
        flags.push("--mac-address=02:42:0a:d3:0a:63");
    }
    let places = [
        "--name",
        &name,
        "--network",
        &back,
        "--volume",
        &named,
        "--volumes-from",
        &other,
        "redis:7.0",
    ];
    scenario.run(&[&flags[..], &places].concat());
    let connect = ["network", "connect", "--alias", "db", "--ip", "10.211.11.7"];
    scenario.docker(&[&connect[..], &[&front, &name]].concat());

    let config = || {
        let mut config = scenario.inspect(&name, "/Config");
        // The image is what changes, and the marker is ours.
        config["Image"] = Value::Null;
        let labels = config["Labels"].as_object_mut().unwrap();
        labels.remove(MARKER);
        labels.remove("org.opencontainers.image.version");
        let env = config["Env"].as_array_mut().unwrap();
        env.retain(|entry| !entry.to_string().contains("REDIS_VERSION="));
        config
    };
    let host_config = || {
        let mut host_config = scenario.inspect(&name, "/HostConfig");
        // Volumes are held by name now, wherever they came from: `mounts` sees them.
        for key in ["Binds", "Mounts", "VolumesFrom"] {
            host_config[key] = Value::Null;
        }
        host_config
    };
    let mounts = || {
        let mut mounts = scenario.inspect(&name, "/Mounts");
        let list = mounts.as_array_mut().unwrap();
        list.sort_by_key(|mount| mount["Destination"].to_string());
        for mount in list {
            // How it is written, not what it is.
            mount["Mode"] = Value::Null;
        }
        mounts
    };
    let endpoints = || {
        let mut networks = scenario.inspect(&name, "/NetworkSettings/Networks");
        let id = scenario.inspect(&name, "/Id");
        let short = id.as_str().unwrap()[..12].to_owned();
        for (network, endpoint) in networks.as_object_mut().unwrap() {
            endpoint["EndpointID"] = Value::Null;
            if network == &front {
                // Generated.
                endpoint["MacAddress"] = Value::Null;
            }
            for list in ["Aliases", "DNSNames"] {
                if let Some(names) = endpoint[list].as_array_mut() {
                    names.retain(|name| name != short.as_str());
                    names.sort_by_key(Value::to_string);
                }
            }
        }
        networks
    };
    let all = || [config(), host_config(), mounts(), endpoints()];
    let before = all();
    let upgraded = scenario.upgrade(&name, "redis:8.0");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(upgraded.warnings(), [""; 0]);
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
    for (before, after) in before.iter().zip(all()) {
        assert_eq!(*before, after);
    }
}

#[test]
fn a_stopped_container_stays_stopped() {
    let scenario = Scenario::new("stopped");
    let name = scenario.named("job");
    scenario.run(&["--name", &name, "redis:7.0"]);
    scenario.docker(&["stop", &name]);
    let upgraded = scenario.upgrade(&name, "redis:8.0");
    assert_eq!(upgraded.status, 200, "{}", upgraded.text);
    assert_eq!(upgraded.json()["Running"], false);
    assert_eq!(status(&scenario, &name), "created");
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
}

#[test]
fn two_upgrades_of_one_container_at_once_are_one() {
    let scenario = Scenario::new("twice");
    let name = scenario.named("db");
    let id = scenario.run(&[
        "--name",
        &name,
        "--stop-timeout",
        "2",
        "refit-test/stubborn",
    ]);
    let path = |container: &str| format!("/containers/{container}/upgrade?pull=never");
    let body = json!({ "Image": "redis:8.0", "UpgradeConfig": { "Monitor": 5_000_000_000_u64 } });
    let first = scenario.spawn_post(&path(&name), &body.to_string(), &[]);
    let refused = |of: &str| {
        let second = scenario.post(&path(of), &patch("redis:8.0"));
        assert_eq!(second.status, 409, "{of}: {}", second.text);
        let message = second.text_of("message");
        assert!(message.contains("under way"), "{message}");
    };
    scenario.until("the replacement is created", |s| {
        s.exists(&format!("{name}.refit-new"))
    });
    refused(&name);
    refused(&id);
    scenario.until("the replacement runs", |s| {
        s.exists(&format!("{name}.refit-old")) && s.exists(&name) && status(s, &name) == RUNNING
    });
    refused(&name);
    refused(&id[..12]);
    let first = answer(&first.wait_with_output().unwrap());
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
}

#[test]
fn a_client_that_goes_away_cancels_nothing() {
    let scenario = Scenario::new("gone");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:7.0"]);
    let path = format!("/containers/{name}/upgrade?pull=never");
    let mut curl = scenario.spawn_post(&path, &patch("redis:8.0"), &[]);
    scenario.until("the original is parked", |s| {
        s.exists(&format!("{name}.refit-old"))
    });
    curl.kill().unwrap();
    curl.wait().unwrap();
    scenario.until("the original is deleted", |s| !s.exists(&id));
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
    assert_eq!(status(&scenario, &name), RUNNING);
}

#[test]
fn progress_is_streamed_and_ends_with_the_answer() {
    let scenario = Scenario::new("streamed");
    let name = scenario.named("db");
    scenario.run(&["--name", &name, "redis:7.0"]);
    let path = format!("/containers/{name}/upgrade?pull=never&stream=1");
    let streamed = scenario.post(&path, &patch("redis:8.0"));
    let lines = streamed.lines();
    let steps: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["status"].as_str())
        .collect();
    assert_eq!(
        steps,
        [
            "pull", "plan", "create", "hold", "stop", "park", "rename", "start", "verify", "commit"
        ]
    );
    assert_eq!(lines.last().unwrap()["aux"]["Changed"], true);

    let failed = scenario.post(&path, r#"{"Image": "no/such:image"}"#);
    let lines = failed.lines();
    let last = lines.last().unwrap();
    assert_eq!(
        last["errorDetail"]["Rollback"], "not needed",
        "{}",
        failed.text
    );
    assert!(last["error"].as_str().unwrap().contains("no/such:image"));
}

/// Begins an upgrade of a container that does not stop by itself, and kills Refit while the engine
/// is stopping it.
fn killed_in_stop(scenario: &mut Scenario, name: &str) -> String {
    let id = scenario.run(&["--name", name, "--restart", "always", "refit-test/stubborn"]);
    let path = format!("/containers/{name}/upgrade?pull=never&t=3");
    let mut curl = scenario.spawn_post(&path, &patch("busybox"), &[]);
    let killed = [
        "events",
        "--since=1m",
        "--filter=event=kill",
        "--filter",
        &format!("container={id}"),
    ];
    scenario.until("the original is being stopped", |s| {
        let until = format!("--until={}", now());
        !s.docker(&[&killed[..], &[&until]].concat()).is_empty()
    });
    scenario.kill_refit();
    curl.wait().expect("curl");
    id
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs()
}

#[test]
fn refit_killed_in_the_middle_of_stop_is_reconciled() {
    let mut scenario = Scenario::new("kill-stop");
    let name = scenario.named("web");
    let id = killed_in_stop(&mut scenario, &name);
    let started = scenario.inspect(&name, "/State/StartedAt");
    scenario.start_refit();
    // The engine goes on with a stop whose client went away: recovery outlasts it.
    scenario.assert_original(&name, &id);
    assert_ne!(scenario.inspect(&name, "/State/StartedAt"), started);
    std::thread::sleep(Duration::from_secs(4));
    scenario.assert_original(&name, &id);
}

#[test]
fn an_engine_that_comes_after_refit_is_recovered_then() {
    let mut scenario = Scenario::new("late");
    let name = scenario.named("web");
    let id = killed_in_stop(&mut scenario, &name);
    scenario.until("it is stopped", |s| status(s, &name) == "exited");
    let late = scenario.folder().join("late.sock");
    scenario.start_refit_at(&format!("unix://{}", late.display()));
    assert_eq!(status(&scenario, &name), "exited");
    let engine = scenario.engine();
    std::os::unix::fs::symlink(engine.strip_prefix("unix://").unwrap(), &late).unwrap();
    scenario.until("the original is brought back", |s| {
        !s.exists(&format!("{name}.refit-new"))
    });
    scenario.assert_original(&name, &id);
}

#[test]
fn refit_killed_in_the_middle_of_verify_is_reconciled() {
    let mut scenario = Scenario::new("kill-verify");
    let name = scenario.named("db");
    let id = scenario.run(&["--name", &name, "redis:7.0"]);
    let path = format!("/containers/{name}/upgrade?pull=never");
    let body = r#"{"Image": "redis:8.0", "UpgradeConfig": {"Monitor": 8000000000}}"#;
    let mut curl = scenario.spawn_post(&path, body, &[]);
    let old = format!("{name}.refit-old");
    scenario.until("the replacement runs", |s| {
        s.exists(&old) && s.exists(&name) && status(s, &name) == RUNNING
    });
    scenario.kill_refit();
    curl.wait().unwrap();
    assert!(scenario.exists(&old), "it is not committed");
    scenario.start_refit();
    assert!(!scenario.exists(&id));
    assert!(!scenario.exists(&old));
    assert_eq!(scenario.inspect(&name, "/Config/Image"), "redis:8.0");
    assert_eq!(status(&scenario, &name), RUNNING);
}

//! Those who watch: health, metrics, and `refit healthcheck`.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    engine::Engine,
    rig::{PATIENCE, Rig, Spot, eventually},
};

/// What these tests run: an admin listener beside the other one, and an engine that may be there.
struct Watched {
    rig: Rig,
    socket: Spot,
    admin: Spot,
    engine: Spot,
}

impl Watched {
    fn new() -> Self {
        let rig = Rig::new().listen("docker.sock");
        let [socket, admin, engine] =
            ["docker.sock", "admin.sock", "engine.sock"].map(|s| rig.at(s));
        let [admin_address, engine_address] = ["admin.sock", "engine.sock"].map(|s| rig.unix(s));
        let rig = rig.arg("--admin").arg(admin_address);
        Self {
            rig: rig.arg("--engine").arg(engine_address),
            socket,
            admin,
            engine,
        }
    }
}

/// Sends a request, with an empty object as its body, and reads what comes until the end: the head,
/// and the body.
fn exchange(mut stream: impl Read + Write, request: &str) -> (String, String) {
    let request = format!(
        "{request} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn ask(socket: &Path, request: &str) -> (String, String) {
    let stream = UnixStream::connect(socket).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    exchange(stream, request)
}

/// The status of an answer to `GET /healthz`, and what it says.
fn health(admin: &Path) -> (String, Value) {
    let (head, body) = ask(admin, "GET /healthz");
    let body = serde_json::from_str(&body).expect("JSON");
    (head[9..12].to_owned(), body)
}

fn is_well(admin: &Path) -> bool {
    health(admin).0 == "200"
}

/// The value of a series in the metrics.
fn count(admin: &Path, series: &str) -> u64 {
    let (_, metrics) = ask(admin, "GET /metrics");
    let mut values = metrics.lines().filter_map(|line| line.strip_prefix(series));
    let value = values.next().expect(series).trim();
    value.parse().expect("a number")
}

/// Arguments and variables.
type Way<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

/// Runs `refit healthcheck`.
fn healthcheck(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_refit"))
        .env_clear()
        .envs(variables.iter().copied())
        .arg("healthcheck")
        .args(arguments)
        .output()
        .expect("it runs")
}

fn unix(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

#[test]
fn health_follows_the_engine() {
    let Watched {
        rig,
        admin,
        engine: path,
        ..
    } = Watched::new();
    let refit = rig.serve();
    let (status, body) = health(&admin);
    assert_eq!(status, "503");
    assert_eq!(body["engine"], "unreachable");
    assert_eq!(body["recovery"], "under way");
    let message = body["message"].as_str().expect("a message");
    assert!(message.contains(&unix(&path)), "{message}");

    let engine = Engine::at(&path, None);
    eventually("health, also of what was not recovered", || is_well(&admin));
    drop(engine);
    let (status, body) = health(&admin);
    assert_eq!((&*status, &body["recovery"]), ("503", &json!("done")));
    let _engine = Engine::at(&path, None);
    assert!(is_well(&admin));
    refit.stop();
}

#[test]
fn recovery_is_watched() {
    let Watched {
        rig,
        socket,
        admin,
        engine,
    } = Watched::new();
    let engine = Engine::at(&engine, Some("/containers/json"));
    let mut refit = rig.start();
    refit.hear("STATUS=recovering unfinished upgrades");
    let (status, body) = health(&admin);
    assert_eq!(status, "503");
    assert_eq!(body["engine"], "reachable");
    assert_eq!(body["recovery"], "under way");
    assert!(UnixStream::connect(&socket).is_err(), "nobody is served");
    assert_eq!(count(&admin, "refit_upgrades_under_way"), 0);
    engine.release();
    refit.hear("READY=1");
    let expected =
        json!({"status": "ok", "engine": "reachable", "recovery": "done", "unfinished": 0});
    assert_eq!(health(&admin), ("200".to_owned(), expected));
    refit.stop();
}

#[test]
fn an_engine_that_hangs_is_not_waited_for() {
    let watched = Watched::new();
    let _engine = Engine::at(&watched.engine, Some("/_ping"));
    let mut refit = watched.rig.start();
    refit.hear("STATUS=recovering unfinished upgrades");
    let began = Instant::now();
    let (status, body) = health(&watched.admin);
    let took = began.elapsed();
    assert_eq!(status, "503");
    assert_eq!(body["engine"], "unreachable");
    let bound = Duration::from_secs(2);
    assert!(took >= bound && took < bound * 4, "{took:?}");
}

#[test]
fn a_healthcheck_says_why_in_a_line() {
    let Watched {
        rig,
        socket,
        admin,
        engine: path,
    } = Watched::new();
    let [listen, admin] = [unix(&socket), unix(&admin)];
    let refit = rig.serve();
    let ways: [Way<'_>; 4] = [
        (&["--admin", &admin], &[]),
        (&[], &[("REFIT_ADMIN", &admin)]),
        (&["--listen", &listen], &[]),
        (&[], &[("REFIT_LISTEN", &listen)]),
    ];
    for (arguments, variables) in ways {
        let output = healthcheck(arguments, variables);
        let why = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{arguments:?} {variables:?}");
        assert_eq!(why.lines().count(), 1, "{why}");
        assert!(why.contains(&unix(&path)), "{why}");
        assert_eq!(output.stdout, b"");
    }
    let engine = Engine::at(&path, None);
    let check = |(arguments, variables): Way<'_>| healthcheck(arguments, variables).status.code();
    eventually("health", || check(ways[0]) == Some(0));
    for way in ways {
        assert_eq!(check(way), Some(0), "{way:?}");
    }
    drop(engine);
    refit.stop();
    for way in ways {
        assert_eq!(check(way), Some(1), "{way:?}");
    }
}

#[test]
fn a_healthcheck_of_something_else_is_a_usage_error() {
    for arguments in [
        &["--admin", "/no/scheme"][..],
        &["--listen", "nonsense"],
        &["--nonsense"],
        &["stray"],
    ] {
        let output = healthcheck(arguments, &[]);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn admins_may_be_on_tcp() {
    let free = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = free.local_addr().expect("an address");
    drop(free);
    let rig = Rig::new().listen("docker.sock");
    let engine = rig.unix("engine.sock");
    let rig = rig.arg("--engine").arg(engine);
    let refit = rig.env("REFIT_ADMIN", format!("tcp://{address}")).serve();
    let stream = TcpStream::connect(address).expect("connect");
    let (head, _) = exchange(stream, "HEAD /metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    refit.stop();
}

#[test]
fn every_series_is_there_from_the_beginning() {
    let watched = Watched::new();
    let _engine = Engine::at(&watched.engine, None);
    let refit = watched.rig.serve();
    let (head, metrics) = ask(&watched.admin, "GET /metrics");
    assert!(
        head.contains("application/openmetrics-text; version=1.0.0"),
        "{head}"
    );
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let steps = [
        "pull", "plan", "lock", "create", "hold", "disarm", "stop", "park", "rename", "start",
        "verify", "commit",
    ];
    let outcomes = [
        "upgraded",
        "unchanged",
        "planned",
        "handed_over",
        "refused",
        "failed",
        "restored",
        "incomplete",
    ];
    let ends = ["committed", "rolled_back", "cleared", "left_alone"];
    let mut expected = BTreeSet::new();
    for (family, label, values) in [
        ("refit_upgrades_total", "outcome", &outcomes[..]),
        ("refit_upgrade_failures_total", "step", &steps),
        ("refit_upgrade_step_duration_seconds_count", "step", &steps),
        ("refit_recoveries_total", "outcome", &ends),
    ] {
        expected.extend(
            values
                .iter()
                .map(|value| format!("{family}{{{label}=\"{value}\"}} 0")),
        );
    }
    for family in [
        "refit_upgrade_duration_seconds_count",
        "refit_upgrade_downtime_seconds_count",
        "refit_upgrade_rollback_duration_seconds_count",
        "refit_connections_total",
        "refit_connections_open",
        "refit_tunnels_total",
        "refit_tunnels_open",
        "refit_relayed_bytes_total{direction=\"to_engine\"}",
        "refit_relayed_bytes_total{direction=\"to_client\"}",
        "refit_upgrades_under_way",
        "refit_upgrades_unfinished",
    ] {
        expected.insert(format!("{family} 0"));
    }
    let version = env!("CARGO_PKG_VERSION");
    expected.insert(format!("refit_build_info{{version=\"{version}\"}} 1"));
    let found: BTreeSet<_> = metrics.lines().map(str::to_owned).collect();
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{missing:#?}\n{metrics}");
    refit.stop();
}

#[test]
fn a_refused_upgrade_counts() {
    let Watched {
        rig,
        socket,
        admin,
        engine,
    } = Watched::new();
    let _engine = Engine::at(&engine, None);
    let refit = rig.serve();
    let (head, _) = ask(&socket, "POST /containers/secret-name/upgrade");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert_eq!(
        count(&admin, "refit_upgrades_total{outcome=\"refused\"}"),
        1
    );
    assert_eq!(
        count(&admin, "refit_upgrade_failures_total{step=\"lock\"}"),
        1
    );
    assert_eq!(count(&admin, "refit_upgrades_under_way"), 0);
    let (_, metrics) = ask(&admin, "GET /metrics");
    assert!(!metrics.contains("secret-name"), "{metrics}");
    refit.stop();
}

#[test]
fn what_is_relayed_counts() {
    let Watched {
        rig,
        socket,
        admin,
        engine,
    } = Watched::new();
    let _engine = Engine::at(&engine, None);
    let refit = rig.serve();
    let (head, _) = ask(&socket, "GET /_ping");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let to_client = "refit_relayed_bytes_total{direction=\"to_client\"}";
    let answer = u64::try_from(head.len() + "\r\n\r\nOK".len()).expect("few");
    eventually("the bytes", || count(&admin, to_client) == answer);
    eventually("the end", || count(&admin, "refit_connections_open") == 0);
    // Those who watch are not counted.
    assert_eq!(count(&admin, "refit_connections_total"), 1);
    assert_eq!(count(&admin, "refit_tunnels_total"), 0);
    refit.stop();
}

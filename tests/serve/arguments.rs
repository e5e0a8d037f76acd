//! What is refused before anything is done, and what the variables say.

use std::{
    net::TcpListener,
    os::unix::{
        fs::symlink,
        net::{UnixListener, UnixStream},
    },
    process::Command,
};

use crate::rig::{Rig, exists};

fn refit(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_refit"))
        .args(arguments)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_and_version_are_no_mistakes() {
    let (code, version, _) = refit(&["--version"]);
    assert_eq!(code, Some(0));
    assert_eq!(version, format!("refit {}\n", env!("CARGO_PKG_VERSION")));
    let (code, help, _) = refit(&["serve", "--help"]);
    assert_eq!(code, Some(0));
    assert!(
        help.contains("--listen") && help.contains("Exit codes"),
        "{help}"
    );
}

#[test]
fn what_is_no_argument_is_a_usage_error() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["serve", "--nonsense"],
        &["serve", "stray"],
        &["serve", "--listen"],
        &["serve", "--engine", "unix:///a", "--engine", "unix:///b"],
    ] {
        let (code, _, message) = refit(arguments);
        assert_eq!(code, Some(64), "{arguments:?}");
        assert!(!message.is_empty(), "{arguments:?}");
    }
}

#[test]
fn all_mistakes_are_told_together() {
    let mistakes = Rig::new()
        .arg("--listen=/no/scheme")
        .arg("--listen=tcp://0.0.0.0:2375")
        .arg("--admin=tcp://0.0.0.0:9100")
        .arg("--engine=ssh://host")
        .arg("--socket-mode=0999")
        .arg("--socket-group=no-such-group")
        .env("REFIT_DRAIN", "a while")
        .env("REFIT_LOG_FORMAT", "xml")
        .env("REFIT_LOG_LEVEL", "loud")
        .env("REFIT_INSECURE_TCP", "perhaps")
        .mistakes();
    let expected = [
        ("--listen", "/no/scheme"),
        ("--listen", "tcp://0.0.0.0:2375"),
        ("--admin", "tcp://0.0.0.0:9100"),
        ("--engine", "ssh://host"),
        ("--socket-mode", "0999"),
        ("--socket-group", "no-such-group"),
        ("REFIT_DRAIN", "a while"),
        ("REFIT_LOG_FORMAT", "xml"),
        ("REFIT_LOG_LEVEL", "loud"),
        ("REFIT_INSECURE_TCP", "perhaps"),
    ];
    for (origin, value) in expected {
        let told = mistakes
            .lines()
            .any(|line| line.starts_with(&format!("  {origin}: ")) && line.contains(value));
        assert!(told, "{origin} {value}: {mistakes}");
    }
    assert_eq!(mistakes.lines().count(), 1 + expected.len(), "{mistakes}");
}

#[test]
fn a_mistake_leaves_everything_alone() {
    let rig = Rig::new();
    let socket = rig.at("made/docker.sock");
    let folder = rig.at("made");
    rig.listen("made/docker.sock")
        .arg("--drain=soon")
        .mistakes();
    assert!(!exists(&socket) && !exists(&folder));
}

#[test]
fn tcp_is_refused_unless_it_is_allowed() {
    let tcp = || Rig::new().arg("--listen=tcp://127.0.0.1:0");
    assert!(tcp().mistakes().contains("--insecure-tcp"));
    let log = tcp().arg("--insecure-tcp").serve().stop();
    assert!(log.contains("tcp://127.0.0.1:"), "{log}");
    assert!(!log.contains("tcp://127.0.0.1:0"), "the port it got: {log}");
    tcp().env("REFIT_INSECURE_TCP", "true").serve().stop();
    assert!(
        tcp()
            .env("REFIT_INSECURE_TCP", "no")
            .mistakes()
            .contains("--insecure-tcp")
    );
}

#[test]
fn a_tcp_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = format!("tcp://{}", taken.local_addr().expect("an address"));
    let log = Rig::new()
        .arg("--insecure-tcp")
        .arg("--listen")
        .arg(&address)
        .failure();
    assert!(log.contains(&format!("{address}: bind: ")), "{log}");
    assert_eq!(log.matches("in use").count(), 1, "{log}");
}

#[test]
fn the_engines_own_socket_is_refused() {
    let rig = Rig::new();
    let _engine = UnixListener::bind(rig.at("engine.sock")).expect("bind");
    symlink("engine.sock", rig.at("link.sock")).expect("link");
    let link = rig.unix("link.sock");
    let engine = rig.unix("engine.sock");
    let mistakes = rig
        .arg("--listen")
        .arg(&link)
        .arg("--engine")
        .arg(engine)
        .mistakes();
    assert!(
        mistakes.contains(&format!("{link} is the engine's own socket")),
        "{mistakes}"
    );

    // Also while the engine is down.
    let rig = Rig::new();
    let engine = rig.unix("engine.sock");
    let mistakes = rig
        .listen("engine.sock")
        .env("DOCKER_HOST", "")
        .env("REFIT_ENGINE", engine);
    assert!(mistakes.mistakes().contains("is the engine's own socket"));
}

#[test]
fn a_docker_host_that_is_ours_is_not_the_engine() {
    let rig = Rig::new().listen("docker.sock");
    let ours = rig.unix("docker.sock");
    let log = rig.env("DOCKER_HOST", ours).serve().stop();
    assert!(log.contains("engine=unix:///var/run/docker.sock"), "{log}");
    let rig = Rig::new().listen("docker.sock");
    let other = rig.unix("other.sock");
    let log = rig.env("DOCKER_HOST", &other).serve().stop();
    assert!(log.contains(&format!("engine={other}")), "{log}");
}

#[test]
fn a_variable_takes_several_listeners() {
    let rig = Rig::new();
    let sockets = ["a.sock", "b.sock", "c.sock"].map(|name| rig.at(name));
    let [a, b, c] = ["a.sock", "b.sock", "c.sock"].map(|name| rig.unix(name));
    let refit = rig.env("REFIT_LISTEN", format!("{a},{b} {c}")).serve();
    for socket in &sockets {
        UnixStream::connect(socket).expect("connect");
    }
    refit.stop();
    assert!(!sockets.iter().any(|socket| exists(socket)));
}

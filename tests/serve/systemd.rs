//! A service manager: sockets that it hands over, and what it is told.

use std::{io::Read as _, net::TcpStream, os::unix::net::UnixStream, path::Path, process::Command};

use rustix::process::Signal;

use crate::rig::{Rig, exists};

/// Does what systemd does: opens the addresses in `SOCKETS` as descriptors 3 and up, and becomes
/// the command that it is given.
const HAND_OVER: &str = r#"
import os, socket, sys
sockets = []
for address in os.environ["SOCKETS"].split():
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(address)
    else:
        s = socket.socket()
        s.bind((address, 0))
        with open(os.environ["PORT_FILE"], "w") as f:
            f.write(str(s.getsockname()[1]))
    s.listen(16)
    sockets.append(s)
for n, s in enumerate(sockets):
    # Out of the way first: a descriptor that we still need may be the one to fill.
    sockets[n] = os.dup2(s.fileno(), 100 + n)
for n, fd in enumerate(sockets):
    os.dup2(fd, 3 + n)
    os.close(fd)
if "AND_STDIN" in os.environ:
    os.dup2(0, 3 + len(sockets))
    sockets.append(0)
os.environ["LISTEN_FDS"] = str(len(sockets))
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
"#;

fn handed_over(sockets: &[&str]) -> Rig {
    let mut python = Command::new("python3");
    python.args(["-c", HAND_OVER]);
    let rig = Rig::by_way_of(python);
    let port_file = rig.at("port");
    let sockets: Vec<_> = sockets
        .iter()
        .map(|name| match *name {
            "tcp" => "127.0.0.1".to_owned(),
            name => rig.at(name).display().to_string(),
        })
        .collect();
    rig.env("SOCKETS", sockets.join(" "))
        .env("PORT_FILE", &*port_file)
}

/// Whether somebody takes what connects there: with no engine behind it, that is all that can be
/// seen without the relay.
fn served(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

#[test]
fn sockets_that_are_handed_over_replace_the_default() {
    let rig = handed_over(&["a.sock", "b.sock"]);
    let sockets = [rig.at("a.sock"), rig.at("b.sock")];
    let mut refit = rig.serve();
    assert!(sockets.iter().all(|socket| served(socket)));
    refit.signal(Signal::TERM);
    refit.hear("STATUS=stopped");
    assert!(
        sockets.iter().all(|socket| exists(socket)),
        "they are the service manager's"
    );
    let log = refit.end().log;
    assert!(!log.contains("/run/refit/docker.sock"), "{log}");
    assert_eq!(log.matches("listening").count(), 2, "{log}");
}

#[test]
fn listeners_that_are_asked_for_join_them() {
    let rig = handed_over(&["a.sock"]).listen("b.sock");
    let sockets = [rig.at("a.sock"), rig.at("b.sock")];
    let refit = rig.serve();
    assert!(sockets.iter().all(|socket| served(socket)));
    refit.stop();
}

#[test]
fn a_tcp_socket_that_is_handed_over_must_be_allowed() {
    let mistakes = handed_over(&["tcp"]).mistakes();
    assert!(
        mistakes.contains("LISTEN_FDS: ") && mistakes.contains("--insecure-tcp"),
        "{mistakes}"
    );
    let rig = handed_over(&["a.sock", "tcp"]).arg("--insecure-tcp");
    let port_file = rig.at("port");
    let refit = rig.serve();
    let port = std::fs::read_to_string(port_file).expect("a port");
    let address = format!("127.0.0.1:{port}");
    TcpStream::connect(&address).expect("connect");
    assert!(refit.stop().contains(&format!("tcp://{address}")));
}

#[test]
fn the_engines_own_socket_must_not_be_handed_over() {
    let rig = handed_over(&["a.sock"]);
    let engine = rig.unix("a.sock");
    let mistakes = rig.arg("--engine").arg(engine).mistakes();
    assert!(
        mistakes.contains("LISTEN_FDS: ") && mistakes.contains("engine's own"),
        "{mistakes}"
    );
}

#[test]
fn a_descriptor_that_is_no_socket_is_a_mistake() {
    let mistakes = handed_over(&["a.sock"]).env("AND_STDIN", "1").mistakes();
    assert!(
        mistakes.contains("LISTEN_FDS: file descriptor 4 is neither"),
        "{mistakes}"
    );
}

#[test]
fn descriptors_for_another_process_are_not_ours() {
    let rig = Rig::new().listen("docker.sock");
    rig.env("LISTEN_FDS", "1")
        .env("LISTEN_PID", "1")
        .serve()
        .stop();
}

#[test]
fn the_service_manager_is_told() {
    let rig = Rig::new().listen("docker.sock").arg("--drain=2s");
    let socket = rig.at("docker.sock");
    let mut refit = rig.start();
    refit.hear("READY=1");
    assert!(served(&socket), "ready means that clients can connect");
    refit.signal(Signal::TERM);
    refit.hear("STATUS=stopped");
    let heard: Vec<_> = refit.heard().lines().collect();
    let at = |line: &str| heard.iter().position(|heard| *heard == line);
    let expected = [
        "STATUS=recovering unfinished upgrades",
        "READY=1",
        "STATUS=serving",
        "EXTEND_TIMEOUT_USEC=4000000",
        "STOPPING=1",
        "STATUS=stopped",
    ];
    let positions: Vec<_> = expected.iter().map(|line| at(line)).collect();
    assert!(positions.iter().all(Option::is_some), "{heard:?}");
    assert!(positions.is_sorted(), "{heard:?}");
    assert_eq!(refit.end().status.code(), Some(0));
}

#[test]
fn a_service_manager_that_is_gone_is_no_reason_to_stop() {
    let rig = Rig::new().listen("docker.sock");
    let (notify, socket) = (rig.at("notify.sock"), rig.at("docker.sock"));
    let refit = rig.serve();
    std::fs::remove_file(notify).expect("remove");
    let mut client = UnixStream::connect(socket).expect("connect");
    let log = refit.stop();
    assert!(log.contains("the service manager can't be told"), "{log}");
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
}

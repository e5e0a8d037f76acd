//! Signals: what goes away with us, and when.

use std::{
    io::{ErrorKind, Read as _},
    os::unix::net::UnixStream,
};

use rustix::process::Signal;

use crate::rig::{Rig, exists};

#[test]
fn a_signal_ends_it_in_good_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let rig = Rig::new().listen("docker.sock").listen("second.sock");
        let sockets = [rig.at("docker.sock"), rig.at("second.sock")];
        let mut refit = rig.serve();
        assert!(sockets.iter().all(|socket| exists(socket)));
        refit.signal(signal);
        refit.hear("STOPPING=1");
        refit.hear("STATUS=stopped");
        assert!(!sockets.iter().any(|socket| exists(socket)));
        assert_eq!(refit.end().status.code(), Some(0));
    }
}

#[test]
fn an_open_connection_is_cut() {
    let rig = Rig::new().listen("docker.sock").arg("--drain=1h");
    let mut client = {
        let socket = rig.at("docker.sock");
        let refit = rig.serve();
        let client = UnixStream::connect(socket).expect("connect");
        refit.stop();
        client
    };
    match client.read(&mut [0]) {
        Ok(length) => assert_eq!(length, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Stopped while both signals arrive, it finds them at once. Which of the two it takes for the
/// first, and whether it has ended in good order before it looks at the other, is open; that it
/// ends, with its socket file gone, is not. (That the second ends a shutdown which would wait is
/// tested beside the code.)
#[test]
fn two_signals_at_once_leave_nothing_behind() {
    let rig = Rig::new().listen("docker.sock");
    let socket = rig.at("docker.sock");
    let refit = rig.serve();
    refit.signal(Signal::STOP);
    refit.signal(Signal::TERM);
    refit.signal(Signal::INT);
    refit.signal(Signal::CONT);
    let ended = refit.end();
    assert!(!exists(&socket));
    assert!(
        matches!(ended.status.code(), Some(0 | 130 | 143)),
        "{}",
        ended.log
    );
}

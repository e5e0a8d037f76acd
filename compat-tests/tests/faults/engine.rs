//! What is done to the engine itself, and from inside its network.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    process::Command,
    thread,
};

use compat_tests::variable;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The name that `engines.sh` knows it by.
pub fn version() -> String {
    let address = variable("REFIT_ENGINE");
    let engines = variable("REFIT_ENGINES");
    let mut engines = engines
        .split(' ')
        .filter_map(|engine| engine.split_once('='));
    let version = engines.find_map(|(version, of)| (of == address).then_some(version));
    version.expect("an engine of engines.sh").to_owned()
}

/// Has `engines.sh` kill or start the engine's daemon.
pub fn dockerd(command: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/engines.sh");
    let output = Command::new(script)
        .args([command, &version()])
        .output()
        .expect("engines.sh");
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Moves this thread to where containers' addresses and published ports can be reached: an engine of
/// `engines.sh` has a network namespace of its own.
pub fn enter_network() {
    let address = variable("REFIT_ENGINE");
    let folder = address
        .strip_prefix("unix://")
        .and_then(|socket| socket.strip_suffix("/docker.sock"))
        .expect("a socket of engines.sh");
    let init = fs::read_to_string(format!("{folder}/init.pid")).expect("its first process");
    let network = File::open(format!("/proc/{}/ns/net", init.trim())).expect("its network");
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .expect("enter its network");
}

/// Does something there.
pub fn in_network<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        enter_network();
        work()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("no panic there"))
}

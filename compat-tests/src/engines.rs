//! What `compat-tests/engines.sh` knows of the engine, and can do to it; and its network.

use std::{
    fs::{self, File},
    io,
    os::fd::AsFd,
    process::Command,
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::variable;

/// The version of the engine, as `compat-tests/engines.sh` calls it.
pub fn version() -> String {
    let (engine, engines) = (variable("REFIT_ENGINE"), variable("REFIT_ENGINES"));
    let mut engines = engines
        .split_whitespace()
        .filter_map(|entry| entry.split_once('='));
    let version = engines.find(|(_, at)| *at == engine);
    version
        .expect("an engine that engines.sh runs")
        .0
        .to_owned()
}

/// Has `compat-tests/engines.sh` do this to the engine: `kill`, `cut`, `start`, `restart`.
pub fn manage(command: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/engines.sh");
    let done = Command::new(script).args([command, &version()]).status();
    assert!(done.expect("engines.sh").success(), "engines.sh {command}");
}

/// Runs a command where the engine's processes are; whether it succeeded.
pub fn inside(command: &[&str]) -> bool {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/engines.sh");
    let done = Command::new(script)
        .args(["exec", &version()])
        .args(command)
        .status();
    done.expect("engines.sh").success()
}

/// Moves this thread to where containers' addresses and published ports can be reached: an engine of
/// `engines.sh` has a network namespace of its own.
///
/// # Errors
/// The engine's processes are not there: its machine has lost its power.
pub fn enter_network() -> io::Result<()> {
    let address = variable("REFIT_ENGINE");
    let folder = address
        .strip_prefix("unix://")
        .and_then(|socket| socket.strip_suffix("/docker.sock"))
        .expect("a socket of engines.sh");
    let init = fs::read_to_string(format!("{folder}/init.pid"))?;
    let network = File::open(format!("/proc/{}/ns/net", init.trim()))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// Does something there.
pub fn in_network<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        enter_network().expect("its network");
        work()
    };
    thread::scope(|scope| scope.spawn(inside).join().expect("no panic there"))
}

//! What `compat-tests/engines.sh` knows of the engine, and can do to it.

use std::process::Command;

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

/// Has `compat-tests/engines.sh` do this to the engine: `kill`, `start`, `restart`.
pub fn manage(command: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/engines.sh");
    let done = Command::new(script).args([command, &version()]).status();
    assert!(done.expect("engines.sh").success(), "engines.sh {command}");
}

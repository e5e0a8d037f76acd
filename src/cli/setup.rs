//! What the commands begin with that serve nobody: settings, log, runtime.

use std::{env, path::Path, process::ExitCode};

use tokio::runtime::Runtime;

use super::{
    USAGE, engine, log,
    sources::{Reader, Surroundings},
};

/// What such a command needs.
pub(super) struct Setup {
    pub(super) engine: engine::Settings,
    pub(super) log: log::Settings,
    pub(super) runtime: Runtime,
}

/// Reads the settings, and starts the log and a runtime.
///
/// # Errors
/// The exit code of mistakes in the settings, or of a machine that has no room for a runtime, which were
/// told on standard error.
pub(super) fn set_up(engine: engine::Args, log: log::Args) -> Result<Setup, ExitCode> {
    let around = Surroundings {
        variable: &|name| env::var_os(name),
        group_file: Path::new(""),
        inherited: &[],
        refused: &[],
    };
    let mut reader = Reader::new(&around);
    let engine = engine::Settings::read(&mut reader, engine, &|_| None);
    let log = log::Settings::read(&mut reader, log);
    let (engine, log) = reader.finish((engine, log)).map_err(|mistakes| {
        eprintln!("{mistakes}");
        ExitCode::from(USAGE)
    })?;
    log.start();
    let runtime = Runtime::new().map_err(|error| {
        eprintln!("refit: can't start the runtime: {error}");
        ExitCode::FAILURE
    })?;
    Ok(Setup {
        engine,
        log,
        runtime,
    })
}

//! `refit recover`: brings unfinished upgrades to their end, by hand.

use std::{process::ExitCode, sync::Arc};

use super::{
    UNAVAILABLE, engine, helper, log, print,
    setup::{Setup, set_up},
};
use crate::{
    engine::EngineError,
    upgrade::{Recovered, Recovery, Upgrades},
};

/// Finish or take back the upgrades that were left unfinished
///
/// `refit serve` does this by itself before it listens. By hand it serves where no Refit is to run any
/// more, or to see how things stand. Upgrades that another process is working on are left to it; two
/// recoveries at once are not kept apart.
///
/// Prints a line for each unfinished upgrade. Exit codes: 0 nothing is left unfinished; 1 something is;
/// 69 the engine cannot be reached.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Args {
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    engine: engine::Args,

    #[command(flatten)]
    log: log::Args,
}

/// Runs `refit recover`.
pub(super) fn main(args: Args) -> ExitCode {
    let Setup {
        engine,
        log,
        runtime,
    } = match set_up(args.engine, args.log) {
        Ok(setup) => setup,
        Err(code) => return code,
    };
    let own_container = helper::own_container(&engine, &log);
    let upgrades = Upgrades::with_own_container(Arc::new(engine.engine()), own_container);
    finish(runtime.block_on(upgrades.recover_once(args.dry_run)))
}

/// Prints what became of a recovery; the exit code.
pub(super) fn finish(recovered: Result<Vec<Recovery>, EngineError>) -> ExitCode {
    match recovered {
        Ok(recoveries) => tell(&recoveries),
        Err(error) => {
            print::err(format_args!("refit: {error}"));
            match error {
                EngineError::Unreachable { .. } => ExitCode::from(UNAVAILABLE),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Prints what was found; the exit code.
fn tell(recoveries: &[Recovery]) -> ExitCode {
    if recoveries.is_empty() {
        print::out("nothing is unfinished");
    }
    for Recovery { name, ending, .. } in recoveries {
        print::out(format_args!("{name}: {ending}"));
    }
    let is_finished = |ending: &Recovered| {
        matches!(
            ending,
            Recovered::Committed | Recovered::RolledBack | Recovered::Cleared
        )
    };
    if recoveries
        .iter()
        .all(|recovery| is_finished(&recovery.ending))
    {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

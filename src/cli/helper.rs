//! `refit helper`: what Refit has a container of its own run, when it would stop with an upgrade
//! itself. Nobody types it.

use std::{
    env,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::{
    engine, log,
    setup::{Setup, set_up},
};
use crate::{
    engine::Address,
    upgrade::{Line, OwnContainer, Program, Upgrades},
};

/// Go on with an upgrade that Refit would stop with
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Args {
    /// The ID of the transaction
    transaction: String,

    #[command(flatten)]
    engine: engine::Args,

    #[command(flatten)]
    log: log::Args,
}

/// What becomes of an upgrade of the container that a process with these settings runs in.
pub(super) fn own_container(engine: &engine::Settings, log: &log::Settings) -> OwnContainer {
    let executable = env::current_exe().ok();
    let Some(executable) = executable.as_deref().and_then(Path::to_str) else {
        return OwnContainer::Refused;
    };
    let begin = [executable.to_owned(), "helper".to_owned()];
    OwnContainer::HandedOver(Program {
        command: [begin.to_vec(), engine.to_arguments(), log.to_arguments()].concat(),
        needs_network: matches!(engine.address, Address::Tcp(_)),
    })
}

/// Runs `refit helper`. It ends with 0 when it has told its end: the engine starts it again otherwise.
pub(super) fn main(args: Args) -> ExitCode {
    let Setup {
        engine, runtime, ..
    } = match set_up(args.engine, args.log) {
        Ok(setup) => setup,
        Err(code) => return code,
    };
    let upgrades = Upgrades::with_own_container(Arc::new(engine.engine()), OwnContainer::Helper);
    let done = runtime.block_on(async {
        let back = back_on_signal()?;
        anyhow::Ok(upgrades.help(&args.transaction, back, &tell).await?)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Is cancelled when somebody asks the helper to stop: it then goes back, as far as it can.
fn back_on_signal() -> io::Result<CancellationToken> {
    let back = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind)?;
        let back = back.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                back.cancel();
            }
        });
    }
    Ok(back)
}

/// Prints a line, whether or not somebody reads it.
fn tell(line: &Line) {
    if let Ok(line) = serde_json::to_string(line) {
        let mut output = io::stdout().lock();
        drop(writeln!(output, "{line}").and_then(|()| output.flush()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{
            Cli, Command,
            sources::{Reader, Surroundings},
        },
        engine::Limits,
    };

    #[test]
    fn a_helper_reads_the_settings_of_the_one_that_made_it() {
        let around = Surroundings {
            variable: &|_| Some("tcp://elsewhere:1".into()),
            group_file: Path::new(""),
            inherited: &[],
            refused: &[],
        };
        let engine = engine::Settings {
            address: Address::Unix("/run/a b/docker.sock".into()),
            limits: Limits {
                call: Duration::from_millis(1500),
                work: Duration::from_secs(3600),
                reconnect: Duration::from_secs(61),
            },
        };
        let log = log::Settings {
            format: log::Format::Json,
            filter: "info,refit=debug".to_owned(),
        };
        let OwnContainer::HandedOver(program) = own_container(&engine, &log) else {
            panic!("an executable has a path");
        };
        assert!(!program.needs_network);
        let transaction = "one".to_owned();
        let cli = Cli::try_parse_from(program.command.iter().chain([&transaction]));
        let Command::Helper(args) = cli.expect("arguments").command else {
            panic!("a helper");
        };
        assert_eq!(args.transaction, "one");
        let mut reader = Reader::new(&around);
        let read = (
            engine::Settings::read(&mut reader, args.engine, &|_| None),
            log::Settings::read(&mut reader, args.log),
        );
        assert_eq!(reader.finish(read).expect("no mistake"), (engine, log));
    }
}

//! What people type: arguments become checked settings, then a running server.
//!
//! Exit codes: 0 it did what was asked; 64 (`EX_USAGE`) the arguments are wrong, all mistakes told
//! together, nothing was done; 69 (`EX_UNAVAILABLE`) the engine cannot be reached; 1 anything else that failed; 128 + N ended at once by a second
//! signal N.

mod engine;
mod helper;
mod log;
mod recover;
mod serve;
mod setup;
mod sources;
mod whose;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// `EX_USAGE` of `sysexits.h`: the arguments are wrong.
const USAGE: u8 = 64;

/// `EX_UNAVAILABLE` of `sysexits.h`: the engine cannot be reached.
const UNAVAILABLE: u8 = 69;

/// A Docker socket proxy that upgrades containers in place.
///
/// Refit passes the Docker API through to the engine, byte for byte, and adds one operation:
/// POST /containers/{id}/upgrade swaps the image under a container and keeps its name, volumes,
/// networks, addresses, ports and configuration. If anything fails, the original comes back.
#[derive(Debug, Parser)]
#[command(name = "refit", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Recover(recover::Args),
    #[command(hide = true)]
    Helper(helper::Args),
}

/// Runs the program; see the module for its exit codes.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => serve::main(args),
            Command::Recover(args) => recover::main(args),
            Command::Helper(args) => helper::main(args),
        },
        Err(error) => {
            // Help and version come here too; those are no mistakes.
            let mistaken = error.use_stderr();
            if error.print().is_err() || !mistaken {
                return ExitCode::SUCCESS;
            }
            ExitCode::from(USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_declared_consistently() {
        Cli::command().debug_assert();
    }
}

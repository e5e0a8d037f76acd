//! What people type: arguments become checked settings, then a running server, or an upgrade.
//!
//! Exit codes: 0 it did what was asked; 64 (`EX_USAGE`) the arguments are wrong, all mistakes told
//! together, nothing was done; 69 (`EX_UNAVAILABLE`) the engine cannot be reached; 1 anything else that failed
//! (of `refit healthcheck`: it is not healthy; of `docker upgrade`: the container is as it was); 2 an original
//! could not be brought back yet (`docker upgrade`); 128 + N ended at once by a second signal N.

mod engine;
mod generate;
mod healthcheck;
mod helper;
mod listen;
mod log;
mod print;
mod recover;
mod serve;
mod setup;
mod sources;
mod upgrade;
mod whose;

use std::{env, ffi::OsString, process::ExitCode};

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
    Healthcheck(healthcheck::Args),
    /// Upgrade a container: `docker upgrade`, without the docker CLI
    #[command(disable_help_flag = true)]
    Upgrade {
        /// As for `docker upgrade`
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "ARG"
        )]
        words: Vec<OsString>,
    },
    #[command(hide = true)]
    Helper(helper::Args),
    #[command(hide = true)]
    Completions(generate::Completions),
    #[command(name = "man", hide = true)]
    ManPages(generate::ManPages),
}

/// Runs the program; see the module for its exit codes.
#[must_use]
pub fn main() -> ExitCode {
    if upgrade::is_called(env::args_os().next().as_ref()) {
        return upgrade::plugin_main(env::args_os());
    }
    match Cli::try_parse() {
        Ok(cli) => match cli.command {
            Command::Serve(args) => serve::main(args),
            Command::Recover(args) => recover::main(args),
            Command::Healthcheck(args) => healthcheck::main(args),
            Command::Helper(args) => helper::main(args),
            Command::Completions(args) => generate::completions(&args),
            Command::ManPages(args) => generate::man(&args),
            Command::Upgrade { words } => {
                let called = ["docker", "upgrade"].map(OsString::from);
                upgrade::plugin_main(called.into_iter().chain(words))
            }
        },
        Err(error) => mistaken(&error),
    }
}

/// Prints what clap has to say of the arguments. Help and the version are no mistakes.
fn mistaken(error: &clap::Error) -> ExitCode {
    let mistaken = error.use_stderr();
    if error.print().is_err() || !mistaken {
        return ExitCode::SUCCESS;
    }
    ExitCode::from(USAGE)
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

//! `refit serve`: what may be typed. Nothing is interpreted here; that is `settings`'.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text, where backticks would be printed"
)]

use crate::cli::{engine, log};

/// Listen for Docker clients and relay them to the engine.
///
/// Docker clients talk to Refit as to dockerd: point DOCKER_HOST at one of the listeners.
///
/// Every option can also be set by the environment variable that is named with it. An option
/// wins over its variable; an empty variable counts as unset.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_long_help = AFTER_LONG_HELP)]
pub(crate) struct Args {
    /// Address to listen on; repeatable [default: unix:///run/refit/docker.sock]
    ///
    /// unix:///absolute/path or tcp://host:port. A socket file that nobody listens behind is
    /// replaced; the folder is made where it is missing.
    ///
    /// Sockets that systemd hands over (LISTEN_FDS) replace the default, and add to what is
    /// given here. The variable takes several addresses, separated by commas or spaces.
    ///
    /// [env: REFIT_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Vec<String>,

    /// Address to answer GET /healthz and GET /metrics on; repeatable [default: none]
    ///
    /// unix:///absolute/path or tcp://127.0.0.1:port: another TCP address than a loopback one takes
    /// --insecure-tcp. It answers as soon as every address is bound, also while unfinished upgrades
    /// are recovered, and as long as Refit runs. The variable takes several addresses, as above.
    ///
    /// [env: REFIT_ADMIN]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin: Vec<String>,

    /// Permissions of the sockets that we make, octal [default: 0660]
    ///
    /// [env: REFIT_SOCKET_MODE]
    #[arg(long, value_name = "MODE")]
    pub(super) socket_mode: Option<String>,

    /// Group of the sockets that we make [default: docker, where it exists]
    ///
    /// A name from /etc/group, or a number.
    ///
    /// [env: REFIT_SOCKET_GROUP]
    #[arg(long, value_name = "GROUP")]
    pub(super) socket_group: Option<String>,

    /// Allow TCP listeners, which anybody who reaches them can use
    ///
    /// Who can use the Docker API is root on its host. A TCP listener asks nobody who they are,
    /// and encrypts nothing. An --admin listener only tells, and may be on a loopback address anyway.
    ///
    /// [env: REFIT_INSECURE_TCP=true]
    #[arg(long)]
    pub(super) insecure_tcp: bool,

    /// How long a shutdown waits for upgrades to end [default: 60s]
    ///
    /// 60s, 2m, 500ms, or a number of seconds. An upgrade that is cut off is finished, or taken
    /// back, at the next start.
    ///
    /// [env: REFIT_DRAIN]
    #[arg(long, value_name = "DURATION")]
    pub(super) drain: Option<String>,

    #[command(flatten)]
    pub(super) engine: engine::Args,

    #[command(flatten)]
    pub(super) log: log::Args,
}

/// What is no option's, at the end of `refit serve --help`.
const AFTER_LONG_HELP: &str = "\
Signals:
  SIGTERM and SIGINT stop accepting, let upgrades end (see --drain), then close every connection.
  A second one ends at once.

Exit codes:
  0    stopped by a signal
  1    could not listen, or another failure
  64   the arguments are wrong; all mistakes are told, nothing was done
  130  ended at once by a second SIGINT (143: SIGTERM)";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use crate::cli::Cli;

    #[test]
    fn every_option_names_its_variable() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("serve exists");
        let options: Vec<_> = serve
            .get_arguments()
            .filter(|option| option.get_id() != "help")
            .collect();
        assert_eq!(options.len(), 12);
        for option in options {
            let name = option.get_long().expect("options are long");
            let variable = format!("[env: REFIT_{}", name.to_uppercase().replace('-', "_"));
            let help = option.get_long_help().expect(name).to_string();
            assert!(help.contains(&variable), "--{name}: {help}");
        }
    }
}

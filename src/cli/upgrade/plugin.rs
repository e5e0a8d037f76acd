//! What the docker CLI expects of its plugins (docker/cli, `cli-plugins`): a description of itself,
//! the CLI's own options in front of its name, and completions in the protocol of cobra.

use std::{
    env,
    ffi::OsString,
    io,
    os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr},
    path::Path,
};

use clap::{Arg, ArgAction, Args as _, Command, CommandFactory as _, Parser};
use serde_json::json;
use tokio::{io::AsyncReadExt as _, net::UnixStream};

use super::{Args, host};

/// What the program is called as a plugin: the CLI finds it by that.
const FILE_NAME: &str = "docker-upgrade";

/// The sub-command that the CLI asks each plugin for its description with.
const METADATA: &str = "docker-cli-plugin-metadata";

/// How wide help is written.
const WIDTH: usize = 100;

/// `docker [OPTIONS] upgrade …`, as the CLI hands it over: it puts its own name in the place of ours,
/// and leaves everything else as it was typed.
#[derive(Debug, Parser)]
#[command(
    name = "docker",
    disable_help_flag = true,
    disable_help_subcommand = true,
    disable_version_flag = true,
    subcommand_required = true
)]
pub(crate) struct Docker {
    #[command(flatten)]
    pub(super) host: host::Args,

    #[command(subcommand)]
    pub(super) command: DockerCommand,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum DockerCommand {
    /// Upgrade a container in place
    Upgrade(Box<Args>),
    /// The plugin's description.
    #[command(name = METADATA, hide = true)]
    Metadata,
    /// `docker help upgrade`.
    #[command(hide = true)]
    Help {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Completions, with descriptions.
    #[command(name = "__complete", hide = true)]
    Complete(Completed),
    /// Completions.
    #[command(name = "__completeNoDesc", hide = true)]
    CompleteNoDescriptions(Completed),
}

/// What was typed so far; the last word is the one that is completed, and may be empty.
#[derive(Debug, clap::Args)]
pub(super) struct Completed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) words: Vec<String>,
}

/// Whether the program was called by the name of a plugin.
pub(crate) fn is_called(program: Option<&OsString>) -> bool {
    program
        .and_then(|path| Path::new(path).file_stem())
        .is_some_and(|name| name == FILE_NAME)
}

/// The variable that names the socket which the CLI closes when it is to end (docker/cli,
/// `cli-plugins/socket`): who ends the CLI alone means the plugin, too.
const SOCKET: &str = "DOCKER_CLI_PLUGIN_SOCKET";

/// Waits until the CLI that called us wants to end; for ever, where none did.
pub(super) async fn cli_is_gone() {
    let Ok(mut socket) = connect_to_cli() else {
        return std::future::pending().await;
    };
    // Nothing is ever sent.
    while let Ok(1..) = socket.read(&mut [0]).await {}
}

fn connect_to_cli() -> io::Result<UnixStream> {
    let name = env::var(SOCKET).map_err(io::Error::other)?;
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = std::os::unix::net::UnixStream::connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// The plugin's description of itself.
pub(super) fn metadata() -> String {
    json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "Refit",
        "Version": env!("CARGO_PKG_VERSION"),
        "ShortDescription": "Upgrade a container in place",
    })
    .to_string()
}

/// `docker upgrade` as a command of its own, for its man page.
pub(crate) fn command() -> Command {
    Args::augment_args(Command::new("docker-upgrade"))
        .version(env!("CARGO_PKG_VERSION"))
        .override_usage(super::args::USAGE)
        .after_help(super::args::AFTER_HELP)
}

/// The help of `docker upgrade`, in the form of its siblings'.
pub(super) fn help() -> String {
    let command = Docker::command();
    let upgrade = command.find_subcommand("upgrade");
    let options: Vec<_> = upgrade.map(options).unwrap_or_default();
    let names: Vec<_> = options.iter().map(|option| name(option)).collect();
    let column = names.iter().map(String::len).max().unwrap_or_default() + 3;
    let mut text = format!(
        "Usage:  {}\n\n{}\n\nOptions:\n",
        super::args::USAGE,
        upgrade
            .and_then(Command::get_about)
            .map(ToString::to_string)
            .unwrap_or_default()
    );
    for (option, name) in options.iter().zip(names) {
        let about = option.get_help().map(ToString::to_string);
        let about = about.unwrap_or_default();
        let lines = textwrap::wrap(&about, WIDTH.saturating_sub(column));
        let about = lines.join(&format!("\n{:column$}", ""));
        text.extend([format!("{name:column$}"), about, "\n".to_owned()]);
    }
    text.push('\n');
    text.push_str(super::args::AFTER_HELP);
    text
}

/// The options of a command, by name.
fn options(command: &Command) -> Vec<&Arg> {
    let mut options: Vec<_> = command
        .get_arguments()
        .filter(|option| option.get_long().is_some() && !option.is_hide_set())
        .filter(|option| option.get_id() != "help")
        .collect();
    options.sort_by_key(|option| option.get_long());
    options
}

/// `  -e, --env list`
fn name(option: &Arg) -> String {
    let short = option
        .get_short()
        .map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = match (option.get_action(), option.get_value_names()) {
        (ArgAction::Set | ArgAction::Append, Some([value, ..])) => format!(" {value}"),
        _ => String::new(),
    };
    format!(
        "  {short}--{}{value}",
        option.get_long().unwrap_or_default()
    )
}

/// Whether a word is one of the command's own options, with a value or without one.
pub(super) fn is_option(word: &str) -> bool {
    let command = Docker::command();
    let upgrade = command.find_subcommand("upgrade");
    let name = word.split('=').next().unwrap_or_default();
    name == "--help"
        || upgrade
            .map(options)
            .unwrap_or_default()
            .into_iter()
            .any(|option| {
                let long = option.get_long().map(|long| format!("--{long}"));
                let short = option.get_short().map(|short| format!("-{short}"));
                [long, short]
                    .into_iter()
                    .flatten()
                    .any(|known| known == name)
            })
}

/// The options that begin with `begin`, a line each, as cobra prints them.
pub(super) fn complete_option(begin: &str, describe: bool) -> Vec<String> {
    let command = Docker::command();
    let upgrade = command.find_subcommand("upgrade");
    upgrade
        .map(options)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|option| {
            let name = format!("--{}", option.get_long()?);
            let about = option.get_help().map(ToString::to_string);
            name.starts_with(begin).then(|| match about {
                Some(about) if describe => format!("{name}\t{about}"),
                _ => name,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_declared_consistently() {
        Docker::command().debug_assert();
    }

    #[test]
    fn it_is_a_plugin_by_its_name_alone() {
        for (program, is_plugin) in [
            ("/usr/libexec/docker/cli-plugins/docker-upgrade", true),
            ("docker-upgrade", true),
            ("docker-upgrade.exe", true),
            ("/usr/bin/refit", false),
            ("docker", false),
            ("", false),
        ] {
            assert_eq!(is_called(Some(&program.into())), is_plugin, "{program}");
        }
        assert!(!is_called(None));
    }

    #[test]
    fn the_help_looks_like_its_siblings() {
        insta::assert_snapshot!(help());
    }

    #[test]
    fn options_are_completed() {
        assert_eq!(
            complete_option("--max", false),
            ["--max-failure-ratio".to_owned()]
        );
        assert!(complete_option("--dry", true)[0].starts_with("--dry-run\tOnly show"));
        assert!(complete_option("--nothing", true).is_empty());
        assert!(complete_option("--", false).len() > 20);
    }
}

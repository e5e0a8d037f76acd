//! `docker upgrade`, the command: arguments → what is asked of the endpoint → what people read.
//!
//! The same binary is a plugin of the docker CLI where it is called `docker-upgrade`. Where no Refit is
//! in front of the engine, the endpoint is served in this process, for this process: the command does
//! not know the difference, but that the upgrade ends with it.
//!
//! | module | job |
//! |---|---|
//! | `args`, `settings`, `values` | what may be typed, and what it means |
//! | `plugin` | what the docker CLI expects of a plugin |
//! | `host`, `stdio` | which engine, and the docker CLI as the way to it |
//! | `client`, `registry` | what is asked, of whom, with whose credentials |
//! | `containers`, `rolling`, `one`, `interrupt` | which containers; several in turn; one; what becomes of them at Ctrl-C |
//! | `answer`, `screen`, `report` | what came of it, while it happens and in the end |

mod answer;
mod args;
mod client;
mod containers;
mod host;
mod interrupt;
mod one;
mod plugin;
mod registry;
mod report;
mod rolling;
mod screen;
mod settings;
mod stdio;
mod values;

use std::{ffi::OsString, process::ExitCode};

use clap::Parser as _;
use tokio::runtime::Runtime;

use self::{
    answer::{Ended, Failed},
    client::{Ask, Client},
    one::Upgrader,
    plugin::{Docker, DockerCommand},
    rolling::Share,
    screen::Screen,
    settings::{Output, Settings, Task},
};
pub(super) use self::{
    args::Args,
    host::Args as HostArgs,
    plugin::{command, is_called},
};
use super::{USAGE, log, print, recover};

/// Runs as a plugin of the docker CLI.
pub(super) fn plugin_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Docker { host, command } = match Docker::try_parse_from(arguments) {
        Ok(docker) => docker,
        Err(error) => return super::mistaken(&error),
    };
    match command {
        DockerCommand::Upgrade(args) => main(&host, &args),
        DockerCommand::Metadata => {
            print::out(plugin::metadata());
            ExitCode::SUCCESS
        }
        DockerCommand::Help { .. } => {
            print::out(plugin::help());
            ExitCode::SUCCESS
        }
        DockerCommand::Complete(typed) => complete(&host, &typed.words, true),
        DockerCommand::CompleteNoDescriptions(typed) => complete(&host, &typed.words, false),
    }
}

/// Runs `refit upgrade`, or `docker upgrade`.
pub(super) fn main(host: &HostArgs, args: &Args) -> ExitCode {
    if args.help {
        print::out(plugin::help());
        return ExitCode::SUCCESS;
    }
    let settings = match Settings::parse(args) {
        Ok(settings) => settings,
        Err(mistakes) => {
            print::err(mistakes);
            return ExitCode::from(USAGE);
        }
    };
    if host.is_debug() {
        log::Settings::debug().start();
    }
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::err(format_args!(
                "docker upgrade: can't start the runtime: {error}"
            ));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(host, settings))
}

async fn run(host: &HostArgs, settings: Settings) -> ExitCode {
    let screen = Screen::new(settings.output);
    let reached = match host.resolve().await {
        Ok(reached) => reached,
        Err(error) => {
            print::err(format_args!("docker upgrade: {error:#}"));
            return ExitCode::from(USAGE);
        }
    };
    let client = match Client::connect(&reached).await {
        Ok(client) => client,
        Err(failed) => return complained(&screen, false, &failed),
    };
    if client.is_own() && settings.task != Task::History {
        screen.say(&format!(
            "no Refit answers at {}: this command carries the upgrade out itself",
            reached.name
        ));
    }
    let is_own = client.is_own();
    let done = match settings.task {
        Task::Recover => return recovered(&client, settings.call.dry_run).await,
        Task::History => history(&screen, &client, settings).await,
        Task::Upgrade | Task::Rollback => {
            if is_own && !settings.call.dry_run {
                tell_unfinished(&screen, &client).await;
            }
            let upgrader = Upgrader::new(client, screen.clone(), host.config_file());
            upgrade(upgrader, settings).await
        }
    };
    match done {
        Ok(code) => code,
        Err(failed) => complained(&screen, is_own, &failed),
    }
}

/// Says what an upgrade in this process brings to its end first.
async fn tell_unfinished(screen: &Screen, client: &Client) {
    // What cannot be told now, the upgrade tells.
    let unfinished = client
        .upgrades()
        .recover_once(true)
        .await
        .unwrap_or_default();
    for recovery in unfinished {
        let name = recovery.name;
        screen.say(&format!(
            "{name}: an upgrade was left unfinished, and is brought to its end first"
        ));
    }
}

fn complained(screen: &Screen, is_own: bool, failed: &Failed) -> ExitCode {
    report::complain(screen, is_own, failed);
    answer::exit_code(std::iter::once(failed))
}

/// Upgrades, or takes back, all that are meant.
async fn upgrade(upgrader: Upgrader, settings: Settings) -> Result<ExitCode, Failed> {
    let Settings {
        whose,
        call,
        rolling,
        output,
        ..
    } = settings;
    let (names, call) = containers::resolve(upgrader.client(), whose, call).await?;
    let screen = upgrader.screen().clone();
    if names.is_empty() {
        screen.complain("nothing to upgrade: no container matches");
        return Ok(ExitCode::SUCCESS);
    }
    let is_own = upgrader.client().is_own();
    let stop = upgrader.stop();
    let interrupted = tokio::spawn(interrupt::heed(upgrader.clone()));
    let is_one = names.len() == 1;
    let tell = |name: &str, ended: &Ended| report::tell(&screen, output, is_own, name, ended);
    let shares = rolling::roll(
        names,
        rolling,
        stop,
        |name| {
            let (upgrader, call, screen) = (upgrader.clone(), call.clone(), screen.clone());
            async move {
                let ended = upgrader.upgrade(&name, &call).await;
                report::tell(&screen, output, is_own, &name, &ended);
                ended
            }
        },
        |name| {
            let (upgrader, call) = (upgrader.clone(), call.going_back());
            async move {
                let ended = upgrader.upgrade(&name, &call).await;
                tell(&name, &ended);
                ended
            }
        },
    )
    .await;
    interrupted.abort();
    if !is_one && output == Output::Text {
        screen.answer(&format!("\n{}", report::summary(&shares)));
    }
    let is_incomplete = || {
        shares
            .iter()
            .flat_map(Share::failures)
            .any(answer::is_incomplete)
    };
    if stop.is_cancelled() && !is_incomplete() {
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    }
    Ok(answer::exit_code(shares.iter().flat_map(Share::failures)))
}

async fn history(screen: &Screen, client: &Client, settings: Settings) -> Result<ExitCode, Failed> {
    let (names, _) = containers::resolve(client, settings.whose, settings.call).await?;
    let mut failures = Vec::new();
    for name in names {
        let target = one::target_of(&name);
        let told = client::whole(client.at_endpoint(Ask::get(&target)).await?).await;
        match told {
            Ok(told) if settings.output == Output::Json => screen.answer(&told.to_string()),
            Ok(told) => {
                let container = client
                    .json(&one::inspect_of(&name))
                    .await
                    .unwrap_or_default();
                screen.answer(&report::history(&name, &told, &container));
            }
            Err(failed) => {
                report::complain(screen, client.is_own(), &failed);
                failures.push(failed);
            }
        }
    }
    Ok(answer::exit_code(failures.iter()))
}

async fn recovered(client: &Client, dry_run: bool) -> ExitCode {
    recover::finish(client.upgrades().recover_once(dry_run).await)
}

/// Prints completions, and that no file names are wanted (cobra's `ShellCompDirectiveNoFileComp`).
fn complete(host: &HostArgs, words: &[String], describe: bool) -> ExitCode {
    let begin = words.last().map(String::as_str).unwrap_or_default();
    let mut lines = Vec::new();
    if words.len() > 1 && begin.starts_with('-') {
        lines = plugin::complete_option(begin, describe);
    } else if words.len() > 1
        && let Ok(runtime) = Runtime::new()
    {
        lines = runtime
            .block_on(async {
                let reached = host.resolve().await.ok()?;
                let client = Client::connect(&reached).await.ok()?;
                containers::beginning_with(&client, begin).await.ok()
            })
            .unwrap_or_default();
    }
    for line in lines {
        print::out(line);
    }
    print::out(":4");
    ExitCode::SUCCESS
}

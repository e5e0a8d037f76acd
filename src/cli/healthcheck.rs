//! `refit healthcheck`: whether a `refit serve` does its job. It is what a container's `HEALTHCHECK`
//! runs, where there is no other program.

#![expect(
    clippy::doc_markdown,
    reason = "the comments of `Args` are the help text, where backticks would be printed"
)]

use std::{env, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use http_body_util::{BodyExt as _, Collected, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{runtime::Builder, time::timeout};

use super::{
    USAGE,
    listen::{self, ADMIN, LISTEN, Listener},
    sources::{Mistakes, Name, Reader, Surroundings},
};
use crate::engine::Address;

/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of an answer is read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Ask a running refit serve whether it is healthy
///
/// With an admin address, GET /healthz is asked for there: the engine must be reachable and the
/// recovery of unfinished upgrades done. Without one, GET /_ping is asked for through Refit's own
/// listener, as a Docker client would: the engine must answer. Of several addresses, the first one is
/// asked.
///
/// Exit codes: 0 healthy; 1 not healthy, with a line of why on standard error; 64 the arguments are
/// wrong. It takes five seconds at most.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Args {
    /// Address that refit serve --admin was given
    ///
    /// [env: REFIT_ADMIN]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,

    /// Address that refit serve --listen was given [default: unix:///run/refit/docker.sock]
    ///
    /// It counts where no admin address is given, or this is typed and the other is not.
    ///
    /// [env: REFIT_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// What is asked, and where.
#[derive(Debug, PartialEq)]
struct Question {
    address: Address,
    path: &'static str,
}

/// Runs `refit healthcheck`.
pub(super) fn main(args: Args) -> ExitCode {
    let around = Surroundings {
        variable: &|name| env::var_os(name),
        group_file: Path::new(""),
        inherited: &[],
        refused: &[],
    };
    let question = match Question::read(args, &around) {
        Ok(question) => question,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::from(USAGE);
        }
    };
    match ask_in_time(&question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let Question { address, path } = question;
            eprintln!("refit: {address}{path}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Question {
    fn read(args: Args, around: &Surroundings<'_>) -> Result<Self, Mistakes> {
        let mut reader = Reader::new(around);
        // What is typed wins over the variable of the other, too.
        let is_typed = args.listen.is_some() && args.admin.is_none();
        let mut first = |option: Option<String>, name: Name| {
            let given = listen::asked_for(&mut reader, option.into_iter().collect(), name);
            let first = given.unwrap_or_default().into_iter().next();
            first.map(|Listener { address, .. }| address)
        };
        let (admin, listen) = (first(args.admin, ADMIN), first(args.listen, LISTEN));
        let question = match (admin, listen) {
            (Some(address), _) if !is_typed => Self {
                address,
                path: "/healthz",
            },
            (_, listen) => Self {
                address: listen.unwrap_or_else(|| Address::Unix(listen::DEFAULT.into())),
                path: "/_ping",
            },
        };
        reader.finish(question)
    }
}

/// Asks, and gives up in time.
fn ask_in_time(question: &Question) -> anyhow::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { timeout(PATIENCE, ask(question)).await });
    // A host that is being looked up is not waited for.
    runtime.shutdown_background();
    asked.unwrap_or_else(|_| bail!("no answer within {PATIENCE:?}"))
}

/// Asks for health. An error says why there is none.
async fn ask(Question { address, path }: &Question) -> anyhow::Result<()> {
    let stream = address.dial().await.context("connect")?.into_stream()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the runtime.
    tokio::spawn(connection);
    let request = Request::get(*path)
        .header(HOST, "docker")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let body = Limited::new(response, ANSWER_LIMIT).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let message = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    match message["message"].as_str() {
        // One line of it, whatever it is.
        Some(message) => bail!(
            "{}",
            message.split_whitespace().collect::<Vec<_>>().join(" ")
        ),
        None => bail!("{status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, ffi::OsString};

    use super::*;

    fn read(args: Args, variables: &[(&str, &str)]) -> Result<Question, String> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let around = Surroundings {
            variable: &|name| variables.get(name).map(OsString::from),
            group_file: Path::new(""),
            inherited: &[],
            refused: &[],
        };
        Question::read(args, &around).map_err(|mistakes| mistakes.to_string())
    }

    fn asks(args: Args, variables: &[(&str, &str)], address: &str, path: &'static str) {
        let address = address.parse().expect("an address");
        assert_eq!(read(args, variables), Ok(Question { address, path }));
    }

    #[test]
    fn an_admin_is_asked_where_there_is_one() {
        let both = [
            ("REFIT_ADMIN", "unix:///a.sock tcp://127.0.0.1:1"),
            ("REFIT_LISTEN", "unix:///l.sock,unix:///m.sock"),
        ];
        let none = Args::default;
        let admin = Args {
            admin: Some("unix:///o.sock".to_owned()),
            ..none()
        };
        let listen = Args {
            listen: Some("unix:///p.sock".to_owned()),
            ..none()
        };
        asks(none(), &[], "unix:///run/refit/docker.sock", "/_ping");
        asks(none(), &both, "unix:///a.sock", "/healthz");
        asks(none(), &both[1..], "unix:///l.sock", "/_ping");
        asks(admin, &both, "unix:///o.sock", "/healthz");
        asks(listen, &both, "unix:///p.sock", "/_ping");
    }

    #[test]
    fn all_mistakes_are_told_together() {
        let args = Args {
            admin: Some("/no/scheme".to_owned()),
            ..Args::default()
        };
        let mistakes = read(args, &[("REFIT_LISTEN", "nonsense")]).expect_err("mistakes");
        assert!(
            mistakes.contains("--admin: \"/no/scheme\"")
                && mistakes.contains("REFIT_LISTEN: \"nonsense\""),
            "{mistakes}"
        );
    }
}

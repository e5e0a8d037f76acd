//! Where the engine is, and how long it may take: of every command that talks to one.

#![expect(
    clippy::doc_markdown,
    reason = "the comments of `Args` are the help text, where backticks would be printed"
)]

use std::time::Duration;

use super::sources::{Name, Reader};
use crate::engine::{Address, DockerEngine, Limits};

const DEFAULT_ENGINE: &str = "/var/run/docker.sock";
const DOCKER_HOST: &str = "DOCKER_HOST";

/// Longer is no bound.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const ENGINE: Name = Name {
    option: "--engine",
    variable: "REFIT_ENGINE",
};
const CALL: Name = Name {
    option: "--call-timeout",
    variable: "REFIT_CALL_TIMEOUT",
};
const WORK: Name = Name {
    option: "--work-timeout",
    variable: "REFIT_WORK_TIMEOUT",
};
const RECONNECT: Name = Name {
    option: "--reconnect-timeout",
    variable: "REFIT_RECONNECT_TIMEOUT",
};

/// What may be typed.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(skip)]
pub(super) struct Args {
    /// Address of the engine [default: $DOCKER_HOST, else unix:///var/run/docker.sock]
    ///
    /// unix:///absolute/path or tcp://host:port. DOCKER_HOST does not count where it is one of
    /// our own listeners.
    ///
    /// [env: REFIT_ENGINE]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) engine: Option<String>,

    /// How long the engine may take to answer a call that does no long work [default: 60s]
    ///
    /// And how long a stop may take beyond its own timeout. A call that takes longer may have been
    /// carried out all the same: Refit looks before it goes on.
    ///
    /// [env: REFIT_CALL_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub(super) call_timeout: Option<String>,

    /// How long create, start, remove and each line of a pull may take [default: 10m]
    ///
    /// [env: REFIT_WORK_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub(super) work_timeout: Option<String>,

    /// How long an engine that goes away during an upgrade is waited for [default: 2m]
    ///
    /// After that the caller is told how things stand. Refit goes on by itself as soon as the
    /// engine is back.
    ///
    /// [env: REFIT_RECONNECT_TIMEOUT]
    #[arg(long, value_name = "DURATION")]
    pub(super) reconnect_timeout: Option<String>,
}

/// Tells which listener of our own an address is, if it is one: its origin, and how it was written.
pub(super) type Ours<'a> = &'a dyn Fn(&Address) -> Option<(&'static str, String)>;

/// What was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Where the engine is.
    pub(super) address: Address,
    /// How long it may take.
    pub(super) limits: Limits,
}

impl Settings {
    /// Reads everything; mistakes are on the reader's list.
    pub(super) fn read(reader: &mut Reader<'_>, args: Args, ours: Ours<'_>) -> Self {
        let address = address(reader, args.engine, ours);
        let usual = Limits::default();
        let mut limit = |option, name, usual| reader.read(option, name, timeout).unwrap_or(usual);
        Self {
            address,
            limits: Limits {
                call: limit(args.call_timeout, CALL, usual.call),
                work: limit(args.work_timeout, WORK, usual.work),
                reconnect: limit(args.reconnect_timeout, RECONNECT, usual.reconnect),
            },
        }
    }

    /// The arguments that say the same.
    pub(super) fn to_arguments(&self) -> Vec<String> {
        let Limits {
            call,
            work,
            reconnect,
        } = self.limits;
        let limit = |name: Name, limit| {
            let limit = humantime::format_duration(limit).to_string();
            [name.option.to_owned(), limit]
        };
        let address = [ENGINE.option.to_owned(), self.address.to_string()];
        [
            address,
            limit(CALL, call),
            limit(WORK, work),
            limit(RECONNECT, reconnect),
        ]
        .concat()
    }

    /// The engine that is meant.
    pub(super) fn engine(&self) -> DockerEngine {
        DockerEngine::new(self.address.clone(), self.limits)
    }
}

/// Where the engine is, which is never where we listen.
fn address(reader: &mut Reader<'_>, option: Option<String>, ours: Ours<'_>) -> Address {
    let mut engine = Address::Unix(DEFAULT_ENGINE.into());
    let given = reader
        .given(option, ENGINE)
        .or_else(|| reader.variable(DOCKER_HOST));
    if let Some(given) = given {
        let Some(address) = reader.parse(&given, str::parse::<Address>) else {
            return engine;
        };
        // A DOCKER_HOST that is ours is meant for the clients around us: they reach the engine
        // through us.
        if given.origin != DOCKER_HOST || ours(&address).is_none() {
            engine = address;
        }
    }
    if let Some(listener) = ours(&engine) {
        let (origin, listener) = listener;
        reader.mistake(
            origin,
            format!("{listener} is the engine's own socket ({engine})"),
        );
    }
    engine
}

/// Reads `60s`, `2m`, `500ms`, or a number of seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|error| {
        format!("\"{text}\" is not a duration: 60s, 2m, 500ms or seconds are expected ({error})")
    })
}

/// Reads a bound on what the engine may take: a [`duration`], and not none at all.
fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no time at all is no bound: nothing could succeed".to_owned()),
        limit if limit > LONGEST => Err(format!("\"{text}\" is longer than 30 days")),
        limit => Ok(limit),
    }
}

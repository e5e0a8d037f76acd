//! `refit serve`: what was meant. Everything is parsed before the first complaint.

use std::time::Duration;

use super::{args::Args, groups};
use crate::{
    cli::{
        engine::{self, duration},
        listen::{self, ADMIN, LISTEN, Listener},
        log,
        sources::{Mistakes, Name, Reader, Surroundings},
        whose::{is_local, same_socket},
    },
    engine::Address,
    server::SocketAccess,
};

const DEFAULT_MODE: u32 = 0o660;
const DEFAULT_DRAIN: Duration = Duration::from_secs(60);

/// The longest path that a unix socket can be bound to: `sun_path`, less the closing zero.
const LONGEST_PATH: usize = 107;

const MODE: Name = Name {
    option: "--socket-mode",
    variable: "REFIT_SOCKET_MODE",
};
const GROUP: Name = Name {
    option: "--socket-group",
    variable: "REFIT_SOCKET_GROUP",
};
const DRAIN: Name = Name {
    option: "--drain",
    variable: "REFIT_DRAIN",
};
const INSECURE_TCP: &str = "REFIT_INSECURE_TCP";
const LISTEN_FDS: &str = "LISTEN_FDS";

/// Checked settings of a server.
#[derive(Debug, PartialEq)]
pub(super) struct Settings {
    /// The addresses to bind, no two the same, none the engine's. Empty only where sockets are
    /// handed over.
    pub(super) listen: Vec<Address>,
    /// Further addresses to bind, for those who watch.
    pub(super) admin: Vec<Address>,
    /// Where the engine is, and how long it may take.
    pub(super) engine: engine::Settings,
    /// Who may connect to the sockets that we make.
    pub(super) access: SocketAccess,
    /// How long a shutdown waits for transactions.
    pub(super) drain: Duration,
    pub(super) log: log::Settings,
}

impl Settings {
    /// Reads everything, and tells all mistakes together.
    pub(super) fn parse(args: Args, around: &Surroundings<'_>) -> Result<Self, Mistakes> {
        let mut reader = Reader::new(around);
        let asked_for = listen(&mut reader, args.listen);
        let handed_over: Vec<_> = around.inherited.iter().copied().flatten().collect();
        let listeners: Vec<_> = handed_over
            .into_iter()
            .map(|address| Listener {
                origin: LISTEN_FDS,
                address: address.clone(),
            })
            .chain(asked_for)
            .collect();
        let allowed = insecure_tcp(&mut reader, args.insecure_tcp);
        check_who_connects(&mut reader, &listeners, allowed);
        let admin = listen::asked_for(&mut reader, args.admin, ADMIN).unwrap_or_default();
        check_who_watches(&mut reader, &admin, allowed);
        let all: Vec<_> = listeners.iter().chain(&admin).collect();
        check_listeners(&mut reader, &all);
        let engine = engine::Settings::read(&mut reader, args.engine, &|address| {
            let mut ours = all.iter();
            let ours = ours.find(|ours| same_socket(&ours.address, address))?;
            Some((ours.origin, ours.address.to_string()))
        });

        let mode = reader.read(args.socket_mode, MODE, socket_mode);
        let group = reader.read(args.socket_group, GROUP, |text| {
            groups::named(text, around.group_file)
        });
        let drain = reader.read(args.drain, DRAIN, duration);
        let log = log::Settings::read(&mut reader, args.log);

        reader.finish(Self {
            listen: listeners
                .into_iter()
                .filter(|listener| listener.origin != LISTEN_FDS)
                .map(|listener| listener.address)
                .collect(),
            admin: admin.into_iter().map(|admin| admin.address).collect(),
            engine,
            access: SocketAccess {
                mode: mode.unwrap_or(DEFAULT_MODE),
                group: group.unwrap_or_else(|| groups::default(around.group_file)),
            },
            drain: drain.unwrap_or(DEFAULT_DRAIN),
            log,
        })
    }
}

/// The addresses that are asked for: by options, else by the variable, else the default, which
/// sockets that were handed over replace.
fn listen(reader: &mut Reader<'_>, options: Vec<String>) -> Vec<Listener> {
    let asked_for = listen::asked_for(reader, options, LISTEN);
    asked_for.unwrap_or_else(|| {
        let default = Listener {
            origin: LISTEN.option,
            address: Address::Unix(listen::DEFAULT.into()),
        };
        let is_replaced = !reader.around.inherited.is_empty();
        (!is_replaced).then_some(default).into_iter().collect()
    })
}

/// Whether TCP listeners are allowed.
fn insecure_tcp(reader: &mut Reader<'_>, option: bool) -> bool {
    let variable = reader.variable(INSECURE_TCP).and_then(|given| {
        reader.parse(&given, |text| match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(format!("\"{text}\" is neither true nor false")),
        })
    });
    option || variable.unwrap_or(false)
}

/// Whoever reaches a Docker socket must be known.
fn check_who_connects(reader: &mut Reader<'_>, listeners: &[Listener], insecure_tcp: bool) {
    for refused in reader.around.refused {
        reader.mistake(LISTEN_FDS, refused);
    }
    for Listener { origin, address } in listeners {
        if matches!(address, Address::Tcp(_)) && !insecure_tcp {
            let what = format!(
                "whoever reaches {address} would be root on the engine's host; \
                 --insecure-tcp ({INSECURE_TCP}=true) allows that"
            );
            reader.mistake(origin, what);
        }
    }
}

/// Whoever watches can change nothing, but what they see is not for everybody.
fn check_who_watches(reader: &mut Reader<'_>, admin: &[Listener], insecure_tcp: bool) {
    for Listener { origin, address } in admin {
        if !is_local(address) && !insecure_tcp {
            let what = format!(
                "{address} is no loopback address, and asks nobody who they are; \
                 --insecure-tcp ({INSECURE_TCP}=true) allows that"
            );
            reader.mistake(origin, what);
        }
    }
}

/// What can be wrong with an address that is one, and with several of them.
fn check_listeners(reader: &mut Reader<'_>, listeners: &[&Listener]) {
    for (n, Listener { origin, address }) in listeners.iter().enumerate() {
        if let Address::Unix(path) = address
            && path.as_os_str().len() > LONGEST_PATH
        {
            let what = format!("the path of {address} is longer than {LONGEST_PATH} bytes");
            reader.mistake(origin, what);
        }
        let twice = listeners[..n]
            .iter()
            .find(|earlier| same_socket(&earlier.address, address));
        if let Some(earlier) = twice {
            let what = if earlier.address == *address {
                format!("{address} is given twice")
            } else {
                format!("{address} is the same socket as {}", earlier.address)
            };
            reader.mistake(origin, what);
        }
    }
}

/// Reads permission bits: `0660`, `660` or `0o660`.
fn socket_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && !digits.starts_with('+') => Ok(mode),
        _ => Err(format!(
            "\"{text}\" is not a mode: octal permissions such as 0660 are expected"
        )),
    }
}

#[cfg(test)]
mod tests;

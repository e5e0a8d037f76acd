//! Where `refit serve` listens: for itself, and for those who look after it.

use super::sources::{Name, Reader};
use crate::engine::Address;

/// Where Docker clients find it, unless something else is asked for.
pub(super) const DEFAULT: &str = "/run/refit/docker.sock";

/// For Docker clients.
pub(super) const LISTEN: Name = Name {
    option: "--listen",
    variable: "REFIT_LISTEN",
};

/// For those who watch.
pub(super) const ADMIN: Name = Name {
    option: "--admin",
    variable: "REFIT_ADMIN",
};

/// A listener: an address that is asked for, or one that was handed over.
pub(super) struct Listener {
    pub(super) origin: &'static str,
    pub(super) address: Address,
}

/// The addresses that are asked for: by options, else by the variable. `None` where there is neither;
/// mistakes are on the reader's list.
pub(super) fn asked_for(
    reader: &mut Reader<'_>,
    options: Vec<String>,
    name: Name,
) -> Option<Vec<Listener>> {
    let mut origin = name.option;
    let mut texts = options;
    if texts.is_empty()
        && let Some(given) = reader.variable(name.variable)
    {
        origin = given.origin;
        texts = split(&given.text);
    }
    if texts.is_empty() {
        return None;
    }
    let mut listeners = Vec::with_capacity(texts.len());
    for text in texts {
        match text.parse() {
            Ok(address) => listeners.push(Listener { origin, address }),
            Err(error) => reader.mistake(origin, error),
        }
    }
    Some(listeners)
}

/// The addresses of a variable, which has room for one text only.
fn split(text: &str) -> Vec<String> {
    text.split([',', ' ', '\t', '\n'])
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

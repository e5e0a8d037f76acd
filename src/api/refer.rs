//! Where a request refers to containers, so that the ID of an earlier generation can be replaced by
//! that of the container which stands for it now. Pure; no byte outside of a reference changes.
//!
//! | request (with or without version) | references |
//! |---|---|
//! | `/containers/{ref}`, `/containers/{ref}/…`, whatever the verb | in the path |
//! | `POST /commit` | `container` |
//! | `GET /containers/json` | `before`, `since`; in `filters`: `id`, `before`, `since` |
//! | `GET /events` | `container` in `filters`; the old ID stays beside the new one, which has no past |
//! | `POST /build` | `networkmode=container:{ref}` |
//! | `POST /containers/create`, and our endpoint | in `HostConfig`: `NetworkMode`, `IpcMode` and `PidMode` (`container:{ref}`), `VolumesFrom` (`{ref}:mode`), `Links` (`{ref}:alias`); `NetworkingConfig.EndpointsConfig.*.Links` |
//! | `POST /networks/*/connect`, `disconnect` | `Container`, `EndpointConfig.Links` |
//!
//! That is every place where moby's routes hand a text of a request to `GetContainer` or to a look
//! into the IDs (`api/server/router`, `daemon`), but for the body of start, which none reads since API
//! 1.24. `HostConfig.Cgroup` may be written `container:{ref}` as well, and no engine looks at it.
//!
//! An ID that is written with escapes of JSON (`\u0061`) is not recognised: no client does so.

mod json;

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use super::{
    isolate::{self, unversioned},
    route::split,
};
use crate::upgrade::Identities;

/// The largest body of a create that is read for references. Real ones have a few kilobytes.
const CREATE_LIMIT: u64 = 1024 * 1024;

/// The full IDs of the containers that stand for earlier generations, by the references to them.
pub(crate) type Identified = HashMap<String, String>;

/// A container reference in a text, and what it is replaced by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The reference.
    reference: String,
    /// What gives way to the ID.
    at: Range<usize>,
    /// What goes with the ID.
    around: [&'static str; 2],
}

/// A body that refers to containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// That of create; a patch of ours has the same shape.
    Create,
    /// That of connect or disconnect.
    Connect,
}

impl Body {
    /// The body of such a request, if it refers to containers.
    pub(crate) fn of(method: &str, target: &str) -> Option<Self> {
        if method != "POST" {
            return None;
        }
        let path = Decoded::percent(split(target).0, target)?;
        let path = unversioned(&path.text);
        if path == "/containers/create" {
            return Some(Self::Create);
        }
        let is_connect = path.ends_with("/connect") || path.ends_with("/disconnect");
        (is_connect && path.starts_with("/networks/")).then_some(Self::Connect)
    }

    /// The largest one that is read.
    pub(crate) fn limit(self) -> u64 {
        match self {
            Self::Create => CREATE_LIMIT,
            Self::Connect => isolate::BODY_LIMIT,
        }
    }

    /// The references in it.
    pub(crate) fn places(self, body: &[u8]) -> Vec<Place> {
        // What is no text, the engine refuses.
        let Ok(text) = str::from_utf8(body) else {
            return Vec::new();
        };
        let references = match self {
            Self::Create => json::of_create(text),
            Self::Connect => json::of_connect(text),
        };
        let place = |reference: &str| Some(Place::at(reference, span(text, reference)?));
        references.into_iter().filter_map(place).collect()
    }
}

impl Place {
    fn at(reference: &str, at: Range<usize>) -> Self {
        Self {
            reference: reference.to_owned(),
            at,
            around: [""; 2],
        }
    }
}

/// The references in a request's target.
pub(crate) fn in_target(method: &str, target: &str) -> Vec<Place> {
    let (path, query) = split(target);
    let Some(path) = Decoded::percent(path, target) else {
        return Vec::new();
    };
    let unversioned = unversioned(&path.text);
    if let Some(rest) = unversioned.strip_prefix("/containers/")
        && unversioned != "/containers/json"
    {
        return of_path(rest)
            .and_then(|reference| path.place(reference))
            .into_iter()
            .collect();
    }
    let parameters = query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let name = Decoded::query(name, target)?.text;
        Some((name, Decoded::query(value, target)?))
    });
    parameters
        .flat_map(|(name, value)| match (method, unversioned, name.as_str()) {
            ("POST", "/commit", "container") | ("GET", "/containers/json", "before" | "since") => {
                value.place(&value.text).into_iter().collect()
            }
            ("POST", "/build", "networkmode") => {
                let reference = json::joined(&value.text);
                let place = reference.and_then(|reference| value.place(reference));
                place.into_iter().collect()
            }
            ("GET", "/containers/json", "filters") => of_list(&value),
            ("GET", "/events", "filters") => of_events(&value),
            _ => Vec::new(),
        })
        .collect()
}

/// The reference in what follows `/containers/`, if it is one that can be an ID: a name may have
/// slashes, as may what follows it.
fn of_path(rest: &str) -> Option<&str> {
    let (reference, verb) = rest.split_once('/').unwrap_or((rest, ""));
    let verb = verb.strip_prefix("checkpoints/").unwrap_or(verb);
    (verb == "attach/ws" || !verb.contains('/')).then_some(reference)
}

fn of_list(filters: &Decoded) -> Vec<Place> {
    ["id", "before", "since"]
        .iter()
        .flat_map(|name| json::of_filter(&filters.text, name))
        .filter_map(|filter| filters.place(filter.value))
        .collect()
}

fn of_events(filters: &Decoded) -> Vec<Place> {
    let beside = |filter: json::Filter<'_>| {
        let place = filters.place(filter.value)?;
        // In front of the old one's quotation mark.
        let value = span(&filters.text, filter.value)?;
        let at = filters.at[value.start.checked_sub(1)?];
        let after = if filter.is_key {
            "%22%3Atrue%2C"
        } else {
            "%22%2C"
        };
        Some(Place {
            at: at..at,
            around: ["%22", after],
            ..place
        })
    };
    json::of_filter(&filters.text, "container")
        .into_iter()
        .filter_map(beside)
        .collect()
}

/// The references at these places which may be those of earlier generations.
pub(crate) fn known(places: &[Place], identities: &Identities) -> BTreeSet<String> {
    let references = places.iter().map(|place| &place.reference);
    let known = references.filter(|reference| identities.knows(reference));
    known.cloned().collect()
}

/// `text` with the IDs of what was identified in their places; `None` where nothing changes.
pub(crate) fn replace(text: &[u8], places: &[Place], identified: &Identified) -> Option<Vec<u8>> {
    let mut places: Vec<_> = places
        .iter()
        .filter_map(|place| Some((place, identified.get(&place.reference)?)))
        .collect();
    if places.is_empty() {
        return None;
    }
    places.sort_by_key(|(place, _)| place.at.start);
    let (mut replaced, mut done) = (Vec::with_capacity(text.len()), 0);
    for (place, id) in places {
        let [before, after] = place.around;
        replaced.extend_from_slice(text.get(done..place.at.start)?);
        for part in [before, id, after] {
            replaced.extend_from_slice(part.as_bytes());
        }
        done = place.at.end;
    }
    replaced.extend_from_slice(text.get(done..)?);
    Some(replaced)
}

/// Where `part` stands in `whole`, of which it was cut.
fn span(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start + part.len();
    (end <= whole.len()).then_some(start..end)
}

/// A text that was decoded, and where each of its bytes was written.
struct Decoded {
    text: String,
    /// With the end, one more than there are bytes.
    at: Vec<usize>,
}

impl Decoded {
    /// A part of `whole`, without its percent-encoding. `None` where it is no text.
    fn percent(part: &str, whole: &str) -> Option<Self> {
        let Range { start, end } = span(whole, part)?;
        let written = part.as_bytes();
        let (mut text, mut at, mut next) = (Vec::new(), Vec::new(), 0);
        while let Some(&byte) = written.get(next) {
            let decoded = (byte == b'%').then(|| escaped(written.get(next + 1..next + 3)?));
            at.push(start + next);
            text.push(decoded.flatten().unwrap_or(byte));
            next += if decoded.flatten().is_some() { 3 } else { 1 };
        }
        at.push(end);
        let text = String::from_utf8(text).ok()?;
        Some(Self { text, at })
    }

    /// As [`Decoded::percent`], of a query, where a plus sign is a space.
    fn query(part: &str, whole: &str) -> Option<Self> {
        let mut decoded = Self::percent(part, whole)?;
        if part.contains('+') {
            let written = |at: &usize| whole.as_bytes().get(*at) == Some(&b'+');
            let texts = decoded.text.bytes().zip(&decoded.at);
            let bytes = texts.map(|(byte, at)| if written(at) { b' ' } else { byte });
            decoded.text = String::from_utf8(bytes.collect()).ok()?;
        }
        Some(decoded)
    }

    /// The place of a reference that was cut of it.
    fn place(&self, reference: &str) -> Option<Place> {
        let Range { start, end } = span(&self.text, reference)?;
        Some(Place::at(reference, self.at[start]..self.at[end]))
    }
}

/// The byte of two hexadecimal digits.
fn escaped(digits: &[u8]) -> Option<u8> {
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;

//! `GET /events`: which of our events a request asks for, and how they stand in the answer. Pure.
//!
//! Both are as dockerd has it for its own events: what it replays, which it leaves out, and every
//! character of a line (moby's `getEvents` in `system_routes.go`, and `daemon/events`).

mod filters;
mod time;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use self::filters::Filters;
use super::{isolate::unversioned, route::split};
use crate::{engine::ApiVersion, upgrade::Event};

/// What a `GET /events` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// In ns since 1970.
    since: Option<i128>,
    /// Likewise.
    until: Option<i128>,
    filters: Filters,
    /// The version in the path.
    version: Option<ApiVersion>,
}

impl Query {
    /// Reads the target of a request. `None`: it is no `GET /events`, or one that dockerd refuses.
    #[must_use]
    pub fn read(method: &str, target: &str) -> Option<Self> {
        if method != "GET" {
            return None;
        }
        let (path, query) = split(target);
        let rest = path.strip_suffix("/events")?;
        if unversioned(path) != "/events" {
            return None;
        }
        let mut query: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        // Of a parameter that is given twice, the first counts.
        query.reverse();
        let query: BTreeMap<_, _> = query.into_iter().collect();
        let parameter = |name: &str| query.get(name).map_or("", AsRef::as_ref);
        Some(Self {
            since: time::read(parameter("since")).ok()?,
            until: time::read(parameter("until")).ok()?,
            filters: Filters::read(parameter("filters"))?,
            version: rest.strip_prefix("/v").and_then(version),
        })
    }

    /// Whether an event that was told before the answer began is replayed in it.
    #[must_use]
    pub fn replays(&self, event: &Event) -> bool {
        let time = i128::from(event.time);
        (self.since.is_some() || self.until.is_some())
            && self.since.is_none_or(|since| time >= since)
            // The one moment before which dockerd takes nothing for something.
            && self.until.is_none_or(|until| time <= until || until <= 0)
            && self.filters.include(event)
    }

    /// Whether an event that is told meanwhile belongs into the answer. dockerd does not look at
    /// `since` then.
    #[must_use]
    pub fn follows(&self, event: &Event) -> bool {
        let time = i128::from(event.time);
        self.until.is_none_or(|until| time <= until) && self.filters.include(event)
    }

    /// The line of an event, as an engine writes it whose own version is `engine` (the `Api-Version`
    /// of its answer).
    #[must_use]
    pub fn line(&self, event: &Event, engine: &str) -> String {
        let version = self.version.or_else(|| version(engine));
        let is_old = version.is_none_or(|version| version < ApiVersion::EVENTS_WITHOUT_STATUS);
        line(event, is_old)
    }
}

/// The version that `text` is, as in `1.41`.
fn version(text: &str) -> Option<ApiVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ApiVersion {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

/// When an event happened that is written in this line of an answer, in ns since 1970.
#[must_use]
pub fn time_of(line: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Timed {
        #[serde(rename = "timeNano")]
        time: i64,
    }
    let timed: Timed = serde_json::from_slice(line).ok()?;
    Some(timed.time)
}

/// The attributes of an event: like dockerd's of a container, its labels, image and name; and what
/// an upgrade has to tell.
fn attributes(event: &Event) -> BTreeMap<&str, &str> {
    let labels = event.labels.iter();
    let mut attributes: BTreeMap<&str, &str> =
        labels.map(|(key, value)| (&**key, &**value)).collect();
    attributes.extend([
        ("image", event.image.as_str()),
        ("name", &event.name),
        ("oldImage", &event.old_image),
        ("oldId", &event.old_id),
        ("transaction", &event.transaction),
    ]);
    attributes
}

/// An event as moby's `events.Message` stands in JSON.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(rename = "Type")]
    kind: &'a str,
    #[serde(rename = "Action")]
    action: &'a str,
    #[serde(rename = "Actor")]
    actor: Actor<'a>,
    scope: &'a str,
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Serialize)]
struct Actor<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: BTreeMap<&'a str, &'a str>,
}

/// `is_old`: with the fields that dockerd wrote for Docker 1.9 and older, up to API 1.51.
fn line<'e>(event: &'e Event, is_old: bool) -> String {
    let action = event.action.to_string();
    let old = |value: &'e str| is_old.then_some(value);
    let message = Message {
        status: is_old.then_some(&action),
        id: old(&event.id),
        from: old(&event.image).filter(|image| !image.is_empty()),
        kind: filters::TYPE,
        action: &action,
        actor: Actor {
            id: &event.id,
            attributes: attributes(event),
        },
        scope: filters::SCOPE,
        time: event.time.div_euclid(1_000_000_000),
        time_nano: event.time,
    };
    // It has no maps but of text to text.
    escape(&serde_json::to_string(&message).unwrap_or_default()) + "\n"
}

/// What Go's encoder escapes beyond JSON's needs. None of it stands outside of a text.
fn escape(json: &str) -> String {
    let escapes = [
        ('<', r"\u003c"),
        ('>', r"\u003e"),
        ('&', r"\u0026"),
        ('\u{2028}', r"\u2028"),
        ('\u{2029}', r"\u2029"),
    ];
    let escape = |json: String, (c, escaped)| json.replace(c, escaped);
    escapes.into_iter().fold(json.to_owned(), escape)
}

#[cfg(test)]
mod tests;

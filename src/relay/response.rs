//! What the engine's bytes say, while they are copied as they are. Pure.
//!
//! The observer follows the response heads and their bodies to know two things: whether a hijack
//! was accepted, and whether everything that was asked has been answered. It never holds a byte
//! back, and adds none but to the answer to a `GET /events`. Invariant: what it cannot follow it
//! calls [`Seen::Opaque`], and never guesses.

use std::{collections::VecDeque, mem::MaybeUninit, task::Context};

use super::{
    framing::Body,
    head::{Asked, LIMIT, content_length, lines, values},
    hijack::is_raw_stream,
    watch::Watch,
};
use crate::upgrade::Events;

/// The types of a body that is lines of JSON: up to API 1.51, and since.
const LINES: [&[u8]; 3] = [
    b"application/json",
    b"application/jsonl",
    b"application/x-ndjson",
];

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Part of responses.
    Responses,
    /// The connection is no HTTP any more: the engine accepted a hijack, or said something that
    /// we don't understand.
    Opaque,
}

/// Follows the responses of one connection.
#[derive(Debug, Default)]
pub(super) struct Responses {
    /// The requests whose final head has not come, oldest first.
    asked: VecDeque<Asked>,
    state: State,
    /// The engine said that it closes after this response.
    closing: bool,
    /// The engine accepted a hijack.
    is_tunnel: bool,
    /// What of ours belongs among the engine's events.
    events: Events,
}

#[derive(Debug)]
enum State {
    /// At or in a head; the part that came before.
    Head(Vec<u8>),
    Body(Body),
    /// In a body that takes events of ours, too.
    Events(Box<Watch>),
    Opaque,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// What the observer wants of a response head.
struct Head {
    len: usize,
    status: u16,
    body: Body,
    raw_stream: bool,
    closing: bool,
    /// The version of the engine, where the body is lines of JSON that others may be put between.
    lines: Option<String>,
}

impl Responses {
    /// Follows the responses of a connection to whose events belong these of ours, too.
    pub(super) fn new(events: Events) -> Self {
        Self {
            events,
            ..Self::default()
        }
    }

    /// A request was forwarded.
    pub(super) fn expect(&mut self, asked: Asked) {
        self.asked.push_back(asked);
    }

    /// Whether a request waits for its answer that may be a hijack. It is the latest one:
    /// nothing is forwarded behind it.
    pub(super) fn awaits_hijack(&self) -> bool {
        self.asked.back().is_some_and(|asked| asked.hijack)
    }

    /// Whether everything asked is answered, to the last byte, and the connection can go on.
    pub(super) fn all_answered(&self) -> bool {
        self.asked.is_empty()
            && !self.closing
            && matches!(&self.state, State::Head(partial) if partial.is_empty())
    }

    /// Follows `bytes`, the next that the engine sent. They are to be sent as they are, unless
    /// [`Responses::may_add`].
    pub(super) fn observe(&mut self, bytes: &[u8]) -> Seen {
        self.observe_and(bytes, |_| ())
    }

    /// As [`Responses::observe`], and what is to be sent goes to `send`.
    pub(super) fn observe_and(&mut self, mut bytes: &[u8], mut send: impl FnMut(&[u8])) -> Seen {
        while !bytes.is_empty() {
            let sends = matches!(self.state, State::Events(_));
            let taken = match &mut self.state {
                State::Opaque => None,
                State::Head(_) => self.head(bytes),
                State::Body(body) => body.advance(bytes).ok(),
                State::Events(watch) => watch.splice.advance(bytes, &mut send),
            };
            if !sends {
                send(&bytes[..taken.unwrap_or(bytes.len())]);
            }
            let Some(taken) = taken else {
                self.state = State::Opaque;
                return Seen::Opaque;
            };
            bytes = &bytes[taken..];
            if self.is_body_done() {
                self.state = State::default();
            }
        }
        Seen::Responses
    }

    fn is_body_done(&self) -> bool {
        match &self.state {
            State::Body(body) => body.is_done(),
            State::Events(watch) => watch.splice.is_done(),
            State::Head(_) | State::Opaque => false,
        }
    }

    /// Whether the engine has accepted a hijack, rather than said something that is not followed.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel
    }

    /// Whether something of ours may be added to what the engine sends next.
    pub(super) fn may_add(&self) -> bool {
        matches!(self.state, State::Events(_)) || self.asked.iter().any(|a| a.events.is_some())
    }

    /// Takes what was told of upgrades; whether something of it is to be sent that has not been. The
    /// task is woken when there is more.
    pub(super) fn take_told(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Events(watch) = &mut self.state else {
            return false;
        };
        watch.listen(cx);
        watch.splice.is_due()
    }

    /// The engine has sent nothing for a while, or sends nothing any more.
    pub(super) fn flush(&mut self, mut send: impl FnMut(&[u8])) {
        if let State::Events(watch) = &mut self.state {
            watch.splice.flush(&mut send);
        }
    }

    /// Reads a head, or keeps a part of one; how many of `bytes` it took. `None`: opaque from
    /// here on.
    fn head(&mut self, bytes: &[u8]) -> Option<usize> {
        let State::Head(partial) = &mut self.state else {
            return None;
        };
        let before = partial.len();
        let events = self.asked.front().is_some_and(|a| a.events.is_some());
        let found = if before == 0 {
            parse(bytes, events)
        } else {
            partial.extend_from_slice(bytes);
            parse(partial, events)
        };
        let Some(head) = found.ok()? else {
            if before == 0 {
                partial.extend_from_slice(bytes);
            }
            return (partial.len() <= LIMIT).then_some(bytes.len());
        };
        let taken = head.len - before;
        self.state = match head.status {
            101 => {
                self.is_tunnel = true;
                return None;
            }
            100..200 => State::default(),
            _ => self.body(head)?,
        };
        Some(taken)
    }

    /// The state in the body after a final head. `None`: a tunnel.
    fn body(&mut self, head: Head) -> Option<State> {
        // An answer that nothing asked for is Go's 400 or 408 before it closes.
        let asked = self.asked.pop_front().unwrap_or_default();
        self.closing |= head.closing;
        if asked.connect && (200..300).contains(&head.status) {
            self.is_tunnel = true;
            return None;
        }
        if asked.head || matches!(head.status, 204 | 304) {
            return Some(State::Body(Body::NONE));
        }
        // Without a length it can't be followed by another response, on whatever path it was
        // asked for: a log read with HTTP/1.0 looks the same, and is not harmed.
        if head.status == 200 && head.raw_stream && head.body == Body::UntilClose {
            self.is_tunnel = true;
            return None;
        }
        Some(match (asked.events, head.lines) {
            (Some(query), Some(version)) => {
                let watch = Watch::new(*query, version, head.body, &self.events);
                State::Events(Box::new(watch))
            }
            _ => State::Body(head.body),
        })
    }
}

/// Why a response head was not read.
enum Unread {
    TooManyHeaders,
    NotHttp,
}

/// Reads a response head, which may be of `events`; `Ok(None)` if there's more to come.
fn parse(bytes: &[u8], events: bool) -> Result<Option<Head>, Unread> {
    let mut few = [const { MaybeUninit::uninit() }; 64];
    parse_into(bytes, events, &mut few).or_else(|unread| match unread {
        Unread::NotHttp => Err(unread),
        Unread::TooManyHeaders => {
            let mut many = vec![MaybeUninit::uninit(); lines(bytes)];
            parse_into(bytes, events, &mut many)
        }
    })
}

/// As [`parse`], into so many headers.
fn parse_into<'b>(
    bytes: &'b [u8],
    events: bool,
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Option<Head>, Unread> {
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let len = match config.parse_response_with_uninit_headers(&mut response, bytes, headers) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Unread::TooManyHeaders),
        Err(_) => return Err(Unread::NotHttp),
    };
    let connection = |token: &str| {
        values(response.headers, "connection")
            .flat_map(|value| value.split(|&b| b == b','))
            .any(|value| value.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    let status = response.code.ok_or(Unread::NotHttp)?;
    Ok(Some(Head {
        len,
        status,
        body: body_of(response.headers).ok_or(Unread::NotHttp)?,
        raw_stream: values(response.headers, "content-type").any(is_raw_stream),
        closing: connection("close") || response.version == Some(0) && !connection("keep-alive"),
        lines: (events && status == 200)
            .then(|| lines_of(response.headers))
            .flatten(),
    }))
}

/// The `Api-Version` of an answer whose body is lines of JSON, in chunks or until the end; empty where
/// it does not say. `None`: it is something else, or packed.
fn lines_of(headers: &[httparse::Header<'_>]) -> Option<String> {
    let is_json = |value: &[u8]| {
        let essence = value.split(|&b| b == b';').next().unwrap_or_default();
        LINES
            .iter()
            .any(|lines| essence.trim_ascii().eq_ignore_ascii_case(lines))
    };
    let is_plain = values(headers, "content-encoding").next().is_none()
        && values(headers, "content-length").next().is_none()
        && values(headers, "transfer-encoding")
            .all(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if !is_plain || !values(headers, "content-type").any(is_json) {
        return None;
    }
    let version = values(headers, "api-version").next().unwrap_or_default();
    Some(String::from_utf8_lossy(version).into_owned())
}

/// How the body of a response is framed. `None`: it can't be told.
fn body_of(headers: &[httparse::Header<'_>]) -> Option<Body> {
    if let Some(coding) = values(headers, "transfer-encoding").last() {
        return Some(if coding.to_ascii_lowercase().ends_with(b"chunked") {
            Body::CHUNKED
        } else {
            Body::UntilClose
        });
    }
    match values(headers, "content-length").next() {
        Some(length) => content_length(length).map(Body::Length),
        None => Some(Body::UntilClose),
    }
}

#[cfg(test)]
mod tests;

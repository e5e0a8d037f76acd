//! How far the client's bytes may go. Pure.
//!
//! Invariant: every byte goes to the engine, in order and unchanged (but for the IDs of earlier
//! generations), up to the first request that is ours. What is not judged yet stays with the caller.

use std::{collections::BTreeSet, mem};

use super::{
    framing::Body,
    head::{Found, Request, Scan, request_line},
    identify,
    response::Responses,
};
use crate::{
    api::{
        isolate::{self, Verdict},
        refer::Identified,
    },
    upgrade::{Identities, Isolation},
};

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    /// What requests of others must not touch meanwhile.
    isolation: Isolation,
    /// What requests may call by an ID that it had before.
    identities: Identities,
    /// Whether it is known what the request at hand calls so.
    is_identified: bool,
}

#[derive(Debug)]
enum State {
    /// At or in a head.
    Head(Scan),
    /// At a request that is judged by its body, too.
    Held(Request),
    /// At a request with references that may be those of earlier generations; `None`: they are being
    /// identified.
    Unidentified(Request, Option<BTreeSet<String>>),
    /// In the body of a request that was forwarded.
    Body(Body),
    /// At a request that is ours.
    Ours,
    /// No HTTP any more, or none that we frame.
    Opaque,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Scan::default())
    }
}

impl Requests {
    /// Follows the requests of a connection that is kept from what `isolation` says, and may call
    /// containers as `identities` say.
    pub(super) fn new(isolation: Isolation, identities: Identities) -> Self {
        Self {
            isolation,
            identities,
            ..Self::default()
        }
    }

    /// How many of `bytes` may be forwarded now. `bytes` are the next that the client sent,
    /// beginning with those that stayed behind last time. `responses` learns what was asked.
    pub(super) fn judge(&mut self, bytes: &[u8], responses: &mut Responses) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.state {
                State::Opaque => return bytes.len(),
                State::Ours | State::Unidentified(..) => break,
                // What follows a possible hijack is a request or raw bytes: the answer tells.
                State::Head(_) if responses.awaits_hijack() => break,
                State::Head(scan) => match scan.look(&bytes[at..]) {
                    Found::Partial => break,
                    Found::Foreign => self.state = State::Opaque,
                    Found::Request(request) => at += self.meet(request, &bytes[at..], responses),
                },
                State::Held(request) => {
                    if request.whole_body(&bytes[at..]).is_none() {
                        break;
                    }
                    let request = request.clone();
                    at += self.meet(request, &bytes[at..], responses);
                }
                State::Body(body) => match body.advance(&bytes[at..]) {
                    Ok(taken) => at += taken,
                    Err(_) => self.state = State::Opaque,
                },
            }
            if matches!(&self.state, State::Body(body) if body.is_done()) {
                self.state = State::default();
            }
        }
        at
    }

    /// Does with the request that `bytes` begin with what is to become of it; how many of them may go.
    fn meet(&mut self, request: Request, bytes: &[u8], responses: &mut Responses) -> usize {
        self.state = match self.fate(&request, bytes) {
            Fate::Goes => {
                self.is_identified = false;
                responses.expect(request.asked);
                self.state = State::Body(request.body);
                return request.len;
            }
            Fate::IsHeld => State::Held(request),
            Fate::IsIdentified(references) => State::Unidentified(request, Some(references)),
            Fate::IsOurs => State::Ours,
        };
        0
    }

    /// What becomes of the request that `bytes` begin with.
    fn fate(&self, request: &Request, bytes: &[u8]) -> Fate {
        if request.ours {
            return Fate::IsOurs;
        }
        if !self.is_identified && !self.identities.is_empty() {
            match identify::references(&self.identities, request, bytes) {
                None => return Fate::IsHeld,
                Some(references) if references.is_empty() => {}
                Some(references) => return Fate::IsIdentified(references),
            }
        }
        match verdict(&self.isolation, bytes) {
            Verdict::Free => Fate::Goes,
            Verdict::OfBody(naming) if request.can_be_held(isolate::BODY_LIMIT) => {
                let body = request.whole_body(bytes);
                match body.map(|body| isolate::judge_body(&self.isolation, naming, body)) {
                    None => Fate::IsHeld,
                    Some(None) => Fate::Goes,
                    Some(Some(_)) => Fate::IsOurs,
                }
            }
            Verdict::Refused(_) | Verdict::OfBody(_) => Fate::IsOurs,
        }
    }

    /// Whether the request at hand has references that are to be identified, or are being identified.
    pub(super) fn is_unidentified(&self) -> bool {
        matches!(self.state, State::Unidentified(..))
    }

    /// Whether they are still to be taken.
    pub(super) fn has_references(&self) -> bool {
        matches!(self.state, State::Unidentified(_, Some(_)))
    }

    /// The references that are to be identified; once.
    pub(super) fn take_references(&mut self) -> Option<BTreeSet<String>> {
        match &mut self.state {
            State::Unidentified(_, references) => references.take(),
            _ => None,
        }
    }

    /// The references were identified: what takes the place of `bytes`, which begin with the request.
    pub(super) fn identified(&mut self, bytes: &[u8], identified: &Identified) -> Option<Vec<u8>> {
        match mem::take(&mut self.state) {
            State::Unidentified(request, _) => {
                self.is_identified = true;
                Some(identify::replace(&request, bytes, identified))
            }
            // Nothing is framed any more.
            state => {
                self.state = state;
                None
            }
        }
    }

    /// From here on every byte is the engine's.
    pub(super) fn open(&mut self) {
        self.state = State::Opaque;
    }

    /// The client sends no more than `bytes`, which are the next as in [`Requests::judge`]: what is left
    /// of a head will never be one of ours, and the engine should see it. So should it see the beginning
    /// of a body, unless that names a member: it reads no further than to the end of an object.
    pub(super) fn end(&mut self, bytes: &[u8], responses: &Responses) {
        if responses.awaits_hijack() {
            return;
        }
        match &self.state {
            State::Held(request) if self.is_refused_so_far(request, bytes) => {
                self.state = State::Ours;
            }
            State::Head(_) | State::Held(_) => self.open(),
            _ => {}
        }
    }

    /// Whether the request that `bytes` begin with, and whose body is cut short there, would get in an
    /// upgrade's way.
    fn is_refused_so_far(&self, request: &Request, bytes: &[u8]) -> bool {
        match verdict(&self.isolation, bytes) {
            Verdict::Free => false,
            Verdict::Refused(_) => true,
            Verdict::OfBody(naming) => {
                let body = bytes.get(request.len..).unwrap_or_default();
                isolate::judge_body(&self.isolation, naming, body).is_some()
            }
        }
    }

    /// Whether the requests are still followed.
    #[cfg(fuzzing)]
    pub(super) fn is_framed(&self) -> bool {
        !matches!(self.state, State::Opaque)
    }

    /// Whether the next bytes are a request of ours.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.state, State::Ours)
    }
}

/// What becomes of a request.
enum Fate {
    /// It is forwarded.
    Goes,
    /// It waits for its body.
    IsHeld,
    /// It waits until these references are identified.
    IsIdentified(BTreeSet<String>),
    /// It is served here.
    IsOurs,
}

/// Whether the request that `bytes` begin with would get in an upgrade's way.
fn verdict(isolation: &Isolation, bytes: &[u8]) -> Verdict {
    if isolation.is_idle() {
        return Verdict::Free;
    }
    let (method, target) = request_line(bytes);
    isolate::judge(isolation, method, target)
}

#[cfg(test)]
mod tests;

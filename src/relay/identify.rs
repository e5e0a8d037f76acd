//! What a request calls by the ID of an earlier generation: found in it, and replaced. Pure.
//!
//! A head may grow. A body is looked at where it is whole and small, and its length is said anew: of
//! one that is chunked, or that its client sends only after the engine's word, not a byte changes.

use std::{collections::BTreeSet, ops::Range};

use super::head::{Request, request_line};
use crate::{
    api::refer::{self, Body, Identified},
    upgrade::Identities,
};

/// The references of the request that `bytes` begin with which may be those of earlier generations.
/// `None`: its body tells, and is not there yet.
pub(super) fn references(
    identities: &Identities,
    request: &Request,
    bytes: &[u8],
) -> Option<BTreeSet<String>> {
    let (method, target) = request_line(bytes);
    let mut places = refer::in_target(method, target);
    if let Some(kind) = held_body(request, bytes) {
        places.extend(kind.places(request.whole_body(bytes)?));
    }
    Some(refer::known(&places, identities))
}

/// The request that `bytes` begin with, as far as it is there, and what follows it, with the IDs of
/// what was identified.
pub(super) fn replace(request: &Request, bytes: &[u8], identified: &Identified) -> Vec<u8> {
    let (method, target) = request_line(bytes);
    let mut parts = Vec::new();
    let places = refer::in_target(method, target);
    if let Some(new) = refer::replace(target.as_bytes(), &places, identified) {
        let at = target.as_ptr().addr() - bytes.as_ptr().addr();
        parts.push((at..at + target.len(), new));
    }
    if let Some(kind) = held_body(request, bytes)
        && let Some(body) = request.whole_body(bytes)
        && let Some(new) = refer::replace(body, &kind.places(body), identified)
    {
        let length = new.len().to_string().into_bytes();
        let lengths = lengths(&bytes[..request.len]).into_iter();
        parts.extend(lengths.map(|at| (at, length.clone())));
        parts.push((request.len..request.len + body.len(), new));
    }
    let (mut replaced, mut done) = (Vec::with_capacity(bytes.len()), 0);
    for (at, new) in parts {
        replaced.extend_from_slice(&bytes[done..at.start]);
        replaced.extend(new);
        done = at.end;
    }
    replaced.extend_from_slice(&bytes[done..]);
    replaced
}

/// What the body is that is waited for.
fn held_body(request: &Request, bytes: &[u8]) -> Option<Body> {
    let (method, target) = request_line(bytes);
    Body::of(method, target).filter(|body| request.can_be_held(body.limit()))
}

/// Where a head says how long the body is, which may be more than once.
fn lengths(head: &[u8]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in head.split_inclusive(|&b| b == b'\n') {
        if let Some(colon) = line.iter().position(|&b| b == b':')
            && line[..colon].eq_ignore_ascii_case(b"content-length")
        {
            let value = &line[colon + 1..];
            let start = at + colon + 1 + (value.len() - value.trim_ascii_start().len());
            found.push(start..start + value.trim_ascii().len());
        }
        at += line.len();
    }
    found
}

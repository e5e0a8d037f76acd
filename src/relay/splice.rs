//! Lines of ours among the engine's, in a body that is lines of JSON: `GET /events`. Pure.
//!
//! Invariants: whatever the reads were, the same comes out; without ours, it is the engine's bytes,
//! in their order. One of ours stands between two of the engine's lines and, where there are
//! chunks, between two chunks, as one more. None of the engine's bytes is held back but while one of
//! ours is due: then the beginning of a line, as its end tells which of the two comes first.

use std::collections::VecDeque;

use super::framing::Body;
use crate::api::events;

/// How much of a line is held back at most. dockerd's own have a few kilobytes.
const LIMIT: usize = 256 * 1024;

/// A body with room for lines of ours.
#[derive(Debug)]
pub(super) struct Splice {
    body: Body,
    /// The engine's last byte stands inside a line.
    is_inside: bool,
    /// What is to be put in, in this order.
    due: VecDeque<Due>,
    /// What came since the last place where one of ours could stand, while one is due.
    held: Option<Held>,
}

#[derive(Debug)]
struct Due {
    /// When it happened, in ns since 1970.
    time: i64,
    line: String,
}

#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    /// The first line in it, as far as it has come.
    line: Vec<u8>,
    is_line_whole: bool,
}

impl Splice {
    /// The beginning of a body that `body` frames.
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            is_inside: false,
            due: VecDeque::new(),
            held: None,
        }
    }

    /// A line is to be put in: before the first of the engine's that happened later.
    pub(super) fn offer(&mut self, time: i64, line: String) {
        self.due.push_back(Due { time, line });
    }

    /// Whether one of ours is still to be put in.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Whether the engine's body has ended.
    pub(super) fn is_done(&self) -> bool {
        self.body.is_done()
    }

    /// Reads the leading part of `bytes` that belongs to the body; how much it was, as in
    /// [`Body::advance`]. What is to be sent goes to `send`. `None`: it cannot be followed, and all
    /// of `bytes` was sent.
    pub(super) fn advance(&mut self, bytes: &[u8], send: &mut impl FnMut(&[u8])) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() && !self.body.is_done() {
            if self.is_between() && self.is_due() && self.held.is_none() {
                self.held = Some(Held::default());
            }
            // Of an unframed body, a place for ours may come behind every line.
            let line = bytes[at..].split_inclusive(|&byte| byte == b'\n').next()?;
            let Ok((taken, is_data)) = self.body.piece(line) else {
                self.release(send);
                send(&bytes[at..]);
                return None;
            };
            self.take(&line[..taken], is_data, send);
            at += taken;
        }
        Some(at)
    }

    /// Takes one piece of the body.
    fn take(&mut self, piece: &[u8], is_data: bool, send: &mut impl FnMut(&[u8])) {
        if is_data {
            self.is_inside = !piece.ends_with(b"\n");
        }
        let Some(held) = &mut self.held else {
            send(piece);
            return;
        };
        held.bytes.extend_from_slice(piece);
        if is_data && !held.is_line_whole {
            held.line.extend_from_slice(piece);
            held.is_line_whole = !self.is_inside;
        }
        if held.bytes.len() > LIMIT {
            self.release(send);
        } else if self.body.is_in_last_chunk() {
            self.put_in(i64::MAX, send);
        } else if !self.is_inside && self.body.is_between_chunks() {
            // Of a line that does not tell, none of ours is known to come first.
            let time = events::time_of(&held.line).unwrap_or(i64::MIN);
            self.put_in(time, send);
        }
    }

    /// Nothing more has come for a while, or will at all: what is due is put in, if it may be.
    pub(super) fn flush(&mut self, send: &mut impl FnMut(&[u8])) {
        if self.held.is_some() || self.is_between() {
            self.put_in(i64::MAX, send);
        }
    }

    /// Sends what is due of before this time, and then what was held back.
    fn put_in(&mut self, time: i64, send: &mut impl FnMut(&[u8])) {
        while self.due.front().is_some_and(|due| due.time < time)
            && let Some(Due { line, .. }) = self.due.pop_front()
        {
            if self.body == Body::UntilClose {
                send(line.as_bytes());
            } else {
                send(format!("{:x}\r\n{line}\r\n", line.len()).as_bytes());
            }
        }
        self.release(send);
    }

    /// Sends what was held back.
    fn release(&mut self, send: &mut impl FnMut(&[u8])) {
        if let Some(held) = self.held.take() {
            send(&held.bytes);
        }
    }

    /// Whether one of ours could stand here.
    fn is_between(&self) -> bool {
        !self.is_inside && self.body.is_between_chunks()
    }
}

#[cfg(test)]
mod tests;

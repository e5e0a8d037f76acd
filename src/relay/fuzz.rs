//! What the fuzzers (`fuzz/` at the root of the project) see of the relay: no more than they need, and
//! in their builds only.

use std::{ops::Range, sync::OnceLock};

use super::{
    framing::Body,
    head::{Found, Scan, request_line},
    request::Requests,
    response::{Responses, Seen},
};
use crate::upgrade::{Identities, Isolation};

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The beginning of a head.
    Partial,
    /// A request.
    Request(Head),
    /// Nothing that the relay frames.
    Foreign,
}

/// What the relay has made of a head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its length, with blank lines before it.
    pub len: usize,
    /// The method, as it goes into routing.
    pub method: String,
    /// The target, likewise.
    pub target: String,
    /// Whether it is served here.
    pub ours: bool,
    /// What follows it.
    pub framing: Framing,
    /// `HEAD`.
    pub head: bool,
    /// `CONNECT`.
    pub connect: bool,
    /// Whether its answer may be a hijack.
    pub hijack: bool,
    /// Whether it has an `Expect`.
    pub expects: bool,
}

/// How a body is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// Until the sender closes.
    UntilClose,
}

impl Framing {
    fn body(self) -> Body {
        match self {
            Self::Length(length) => Body::Length(length),
            Self::Chunked => Body::CHUNKED,
            Self::UntilClose => Body::UntilClose,
        }
    }

    fn of(body: &Body) -> Self {
        match body {
            Body::Length(length) => Self::Length(*length),
            Body::Chunked(_) => Self::Chunked,
            Body::UntilClose => Self::UntilClose,
        }
    }
}

/// What came of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Followed {
    /// It ends before this byte.
    Ended(usize),
    /// There is more to come.
    Open,
    /// The relay does not follow it.
    Malformed,
}

/// Looks for a head, of whose bytes more and more come in `reads`.
#[must_use]
pub fn read_head(bytes: &[u8], reads: impl IntoIterator<Item = Range<usize>>) -> Read {
    let mut scan = Scan::default();
    for read in reads {
        match scan.look(&bytes[..read.end]) {
            Found::Partial => {}
            Found::Foreign => return Read::Foreign,
            Found::Request(request) => {
                let (method, target) = request_line(bytes);
                return Read::Request(Head {
                    len: request.len,
                    method: method.to_owned(),
                    target: target.to_owned(),
                    ours: request.ours,
                    framing: Framing::of(&request.body),
                    head: request.asked.head,
                    connect: request.asked.connect,
                    hijack: request.asked.hijack,
                    expects: request.expects,
                });
            }
        }
    }
    Read::Partial
}

/// Follows a body, of whose bytes more and more come in `reads`.
#[must_use]
pub fn follow(
    framing: Framing,
    bytes: &[u8],
    reads: impl IntoIterator<Item = Range<usize>>,
) -> Followed {
    let mut body = framing.body();
    for read in reads {
        if body.is_done() {
            return Followed::Ended(read.start);
        }
        let Ok(taken) = body.advance(&bytes[read.clone()]) else {
            return Followed::Malformed;
        };
        if body.is_done() {
            return Followed::Ended(read.start + taken);
        }
        assert_eq!(taken, read.len(), "all of a read goes, but at the end");
    }
    if body.is_done() {
        return Followed::Ended(bytes.len());
    }
    Followed::Open
}

/// As [`follow`], in pieces as events are put between; with the data.
#[must_use]
pub fn follow_data(
    framing: Framing,
    bytes: &[u8],
    reads: impl IntoIterator<Item = Range<usize>>,
) -> (Followed, Vec<u8>) {
    let (mut body, mut data) = (framing.body(), Vec::new());
    for read in reads {
        let mut at = read.start;
        while at < read.end {
            if body.is_done() {
                return (Followed::Ended(at), data);
            }
            let Ok((taken, is_data)) = body.piece(&bytes[at..read.end]) else {
                return (Followed::Malformed, data);
            };
            if is_data {
                data.extend_from_slice(&bytes[at..at + taken]);
            }
            at += taken;
        }
    }
    if body.is_done() {
        return (Followed::Ended(bytes.len()), data);
    }
    (Followed::Open, data)
}

/// The container around which every [`Client`] is isolated; it is on the network `app`.
pub const ISOLATED: &str = "web";

/// Both directions of one connection without its sockets, while an upgrade of [`ISOLATED`] is under
/// way.
#[derive(Debug)]
pub struct Client {
    requests: Requests,
    responses: Responses,
}

impl Default for Client {
    fn default() -> Self {
        static ISOLATION: OnceLock<Isolation> = OnceLock::new();
        let isolation = ISOLATION.get_or_init(|| Isolation::around(ISOLATED));
        Self {
            requests: Requests::new(isolation.clone(), Identities::default()),
            responses: Responses::default(),
        }
    }
}

impl Client {
    /// How many of the client's next bytes go to the engine now; those that stayed behind last time
    /// come first.
    pub fn sends(&mut self, bytes: &[u8]) -> usize {
        self.requests.judge(bytes, &mut self.responses)
    }

    /// The engine answers.
    pub fn is_answered(&mut self, bytes: &[u8]) {
        if self.responses.observe(bytes) == Seen::Opaque {
            self.requests.open();
        }
    }

    /// Whether what follows waits for the answer to a possible hijack.
    #[must_use]
    pub fn awaits_hijack(&self) -> bool {
        self.responses.awaits_hijack()
    }

    /// Whether the next request does not go to the engine, whatever comes.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.requests.is_ours()
    }

    /// Whether it is served now.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.requests.is_ours() && self.responses.all_answered()
    }

    /// Whether the client's bytes are still framed.
    #[must_use]
    pub fn is_framed(&self) -> bool {
        self.requests.is_framed()
    }
}

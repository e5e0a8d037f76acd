//! What the engine's bytes say, while they are copied as they are. Pure.
//!
//! The observer follows the response heads and their bodies to know two things: whether a hijack
//! was accepted, and whether everything that was asked has been answered. It never holds a byte
//! back. Invariant: what it cannot follow it calls [`Seen::Opaque`], and never guesses.

use std::{collections::VecDeque, mem::MaybeUninit};

use super::{
    framing::Body,
    head::{Asked, LIMIT, content_length, lines, values},
    hijack::is_raw_stream,
};

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
}

#[derive(Debug)]
enum State {
    /// At or in a head; the part that came before.
    Head(Vec<u8>),
    Body(Body),
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
}

impl Responses {
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

    /// Follows `bytes`, the next that the engine sent.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) -> Seen {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Opaque => return Seen::Opaque,
                State::Head(_) => self.head(bytes),
                State::Body(body) => body.advance(bytes).ok(),
            };
            let Some(taken) = taken else {
                self.state = State::Opaque;
                return Seen::Opaque;
            };
            bytes = &bytes[taken..];
            if matches!(&self.state, State::Body(body) if body.is_done()) {
                self.state = State::default();
            }
        }
        Seen::Responses
    }

    /// Reads a head, or keeps a part of one; how many of `bytes` it took. `None`: opaque from
    /// here on.
    fn head(&mut self, bytes: &[u8]) -> Option<usize> {
        let State::Head(partial) = &mut self.state else {
            return None;
        };
        let before = partial.len();
        let found = if before == 0 {
            parse(bytes)
        } else {
            partial.extend_from_slice(bytes);
            parse(partial)
        };
        let Some(head) = found.ok()? else {
            if before == 0 {
                partial.extend_from_slice(bytes);
            }
            return (partial.len() <= LIMIT).then_some(bytes.len());
        };
        let taken = head.len - before;
        self.state = match head.status {
            101 => return None,
            100..200 => State::default(),
            _ => State::Body(self.body(head)?),
        };
        Some(taken)
    }

    /// The body after a final head. `None`: a tunnel.
    fn body(&mut self, head: Head) -> Option<Body> {
        // An answer that nothing asked for is Go's 400 or 408 before it closes.
        let asked = self.asked.pop_front().unwrap_or_default();
        self.closing |= head.closing;
        if asked.connect && (200..300).contains(&head.status) {
            return None;
        }
        if asked.head || matches!(head.status, 204 | 304) {
            return Some(Body::NONE);
        }
        // Without a length it can't be followed by another response, on whatever path it was
        // asked for: a log read with HTTP/1.0 looks the same, and is not harmed.
        if head.status == 200 && head.raw_stream && head.body == Body::UntilClose {
            return None;
        }
        Some(head.body)
    }
}

/// Why a response head was not read.
enum Unread {
    TooManyHeaders,
    NotHttp,
}

/// Reads a response head; `Ok(None)` if there's more to come.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Unread> {
    let mut few = [const { MaybeUninit::uninit() }; 64];
    parse_into(bytes, &mut few).or_else(|unread| match unread {
        Unread::NotHttp => Err(unread),
        Unread::TooManyHeaders => parse_into(bytes, &mut vec![MaybeUninit::uninit(); lines(bytes)]),
    })
}

/// As [`parse`], into so many headers.
fn parse_into<'b>(
    bytes: &'b [u8],
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
    Ok(Some(Head {
        len,
        status: response.code.ok_or(Unread::NotHttp)?,
        body: body_of(response.headers).ok_or(Unread::NotHttp)?,
        raw_stream: values(response.headers, "content-type").any(is_raw_stream),
        closing: connection("close") || response.version == Some(0) && !connection("keep-alive"),
    }))
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GET: Asked = Asked {
        head: false,
        connect: false,
        hijack: false,
    };
    const HEAD: Asked = Asked { head: true, ..GET };
    const HIJACK: Asked = Asked {
        hijack: true,
        ..GET
    };
    const CONNECT: Asked = Asked {
        connect: true,
        hijack: true,
        head: false,
    };
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

    fn after(asked: &[Asked], bytes: &str) -> (Seen, Responses) {
        let mut responses = Responses::default();
        for asked in asked {
            responses.expect(*asked);
        }
        let seen = responses.observe(bytes.as_bytes());
        (seen, responses)
    }

    #[test]
    fn answers_are_counted_to_the_last_byte() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n";
        let cases: &[(&[Asked], String)] = &[
            (&[], String::new()),
            (&[GET], OK.into()),
            (&[GET, GET], format!("{OK}{chunked}")),
            (
                &[GET],
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nL: x\r\n\r\n{OK}"),
            ),
            (&[HEAD, GET], format!("{}{OK}", &OK[..OK.len() - 2])),
            (&[GET, GET], format!("HTTP/1.1 204 No Content\r\n\r\n{OK}")),
            (
                &[GET, GET],
                format!("HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n{OK}"),
            ),
            (&[HIJACK], OK.into()),
            (
                &[CONNECT],
                "HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n".into(),
            ),
            (
                &[HIJACK],
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\
                 Content-Length: 0\r\n\r\n"
                    .into(),
            ),
        ];
        for (asked, bytes) in cases {
            let (seen, responses) = after(asked, bytes);
            assert_eq!(seen, Seen::Responses, "{bytes:?}");
            assert!(responses.all_answered(), "{bytes:?}");
            assert!(!responses.awaits_hijack(), "{bytes:?}");
            if !bytes.is_empty() {
                let (_, responses) = after(asked, &bytes[..bytes.len() - 1]);
                assert!(!responses.all_answered(), "{bytes:?}");
            }
        }
    }

    #[test]
    fn the_last_answer_of_a_connection_is_never_followed() {
        for bytes in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (seen, responses) = after(&[GET], bytes);
            assert_eq!(seen, Seen::Responses, "{bytes:?}");
            assert!(!responses.all_answered(), "{bytes:?}");
        }
    }

    #[test]
    fn hijacks_are_known_when_the_engine_accepts_them() {
        for (asked, bytes) in [
            (HIJACK, "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"),
            (GET, "HTTP/1.1 101 UPGRADED\r\n\r\n\0\0"),
            (CONNECT, "HTTP/1.1 200 OK\r\n\r\n"),
            (
                HIJACK,
                "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n",
            ),
            (GET, "no response at all\r\n\r\n"),
            (GET, "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ] {
            let (seen, mut responses) = after(&[asked], bytes);
            assert_eq!(seen, Seen::Opaque, "{bytes:?}");
            assert_eq!(responses.observe(OK.as_bytes()), Seen::Opaque, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_sees_the_same(
            parts in prop::collection::vec(0_usize..6, 0..6),
            end in 0_usize..3,
            cuts in prop::collection::vec(1_usize..30, 1..20),
        ) {
            let parts: Vec<_> = parts.iter().map(|n| [
                (GET, OK),
                (HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
                (GET, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n"),
                (GET, "HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
                (GET, "HTTP/1.1 404 N\nContent-Length: 3\n\nabc"),
                (GET, "HTTP/1.1 304 N\r\n\r\n"),
            ][*n]).collect();
            let asked: Vec<_> = parts.iter().map(|part| part.0).chain([HIJACK]).collect();
            let mut bytes: String = parts.iter().map(|part| part.1).collect();
            bytes += ["HTTP/1.1 101 U\r\n\r\nraw", OK, "HTTP/1.1 404 N\r\n\r\nxy"][end];
            let (whole, all) = after(&asked, &bytes);
            prop_assert_eq!(whole == Seen::Opaque, end == 0);
            let (_, mut responses) = after(&asked, "");
            let (mut at, mut cuts, mut seen) = (0, cuts.iter().cycle(), Seen::Responses);
            while at < bytes.len() {
                let to = bytes.len().min(at + cuts.next().unwrap());
                seen = responses.observe(&bytes.as_bytes()[at..to]);
                at = to;
            }
            prop_assert_eq!(seen, whole);
            prop_assert_eq!(responses.all_answered(), all.all_answered());
            prop_assert_eq!(format!("{responses:?}"), format!("{all:?}"));
        }
    }
}

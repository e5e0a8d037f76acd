//! One request head: where it ends, whose it is, how its body is framed. Pure.
//!
//! Invariant: where [`parse`] reads a request, Go's net/http reads the same request with the same
//! body, or refuses it and closes the connection. Everything else is [`Found::Foreign`]: the
//! connection is not framed any more and the engine judges it. So no body can pose as a request
//! of ours, and none of ours is swallowed by a body, whatever the client sends.
//!
//! | in the head | Go | here |
//! |---|---|---|
//! | one `Transfer-Encoding: chunked`, HTTP/1.1 | chunked; a Content-Length beside it is ignored | the same |
//! | any other Transfer-Encoding, or several | 501, closes | foreign |
//! | Transfer-Encoding in HTTP/1.0 | ignored | foreign (RFC 9112 calls the framing faulty) |
//! | several Content-Length, textually equal | one | the same |
//! | several that differ, a list, a sign, empty, over 2^63-1 | 400 (empty: depends on the version) | foreign |
//! | white space before a colon, bare CR, control characters | 400 | foreign |
//! | folded header lines, empty header names | unfolded; skipped by old versions | foreign |
//! | LF for CR LF in the head | accepted | the same |
//! | blank lines before the request line | 400, or skipped after a POST | skipped |
//! | HTTP/1.2 and above; a target that is no UTF-8 | accepted | foreign |

use std::mem::MaybeUninit;

use super::{framing::Body, hijack};
use crate::api::{self, events::Query};

/// The longest head that is read. Longer ones are the engine's business (Go's own limit is
/// 1 MiB and 4 KiB; its 431 is what the client should read).
pub(super) const LIMIT: usize = 1 << 20;

/// Most heads have fewer headers.
const USUAL_HEADERS: usize = 64;

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The beginning of a head.
    Partial,
    /// A request.
    Request(Request),
    /// Nothing that we frame.
    Foreign,
}

/// What a forwarded request may be answered with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// `HEAD`: the answer has no body, whatever its head says.
    pub(super) head: bool,
    /// `CONNECT`: a tunnel if the answer is 2xx.
    pub(super) connect: bool,
    /// The answer may turn the connection into a raw stream.
    pub(super) hijack: bool,
    /// The answer has the events of the engine, and these of ours. On the heap: few requests ask.
    pub(super) events: Option<Box<Query>>,
}

/// What the relay has to know of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// The length of the head, with blank lines before it.
    pub(super) len: usize,
    /// Whether it is served here.
    pub(super) ours: bool,
    /// What follows the head.
    pub(super) body: Body,
    /// What its answer may be.
    pub(super) asked: Asked,
    /// Whether the client waits for the engine before it sends the body (`Expect`).
    pub(super) expects: bool,
}

impl Request {
    /// Whether the body can be waited for: it has a length, and a small one, and its client does not
    /// wait for the engine. Clients send those that are to be looked at so.
    pub(super) fn can_be_held(&self, limit: u64) -> bool {
        matches!(self.body, Body::Length(length) if length <= limit) && !self.expects
    }

    /// The body behind the head that `bytes` begin with, if it is whole.
    pub(super) fn whole_body<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let Body::Length(length) = self.body else {
            return None;
        };
        let body = bytes.get(self.len..)?;
        body.get(..usize::try_from(length).ok()?)
    }
}

/// Finds one head in bytes that keep growing, in linear time.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Where the line starts that is not complete yet.
    line: usize,
    /// Up to where that line has no end.
    seen: usize,
    /// Whether a line that is not blank was seen.
    begun: bool,
    /// How many bytes the last parse was given.
    tried: usize,
}

impl Scan {
    /// Looks at `bytes`: those of the call before, and what came since.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Found {
        // Mostly a whole head is there at once. Of one that is not, the parser is asked again
        // when the head is complete or has doubled: early, since garbage never completes.
        if self.tried > 0 && bytes.len() < 2 * self.tried && !self.ended(bytes) {
            return if bytes.len() > LIMIT {
                Found::Foreign
            } else {
                Found::Partial
            };
        }
        self.tried = bytes.len();
        match parse(bytes) {
            Found::Partial if bytes.len() > LIMIT => Found::Foreign,
            Found::Request(request) if request.len > LIMIT => Found::Foreign,
            found => found,
        }
    }

    /// Whether a blank line follows a line that is not blank.
    fn ended(&mut self, bytes: &[u8]) -> bool {
        while let Some(at) = bytes[self.seen..].iter().position(|&b| b == b'\n') {
            let end = self.seen + at;
            let blank = matches!(&bytes[self.line..end], b"" | b"\r");
            self.line = end + 1;
            self.seen = self.line;
            if blank && self.begun {
                return true;
            }
            self.begun |= !blank;
        }
        self.seen = bytes.len();
        false
    }
}

/// Reads the head that `bytes` begin with.
pub(super) fn parse(bytes: &[u8]) -> Found {
    let mut few = [const { MaybeUninit::uninit() }; USUAL_HEADERS];
    parse_into(bytes, &mut few).unwrap_or_else(|TooManyHeaders| {
        let mut many = vec![MaybeUninit::uninit(); lines(bytes)];
        parse_into(bytes, &mut many).unwrap_or(Found::Foreign)
    })
}

/// The method and the target of the request that `bytes` begin with, as [`parse`] has read it.
pub(super) fn request_line(bytes: &[u8]) -> (&str, &str) {
    let mut words = bytes.trim_ascii_start().split(|&b| b == b' ');
    let mut word = || str::from_utf8(words.next().unwrap_or_default()).unwrap_or_default();
    (word(), word())
}

/// How many lines `bytes` have: no head has more headers.
pub(super) fn lines(bytes: &[u8]) -> usize {
    bytes.split(|&b| b == b'\n').count()
}

struct TooManyHeaders;

fn parse_into<'b>(
    bytes: &'b [u8],
    headers: &mut [MaybeUninit<httparse::Header<'b>>],
) -> Result<Found, TooManyHeaders> {
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, headers) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(Found::Partial),
        Err(httparse::Error::TooManyHeaders) => return Err(TooManyHeaders),
        Err(_) => return Ok(Found::Foreign),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Ok(Found::Foreign);
    };
    let Some(body) = body_of(request.headers, minor) else {
        return Ok(Found::Foreign);
    };
    let upgrade = has(request.headers, "upgrade");
    let connect = method == "CONNECT";
    Ok(Found::Request(Request {
        len,
        ours: api::owns(method, target),
        body,
        asked: Asked {
            head: method == "HEAD",
            connect,
            hijack: connect || upgrade || hijack::by_path(method, target),
            events: Query::read(method, target).map(Box::new),
        },
        expects: has(request.headers, "expect"),
    }))
}

/// How the body of a request is framed; see the table above. `None`: foreign.
fn body_of(headers: &[httparse::Header<'_>], minor: u8) -> Option<Body> {
    let mut codings = values(headers, "transfer-encoding");
    if let Some(coding) = codings.next() {
        let chunked = minor == 1 && coding.eq_ignore_ascii_case(b"chunked");
        return (chunked && codings.next().is_none()).then_some(Body::CHUNKED);
    }
    let mut lengths = values(headers, "content-length");
    let Some(length) = lengths.next() else {
        return Some(Body::NONE);
    };
    if lengths.any(|other| other != length) {
        return None;
    }
    content_length(length).map(Body::Length)
}

/// Reads a Content-Length: digits only, at most 2^63-1, as Go does.
pub(super) fn content_length(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = str::from_utf8(value).ok()?.parse().ok()?;
    i64::try_from(length).is_ok().then_some(length)
}

/// The values of the headers called `name`.
pub(super) fn values<'a>(
    headers: &'a [httparse::Header<'_>],
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn has(headers: &[httparse::Header<'_>], name: &str) -> bool {
    values(headers, name).next().is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Found::Request(request) => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn plain_heads_are_read() {
        for (text, body) in [
            ("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n", Body::NONE),
            ("GET /_ping HTTP/1.0\n\n", Body::NONE),
            ("\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n", Body::NONE),
            (
                "POST /x HTTP/1.1\r\ncontent-LENGTH:  12 \r\n\r\n",
                Body::Length(12),
            ),
            (
                "POST /x HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
                Body::Length(3),
            ),
            (
                "POST /x HTTP/1.1\nTransfer-Encoding: Chunked\n\n",
                Body::CHUNKED,
            ),
            (
                "POST /x HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                Body::CHUNKED,
            ),
            (
                "GET /x?filters={\"status\":[\"<r>\"]} HTTP/1.1\r\n\r\n",
                Body::NONE,
            ),
            (
                "GET http://d/a%2Fb//c HTTP/1.1\r\nX: \u{fc}\r\n\r\n",
                Body::NONE,
            ),
        ] {
            let found = request(text);
            assert_eq!((found.len, &found.body), (text.len(), &body), "{text:?}");
            assert!(!found.ours && !found.asked.hijack, "{text:?}");
        }
    }

    #[test]
    fn whose_it_is_and_what_it_asks_for() {
        assert!(request("POST /containers/web/upgrade HTTP/1.1\r\n\r\n").ours);
        assert!(request("HEAD /_ping HTTP/1.1\r\n\r\n").asked.head);
        assert!(request("CONNECT d:1 HTTP/1.1\r\n\r\n").asked.connect);
        for text in [
            "CONNECT d:1 HTTP/1.1\r\n\r\n",
            "POST /v1.41/exec/0/start HTTP/1.1\r\n\r\n",
            "GET /containers/web/attach/ws HTTP/1.1\r\nUPGRADE: websocket\r\n\r\n",
        ] {
            assert!(request(text).asked.hijack, "{text:?}");
        }
    }

    #[test]
    fn what_could_be_read_differently_is_foreign() {
        for text in [
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 9223372036854775808\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length : 3\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nX: a\rb\r\n\r\n",
            "GET / HTTP/1.1\r\n: a\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET /a b HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.2\r\n\r\n",
            "GET /\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert_eq!(parse(text.as_bytes()), Found::Foreign, "{text:?}");
        }
    }

    #[test]
    fn huge_heads_pass_and_longer_ones_are_foreign() {
        use std::fmt::Write;
        let mut text = format!("GET /{} HTTP/1.1\r\n", "u".repeat(70_000));
        for n in 0..200 {
            write!(text, "X-{n}: {}\r\n", "v".repeat(4_100)).unwrap();
        }
        text.push_str("\r\n");
        assert!(text.len() > 890_000);
        assert_eq!(request(&text).len, text.len());
        assert_eq!(
            Scan::default().look(text.as_bytes()),
            parse(text.as_bytes())
        );

        let text = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "v".repeat(LIMIT));
        assert_eq!(Scan::default().look(text.as_bytes()), Found::Foreign);
        assert_eq!(
            Scan::default().look(&text.as_bytes()[..LIMIT]),
            Found::Partial
        );
        assert_eq!(
            Scan::default().look(&text.as_bytes()[..=LIMIT]),
            Found::Foreign
        );
    }

    proptest! {
        #[test]
        fn any_split_finds_the_same(
            lines in prop::collection::vec("[ -~]{0,12}", 0..6),
            lf in any::<bool>(),
            blank in 0_usize..3,
            cuts in prop::collection::vec(1_usize..20, 1..20),
        ) {
            let eol = if lf { "\n" } else { "\r\n" };
            let mut text = eol.repeat(blank) + "POST /x HTTP/1.1" + eol;
            for line in &lines {
                text = text + "N: " + line + eol;
            }
            text = text + eol + "BODY";
            let whole = parse(text.as_bytes());
            let (mut at, mut scan) = (0, Scan::default());
            let mut cuts = cuts.iter().cycle();
            let split = loop {
                at = text.len().min(at + cuts.next().unwrap());
                let found = scan.look(&text.as_bytes()[..at]);
                if found != Found::Partial || at == text.len() { break found; }
            };
            prop_assert_eq!(split, whole);
        }
    }
}

//! How Go's net/http reads a request (`net/http/server.go`, `request.go`, `transfer.go`, `internal/chunked.go`,
//! `net/textproto/reader.go`, `net/url/url.go`), in as few lines as it takes.
//!
//! What Go only refuses is left out where it stands in no doubt which bytes would belong to the request
//! (no Host, too long a head): to take more for a request compares more.

use refit::relay::fuzz::Framing;

/// What Go makes of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<T> {
    /// It waits for more.
    Partial,
    /// It reads this.
    Done(T),
    /// It answers that the request is bad, and closes.
    Refused(&'static str),
    /// It depends on its version, or the relay's table says that it does not follow.
    Doubtful(&'static str),
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The length, with blank lines before it.
    pub len: usize,
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// What follows.
    pub framing: Framing,
    /// Whether there is an `Upgrade`.
    pub upgrade: bool,
    /// Whether there is an `Expect`.
    pub expects: bool,
}

/// A decoded body in chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    /// The length of all of it, with trailers.
    pub len: usize,
    /// What it carries.
    pub data: Vec<u8>,
}

/// The lines of some bytes.
struct Lines<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Lines<'b> {
    /// The next line without its end (bufio's `ReadLine`).
    fn next(&mut self) -> Option<&'b [u8]> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.at += end + 1;
        Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]))
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }
}

/// Unwraps what was read, or returns early.
macro_rules! some {
    ($option:expr) => {
        match $option {
            Some(value) => value,
            None => return Read::Partial,
        }
    };
}

/// Reads the head that `bytes` begin with.
#[must_use]
pub fn read_head(bytes: &[u8]) -> Read<Head> {
    let mut lines = Lines { bytes, at: 0 };
    let mut line = some!(lines.next());
    while line.is_empty() {
        line = some!(lines.next());
    }
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next())
    else {
        return Read::Refused("no request line");
    };
    if method.is_empty() || !method.iter().copied().all(is_token) {
        return Read::Refused("no method");
    }
    let (major, minor) = match version {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            minor @ b'0'..=b'9',
        ] => (major - b'0', minor - b'0'),
        _ => return Read::Refused("no version"),
    };
    if target.is_empty() || target.iter().any(|&byte| byte < b' ' || byte == 0x7f) {
        return Read::Refused("a control character in the target");
    }
    let mut doubt = match (major, minor) {
        (1, 0 | 1) => None,
        _ => Some("the version"),
    };
    let Ok(target) = str::from_utf8(target) else {
        return Read::Doubtful("a target that is no UTF-8");
    };
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        if fields.is_empty() && matches!(lines.peek(), Some(b' ' | b'\t')) {
            return Read::Refused("the first field line is folded");
        }
        let line = some!(lines.next());
        if line.is_empty() {
            break;
        }
        let mut field = trimmed(line).to_vec();
        while matches!(some!(lines.peek()), b' ' | b'\t') {
            doubt = Some("a folded field line");
            field.push(b' ');
            field.extend_from_slice(trimmed(some!(lines.next())));
        }
        let Some(colon) = field.iter().position(|&byte| byte == b':') else {
            return Read::Refused("a field line without a colon");
        };
        let (name, value) = (&field[..colon], trimmed(&field[colon + 1..]));
        if name.is_empty() {
            doubt = Some("an empty field name");
        }
        if !name.iter().copied().all(is_token) {
            return Read::Refused("a field name that is none");
        }
        if value
            .iter()
            .any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f)
        {
            return Read::Refused("a control character in a value");
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        fields.push((name, value.to_vec()));
    }
    let values = |name: &str| -> Vec<&[u8]> {
        let named = fields.iter().filter(|field| field.0 == name);
        named.map(|field| field.1.as_slice()).collect()
    };
    let framing = match framing(
        &values("transfer-encoding"),
        &values("content-length"),
        minor,
    ) {
        Read::Done(framing) => framing,
        Read::Refused(why) => return Read::Refused(why),
        Read::Partial => return Read::Partial,
        Read::Doubtful(why) => return Read::Doubtful(why),
    };
    if let Some(doubt) = doubt {
        return Read::Doubtful(doubt);
    }
    Read::Done(Head {
        len: lines.at,
        method: String::from_utf8_lossy(method).into_owned(),
        target: target.to_owned(),
        framing,
        upgrade: !values("upgrade").is_empty(),
        expects: !values("expect").is_empty(),
    })
}

/// `readTransfer`.
fn framing(codings: &[&[u8]], lengths: &[&[u8]], minor: u8) -> Read<Framing> {
    if !codings.is_empty() && minor == 0 {
        return Read::Doubtful("a transfer coding in HTTP/1.0");
    }
    match codings {
        [] => {}
        [one] if one.eq_ignore_ascii_case(b"chunked") => return Read::Done(Framing::Chunked),
        // Old versions read `identity`, and lists.
        _ => return Read::Doubtful("another transfer coding"),
    }
    let Some(&first) = lengths.first() else {
        return Read::Done(Framing::Length(0));
    };
    if lengths.iter().any(|&other| other != first) {
        return Read::Refused("lengths that differ");
    }
    if first.is_empty() {
        return Read::Doubtful("an empty length");
    }
    // `ParseUint(length, 10, 63)`
    let mut length: u64 = 0;
    for &byte in first {
        let digit = byte.wrapping_sub(b'0');
        let next = length
            .checked_mul(10)
            .and_then(|l| l.checked_add(digit.into()));
        match next {
            Some(next) if digit < 10 && next >> 63 == 0 => length = next,
            _ => return Read::Refused("a length that is none"),
        }
    }
    Read::Done(Framing::Length(length))
}

/// Reads the body in chunks that `bytes` begin with (`chunkedReader`, and `body.readTrailer`).
#[must_use]
pub fn read_chunks(bytes: &[u8]) -> Read<Chunks> {
    let (mut at, mut data) = (0, Vec::new());
    loop {
        let end = some!(bytes[at..].iter().position(|&byte| byte == b'\n'));
        let Some(line) = bytes[at..at + end].strip_suffix(b"\r") else {
            return Read::Doubtful("a bare line feed after a size");
        };
        if line.contains(&b'\r') {
            return Read::Doubtful("a bare carriage return in a size line");
        }
        at += end + 1;
        // `trimTrailingWhitespace`, then `removeChunkExtension`.
        let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
        let has_extension = size.len() < line.len();
        let size = if has_extension {
            size
        } else {
            trimmed_end(size)
        };
        if size.is_empty() {
            return Read::Doubtful("an empty size");
        }
        let Some(size) = hex(size) else {
            return Read::Refused("a size that is none");
        };
        if size == 0 {
            break;
        }
        let rest = &bytes[at..];
        let Some(size) = usize::try_from(size)
            .ok()
            .filter(|&size| size <= rest.len())
        else {
            return Read::Partial;
        };
        data.extend_from_slice(&rest[..size]);
        match &rest[size..] {
            [] | [b'\r'] => return Read::Partial,
            [b'\r', b'\n', ..] => at += size + 2,
            _ => return Read::Refused("no line end after a chunk"),
        }
    }
    let mut lines = Lines { bytes, at };
    loop {
        let start = lines.at;
        let line = some!(lines.next());
        let written = &bytes[start..lines.at - 1];
        if line.len() == written.len() || line.contains(&b'\r') {
            return Read::Doubtful("a bare line end in the trailers");
        }
        if line.is_empty() {
            return Read::Done(Chunks {
                len: lines.at,
                data,
            });
        }
    }
}

/// `parseHexUint`
fn hex(digits: &[u8]) -> Option<u64> {
    if digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |value: u64, &digit| {
        Some(value << 4 | u64::from(char::from(digit).to_digit(16)?))
    })
}

/// A request's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'t> {
    /// The path as it is written.
    pub written: &'t str,
    /// The path as it is routed.
    pub path: Vec<u8>,
    /// The query as it is written.
    pub query: &'t str,
}

/// Reads a target (`url.ParseRequestURI`). `None`: Go refuses it.
#[must_use]
pub fn read_target(target: &str) -> Option<Target<'_>> {
    let of = |written, query| {
        let path = decoded(written, false)?;
        Some(Target {
            written,
            path,
            query,
        })
    };
    if target == "*" {
        return of(target, "");
    }
    let (scheme, rest) = scheme(target)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        // Opaque, which has no path; without a scheme it is none.
        return of("", query).filter(|_| !scheme.is_empty());
    }
    let path = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        Some(authority) => authority.find('/').map_or("", |at| &authority[at..]),
        None => rest,
    };
    of(path, query)
}

/// `getScheme`
fn scheme(target: &str) -> Option<(&str, &str)> {
    for (at, byte) in target.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at > 0 => return Some((&target[..at], &target[at + 1..])),
            b':' => return None,
            _ => break,
        }
    }
    Some(("", target))
}

/// The names and values of a query. `None`: Go refuses it; old versions take a semicolon for an
/// ampersand.
#[must_use]
pub fn read_query(query: &str) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if query.contains(';') {
        return None;
    }
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    };
    query.split('&').map(pair).collect()
}

/// `unescape`
fn decoded(text: &str, is_query: bool) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::try_from(hex(&digits)?).ok()?
            }
            b'+' if is_query => b' ',
            _ => byte,
        });
    }
    Some(decoded)
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trimmed_end(mut bytes: &[u8]) -> &[u8] {
    while let Some((&last, rest)) = bytes.split_last()
        && is_blank(last)
    {
        bytes = rest;
    }
    bytes
}

fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let Some((&first, rest)) = bytes.split_first()
        && is_blank(first)
    {
        bytes = rest;
    }
    trimmed_end(bytes)
}

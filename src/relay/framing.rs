//! Where a body ends: Content-Length and chunked, for both directions. Pure.
//!
//! Invariant: a body ends for us exactly where it ends for Go's net/http (dockerd), or we say
//! [`Malformed`] and stop framing. Go has changed what it tolerates in a chunked body over the
//! years (bare line feeds above all); whatever some version reads differently is malformed here.

/// How much of the current body is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes; zero where there is no body.
    Length(u64),
    /// Chunks, and trailers after the last.
    Chunked(Chunk),
    /// Everything, until the sender closes (responses only).
    UntilClose,
}

/// Where in a chunked body the next byte falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// In the hexadecimal size: its value, and how many digits there were.
    Size { value: u64, digits: u8 },
    /// In white space after the size.
    Space(u64),
    /// In a chunk extension.
    Extension(u64),
    /// Before the line feed of the size line.
    SizeLf(u64),
    /// In the data; so many bytes are left.
    Data(u64),
    /// Before the carriage return after the data.
    DataCr,
    /// Before the line feed after the data.
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    /// Inside a trailer line.
    TrailerLine,
    /// Before the line feed of a trailer line.
    TrailerLf,
    /// Before the line feed that ends the body.
    LastLf,
    /// After the end.
    Done,
}

/// The bytes are no chunked body, or one that engines read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Go refuses a longer chunk size, too.
const MAX_SIZE_DIGITS: u8 = 16;

impl Body {
    /// No body.
    pub(super) const NONE: Self = Self::Length(0);

    /// The beginning of a chunked body.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::START);

    /// Whether the body has ended.
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Counts the leading part of `bytes` that belongs to the body, and advances past it. Fewer
    /// than `bytes.len()` only where the body ends.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match self {
            Self::UntilClose => Ok(bytes.len()),
            Self::Length(left) => Ok(skip(left, bytes.len())),
            Self::Chunked(chunk) => chunk.advance(bytes),
        }
    }

    /// As [`Body::advance`], but no further than to the end of some data, or past one byte of the
    /// framing; and whether it was data. `bytes` are not empty.
    pub(super) fn piece(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        match self {
            Self::Chunked(chunk) => chunk.piece(bytes),
            _ => Ok((self.advance(bytes)?, true)),
        }
    }

    /// Whether one chunk more could stand here; anything could where there are none.
    pub(super) fn is_between_chunks(&self) -> bool {
        matches!(self, Self::UntilClose | Self::Chunked(Chunk::START))
    }

    /// Whether the last chunk has begun, which has no data.
    pub(super) fn is_in_last_chunk(&self) -> bool {
        use Chunk::{Done, LastLf, Trailer, TrailerLf, TrailerLine};
        matches!(
            self,
            Self::Chunked(Trailer | TrailerLine | TrailerLf | LastLf | Done)
        )
    }
}

/// Takes up to `len` from `left`; how much it was.
fn skip(left: &mut u64, len: usize) -> usize {
    let taken = usize::try_from(*left).map_or(len, |left| left.min(len));
    *left -= taken as u64;
    taken
}

impl Chunk {
    const START: Self = Self::Size {
        value: 0,
        digits: 0,
    };

    fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            at += self.piece(&bytes[at..])?.0;
        }
        Ok(at)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<(usize, bool), Malformed> {
        if let Self::Data(left) = self {
            let taken = skip(left, bytes.len());
            if *left == 0 {
                *self = Self::DataCr;
            }
            return Ok((taken, true));
        }
        *self = self.step(bytes[0])?;
        Ok((1, false))
    }

    /// The state after one byte of anything but data.
    fn step(self, byte: u8) -> Result<Self, Malformed> {
        Ok(match (self, byte) {
            // An empty size was the last chunk to old versions of Go: malformed.
            (Self::Size { value, digits: 1.. }, _) if !byte.is_ascii_hexdigit() => {
                Self::after_size(value, byte)?
            }
            (Self::Size { value, digits }, _) if digits < MAX_SIZE_DIGITS => Self::Size {
                value: value << 4 | u64::from(hex(byte)?),
                digits: digits + 1,
            },
            // Go trims white space before the line's end, but not before an extension.
            (Self::Space(value), b' ' | b'\t') => Self::Space(value),
            (Self::Space(value) | Self::Extension(value), b'\r') => Self::SizeLf(value),
            // A bare line feed ended the extension in Go before 1.23.8 (CVE-2025-22871).
            (Self::Extension(value), _) if byte != b'\n' => Self::Extension(value),
            (Self::SizeLf(0) | Self::TrailerLf, b'\n') => Self::Trailer,
            (Self::SizeLf(value), b'\n') => Self::Data(value),
            (Self::DataCr, b'\r') => Self::DataLf,
            (Self::DataLf, b'\n') => Self::START,
            (Self::Trailer, b'\r') => Self::LastLf,
            (Self::LastLf, b'\n') => Self::Done,
            (Self::TrailerLine, b'\r') => Self::TrailerLf,
            (Self::Trailer | Self::TrailerLine, _) if byte != b'\n' => Self::TrailerLine,
            _ => return Err(Malformed),
        })
    }

    fn after_size(value: u64, byte: u8) -> Result<Self, Malformed> {
        match byte {
            b'\r' => Ok(Self::SizeLf(value)),
            b' ' | b'\t' => Ok(Self::Space(value)),
            b';' => Ok(Self::Extension(value)),
            _ => Err(Malformed),
        }
    }
}

fn hex(byte: u8) -> Result<u8, Malformed> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end_of(mut body: Body, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let at = body.advance(bytes)?;
        Ok(body.is_done().then_some(at))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let cases: &[(Body, &[u8], Option<usize>)] = &[
            (Body::NONE, b"GET /", Some(0)),
            (Body::Length(3), b"abcGET /", Some(3)),
            (Body::Length(9), b"abc", None),
            (Body::UntilClose, b"abc", None),
            (Body::CHUNKED, b"0\r\n\r\nGET /", Some(5)),
            (Body::CHUNKED, b"3\r\nabc\r\n0\r\n\r\nGET", Some(13)),
            (Body::CHUNKED, b"3 \t\r\nabc\r\n00\r\n\r\n", Some(16)),
            (Body::CHUNKED, b"3;x=\"y\"\r\nabc\r\n0;z\r\n\r\n", Some(21)),
            (Body::CHUNKED, b"A\r\n0123456789\r\n0\r\n\r\n", Some(20)),
            (Body::CHUNKED, b"0\r\nSum: 1\r\nT: 2\r\n\r\nPOST", Some(19)),
            (Body::CHUNKED, b"3\r\nabc\r\n", None),
            (Body::CHUNKED, b"ffffffffffffffff\r\nabc", None),
        ];
        for (body, bytes, end) in cases {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(end_of(body.clone(), bytes), Ok(*end), "{text:?}");
        }
    }

    #[test]
    fn what_engines_read_differently_is_malformed() {
        let cases: &[&[u8]] = &[
            b"\r\n",
            b"3\nabc\r\n",
            b"3;ext\nabc\r\n",
            b"3;e\rxt\r\nabc\r\n",
            b"3 ;ext\r\nabc\r\n",
            b"+3\r\nabc\r\n",
            b"0x3\r\nabc\r\n",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n0\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nA: b\n\nPOST / HTTP/1.1\r\n\r\n",
            b"0\r\nA: b\r\r\n\r\n",
            b"11111111111111111\r\n",
        ];
        for bytes in cases {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(end_of(Body::CHUNKED, bytes), Err(Malformed), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_ends_at_the_same_byte(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..5),
            noise in prop::collection::vec(any::<u8>(), 0..20),
            flip in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            cuts in prop::collection::vec(1_usize..9, 1..40),
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\nT: x\r\n\r\n");
            let end = bytes.len();
            bytes.extend_from_slice(&noise);
            if let Some((at, byte)) = &flip {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            } else {
                prop_assert_eq!(end_of(Body::CHUNKED, &bytes), Ok(Some(end)));
            }
            let whole = end_of(Body::CHUNKED, &bytes);
            let mut body = Body::CHUNKED;
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            let split = loop {
                let to = bytes.len().min(at + cuts.next().unwrap());
                match body.advance(&bytes[at..to]) {
                    Err(malformed) => break Err(malformed),
                    Ok(n) => at += n,
                }
                if body.is_done() { break Ok(Some(at)); }
                if at == bytes.len() { break Ok(None); }
            };
            prop_assert_eq!(split, whole);
        }
    }
}

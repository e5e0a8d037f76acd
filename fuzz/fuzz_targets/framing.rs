//! One body: however it is split into reads, it ends for the relay where it ends for Go and for hyper,
//! with the same data.
//!
//! The first line of an input says how the body is framed: `chunked`, `close`, or its length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit::relay::fuzz::{Followed, Framing, follow, follow_data};
use refit_fuzz::{go, reads::ways, served::serve};

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
        return;
    };
    let (line, bytes) = (&input[..end], &input[end + 1..]);
    let framing = match line {
        b"chunked" => Framing::Chunked,
        b"close" => Framing::UntilClose,
        length => match str::from_utf8(length).map(str::parse) {
            Ok(Ok(length)) => Framing::Length(length),
            _ => return,
        },
    };
    let ways = ways(bytes);
    let [(whole, data), single, pieces] = ways.clone().map(|way| follow_data(framing, bytes, way));
    assert_eq!((&whole, &data), (&single.0, &single.1));
    assert_eq!((&whole, &data), (&pieces.0, &pieces.1));
    for way in ways {
        assert_eq!(whole, follow(framing, bytes, way));
    }
    match framing {
        Framing::UntilClose => assert_eq!((whole, &*data), (Followed::Open, bytes)),
        Framing::Length(length) => {
            match usize::try_from(length).ok().and_then(|n| bytes.get(..n)) {
                Some(body) => {
                    assert_eq!((&whole, &*data), (&Followed::Ended(body.len()), body));
                    hyper(&format!("Content-Length: {length}"), body, &data);
                }
                None => assert_eq!((whole, &*data), (Followed::Open, bytes)),
            }
        }
        Framing::Chunked => match (&whole, go::read_chunks(bytes)) {
            (Followed::Ended(end), go::Read::Done(body)) => {
                assert_eq!((*end, &data), (body.len, &body.data));
                hyper("Transfer-Encoding: chunked", &bytes[..*end], &data);
            }
            (Followed::Open, go::Read::Partial) => {}
            // Of a line that Go would wait for.
            (Followed::Malformed, go::Read::Partial) => {}
            (Followed::Malformed, go::Read::Refused(_) | go::Read::Doubtful(_)) => {}
            (whole, go) => panic!("{whole:?}, Go {go:?}"),
        },
    }
});

/// Where hyper reads a body, it has this data, and the next request begins behind it.
fn hyper(field: &str, body: &[u8], data: &[u8]) {
    let mut bytes = format!("POST / HTTP/1.1\r\n{field}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"GET /next HTTP/1.1\r\n\r\n");
    let served = serve(&bytes);
    let first = served.first().expect("it reads the first head");
    if first.is_whole {
        assert_eq!(first.body, data);
        assert_eq!(served.len(), 2);
        assert_eq!(served[1].target, "/next");
    }
}

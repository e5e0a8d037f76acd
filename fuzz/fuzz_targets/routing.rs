//! The requests of one connection while an upgrade is under way: those that the relay keeps from the
//! engine are those that dockerd would act upon in the upgrade's way, and those that are ours; never one
//! from within a body, and none behind what dockerd refuses.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use refit::relay::fuzz::{Client, Framing, ISOLATED};
use refit_fuzz::{
    moby::Verdict,
    reads::ways,
    served::{Served, serve},
    stream::{self, Asked, End},
};

/// An answer, also to what would be a hijack.
const ANSWER: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
const HIJACK: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
const REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request";

fuzz_target!(|bytes: &[u8]| {
    let (asked, end) = stream::read(bytes);
    for way in ways(bytes) {
        let (client, sent) = relay(bytes, &way, &asked, end, false);
        if client.is_kept() {
            kept(&client, sent, &asked, end);
        } else if client.is_framed() {
            framed(bytes, sent, &asked, end);
        } else {
            given_up(bytes, &asked, end);
        }
        let (client, sent) = relay(bytes, &way, &asked, end, true);
        if client.is_kept() {
            kept(&client, sent, &asked, end);
        }
    }
    compare(&asked, end, &serve(bytes));
});

/// Relays `bytes`; how many of them went to the engine.
fn relay(
    bytes: &[u8],
    way: &[Range<usize>],
    asked: &[Asked],
    end: End,
    accepts: bool,
) -> (Client, usize) {
    let mut client = Client::default();
    let mut unanswered = asked.iter().enumerate();
    let mut next = unanswered.next();
    let (mut sent, mut hijacked) = (0, false);
    for read in way {
        loop {
            let goes = client.sends(&bytes[sent..read.end]);
            sent += goes;
            let mut answered = false;
            while let Some((at, one)) = next
                && one.head_end() <= sent
                && !hijacked
            {
                let is_broken = at + 1 == asked.len() && matches!(end, End::Broken(_));
                let is_refused = is_broken || one.verdict.is_none();
                hijacked = accepts && client.awaits_hijack() && !is_refused;
                client.is_answered(match (is_refused, hijacked) {
                    (true, _) => REFUSAL,
                    (_, true) => HIJACK,
                    _ => ANSWER,
                });
                (answered, next) = (true, unanswered.next());
            }
            if goes == 0 && !answered || sent == read.end {
                break;
            }
        }
    }
    assert!(!hijacked || !client.is_framed(), "a hijack is no HTTP");
    (client, sent)
}

/// The relay keeps what begins at `sent`.
fn kept(client: &Client, sent: usize, asked: &[Asked], end: End) {
    if !client.is_served() {
        // The engine has closed, and nothing comes of it.
        assert!(matches!(end, End::Broken(_)), "all is answered: {asked:?}");
        return;
    }
    let Some(at) = asked.iter().position(|one| one.start == sent) else {
        panic!("at {sent} is no request: {asked:?}");
    };
    let one = &asked[at];
    let may_be = match one.verdict {
        None | Some(Verdict::IsKept | Verdict::Either) => true,
        Some(Verdict::OfBody | Verdict::OfForm) => names(one) != Some(false),
        Some(Verdict::Goes) => false,
    };
    assert!(may_be, "kept: {one:?}");
    let is_before = asked[..at].iter().any(must_be_kept);
    assert!(!is_before, "before {at}: {asked:?}");
}

/// Everything went that could.
fn framed(bytes: &[u8], sent: usize, asked: &[Asked], end: End) {
    assert!(!asked.iter().any(must_be_kept), "sent {sent}: {asked:?}");
    if let End::Open(at) = end {
        // What is judged by its body waits for it.
        let last = asked.last().filter(|one| one.body.is_none());
        let may_be = match last.map(|one| (one.start, one.verdict)) {
            Some((start, Some(Verdict::OfBody | Verdict::OfForm))) => sent == start,
            Some((start, Some(Verdict::Either))) => sent == start || sent == at,
            _ => sent == at,
        };
        assert!(may_be, "sent {sent} of {}: {asked:?}", bytes.len());
    }
}

/// The relay follows no more. Of a line that has not ended it may know sooner than Go that it is none.
fn given_up(bytes: &[u8], asked: &[Asked], end: End) {
    let is_open = |one: &Asked| one.body.is_none() && one.head.framing == Framing::Chunked;
    let may_be = match end {
        End::Broken(_) => true,
        End::Open(at) => at < bytes.len() || asked.last().is_some_and(is_open),
    };
    assert!(may_be, "given up: {asked:?}");
    assert!(!asked.iter().any(must_be_kept), "given up: {asked:?}");
}

fn must_be_kept(one: &Asked) -> bool {
    match one.verdict {
        Some(Verdict::IsKept) => true,
        Some(Verdict::OfBody | Verdict::OfForm) => names(one) == Some(true),
        None | Some(Verdict::Goes | Verdict::Either) => false,
    }
}

/// Whether a body names the isolated container; one that cannot be waited for is taken to. `None`: it
/// is not whole, or engines read it in a way of their own.
fn names(one: &Asked) -> Option<bool> {
    match one.head.framing {
        Framing::Length(length) if length <= 64 * 1024 && !one.head.expects => {
            let (_, body) = one.body.as_ref()?;
            let is_in = body
                .windows(ISOLATED.len())
                .any(|word| word == ISOLATED.as_bytes());
            let is_plain = |byte: &u8| !matches!(byte, b'\\' | b'%');
            if !is_in && body.iter().all(is_plain) {
                return Some(false);
            }
            // Go reads a form of this type only, Refit any.
            if one.verdict == Some(Verdict::OfForm) {
                return None;
            }
            let fields: serde_json::Map<_, _> = serde_json::from_slice(body).ok()?;
            let is_named = |field: &&String| field.eq_ignore_ascii_case("container");
            let mut named = fields.keys().filter(is_named);
            let container = fields[named.next()?].as_str()?;
            named.next().is_none().then_some(container == ISOLATED)
        }
        _ => Some(true),
    }
}

/// hyper reads the same, as far as it does.
fn compare(asked: &[Asked], end: End, served: &[Served]) {
    for (at, served) in served.iter().enumerate() {
        let Some(one) = asked.get(at) else {
            assert!(
                matches!(end, End::Broken(_)),
                "hyper has one more: {served:?}"
            );
            return;
        };
        assert_eq!(one.head.method, served.method);
        if Served::keeps(&one.head.target) {
            assert_eq!(one.head.target, served.target);
        }
        match &one.body {
            Some((_, data)) if served.is_whole => assert_eq!(*data, served.body),
            _ => return,
        }
    }
}

//! One head: what the relay makes of it, Go does, or refuses it; and the relay gives up only where Go
//! refuses, or where its table says so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use refit::relay::fuzz::{Framing, Head, Read, read_head};
use refit_fuzz::{
    go,
    reads::ways,
    served::{Served, serve},
};

fuzz_target!(|bytes: &[u8]| {
    let [whole, single, pieces] = ways(bytes).map(|way| read_head(bytes, way));
    // Of a few bytes that are no head it may be known later: the relay looks again when there are twice
    // as many.
    let is_same =
        |other: &Read| *other == whole || *other == Read::Partial && whole == Read::Foreign;
    assert!(is_same(&single), "{whole:?}, by bytes {single:?}");
    assert!(is_same(&pieces), "{whole:?}, in pieces {pieces:?}");

    let go = go::read_head(bytes);
    match (&whole, &go) {
        (Read::Request(ours), go::Read::Done(head)) => same(ours, head),
        (Read::Partial, go::Read::Partial) => {}
        // What Go would wait for is nothing that it could read in the end.
        (Read::Foreign, go::Read::Partial | go::Read::Refused(_) | go::Read::Doubtful(_)) => {}
        _ => panic!("{whole:?}, Go {go:?}"),
    }
    if let (Read::Request(ours), Some(served)) = (&whole, serve(bytes).first()) {
        assert_eq!(ours.method, served.method);
        if Served::keeps(&ours.target) {
            assert_eq!(ours.target, served.target);
        }
        let length = match ours.framing {
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::UntilClose => None,
        };
        assert_eq!(length, served.length);
    }
});

fn same(ours: &Head, go: &go::Head) {
    assert_eq!(
        (ours.len, &ours.method, &ours.target, ours.framing),
        (go.len, &go.method, &go.target, go.framing)
    );
    assert_eq!(ours.head, go.method == "HEAD");
    assert_eq!(ours.connect, go.method == "CONNECT");
    assert_eq!(ours.expects, go.expects);
    // Some paths hijack without.
    assert!(ours.hijack || !go.upgrade && !ours.connect);
}

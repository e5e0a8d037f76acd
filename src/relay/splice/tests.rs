use proptest::prelude::*;

use super::*;

/// A line as dockerd writes one.
fn line(time: i64) -> String {
    format!("{{\"Action\":\"start\",\"scope\":\"local\",\"timeNano\":{time}}}\n")
}

/// One of ours.
fn our_line(time: i64) -> String {
    format!("{{\"Action\":\"upgrade\",\"timeNano\":{time}}}\n")
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

fn offered(body: Body, ours: &[i64]) -> Splice {
    let mut splice = Splice::new(body);
    for time in ours {
        splice.offer(*time, our_line(*time));
    }
    splice
}

/// What comes out when `bytes` come in at once.
fn spliced(splice: &mut Splice, bytes: &str) -> String {
    let mut out = Vec::new();
    splice.advance(bytes.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
    String::from_utf8(out).expect("a text")
}

fn flushed(splice: &mut Splice) -> String {
    let mut out = Vec::new();
    splice.flush(&mut |bytes| out.extend_from_slice(bytes));
    String::from_utf8(out).expect("a text")
}

#[test]
fn ours_stand_before_what_happened_later_and_before_the_end() {
    let [two, four, six] = [2, 4, 6].map(|time| chunk(&line(time)));
    let [one, three, five, nine] = [1, 3, 5, 9].map(|time| chunk(&our_line(time)));
    let mut splice = offered(Body::CHUNKED, &[1, 3, 5, 9]);
    let out = spliced(&mut splice, &format!("{two}{four}{six}0\r\n\r\nHTTP/1.1"));
    let expected = format!("{one}{two}{three}{four}{five}{six}{nine}0\r\n\r\n");
    assert_eq!(out, expected);
    assert!(splice.is_done() && !splice.is_due());
}

#[test]
fn what_has_no_chunks_has_lines() {
    let mut splice = offered(Body::UntilClose, &[1, 3, 9]);
    let out = spliced(&mut splice, &format!("{}{}", line(2), line(4)));
    let [one, three, nine] = [1, 3, 9].map(our_line);
    assert_eq!(out, format!("{one}{}{three}{}", line(2), line(4)));
    assert_eq!(flushed(&mut splice), nine);
}

#[test]
fn a_quiet_engine_is_waited_for_in_the_middle_of_a_line_only_if_nothing_is_held() {
    let [theirs, ours] = [chunk(&line(7)), chunk(&our_line(5))];
    let (beginning, end) = theirs.split_at(20);
    // It was due when the line began.
    let mut splice = offered(Body::CHUNKED, &[5]);
    assert_eq!(spliced(&mut splice, beginning), "");
    assert_eq!(flushed(&mut splice), format!("{ours}{beginning}"));
    assert_eq!(spliced(&mut splice, end), end);
    // It was not.
    let mut splice = offered(Body::CHUNKED, &[]);
    assert_eq!(spliced(&mut splice, beginning), beginning);
    splice.offer(5, our_line(5));
    assert_eq!(flushed(&mut splice), "");
    assert_eq!(spliced(&mut splice, end), end);
    assert!(splice.is_due());
    assert_eq!(flushed(&mut splice), ours);
    assert_eq!(flushed(&mut splice), "");
}

#[test]
fn an_event_of_several_chunks_is_not_parted() {
    let (first, second) = (line(7), line(8));
    let (beginning, end) = first.split_at(9);
    let bytes = [beginning, end, &second].map(chunk).concat();
    for (ours, expected) in [
        (6, format!("{}{bytes}", chunk(&our_line(6)))),
        (7, {
            let second = chunk(&second);
            let first = bytes.strip_suffix(&second).expect("the second");
            format!("{first}{}{second}", chunk(&our_line(7)))
        }),
    ] {
        let mut splice = offered(Body::CHUNKED, &[ours]);
        assert_eq!(spliced(&mut splice, &bytes), expected);
    }
}

#[test]
fn a_line_that_is_too_long_or_none_is_not_waited_for() {
    let long = format!("{{\"a\":\"{}\",\"timeNano\":9}}\n", "x".repeat(LIMIT));
    for data in [long.as_str(), "no JSON\n", "{\"timeNano\":\"x\"}\n"] {
        let theirs = chunk(data);
        let mut splice = offered(Body::CHUNKED, &[5]);
        assert_eq!(spliced(&mut splice, &theirs), theirs);
        assert_eq!(flushed(&mut splice), chunk(&our_line(5)));
        // However it comes.
        for cut in [1, data.len() - 1, data.len()] {
            let mut splice = offered(Body::UntilClose, &[5]);
            let out = [&data[..cut], &data[cut..]].map(|part| spliced(&mut splice, part));
            assert_eq!(out.concat(), data);
            assert_eq!(flushed(&mut splice), our_line(5));
        }
    }
}

#[test]
fn what_cannot_be_followed_passes_whole() {
    let bytes = format!("{}x{}", chunk(&line(1)), chunk(&line(2)));
    let mut splice = offered(Body::CHUNKED, &[5]);
    let mut out = Vec::new();
    let taken = splice.advance(bytes.as_bytes(), &mut |bytes| out.extend_from_slice(bytes));
    assert_eq!((taken, out), (None, bytes.into_bytes()));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_and_without_ours_the_engines_bytes(
        times in prop::collection::vec(0_i64..20, 0..8),
        mut ours in prop::collection::vec(0_i64..20, 0..4),
        parts in prop::collection::vec(1_usize..60, 1..8),
        has_chunks in any::<bool>(),
        has_end in any::<bool>(),
        noise in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in prop::collection::vec(1_usize..30, 1..40),
    ) {
        ours.sort_unstable();
        let lines: String = times.iter().map(|time| line(*time)).collect();
        let mut bytes = String::new();
        let (mut rest, mut sizes) = (lines.as_str(), parts.iter().cycle());
        while has_chunks && !rest.is_empty() {
            let (part, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            bytes += &chunk(part);
            rest = later;
        }
        bytes += rest;
        if has_chunks && has_end {
            bytes += "0\r\n\r\n";
        }
        let mut bytes = bytes.into_bytes();
        if let Some((at, byte)) = noise && !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let body = || if has_chunks { Body::CHUNKED } else { Body::UntilClose };
        let run = |ours: &[i64], cuts: &[usize]| {
            let mut splice = offered(body(), ours);
            let (mut out, mut at, mut cuts) = (Vec::new(), 0, cuts.iter().cycle());
            while at < bytes.len() && !splice.is_done() {
                let to = bytes.len().min(at + cuts.next().unwrap());
                let taken = splice.advance(&bytes[at..to], &mut |b| out.extend_from_slice(b));
                at += taken.unwrap_or_else(|| {
                    out.extend_from_slice(&bytes[to..]);
                    bytes.len() - at
                });
            }
            splice.flush(&mut |bytes| out.extend_from_slice(bytes));
            (out, at)
        };
        let (whole, taken) = run(&ours, &[usize::MAX >> 1]);
        prop_assert_eq!(&run(&ours, &cuts), &(whole.clone(), taken));
        prop_assert_eq!(run(&[], &cuts).0, &bytes[..taken]);
        let mut without = whole;
        for time in &ours {
            let ours = our_line(*time);
            let ours = if has_chunks { chunk(&ours) } else { ours };
            let found = without.windows(ours.len()).position(|window| window == ours.as_bytes());
            if let Some(at) = found {
                without.drain(at..at + ours.len());
            }
        }
        prop_assert_eq!(without, &bytes[..taken]);
    }
}

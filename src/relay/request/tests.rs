use proptest::prelude::*;

use super::*;

const OURS: &str = "POST /containers/web/upgrade HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
const ATTACH: &str = "POST /containers/web/attach HTTP/1.1\r\n\r\n";

fn judged(bytes: &str) -> (usize, Requests) {
    let mut requests = Requests::default();
    let at = requests.judge(bytes.as_bytes(), &mut Responses::default());
    (at, requests)
}

fn isolated() -> Requests {
    Requests::new(Isolation::around("web"), Identities::default())
}

#[test]
fn everything_goes_up_to_ours() {
    let get = "GET /_ping HTTP/1.1\r\n\r\n";
    let post = format!(
        "POST /x HTTP/1.1\r\nContent-Length: {}\r\n\r\n{OURS}",
        OURS.len()
    );
    let chunked = format!(
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{OURS}\r\n0\r\n\r\n",
        OURS.len()
    );
    let before = format!("{get}{post}{chunked}\r\n{get}");
    let (at, requests) = judged(&format!("{before}{OURS}{get}"));
    assert_eq!(at, before.len());
    assert!(requests.is_ours());
}

#[test]
fn a_body_never_poses_as_ours_once_framing_is_in_doubt() {
    for head in [
        "POST /x HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 9\r\n\r\n",
        "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\nabc\r\n0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let bytes = format!("{head}{OURS}");
        let (at, requests) = judged(&bytes);
        assert_eq!(at, bytes.len(), "{head:?}");
        assert!(!requests.is_ours(), "{head:?}");
    }
}

#[test]
fn what_follows_a_possible_hijack_waits_for_the_answer() {
    let bytes = format!("{ATTACH}{OURS}");
    let (mut requests, mut responses) = (Requests::default(), Responses::default());
    assert_eq!(
        requests.judge(bytes.as_bytes(), &mut responses),
        ATTACH.len()
    );
    requests.end(OURS.as_bytes(), &responses);
    assert_eq!(requests.judge(OURS.as_bytes(), &mut responses), 0);
    responses.observe(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(requests.judge(OURS.as_bytes(), &mut responses), 0);
    assert!(requests.is_ours());
    requests.open();
    assert_eq!(requests.judge(OURS.as_bytes(), &mut responses), OURS.len());
}

const STOP: &str = "POST /containers/web/stop HTTP/1.1\r\n\r\n";
const CONNECT: &str = "POST /networks/app/connect HTTP/1.1\r\nContent-Length: 21\r\n\r\n\
                       {\"Container\": \"web\" }";
const RENAME: &str =
    "POST /containers/two/rename?name=three HTTP/1.1\r\nContent-Length: 8\r\n\r\nname=web";

#[test]
fn what_would_get_in_an_upgrades_way_does_not_go() {
    let get = "GET /containers/web/json HTTP/1.1\r\n\r\n";
    let other = CONNECT.replace("web", "two") + &RENAME.replace("web", "six");
    for refused in [STOP, CONNECT, RENAME] {
        let before = format!("{get}{other}{get}");
        let mut requests = isolated();
        let bytes = format!("{before}{refused}{get}");
        let at = requests.judge(bytes.as_bytes(), &mut Responses::default());
        assert_eq!(&bytes[at..], format!("{refused}{get}"));
        assert!(requests.is_ours(), "{refused}");
        // Nothing is under way: everything goes.
        let mut requests = Requests::default();
        let at = requests.judge(bytes.as_bytes(), &mut Responses::default());
        assert_eq!(at, bytes.len());
    }
}

#[test]
fn a_body_that_is_waited_for_goes_when_the_client_sends_no_more() {
    let (mut requests, mut responses) = (isolated(), Responses::default());
    let part = &CONNECT[..CONNECT.len() - 1];
    assert_eq!(requests.judge(part.as_bytes(), &mut responses), 0);
    requests.end(part.as_bytes(), &responses);
    assert_eq!(requests.judge(part.as_bytes(), &mut responses), part.len());
}

#[test]
fn a_body_that_is_cut_short_behind_what_it_names_does_not_go() {
    let form = RENAME.replace("Content-Length: 8", "Content-Length: 80");
    for cut in [CONNECT.replace("21", "210"), form] {
        let (mut requests, mut responses) = (isolated(), Responses::default());
        assert_eq!(requests.judge(cut.as_bytes(), &mut responses), 0, "{cut}");
        assert!(!requests.is_ours(), "{cut}");
        requests.end(cut.as_bytes(), &responses);
        assert_eq!(requests.judge(cut.as_bytes(), &mut responses), 0, "{cut}");
        assert!(requests.is_ours(), "{cut}");
    }
}

#[test]
fn a_body_that_cannot_be_judged_does_not_go() {
    for unjudged in [
        CONNECT.replace("21", "65537"),
        CONNECT.replace("Content-Length: 21", "Transfer-Encoding: chunked"),
        CONNECT.replace("Content-", "Expect: 100-continue\r\nContent-"),
    ] {
        let mut requests = isolated();
        let at = requests.judge(unjudged.as_bytes(), &mut Responses::default());
        assert_eq!(at, 0, "{unjudged:?}");
        assert!(requests.is_ours(), "{unjudged:?}");
        let mut requests = Requests::default();
        let at = requests.judge(unjudged.as_bytes(), &mut Responses::default());
        assert!(at > 0 && !requests.is_ours(), "{unjudged:?}");
    }
}

proptest! {
    #[test]
    fn any_split_forwards_the_same(
        parts in prop::collection::vec(0_usize..11, 1..7),
        is_isolated in any::<bool>(),
        cuts in prop::collection::vec(1_usize..40, 1..30),
    ) {
        let bytes: String = parts.iter().map(|n| [
            "GET /a HTTP/1.1\r\nHost: d\r\n\r\n",
            "\nHEAD /b HTTP/1.0\n\n",
            "POST /c HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde",
            "POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nT: 1\r\n\r\n",
            OURS,
            ATTACH,
            "POST /e HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n",
            "GET /f HTTP/1.1\r\nbad header\r\n\r\n",
            STOP,
            CONNECT,
            "POST /networks/app/connect HTTP/1.1\r\nContent-Length: 21\r\n\r\n{\"Container\": \"two\" }",
        ][*n]).collect();
        let isolation = if is_isolated {
            Isolation::around("web")
        } else {
            Isolation::default()
        };
        let mut all = Requests::new(isolation.clone(), Identities::default());
        let whole = all.judge(bytes.as_bytes(), &mut Responses::default());
        let (mut requests, mut responses) = (Requests::new(isolation, Identities::default()), Responses::default());
        let (mut got, mut forwarded, mut cuts) = (0, 0, cuts.iter().cycle());
        while got < bytes.len() {
            got = bytes.len().min(got + cuts.next().unwrap());
            forwarded += requests.judge(&bytes.as_bytes()[forwarded..got], &mut responses);
        }
        prop_assert_eq!(forwarded, whole);
        prop_assert_eq!(requests.is_ours(), all.is_ours());
    }
}

const OLD: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const NEW: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

/// Requests that may call `NEW` as it was called before.
fn identifying(isolation: Isolation) -> Requests {
    Requests::new(isolation, Identities::of(OLD, NEW))
}

/// What goes to the engine of bytes that come in pieces, and what stays.
fn forwarded(requests: &mut Requests, pieces: &[&[u8]]) -> [String; 2] {
    let (mut responses, mut inbox, mut gone) = (Responses::default(), Vec::new(), Vec::new());
    for piece in pieces {
        inbox.extend_from_slice(piece);
        loop {
            let free = requests.judge(&inbox, &mut responses);
            gone.extend(inbox.drain(..free));
            let Some(references) = requests.take_references() else {
                break;
            };
            // Nothing goes, and nothing is asked twice.
            assert_eq!(requests.judge(&inbox, &mut responses), 0);
            assert!(requests.is_unidentified() && !requests.has_references());
            let identified = references.into_iter().map(|it| (it, NEW.to_owned()));
            let replaced = requests.identified(&inbox, &identified.collect());
            inbox = replaced.expect("it was unidentified");
        }
    }
    [gone, inbox].map(|bytes| String::from_utf8(bytes).expect("a text"))
}

/// A request with a body of the right length.
fn with_body(line: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nHost: d\r\ncontent-length:{length} \r\nX: y\r\n\r\n{body}")
}

/// Requests that call a container `of`, and have the word `old` in other places.
fn calling(of: &str, old: &str) -> [String; 6] {
    let create =
        format!("{{\"HostConfig\": {{\"IpcMode\": \"container:{of}\"}}, \"User\": \"{old}\"}}");
    let connect = format!("{{\"Container\":\"{of}\"}}");
    let exec = format!("{{\"Cmd\": [\"{old}\"]}}");
    [
        format!("GET /containers/{of}/json HTTP/1.1\r\n\r\n"),
        with_body("POST /containers/create?name=x", &create),
        format!("\n\nPOST /containers/{of}/wait HTTP/1.0\nA: {old}\n\n"),
        with_body("POST /v1.41/networks/app/connect", &connect),
        with_body(&format!("POST /containers/{of}/exec"), &exec),
        format!("GET /containers/json?before={of} HTTP/1.1\r\n\r\n"),
    ]
}

#[test]
fn what_is_called_by_an_earlier_id_is_called_by_the_present_one() {
    for old in [OLD, &OLD[..12], "01"] {
        for isolation in [Isolation::default(), Isolation::around("web")] {
            let mut requests = identifying(isolation);
            let asked = calling(old, old).concat() + OURS;
            let [gone, rest] = forwarded(&mut requests, &[asked.as_bytes()]);
            assert_eq!(gone, calling(NEW, old).concat());
            assert_eq!(rest, OURS);
            assert!(requests.is_ours());
        }
    }
}

#[test]
fn what_the_engine_knows_by_itself_stays_as_it_is() {
    for asked in calling(&OLD[..12], OLD) {
        let mut requests = identifying(Isolation::default());
        let mut responses = Responses::default();
        assert_eq!(requests.judge(asked.as_bytes(), &mut responses), 0);
        assert!(requests.has_references());
        let same = requests.identified(asked.as_bytes(), &Identified::new());
        assert_eq!(same.as_deref(), Some(asked.as_bytes()));
        assert_eq!(
            requests.judge(asked.as_bytes(), &mut responses),
            asked.len()
        );
        // The next one is looked at anew.
        assert_eq!(requests.judge(asked.as_bytes(), &mut responses), 0);
    }
}

#[test]
fn nobody_is_asked_where_no_earlier_generation_is_meant() {
    let asked = calling(NEW, OLD).concat() + &calling("web", OLD).concat();
    let mut requests = identifying(Isolation::default());
    let at = requests.judge(asked.as_bytes(), &mut Responses::default());
    assert_eq!(at, asked.len());
}

#[test]
fn what_would_get_in_an_upgrades_way_does_not_go_by_an_earlier_id() {
    for refused in [
        format!("POST /containers/{}/stop HTTP/1.1\r\n\r\n", &OLD[..12]),
        with_body(
            "POST /networks/app/connect",
            &format!("{{\"Container\":\"{OLD}\"}}"),
        ),
    ] {
        let mut requests = identifying(Isolation::around(NEW));
        let [gone, rest] = forwarded(&mut requests, &[refused.as_bytes()]);
        assert_eq!(gone, "");
        assert!(rest.contains(NEW) && requests.is_ours(), "{rest}");
    }
}

#[test]
fn a_body_that_cannot_be_looked_at_goes_as_it_is() {
    let body = format!("{{\"HostConfig\":{{\"PidMode\":\"container:{OLD}\"}}}}");
    let create = with_body("POST /containers/create", &body);
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let (head, _) = create.split_once("content-length").expect("a head");
    let long = format!("{body}{}", " ".repeat(1 << 20));
    for asked in [
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
        create.replace("X: y", "Expect: 100-continue"),
        with_body("POST /containers/create", &long),
    ] {
        let mut requests = identifying(Isolation::default());
        let at = requests.judge(asked.as_bytes(), &mut Responses::default());
        assert_eq!(at, asked.len(), "{:?}", &asked[..200]);
    }
    // Nor one that never becomes whole.
    let (mut requests, mut responses) = (identifying(Isolation::default()), Responses::default());
    let part = &create[..create.len() - 1];
    assert_eq!(requests.judge(part.as_bytes(), &mut responses), 0);
    requests.end(part.as_bytes(), &responses);
    assert_eq!(requests.judge(part.as_bytes(), &mut responses), part.len());
}

#[test]
fn every_length_of_a_body_is_said_anew() {
    let asked = "POST /networks/a/connect HTTP/1.1\r\nContent-Length:  19\t\nX: 19\r\n\
                 CONTENT-LENGTH:19\r\n\r\n{\"container\": \"01\"}GET";
    let mut requests = identifying(Isolation::default());
    let [gone, rest] = forwarded(&mut requests, &[asked.as_bytes()]);
    let expected = format!(
        "POST /networks/a/connect HTTP/1.1\r\nContent-Length:  81\t\nX: 19\r\n\
         CONTENT-LENGTH:81\r\n\r\n{{\"container\": \"{NEW}\"}}"
    );
    assert_eq!([gone, rest], [expected, "GET".to_owned()]);
}

#[test]
fn what_the_engine_made_opaque_meanwhile_stays_so() {
    let asked = format!("GET /containers/{OLD}/json HTTP/1.1\r\n\r\n");
    let (mut requests, mut responses) = (identifying(Isolation::default()), Responses::default());
    assert_eq!(requests.judge(asked.as_bytes(), &mut responses), 0);
    requests.open();
    assert_eq!(
        requests.identified(asked.as_bytes(), &Identified::new()),
        None
    );
    assert_eq!(
        requests.judge(asked.as_bytes(), &mut responses),
        asked.len()
    );
}

proptest! {
    #[test]
    fn any_split_calls_the_same(
        parts in prop::collection::vec(0_usize..8, 1..7),
        len in 1_usize..65,
        cuts in prop::collection::vec(1_usize..60, 1..30),
    ) {
        let parts = |of: &str| -> String {
            let calling = calling(of, &OLD[..len]);
            parts.iter().map(|&n| calling.get(n).map_or(CONNECT, String::as_str)).collect()
        };
        let asked = parts(&OLD[..len]);
        let (mut pieces, mut rest, mut cuts) = (Vec::new(), asked.as_bytes(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            pieces.push(piece);
            rest = after;
        }
        let gone = forwarded(&mut identifying(Isolation::default()), &pieces);
        prop_assert_eq!(gone, [parts(NEW), String::new()]);
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    api::events::Query,
    upgrade::{Action, Event},
};

const GET: Asked = Asked {
    head: false,
    connect: false,
    hijack: false,
    events: None,
};
const HEAD: Asked = Asked { head: true, ..GET };
const HIJACK: Asked = Asked {
    hijack: true,
    ..GET
};
const CONNECT: Asked = Asked {
    connect: true,
    ..HIJACK
};
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK";

fn after(asked: &[Asked], bytes: &str) -> (Seen, Responses) {
    let mut responses = Responses::default();
    for asked in asked {
        responses.expect(asked.clone());
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
        ][*n].clone()).collect();
        let asked: Vec<_> = parts.iter().map(|part| part.0.clone()).chain([HIJACK]).collect();
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

/// A request for events since ever.
fn events() -> Asked {
    Asked {
        events: Query::read("GET", "/events?since=0").map(Box::new),
        ..GET
    }
}

/// What is sent of `bytes`, the answer to a request for events, by a Refit that has upgraded.
fn sent(bytes: &str) -> (String, Responses) {
    let events_of_ours = Events::default();
    events_of_ours.tell(Event {
        action: Action::Upgrade,
        transaction: "t".to_owned(),
        id: "a1".to_owned(),
        name: "web".to_owned(),
        image: "web:2".to_owned(),
        labels: BTreeMap::new(),
        old_id: "a0".to_owned(),
        old_image: "web:1".to_owned(),
        time: 0,
    });
    let mut responses = Responses::new(events_of_ours);
    responses.expect(events());
    assert!(responses.may_add());
    let mut sent = Vec::new();
    responses.observe_and(bytes.as_bytes(), |bytes| sent.extend_from_slice(bytes));
    responses.flush(|bytes| sent.extend_from_slice(bytes));
    (String::from_utf8(sent).unwrap(), responses)
}

#[test]
fn events_are_added_to_an_answer_that_is_lines_of_json() {
    for head in [
        "200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        "200 OK\r\ncontent-type: Application/JSON; x\r\ntransfer-encoding: CHUNKED\r\n\r\n",
        "200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let (sent, responses) = sent(&format!("HTTP/1.1 {head}0\r\n\r\n{OK}"));
        let added = sent
            .strip_prefix("HTTP/1.1 ")
            .and_then(|s| s.strip_prefix(head))
            .unwrap();
        let added = added.strip_suffix(&format!("0\r\n\r\n{OK}")).expect(head);
        assert!(added.contains("\"Action\":\"upgrade\""), "{sent}");
        assert!(!responses.may_add() && responses.all_answered());
    }
    let head = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let (sent, _) = sent(head);
    assert!(
        sent.starts_with(&format!("{head}{{")) && sent.ends_with("}\n"),
        "{sent}"
    );
}

#[test]
fn to_any_other_answer_nothing_is_added() {
    let chunked = "Transfer-Encoding: chunked\r\n";
    let json = "Content-Type: application/json\r\n";
    for (head, body) in [
        (format!("HTTP/1.1 400 B\r\n{json}{chunked}"), "0\r\n\r\n"),
        (
            format!("HTTP/1.1 200 O\r\n{json}Content-Length: 3\r\n"),
            "{}\n",
        ),
        (
            format!("HTTP/1.1 200 O\r\n{json}{chunked}Content-Encoding: gzip\r\n"),
            "0\r\n\r\n",
        ),
        (
            format!("HTTP/1.1 200 O\r\n{json}Transfer-Encoding: gzip, chunked\r\n"),
            "0\r\n\r\n",
        ),
        (
            format!("HTTP/1.1 200 O\r\nContent-Type: application/json-seq\r\n{chunked}"),
            "0\r\n\r\n",
        ),
        (format!("HTTP/1.1 204 N\r\n{json}{chunked}"), ""),
        (format!("HTTP/1.1 101 U\r\n{json}{chunked}"), "raw"),
    ] {
        let bytes = format!("{head}\r\n{body}");
        assert_eq!(sent(&bytes).0, bytes);
    }
    assert_eq!(
        sent("no response at all\r\n\r\n").0,
        "no response at all\r\n\r\n"
    );
}

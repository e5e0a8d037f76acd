//! How far the client's bytes may go. Pure.
//!
//! Invariant: every byte goes to the engine, in order and unchanged, up to the first request that
//! is ours. What is not judged yet stays with the caller.

use super::{
    framing::Body,
    head::{Found, Request, Scan, request_line},
    response::Responses,
};
use crate::{
    api::isolate::{self, Verdict},
    upgrade::Isolation,
};

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Requests {
    state: State,
    /// What requests of others must not touch meanwhile.
    isolation: Isolation,
}

#[derive(Debug)]
enum State {
    /// At or in a head.
    Head(Scan),
    /// At a request that is judged by its body, too.
    Held(Request),
    /// In the body of a request that was forwarded.
    Body(Body),
    /// At a request that is ours.
    Ours,
    /// No HTTP any more, or none that we frame.
    Opaque,
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Scan::default())
    }
}

impl Requests {
    /// Follows the requests of a connection that is kept from what `isolation` says.
    pub(super) fn new(isolation: Isolation) -> Self {
        Self {
            isolation,
            ..Self::default()
        }
    }

    /// How many of `bytes` may be forwarded now. `bytes` are the next that the client sent,
    /// beginning with those that stayed behind last time. `responses` learns what was asked.
    pub(super) fn judge(&mut self, bytes: &[u8], responses: &mut Responses) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.state {
                State::Opaque => return bytes.len(),
                State::Ours => break,
                // What follows a possible hijack is a request or raw bytes: the answer tells.
                State::Head(_) if responses.awaits_hijack() => break,
                State::Head(scan) => match scan.look(&bytes[at..]) {
                    Found::Partial => break,
                    Found::Foreign => self.state = State::Opaque,
                    Found::Request(request) if request.ours => self.state = State::Ours,
                    Found::Request(request) => {
                        self.state = match verdict(&self.isolation, &bytes[at..]) {
                            Verdict::OfBody if can_be_held(&request) => State::Held(request),
                            Verdict::Refused(_) | Verdict::OfBody => State::Ours,
                            Verdict::Free => {
                                at += request.len;
                                responses.expect(request.asked);
                                State::Body(request.body)
                            }
                        };
                    }
                },
                State::Held(request) => {
                    let Some(body) = whole_body(request, &bytes[at..]) else {
                        break;
                    };
                    if isolate::judge_body(&self.isolation, body).is_some() {
                        self.state = State::Ours;
                    } else {
                        at += request.len;
                        responses.expect(request.asked);
                        self.state = State::Body(request.body.clone());
                    }
                }
                State::Body(body) => match body.advance(&bytes[at..]) {
                    Ok(taken) => at += taken,
                    Err(_) => self.state = State::Opaque,
                },
            }
            if matches!(&self.state, State::Body(body) if body.is_done()) {
                self.state = State::default();
            }
        }
        at
    }

    /// From here on every byte is the engine's.
    pub(super) fn open(&mut self) {
        self.state = State::Opaque;
    }

    /// The client sends no more: what is left of a head will never be one of ours, and the
    /// engine should see it.
    pub(super) fn end(&mut self, responses: &Responses) {
        if matches!(self.state, State::Head(_) | State::Held(_)) && !responses.awaits_hijack() {
            self.open();
        }
    }

    /// Whether the next bytes are a request of ours.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.state, State::Ours)
    }
}

/// Whether the request that `bytes` begin with would get in an upgrade's way.
fn verdict(isolation: &Isolation, bytes: &[u8]) -> Verdict {
    if isolation.is_idle() {
        return Verdict::Free;
    }
    let (method, target) = request_line(bytes);
    isolate::judge(isolation, method, target)
}

/// Whether the body can be waited for: it has a length, and a small one, and its client does not wait
/// for the engine. Clients send those that are to be judged so.
fn can_be_held(request: &Request) -> bool {
    let is_short = matches!(request.body, Body::Length(length) if length <= isolate::BODY_LIMIT);
    is_short && !request.expects
}

/// The body behind the head that `bytes` begin with, if it is whole.
fn whole_body<'b>(request: &Request, bytes: &'b [u8]) -> Option<&'b [u8]> {
    let Body::Length(length) = request.body else {
        return None;
    };
    let body = bytes.get(request.len..)?;
    body.get(..usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: &str = "POST /containers/web/upgrade HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    const ATTACH: &str = "POST /containers/web/attach HTTP/1.1\r\n\r\n";

    fn judged(bytes: &str) -> (usize, Requests) {
        let mut requests = Requests::default();
        let at = requests.judge(bytes.as_bytes(), &mut Responses::default());
        (at, requests)
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
        requests.end(&responses);
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

    #[test]
    fn what_would_get_in_an_upgrades_way_does_not_go() {
        let get = "GET /containers/web/json HTTP/1.1\r\n\r\n";
        let other = CONNECT.replace("web", "two");
        for refused in [STOP, CONNECT] {
            let before = format!("{get}{other}{get}");
            let mut requests = Requests::new(Isolation::around("web"));
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
        let (mut requests, mut responses) = (
            Requests::new(Isolation::around("web")),
            Responses::default(),
        );
        let part = &CONNECT[..CONNECT.len() - 1];
        assert_eq!(requests.judge(part.as_bytes(), &mut responses), 0);
        requests.end(&responses);
        assert_eq!(requests.judge(part.as_bytes(), &mut responses), part.len());
    }

    #[test]
    fn a_body_that_cannot_be_judged_does_not_go() {
        for unjudged in [
            CONNECT.replace("21", "65537"),
            CONNECT.replace("Content-Length: 21", "Transfer-Encoding: chunked"),
            CONNECT.replace("Content-", "Expect: 100-continue\r\nContent-"),
        ] {
            let mut requests = Requests::new(Isolation::around("web"));
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
            let mut all = Requests::new(isolation.clone());
            let whole = all.judge(bytes.as_bytes(), &mut Responses::default());
            let (mut requests, mut responses) = (Requests::new(isolation), Responses::default());
            let (mut got, mut forwarded, mut cuts) = (0, 0, cuts.iter().cycle());
            while got < bytes.len() {
                got = bytes.len().min(got + cuts.next().unwrap());
                forwarded += requests.judge(&bytes.as_bytes()[forwarded..got], &mut responses);
            }
            prop_assert_eq!(forwarded, whole);
            prop_assert_eq!(requests.is_ours(), all.is_ours());
        }
    }
}

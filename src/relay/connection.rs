//! Both directions of one relayed connection, polled in one task.
//!
//! Invariants: each direction moves whatever the other does, so neither can hold the other up;
//! each keeps at most one read's worth of bytes that its receiver doesn't take (and the one head
//! that isn't complete, or body that is looked at), and reads no more before they are gone.

use std::{
    collections::BTreeSet,
    future::Future,
    io,
    mem::take,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use tokio::time::{Instant, Sleep, sleep};

use super::{
    io::{Io, READ, with_buffer},
    request::Requests,
    response::{Responses, Seen},
};
use crate::{api::refer::Identified, engine::Socket, upgrade::Events};

/// How often one direction reads before the other, and other connections, have their turn.
const ROUNDS: usize = 4;

/// How long the engine must have sent no event before one of ours is sent: what it has to tell of the
/// same upgrade is on its way.
const QUIET: Duration = Duration::from_millis(200);

/// How long one of ours waits at most: to an engine whose clock is late, all that it sends happened
/// before.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A client, and the engine's side once there is one.
#[derive(Debug)]
pub(super) struct Connection {
    client: Side,
    engine: Option<Side>,
    requests: Requests,
    responses: Responses,
    /// What the client sent and may not be forwarded yet.
    inbox: BytesMut,
    /// What may be forwarded and the engine has not taken yet.
    to_engine: BytesMut,
    /// What the client has not taken yet.
    to_client: BytesMut,
    /// There while an event of ours is due.
    wait: Option<Wait>,
}

/// Waits for the engine to be quiet.
#[derive(Debug)]
struct Wait {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

/// One socket, and what can't be done with it any more.
#[derive(Debug)]
struct Side {
    io: Io,
    /// It sends no more.
    ended: bool,
    /// It takes no more.
    deaf: bool,
    /// We half-closed towards it.
    shut: bool,
    /// How many bytes it has taken that were not counted yet.
    sent: u64,
}

/// What a connection needs next that isn't copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A connection to the engine.
    Dial,
    /// To know what the next request calls by references that may be those of earlier generations.
    /// The connection goes on meanwhile.
    Identify,
    /// The next request is ours, and everything before it has been answered.
    Ours,
    /// The end: the client is gone, or both sides have said that they are done.
    Drop,
    /// The end: the engine is gone. The client may still be sending.
    Close,
}

/// How a poll of the response direction came out.
enum Progress {
    /// Something that the request direction may wait for.
    Answered,
    Done(Next),
}

impl Connection {
    /// A connection whose requests are followed by `requests`, and that is told of `events`.
    pub(super) fn new(client: Socket, requests: Requests, events: Events) -> io::Result<Self> {
        Ok(Self {
            client: Side::new(client)?,
            engine: None,
            requests,
            responses: Responses::new(events),
            inbox: BytesMut::new(),
            to_engine: BytesMut::new(),
            to_client: BytesMut::new(),
            wait: None,
        })
    }

    /// The engine was dialled, as [`Next::Dial`] asked.
    pub(super) fn dialled(&mut self, engine: Socket) -> io::Result<()> {
        self.engine = Some(Side::new(engine)?);
        Ok(())
    }

    /// The references that are to be identified, as [`Next::Identify`] asks.
    pub(super) fn take_references(&mut self) -> BTreeSet<String> {
        self.requests.take_references().unwrap_or_default()
    }

    /// They were identified.
    pub(super) fn identified(&mut self, identified: &Identified) {
        if let Some(bytes) = self.requests.identified(&self.inbox, identified) {
            self.inbox = bytes.as_slice().into();
        }
    }

    /// How many bytes the engine and the client were sent since this was asked last.
    pub(super) fn take_sent(&mut self) -> (u64, u64) {
        let to_engine = self
            .engine
            .as_mut()
            .map_or(0, |engine| take(&mut engine.sent));
        (to_engine, take(&mut self.client.sent))
    }

    /// Whether the engine has accepted a hijack.
    pub(super) fn is_tunnel(&self) -> bool {
        self.responses.is_tunnel()
    }

    /// Whether the request that the engine was to be dialled for is a `HEAD`.
    pub(super) fn asks_head(&self) -> bool {
        self.to_engine.starts_with(b"HEAD ")
    }

    /// The client, with the bytes of it that went nowhere. The engine's side is closed.
    pub(super) fn into_client(self) -> (Io, BytesMut) {
        (self.client.io, self.inbox)
    }

    /// Copies in both directions, until something else is to be done.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        let mut gone = false;
        loop {
            let requests = self.poll_requests(cx);
            if let Poll::Ready(Some(next)) = requests {
                return Poll::Ready(next);
            }
            match self.poll_responses(cx) {
                // A write that failed tells that the client is gone, too.
                Poll::Ready(Progress::Done(Next::Drop)) if !gone => {
                    gone = true;
                    continue;
                }
                Poll::Ready(Progress::Done(next)) => return Poll::Ready(next),
                Poll::Ready(Progress::Answered) => continue,
                Poll::Pending => {}
            }
            if self.requests.is_unidentified() {
                // A client that leaves meanwhile has still asked: the engine is to hear of it.
                return Poll::Pending;
            }
            if requests.is_ready() {
                // There may be more to read: its turn comes again after other tasks.
                return Poll::Pending;
            }
            if gone {
                return Poll::Ready(Next::Drop);
            }
            ready!(self.poll_client_gone(cx));
            // What the client had sent before it left may have come in after we looked: one more
            // turn hands on what the engine takes without waiting.
            gone = true;
        }
    }

    /// Ready when the client has closed both directions. An end of file that answers our own
    /// half-close hangs up as well, and is none: what came before it is still to be delivered.
    fn poll_client_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.client.shut {
            return Poll::Pending;
        }
        self.client.io.poll_hangup(cx)
    }

    /// Client to engine. Ready with nothing: it stopped in the middle, and will be woken.
    fn poll_requests(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        for _ in 0..ROUNDS {
            self.judge();
            if !self.to_engine.is_empty() {
                let Some(engine) = &mut self.engine else {
                    return Poll::Ready(Some(Next::Dial));
                };
                ready!(engine.poll_flush(&mut self.to_engine, cx));
            }
            if self.requests.is_unidentified() {
                return if self.requests.has_references() {
                    Poll::Ready(Some(Next::Identify))
                } else {
                    Poll::Pending
                };
            }
            if self.requests.is_ours() {
                return if self.responses.all_answered() {
                    Poll::Ready(Some(Next::Ours))
                } else {
                    Poll::Pending
                };
            }
            if self.client.ended {
                return self.end_requests();
            }
            // A client that sends on before it has heard whether its hijack is accepted has to
            // wait; so has one whose engine takes no more: an answer is under way, or the end.
            let held = self.responses.awaits_hijack() && self.inbox.len() >= READ;
            if held || self.engine.as_ref().is_some_and(|engine| engine.deaf) {
                return Poll::Pending;
            }
            ready!(self.poll_read_client(cx));
        }
        cx.waker().wake_by_ref();
        Poll::Ready(None)
    }

    /// Moves what may go to the engine from the inbox.
    fn judge(&mut self) {
        self.judge_inbox();
        if self.client.ended {
            self.requests.end(&self.inbox, &self.responses);
            self.judge_inbox();
        }
    }

    fn judge_inbox(&mut self) {
        if self.inbox.is_empty() {
            return;
        }
        let free = self.requests.judge(&self.inbox, &mut self.responses);
        if free == self.inbox.len() && self.to_engine.is_empty() {
            self.to_engine = std::mem::take(&mut self.inbox);
        } else {
            self.to_engine.extend_from_slice(&self.inbox[..free]);
            self.inbox.advance(free);
        }
        if self.inbox.is_empty() {
            self.inbox = BytesMut::new();
        }
    }

    /// Hands on the client's end of file, after everything before it.
    fn end_requests(&mut self) -> Poll<Option<Next>> {
        match &mut self.engine {
            // Nothing was asked.
            None => return Poll::Ready(Some(Next::Drop)),
            Some(engine) if self.inbox.is_empty() => engine.shut(),
            Some(_) => {}
        }
        Poll::Pending
    }

    /// Reads once from the client, and forwards at once what may go.
    fn poll_read_client(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        with_buffer(|buffer| {
            let Ok(n @ 1..) = ready!(self.client.io.poll_read(cx, buffer)) else {
                // The end, or an error: the client is gone, and the hang-up tells.
                self.client.ended = true;
                return Poll::Ready(());
            };
            let bytes = &buffer[..n];
            if !self.inbox.is_empty() {
                self.inbox.extend_from_slice(bytes);
                return Poll::Ready(());
            }
            let (free, rest) = bytes.split_at(self.requests.judge(bytes, &mut self.responses));
            self.inbox.extend_from_slice(rest);
            match &mut self.engine {
                Some(engine) if !free.is_empty() => engine.send(free, &mut self.to_engine, cx),
                _ => self.to_engine.extend_from_slice(free),
            }
            Poll::Ready(())
        })
    }

    /// Engine to client.
    fn poll_responses(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        for _ in 0..ROUNDS {
            ready!(self.client.poll_flush(&mut self.to_client, cx));
            if self.client.deaf {
                return Poll::Ready(Progress::Done(Next::Drop));
            }
            if self.engine.as_ref().is_none_or(|engine| engine.ended) {
                return self.poll_end_responses(cx);
            }
            let waited = self.requests.is_ours() || self.responses.awaits_hijack();
            let Poll::Ready(seen) = self.poll_read_engine(cx) else {
                ready!(self.poll_add_events(cx));
                continue;
            };
            if seen == Seen::Opaque {
                self.requests.open();
            }
            if waited {
                return Poll::Ready(Progress::Answered);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once from the engine, and forwards it at once.
    fn poll_read_engine(&mut self, cx: &mut Context<'_>) -> Poll<Seen> {
        with_buffer(|buffer| {
            let Some(engine) = &mut self.engine else {
                return Poll::Pending;
            };
            let Ok(n @ 1..) = ready!(engine.io.poll_read(cx, buffer)) else {
                engine.ended = true;
                self.responses.take_told(cx);
                self.add_events(cx);
                // No answer will come any more that could be waited for.
                return Poll::Ready(Seen::Opaque);
            };
            Poll::Ready(self.hand_on(&buffer[..n], cx))
        })
    }

    /// Sends the client what the engine sent, and follows it.
    fn hand_on(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Seen {
        if !self.responses.may_add() {
            self.client.send(bytes, &mut self.to_client, cx);
            return self.responses.observe(bytes);
        }
        self.wait_on();
        self.responses.take_told(cx);
        let mut all = Vec::with_capacity(bytes.len());
        let send = |bytes: &[u8]| all.extend_from_slice(bytes);
        let seen = self.responses.observe_and(bytes, send);
        self.client.send(&all, &mut self.to_client, cx);
        seen
    }

    /// The engine is not quiet.
    fn wait_on(&mut self) {
        if let Some(wait) = &mut self.wait {
            let end = Instant::now() + QUIET;
            wait.end.as_mut().reset(end.min(wait.since + LONGEST_WAIT));
        }
    }

    /// Ready when events of ours were sent, as the engine was quiet.
    fn poll_add_events(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.responses.take_told(cx) {
            self.wait = None;
            return Poll::Pending;
        }
        let wait = self.wait.get_or_insert_with(|| Wait {
            since: Instant::now(),
            end: Box::pin(sleep(QUIET)),
        });
        ready!(wait.end.as_mut().poll(cx));
        self.add_events(cx);
        Poll::Ready(())
    }

    /// Sends the client what is due of ours.
    fn add_events(&mut self, cx: &mut Context<'_>) {
        self.wait = None;
        let mut all = Vec::new();
        self.responses.flush(|bytes| all.extend_from_slice(bytes));
        if !all.is_empty() {
            self.client.send(&all, &mut self.to_client, cx);
        }
    }

    /// There is no engine, or it has sent everything, and the client has taken it.
    fn poll_end_responses(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let Some(engine) = &self.engine else {
            return Poll::Pending;
        };
        if self.client.ended && (engine.shut || engine.deaf) {
            return Poll::Ready(Progress::Done(Next::Drop));
        }
        // As with the client: after our own half-close, a hang-up tells no more than an end.
        if engine.deaf || !engine.shut && engine.io.poll_hangup(cx).is_ready() {
            return Poll::Ready(Progress::Done(Next::Close));
        }
        self.client.shut();
        Poll::Pending
    }
}

impl Side {
    fn new(socket: Socket) -> io::Result<Self> {
        Ok(Self {
            io: Io::new(socket)?,
            ended: false,
            deaf: false,
            shut: false,
            sent: 0,
        })
    }

    /// Writes `bytes`; what the other side doesn't take at once goes to `rest`.
    fn send(&mut self, bytes: &[u8], rest: &mut BytesMut, cx: &mut Context<'_>) {
        match self.io.poll_write(cx, bytes) {
            Poll::Ready(Ok(sent)) => {
                self.sent += sent as u64;
                rest.extend_from_slice(&bytes[sent..]);
            }
            Poll::Ready(Err(_)) => self.deaf = true,
            Poll::Pending => rest.extend_from_slice(bytes),
        }
    }

    /// Writes all of `rest`, and frees it.
    fn poll_flush(&mut self, rest: &mut BytesMut, cx: &mut Context<'_>) -> Poll<()> {
        if rest.is_empty() {
            return Poll::Ready(());
        }
        while !rest.is_empty() && !self.deaf {
            match ready!(self.io.poll_write(cx, rest)) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    rest.advance(sent);
                }
                Err(_) => self.deaf = true,
            }
        }
        *rest = BytesMut::new();
        self.io.rest();
        Poll::Ready(())
    }

    /// Half-closes towards it, once.
    fn shut(&mut self) {
        if !self.shut {
            self.io.shutdown();
            self.shut = true;
        }
    }
}

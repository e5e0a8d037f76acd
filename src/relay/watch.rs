//! One answer to a `GET /events`: what of ours goes into it, and where.

use std::task::{Context, Poll};

use super::{framing::Body, splice::Splice};
use crate::{
    api::events::Query,
    upgrade::{Event, Events, Listener},
};

/// An answer under way.
#[derive(Debug)]
pub(super) struct Watch {
    query: Query,
    /// The engine's own version, as the head says; empty where it does not.
    version: String,
    listener: Listener,
    /// The body.
    pub(super) splice: Splice,
}

impl Watch {
    /// An answer whose head has come and whose body does not begin yet.
    pub(super) fn new(query: Query, version: String, body: Body, events: &Events) -> Self {
        let (past, listener) = events.listen();
        let mut watch = Self {
            query,
            version,
            listener,
            splice: Splice::new(body),
        };
        for event in past {
            if watch.query.replays(&event) {
                watch.offer(&event);
            }
        }
        watch
    }

    /// Takes what was told meanwhile; the task is woken when there is more.
    pub(super) fn listen(&mut self, cx: &mut Context<'_>) {
        let Poll::Ready(told) = self.listener.poll(cx) else {
            return;
        };
        for event in told {
            if self.query.follows(&event) {
                self.offer(&event);
            }
        }
    }

    fn offer(&mut self, event: &Event) {
        let line = self.query.line(event, &self.version);
        self.splice.offer(event.time, line);
    }
}

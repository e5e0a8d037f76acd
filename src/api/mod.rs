//! Our endpoint on the wire: request, response, progress, errors; and our part in what others ask the
//! engine for.

pub mod events;
pub mod isolate;
pub(crate) mod refer;
mod reply;
mod request;
pub(crate) mod route;
mod signal;

use std::{collections::BTreeSet, convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt, Collected, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use self::{
    refer::Identified,
    reply::{Mistake, Reply},
    request::Call,
};
use crate::upgrade::{
    Cause, Ending, Events, Failure, Identities, Isolation, Progress, Rollback, Run, Step, Upgrades,
};
pub use route::owns;

/// The largest body of a request. A patch is a few kilobytes.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// The largest head of a request: what the relay takes, and a little.
const HEAD_LIMIT: usize = 2 * 1024 * 1024;

/// The most headers of a request. Refit reads two of them, but a client behind several proxies
/// may send many more than the 100 that hyper allows; twice as many as these would not fit its map.
const HEADERS_LIMIT: usize = 16 * 1024;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the requests that are ours.
#[derive(Debug, Clone)]
pub struct Api {
    upgrades: Arc<Upgrades>,
}

impl Api {
    /// An endpoint that upgrades through `upgrades`.
    #[must_use]
    pub fn new(upgrades: Arc<Upgrades>) -> Self {
        Self { upgrades }
    }

    /// Serves the one request that `io` begins with, and closes the connection. `target` is its
    /// target, which [`owns`] recognised; the one in the head is not looked at. Errors of the
    /// connection end it and are logged here.
    pub async fn serve<IO>(&self, target: &str, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request| self.answer(target, request));
        let connection = http1::Builder::new()
            .keep_alive(false)
            // A client that has sent its request may close its half of the connection.
            .half_close(true)
            .max_buf_size(HEAD_LIMIT)
            .max_headers(HEADERS_LIMIT)
            .serve_connection(TokioIo::new(io), service);
        if let Err(error) = connection.await {
            debug!(%error, "serve an upgrade");
        }
    }

    async fn answer(
        &self,
        target: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let method = request.method().clone();
        if !owns(method.as_str(), target) {
            return Ok(whole(&self.refuse(target, request).await));
        }
        let call = match method {
            Method::GET | Method::DELETE => request::read_reference(target).map(Ask::Reference),
            _ => {
                let call = self.read(target, request).await;
                call.map(|call| Ask::Upgrade(Box::new(call)))
            }
        };
        Ok(match call {
            Ok(Ask::Upgrade(call)) => self.upgrade(*call).await,
            Ok(Ask::Reference(reference)) if method == Method::GET => {
                whole(&self.upgrades.report(&reference).await.into())
            }
            Ok(Ask::Reference(reference)) => whole(&self.upgrades.cancel(&reference).await.into()),
            Err(mistake) => whole(&mistake.into()),
        })
    }

    /// Answers a request that the relay kept from the engine, because it would get in the way of an
    /// upgrade.
    async fn refuse(&self, target: &str, request: Request<Incoming>) -> Reply {
        let isolation = self.upgrades.isolation();
        let underway = match isolate::judge(&isolation, request.method().as_str(), target) {
            isolate::Verdict::Refused(underway) => Some(underway),
            isolate::Verdict::OfBody(naming) => match collect(request.into_body()).await {
                Ok(body) => isolate::judge_body(&isolation, naming, &body),
                Err(_) => None,
            },
            isolate::Verdict::Free => None,
        };
        Reply::in_the_way(underway.as_ref())
    }

    /// What other clients must be kept from.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.upgrades.isolation()
    }

    /// Which containers had other IDs before.
    #[must_use]
    pub fn identities(&self) -> Identities {
        self.upgrades.identities()
    }

    /// What stands for earlier generations, of these references.
    pub(crate) async fn identify(&self, references: BTreeSet<String>) -> Identified {
        self.upgrades.identify(references).await
    }

    /// Reads the call of a request, whose patch may refer to earlier generations.
    async fn read(&self, target: &str, request: Request<Incoming>) -> Result<Call, Mistake> {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        let places = refer::Body::Create.places(&body);
        let references = refer::known(&places, &self.identities());
        let identified = self.identify(references).await;
        let replaced = refer::replace(&body, &places, &identified);
        request::read(target, &head.headers, replaced.as_deref().unwrap_or(&body))
    }

    /// What those are told who follow the engine's events.
    #[must_use]
    pub fn events(&self) -> Events {
        self.upgrades.events()
    }

    async fn upgrade(&self, call: Call) -> Response<Body> {
        let mut run = self.upgrades.begin(call.reference, call.request);
        if call.stream {
            // What fails before anything happens has a status of its own.
            if let Some(first) = run.progress.recv().await {
                return streamed(lines(first, run));
            }
        }
        whole(&end(run).await.into())
    }
}

/// What a request of ours asks for.
enum Ask {
    Upgrade(Box<Call>),
    /// About the upgrade of the container of this name or ID.
    Reference(String),
}

async fn collect(body: Incoming) -> Result<Bytes, Mistake> {
    let body = Limited::new(body, BODY_LIMIT).collect().await;
    body.map(Collected::to_bytes).map_err(|error| {
        Mistake::bad(if error.is::<http_body_util::LengthLimitError>() {
            format!("the body is larger than {BODY_LIMIT} bytes")
        } else {
            format!("the body cannot be read: {error}")
        })
    })
}

/// The outcome of a run. A transaction that ends without one has panicked.
async fn end(run: Run) -> Result<Ending, Failure> {
    // Nobody reads on: the lines of a long pull would pile up.
    drop(run.progress);
    run.outcome.await.unwrap_or_else(|_| {
        Err(Failure {
            cause: Cause::Failed,
            step: Step::Plan,
            rollback: Rollback::Incomplete,
            message: "the upgrade ended without an outcome: this is a fault of Refit's, and its \
                      next start recovers what is unfinished"
                .to_owned(),
        })
    })
}

/// The lines of a run: its progress, then its outcome.
fn lines(first: Progress, run: Run) -> impl Stream<Item = Value> + Send {
    stream::unfold((Some(first), Some(run)), async |(next, run)| {
        let mut run = run?;
        let progress = match next {
            Some(first) => Some(first),
            None => run.progress.recv().await,
        };
        Some(match progress {
            Some(progress) => (reply::progress_line(progress), (None, Some(run))),
            None => (reply::last_line(end(run).await), (None, None)),
        })
    })
}

fn whole(reply: &Reply) -> Response<Body> {
    respond(
        reply.status,
        "application/json",
        Full::new(line(&reply.body)).boxed_unsync(),
    )
}

fn streamed(lines: impl Stream<Item = Value> + Send + 'static) -> Response<Body> {
    use futures_util::StreamExt;
    let frames = lines.map(|value| Ok(Frame::data(line(&value))));
    respond(
        StatusCode::OK,
        "application/jsonl",
        StreamBody::new(frames).boxed_unsync(),
    )
}

fn line(value: &Value) -> Bytes {
    Bytes::from(format!("{value}\n"))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    let server = header::HeaderValue::from_static(concat!("Refit/", env!("CARGO_PKG_VERSION")));
    headers.insert(header::SERVER, server);
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        sync::{mpsc, oneshot},
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn progress_that_nobody_reads_is_not_kept() {
        let (tell, progress) = mpsc::unbounded_channel();
        let (tell_end, outcome) = oneshot::channel();
        let ended = tokio::spawn(end(Run { progress, outcome }));
        let closed = timeout(Duration::from_secs(10), tell.closed()).await;
        assert!(closed.is_ok(), "the upgrade goes on, and is listened to");
        assert!(tell.send(Progress::Pull(Value::Null)).is_err());
        drop(tell_end);
        let failure = ended.await.unwrap().unwrap_err();
        assert_eq!(failure.rollback, Rollback::Incomplete);
    }
}

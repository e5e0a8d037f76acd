//! Asks the endpoint: of the Refit that stands in front of the engine, or, where none does, of one in
//! this process. Both speak the same: who asks cannot tell them apart.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, BodyStream, Full};
use hyper::{Method, Request, Response, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    io::StreamReader,
};

use super::{answer::Failed, host::Host};
use crate::{
    api::Api,
    engine::{Address, DockerEngine, Limits, Socket},
    upgrade::Upgrades,
};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);

/// The longest line that is read.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// What lies between the two ends in this process.
const PIPE: usize = 64 * 1024;

/// A request target that Refit answers, and an engine does not know.
const PROBE: &str = "/containers/-/upgrade";

/// An engine, and who carries upgrades out on it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    address: Address,
    /// What people call where it is.
    name: String,
    own: Option<Api>,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) target: &'a str,
    /// The value of `X-Registry-Auth`.
    pub(super) auth: Option<&'a str>,
    pub(super) body: Option<Value>,
}

impl<'a> Ask<'a> {
    /// A read.
    pub(super) fn get(target: &'a str) -> Self {
        Self {
            method: Method::GET,
            target,
            auth: None,
            body: None,
        }
    }
}

impl Client {
    /// Finds out who is to carry upgrades out.
    ///
    /// # Errors
    /// [`Failed`]: nobody answers.
    pub(super) async fn connect(host: &Host) -> Result<Self, Failed> {
        let mut client = Self {
            address: host.address.clone(),
            name: host.name.clone(),
            own: None,
        };
        let answer = client.at_engine(Ask::get(PROBE)).await?;
        let server = answer.headers().get(header::SERVER);
        let is_refit = server.is_some_and(|server| server.as_bytes().starts_with(b"Refit/"));
        if is_refit {
            refused_if_unavailable(answer).await?;
        } else {
            client.own = Some(Api::new(Arc::new(client.upgrades())));
        }
        Ok(client)
    }

    /// Upgrades in this process.
    pub(super) fn upgrades(&self) -> Upgrades {
        let engine = DockerEngine::new(self.address.clone(), Limits::default());
        Upgrades::new(Arc::new(engine))
    }

    /// Whether upgrades are carried out in this process: they end with it.
    pub(super) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Asks the engine. An answer of any status is one.
    pub(super) async fn at_engine(&self, ask: Ask<'_>) -> Result<Response<Incoming>, Failed> {
        let dialled = timeout(CONNECT, self.address.dial()).await;
        let stream = dialled
            .map_err(|_| Failed::unreachable(&self.name, "connecting takes too long"))?
            .and_then(Socket::into_stream)
            .map_err(|error| Failed::unreachable(&self.name, error))?;
        let lost = |error| Failed::unreachable(&self.name, error);
        exchange(stream, ask).await.map_err(lost)
    }

    /// Asks the endpoint. An answer of any status is one.
    pub(super) async fn at_endpoint(&self, ask: Ask<'_>) -> Result<Response<Incoming>, Failed> {
        let Some(api) = self.own.clone() else {
            return self.at_engine(ask).await;
        };
        let (near, far) = tokio::io::duplex(PIPE);
        let target = ask.target.to_owned();
        tokio::spawn(async move { api.serve(&target, far).await });
        let lost = |error| Failed::unreachable(&self.name, error);
        exchange(near, ask).await.map_err(lost)
    }

    /// The JSON of the engine's answer.
    ///
    /// # Errors
    /// [`Failed`], where it refuses.
    pub(super) async fn json(&self, target: &str) -> Result<Value, Failed> {
        whole(self.at_engine(Ask::get(target)).await?).await
    }
}

/// Sends one request over a connection of its own.
async fn exchange<IO>(io: IO, ask: Ask<'_>) -> Result<Response<Incoming>, hyper::Error>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(io)).await?;
    tokio::spawn(connection);
    let body = ask.body.map(|body| body.to_string()).unwrap_or_default();
    let mut request = Request::new(Full::new(Bytes::from(body)));
    *request.method_mut() = ask.method;
    // Both are ours to make, or made of what was encoded.
    if let Ok(target) = ask.target.parse() {
        *request.uri_mut() = target;
    }
    let headers = request.headers_mut();
    let text = header::HeaderValue::from_static;
    headers.insert(header::HOST, text("docker"));
    headers.insert(header::CONTENT_TYPE, text("application/json"));
    if let Some(auth) = ask.auth.and_then(|auth| auth.parse().ok()) {
        headers.insert("x-registry-auth", auth);
    }
    sender.send_request(request).await
}

/// The JSON of an answer.
///
/// # Errors
/// [`Failed`], where its status is none of success.
pub(super) async fn whole(answer: Response<Incoming>) -> Result<Value, Failed> {
    let status = answer.status();
    let body = answer.into_body().collect().await;
    let body = body.map_err(Failed::lost)?.to_bytes();
    let value: Value = serde_json::from_slice(&body)
        .unwrap_or_else(|_| String::from_utf8_lossy(&body).trim().into());
    if status.is_success() {
        Ok(value)
    } else {
        Err(Failed::read(status.as_u16(), &value))
    }
}

/// The lines of an answer, as they come.
///
/// # Errors
/// [`Failed`], where its status is none of success.
pub(super) async fn lines(
    answer: Response<Incoming>,
) -> Result<impl Stream<Item = Result<Value, Failed>> + Unpin, Failed> {
    if !answer.status().is_success() {
        return match whole(answer).await {
            Ok(value) => Err(Failed::lost(value)),
            Err(failed) => Err(failed),
        };
    }
    let frames = BodyStream::new(answer.into_body())
        .try_filter_map(async |frame| Ok(frame.into_data().ok()))
        .map_err(std::io::Error::other);
    let reader = StreamReader::new(Box::pin(frames));
    let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(LONGEST_LINE));
    Ok(lines.map(|line| {
        let line = line.map_err(Failed::lost)?;
        serde_json::from_str(&line).map_err(Failed::lost)
    }))
}

async fn refused_if_unavailable(answer: Response<Incoming>) -> Result<(), Failed> {
    if answer.status() != hyper::StatusCode::SERVICE_UNAVAILABLE {
        return Ok(());
    }
    whole(answer).await.map(drop)
}

//! Raw calls, where generated types would lose data: one connection for each, the engine's
//! JSON in and out as it is.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;

use super::{Address, EngineError, Result, Socket};

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// One request; the path begins with the version prefix.
pub(super) struct Call<'a> {
    pub method: Method,
    pub path: String,
    pub header: Option<(&'static str, &'a str)>,
    pub body: Option<Body<'a>>,
    /// How long the head of the answer may take.
    pub limit: Duration,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Json(&'a Value),
    Tar(&'a [u8]),
}

impl Call<'_> {
    /// Sends the request; an answer other than 2xx is [`EngineError::Refused`].
    pub async fn send(self, address: &Address) -> Result<Response<Incoming>> {
        let unreachable = |reason: String| EngineError::Unreachable {
            address: address.to_string(),
            reason,
        };
        let stream = timeout(CONNECT, address.dial())
            .await
            .map_err(|_| unreachable("connecting takes too long".to_owned()))?
            .and_then(Socket::into_stream)
            .map_err(|error| unreachable(error.to_string()))?;
        let request = self.request()?;
        let exchange = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // The connection ends with its one exchange: dropping the answer closes it.
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        let response = timeout(self.limit, exchange)
            .await
            .map_err(|_| EngineError::unknown(format!("no answer within {:?}", self.limit)))?
            .map_err(EngineError::unknown)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = read(response, self.limit).await.unwrap_or_default();
        Err(EngineError::Refused {
            status: status.as_u16(),
            message: message(status, &body),
        })
    }

    /// Sends the request and reads the answer's JSON (`null` if it has no body).
    pub async fn json(self, address: &Address) -> Result<Value> {
        let limit = self.limit;
        let body = read(self.send(address).await?, limit).await?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(EngineError::unknown)
    }

    fn request(&self) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header(header::HOST, "docker")
            .header(
                header::USER_AGENT,
                concat!("refit/", env!("CARGO_PKG_VERSION")),
            );
        if let Some((name, value)) = self.header {
            request = request.header(name, value);
        }
        let body = match self.body {
            Some(Body::Json(body)) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            Some(Body::Tar(body)) => {
                request = request.header(header::CONTENT_TYPE, "application/x-tar");
                Bytes::copy_from_slice(body)
            }
            None => Bytes::new(),
        };
        // Only a caller's text can be malformed here (a header with a line break, say).
        request
            .body(Full::new(body))
            .map_err(|error| EngineError::Refused {
                status: 400,
                message: error.to_string(),
            })
    }
}

async fn read(response: Response<Incoming>, limit: Duration) -> Result<Bytes> {
    timeout(limit, response.into_body().collect())
        .await
        .map_err(|_| EngineError::unknown(format!("no end of the answer within {limit:?}")))?
        .map(http_body_util::Collected::to_bytes)
        .map_err(EngineError::unknown)
}

/// The `message` of Docker's error shape; of anything else, the text itself.
fn message(status: StatusCode, body: &[u8]) -> String {
    let text = || String::from_utf8_lossy(body).trim().to_owned();
    let message = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(object)) => match object.get("message") {
            Some(Value::String(message)) => message.clone(),
            _ => text(),
        },
        _ => text(),
    };
    if message.is_empty() {
        status.to_string()
    } else {
        message
    }
}

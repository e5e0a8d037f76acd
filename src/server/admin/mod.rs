//! The admin listener: how this process is, and what it has counted.
//!
//! It answers from the first moment to the last, also while unfinished upgrades are recovered and
//! while the server drains; and it only tells: nothing can be changed through it.

mod health;
mod metrics;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tracing::debug;

use super::{Health, Serve};
use crate::{engine::Socket, relay, upgrade};

/// How long a client may be silent before, and between, its requests.
const SILENCE: Duration = Duration::from_secs(120);

/// What is allowed on everything that is there.
const METHODS: &str = "GET, HEAD";

const JSON: &str = "application/json";

/// Answers those who watch this process.
#[derive(Debug)]
pub struct Admin<H> {
    health: H,
    registry: Registry,
}

impl<H: Health> Admin<H> {
    /// Tells of `health`, and of what is counted of upgrades and connections.
    #[must_use]
    pub fn new(health: H, upgrades: &upgrade::Metrics, connections: &relay::Metrics) -> Self {
        Self {
            health,
            registry: metrics::registry(upgrades, connections),
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (method, path) = (request.method(), request.uri().path());
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        Ok(match path {
            "/healthz" | "/metrics" if !is_read => not_allowed(method, path),
            "/healthz" => {
                let (status, report) = health::report(&self.health).await;
                in_json(status, &report)
            }
            "/metrics" => {
                let text = metrics::text(&self.registry);
                respond(StatusCode::OK, metrics::CONTENT_TYPE, text)
            }
            // The engine's own words.
            _ => in_json(StatusCode::NOT_FOUND, &json!({"message": "page not found"})),
        })
    }
}

impl<H: Health> Serve for Admin<H> {
    async fn serve(&self, client: Socket) {
        let client = match client.into_stream() {
            Ok(client) => client,
            Err(error) => return debug!(%error, "register an admin"),
        };
        let service = service_fn(|request| self.answer(request));
        let connection = http1::Builder::new()
            .half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(SILENCE)
            .serve_connection(TokioIo::new(client), service);
        if let Err(error) = connection.await {
            debug!(%error, "serve an admin");
        }
    }

    fn lane(&self) -> Handle {
        Handle::current()
    }
}

fn not_allowed(method: &Method, path: &str) -> Response<Full<Bytes>> {
    let message = format!("{method} is not allowed on {path}, only {METHODS} are");
    let mut response = in_json(
        StatusCode::METHOD_NOT_ALLOWED,
        &json!({ "message": message }),
    );
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

fn in_json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    respond(status, JSON, format!("{body}\n"))
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

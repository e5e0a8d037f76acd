//! The connection to an engine, in the API version that both speak.

use std::{sync::PoisonError, time::Duration};

use bollard::{ClientVersion, Docker, errors::Error as BollardError};
use hyper::{Method, Response, body::Incoming};
use serde_json::Value;
use tokio::time::timeout;

use super::{DockerEngine, whole_seconds};
use crate::engine::{
    Address, ApiVersion, EngineError, Result,
    raw::{Body, Call},
};

/// The newest API version that Refit was measured with (Docker 28.5). An engine that offers a
/// newer one is spoken to in this one.
const NEWEST: ApiVersion = ApiVersion {
    major: 1,
    minor: 51,
};

/// The cause at the end of an error's chain: what is around it only names the client's own layers.
fn root(mut error: &dyn std::error::Error) -> String {
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// A client, and the version that it speaks.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub client: Docker,
    pub api: ApiVersion,
}

impl DockerEngine {
    pub(super) async fn session(&self) -> Result<Session> {
        if let Some(session) = self.kept() {
            return Ok(session);
        }
        let api = self.negotiate().await?;
        let version = ClientVersion {
            major_version: api.major,
            minor_version: api.minor,
        };
        let limit = whole_seconds(self.limits.call);
        let client = match &self.address {
            Address::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), limit, &version)
            }
            Address::Tcp(host_port) => {
                Docker::connect_with_http(&format!("http://{host_port}"), limit, &version)
            }
        }
        .map_err(|error| self.explain(error))?;
        let session = Session { client, api };
        self.keep(Some(session.clone()));
        Ok(session)
    }

    fn kept(&self) -> Option<Session> {
        self.session
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, session: Option<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = session;
    }

    /// Asks the engine whether it is there.
    ///
    /// # Errors
    /// It does not answer within `limit`, or with an error.
    pub async fn ping(&self, limit: Duration) -> Result<()> {
        let pinged = timeout(limit, self.send_ping(limit)).await;
        let in_time = pinged.map_err(|_| EngineError::Unreachable {
            address: self.address.to_string(),
            reason: format!("no answer within {limit:?}"),
        })?;
        in_time.map(drop)
    }

    /// `_ping` is the one call that no version is needed for, and names the newest one.
    async fn send_ping(&self, limit: Duration) -> Result<Response<Incoming>> {
        let ping = Call {
            method: Method::GET,
            path: "/_ping".to_owned(),
            header: None,
            body: None,
            limit,
        };
        ping.send(&self.address).await
    }

    pub(super) async fn negotiate(&self) -> Result<ApiVersion> {
        let response = self.send_ping(self.limits.call).await?;
        let header = response
            .headers()
            .get("api-version")
            .and_then(|v| v.to_str().ok());
        let (major, minor) = header
            .and_then(|text| text.split_once('.'))
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .ok_or_else(|| EngineError::unknown("_ping named no Api-Version"))?;
        Ok(NEWEST.min(ApiVersion { major, minor }))
    }

    /// A typed call's error in our terms; a lost engine ends the session.
    pub(super) fn explain(&self, error: BollardError) -> EngineError {
        let unreachable = |reason: String| EngineError::Unreachable {
            address: self.address.to_string(),
            reason,
        };
        let explained = match error {
            BollardError::DockerResponseServerError {
                status_code,
                message,
            } => {
                return EngineError::Refused {
                    status: status_code,
                    message,
                };
            }
            BollardError::HyperLegacyError { err } if err.is_connect() => unreachable(root(&err)),
            BollardError::HyperLegacyError { err } => EngineError::unknown(root(&err)),
            BollardError::SocketNotFoundError(path) => unreachable(format!("no socket at {path}")),
            other => EngineError::unknown(other),
        };
        self.keep(None);
        explained
    }

    /// A raw call at the negotiated version; `path` begins after the version prefix.
    pub(super) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let limit = if path.starts_with("/containers/create") {
            self.limits.work
        } else {
            self.limits.call
        };
        let api = self.session().await?.api;
        let call = Call {
            method,
            path: format!("/v{api}{path}"),
            header: None,
            body: body.map(Body::Json),
            limit,
        };
        let answer = call.json(&self.address).await;
        if matches!(
            answer,
            Err(EngineError::Unreachable { .. } | EngineError::Unknown { .. })
        ) {
            self.keep(None);
        }
        answer
    }

    /// A raw `GET` whose answer is a list.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        match self.raw(Method::GET, path, None).await? {
            Value::Array(list) => Ok(list),
            _ => Err(EngineError::unknown("no list")),
        }
    }
}

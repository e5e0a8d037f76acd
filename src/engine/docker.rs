//! The Docker implementation of [`Engine`].

mod session;

use std::{pin::pin, sync::Mutex, time::Duration};

use async_trait::async_trait;
use bollard::{
    Docker,
    errors::Error as BollardError,
    models::{ContainerUpdateBody, RestartPolicy as TypedPolicy, RestartPolicyNameEnum},
    query_parameters::{
        KillContainerOptions, RemoveContainerOptionsBuilder, RemoveImageOptions,
        RenameContainerOptionsBuilder, StopContainerOptions, WaitContainerOptions,
    },
};
use futures_util::StreamExt;
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use self::session::Session;
use super::{
    Address, ApiVersion, Created, Engine, EngineError, Exit, Output, Platform, PullLine,
    RestartPolicy, Result, StopOptions, exit,
    limits::Limits,
    log, progress,
    raw::{Body, Call},
};

/// How long a stop may take that is to wait without end, or as long as the container itself says.
const STOP_LIMIT: Duration = Duration::from_secs(60 * 60);

/// What stays as it is in a path segment or a query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A limit as the typed client takes it: it counts whole seconds, and none at all is at once.
fn whole_seconds(limit: Duration) -> u64 {
    limit.as_secs() + u64::from(limit.subsec_nanos() > 0)
}

fn whole(limit: Duration) -> Duration {
    Duration::from_secs(whole_seconds(limit))
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// What is to be removed may be gone already.
fn gone(removed: Result<()>) -> Result<()> {
    match removed {
        Err(error) if error.is_not_found() => Ok(()),
        removed => removed,
    }
}

/// The filter of what bears a label.
fn labelled(label: &str) -> String {
    encode(&json!({ "label": [label] }).to_string())
}

/// What a query says of a platform, behind its first parameter.
fn platform_parameter(platform: Option<&Platform>) -> String {
    let parameter = |platform: &Platform| format!("&platform={}", encode(&platform.to_string()));
    platform.map(parameter).unwrap_or_default()
}

/// An unmodified dockerd behind a socket.
#[derive(Debug)]
pub struct DockerEngine {
    address: Address,
    limits: Limits,
    /// Made by the first call, and anew after the engine was out of reach: another version may
    /// have come back.
    session: Mutex<Option<Session>>,
}

impl DockerEngine {
    /// The engine at `address`, whose calls may take as long as `limits` say; nothing is dialled
    /// before the first call.
    #[must_use]
    pub fn new(address: Address, limits: Limits) -> Self {
        Self {
            address,
            limits,
            session: Mutex::new(None),
        }
    }

    /// Docker 20.10 ignores `signal` of stop: send it, wait, and let stop finish the work.
    async fn stop_by_kill(
        &self,
        client: &Docker,
        container: &str,
        signal: &str,
        patience: Duration,
    ) -> Result<()> {
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        match client.kill_container(container, Some(options)).await {
            Ok(()) => {}
            // Not running: stop says what that means.
            Err(BollardError::DockerResponseServerError {
                status_code: 409, ..
            }) => return Ok(()),
            Err(error) => return Err(self.explain(error)),
        }
        let mut end = pin!(client.clone().with_timeout(patience).wait_container(
            container,
            Some(WaitContainerOptions {
                condition: "not-running".to_owned()
            })
        ));
        // However the wait ends, the stop that follows finds out how things are.
        let _ = timeout(patience, end.next()).await;
        Ok(())
    }
}

/// The first API version whose stop takes `signal` (Docker 23).
const STOP_TAKES_SIGNAL: ApiVersion = ApiVersion {
    major: 1,
    minor: 42,
};

/// The engine's own patience where neither request nor container says anything.
const DEFAULT_STOP_TIMEOUT: i32 = 10;

#[async_trait]
impl Engine for DockerEngine {
    async fn api_version(&self) -> Result<ApiVersion> {
        Ok(self.session().await?.api)
    }

    async fn inspect_container(&self, reference: &str) -> Result<Value> {
        self.raw(
            Method::GET,
            &format!("/containers/{}/json", encode(reference)),
            None,
        )
        .await
    }

    async fn inspect_image(&self, reference: &str) -> Result<Value> {
        // A reference's slashes belong to the path; nothing else of it does.
        let reference = reference
            .split('/')
            .map(encode)
            .collect::<Vec<_>>()
            .join("/");
        self.raw(Method::GET, &format!("/images/{reference}/json"), None)
            .await
    }

    async fn inspect_network(&self, reference: &str) -> Result<Value> {
        self.raw(
            Method::GET,
            &format!("/networks/{}", encode(reference)),
            None,
        )
        .await
    }

    async fn inspect_volume(&self, name: &str) -> Result<Value> {
        self.raw(Method::GET, &format!("/volumes/{}", encode(name)), None)
            .await
    }

    async fn list_labelled(&self, label: &str) -> Result<Vec<String>> {
        let path = format!("/containers/json?all=true&filters={}", labelled(label));
        let listed = self.list(&path).await?;
        Ok(listed
            .iter()
            .filter_map(|c| Some(c.get("Id")?.as_str()?.to_owned()))
            .collect())
    }

    async fn list_containers(&self) -> Result<Vec<Value>> {
        self.list("/containers/json?all=true").await
    }

    async fn list_labelled_images(&self, label: &str) -> Result<Vec<Value>> {
        let filters = labelled(label);
        self.list(&format!("/images/json?filters={filters}")).await
    }

    async fn architecture(&self) -> Result<String> {
        let client = self.session().await?.client;
        let version = client.version().await.map_err(|e| self.explain(e))?;
        let architecture = version.arch;
        architecture.ok_or_else(|| EngineError::unknown("version named no Arch"))
    }

    async fn pull(
        &self,
        reference: &str,
        platform: Option<&Platform>,
        auth: Option<&str>,
        tell: &(dyn Fn(PullLine) + Send + Sync),
    ) -> Result<()> {
        let api = self.session().await?.api;
        let call = Call {
            method: Method::POST,
            path: format!(
                "/v{api}/images/create?fromImage={}{}",
                encode(reference),
                platform_parameter(platform)
            ),
            header: auth.map(|auth| ("X-Registry-Auth", auth)),
            body: None,
            limit: self.limits.work,
        };
        let answer = call.send(&self.address).await?;
        progress::read(answer, self.limits.work, tell).await
    }

    async fn import_image(&self, reference: &str, changes: &[String], tar: &[u8]) -> Result<()> {
        let (repository, tag) = reference.split_once(':').unwrap_or((reference, "latest"));
        let change = |change: &String| format!("&changes={}", encode(change));
        let call = Call {
            method: Method::POST,
            path: format!(
                "/v{}/images/create?fromSrc=-&repo={}&tag={}{}",
                self.session().await?.api,
                encode(repository),
                encode(tag),
                changes.iter().map(change).collect::<String>()
            ),
            header: None,
            body: Some(Body::Tar(tar)),
            limit: self.limits.work,
        };
        let answer = call.send(&self.address).await?;
        progress::read(answer, self.limits.work, drop).await
    }

    async fn remove_image(&self, reference: &str) -> Result<()> {
        let client = self.session().await?.client;
        let removed = client
            .remove_image(reference, None::<RemoveImageOptions>, None)
            .await;
        gone(removed.map(drop).map_err(|e| self.explain(e)))
    }

    async fn create_container(
        &self,
        name: &str,
        platform: Option<&Platform>,
        body: &Value,
    ) -> Result<Created> {
        let platform = platform_parameter(platform);
        let path = format!("/containers/create?name={}{platform}", encode(name));
        let answer = self.raw(Method::POST, &path, Some(body)).await?;
        let id = answer.get("Id").and_then(Value::as_str);
        let warnings = answer.get("Warnings").and_then(Value::as_array);
        Ok(Created {
            id: id
                .ok_or_else(|| EngineError::unknown("create named no Id"))?
                .to_owned(),
            warnings: warnings
                .into_iter()
                .flatten()
                .filter_map(|warning| warning.as_str().map(str::to_owned))
                .collect(),
        })
    }

    async fn connect_network(
        &self,
        network: &str,
        container: &str,
        endpoint: &Value,
    ) -> Result<()> {
        let path = format!("/networks/{}/connect", encode(network));
        let body = json!({ "Container": container, "EndpointConfig": endpoint });
        self.raw(Method::POST, &path, Some(&body)).await.map(drop)
    }

    async fn update_restart_policy(&self, container: &str, policy: &RestartPolicy) -> Result<()> {
        let name = match policy.name.as_str() {
            "always" => RestartPolicyNameEnum::ALWAYS,
            "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
            "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
            // The engine takes the empty name of an update for "leave it".
            _ => RestartPolicyNameEnum::NO,
        };
        let update = ContainerUpdateBody {
            restart_policy: Some(TypedPolicy {
                name: Some(name),
                maximum_retry_count: Some(policy.maximum_retry_count),
            }),
            ..ContainerUpdateBody::default()
        };
        let client = self.session().await?.client;
        client
            .update_container(container, update)
            .await
            .map_err(|e| self.explain(e))
    }

    async fn stop(&self, container: &str, options: &StopOptions) -> Result<()> {
        let Session { client, api } = self.session().await?;
        let limit = match options.timeout.map(u64::try_from) {
            Some(Ok(seconds)) => Duration::from_secs(seconds) + self.limits.call,
            Some(Err(_)) | None => STOP_LIMIT,
        };
        let mut typed = StopContainerOptions {
            t: options.timeout,
            signal: options.signal.clone(),
        };
        if let Some(signal) = &options.signal
            && api < STOP_TAKES_SIGNAL
        {
            let seconds = options.timeout.unwrap_or(DEFAULT_STOP_TIMEOUT);
            let patience = u64::try_from(seconds).map_or(STOP_LIMIT, Duration::from_secs);
            self.stop_by_kill(&client, container, signal, patience)
                .await?;
            typed = StopContainerOptions {
                // No mercy is left, unless it is without end.
                t: Some(seconds.min(0)),
                signal: None,
            };
        }
        let client = client.with_timeout(whole(limit));
        client
            .stop_container(container, Some(typed))
            .await
            .map_err(|e| self.explain(e))
    }

    async fn start(&self, container: &str) -> Result<()> {
        let client = self
            .session()
            .await?
            .client
            .with_timeout(whole(self.limits.work));
        client
            .start_container(container, None)
            .await
            .map_err(|e| self.explain(e))
    }

    async fn pause(&self, container: &str) -> Result<()> {
        let client = self.session().await?.client;
        client
            .pause_container(container)
            .await
            .map_err(|e| self.explain(e))
    }

    async fn rename(&self, container: &str, name: &str) -> Result<()> {
        let client = self.session().await?.client;
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        client
            .rename_container(container, options)
            .await
            .map_err(|e| self.explain(e))
    }

    async fn remove(&self, container: &str, volumes: bool) -> Result<()> {
        let client = self
            .session()
            .await?
            .client
            .with_timeout(whole(self.limits.work));
        let options = RemoveContainerOptionsBuilder::default().v(volumes).build();
        client
            .remove_container(container, Some(options))
            .await
            .map_err(|e| self.explain(e))
    }

    async fn wait_removed(&self, container: &str, patience: Duration) -> Result<()> {
        let client = self.session().await?.client.with_timeout(whole(patience));
        let options = WaitContainerOptions {
            condition: "removed".to_owned(),
        };
        let mut end = pin!(client.wait_container(container, Some(options)));
        let end = timeout(patience, end.next())
            .await
            .map_err(|_| EngineError::unknown(format!("it is not removed within {patience:?}")))?;
        match end {
            Some(Ok(_)) => Ok(()),
            // The client's word for an exit code other than 0.
            Some(Err(BollardError::DockerContainerWaitError { error, .. })) if error.is_empty() => {
                Ok(())
            }
            Some(Err(error)) => gone(Err(self.explain(error))),
            None => Err(EngineError::unknown("the wait ended without an answer")),
        }
    }

    async fn remove_by_force(&self, container: &str) -> Result<()> {
        let client = self
            .session()
            .await?
            .client
            .with_timeout(whole(self.limits.work));
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        let removed = client.remove_container(container, Some(options)).await;
        gone(removed.map_err(|e| self.explain(e)))
    }

    async fn log_tail(&self, container: &str, lines: usize) -> Result<Vec<String>> {
        let client = self.session().await?.client;
        let read = log::tail(&client, container, lines);
        timeout(self.limits.call, read)
            .await
            .map_err(|_| EngineError::unknown("the log did not end"))?
            .map_err(|error| self.explain(error))
    }

    async fn attach(&self, container: &str) -> Result<Output> {
        let client = self.session().await?.client;
        timeout(self.limits.call, Output::attach(&client, container))
            .await
            .map_err(|_| EngineError::unknown("attach was not answered"))?
            .map_err(|error| self.explain(error))
    }

    async fn first_exit(&self, container: &str) -> Result<Option<Exit>> {
        let client = self.session().await?.client;
        exit::first(&client, container)
            .await
            .map_err(|error| self.explain(error))
    }

    async fn await_reachable(&self) -> Result<()> {
        let deadline = Instant::now() + self.limits.reconnect;
        loop {
            match self.negotiate().await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(error),
                // There is no event for an engine that comes back: ask.
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

//! The only code that talks to dockerd: one trait, its Docker implementation, lossless JSON.
//!
//! A container's configuration never passes through generated structs: they drop the fields
//! that they do not know, and `null`s. What is read by [`Engine::inspect_container`] and what is
//! sent by [`Engine::create_container`] is the engine's own JSON, key order included.

mod address;
mod container;
mod docker;
mod error;
mod exit;
mod limits;
mod log;
mod output;
mod platform;
mod progress;
mod raw;
mod socket;
mod stream;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

pub use address::{Address, AddressError};
pub use container::{Container, Health, Probe, RestartPolicy, Status};
pub use docker::DockerEngine;
pub use error::{EngineError, Result};
pub use exit::Exit;
pub use limits::Limits;
pub use output::Output;
pub use platform::{Platform, PlatformError};
pub use socket::{Socket, register};
pub use stream::Stream;

/// A version of the Docker API, as in `/v1.41/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Always 1 so far.
    pub major: usize,
    /// 41 for Docker 20.10, 51 for 28.5.
    pub minor: usize,
}

impl ApiVersion {
    /// The first version whose create takes several networks and each endpoint's MAC address
    /// (Docker 25; below it a second network is `400`).
    pub const MANY_NETWORKS_IN_CREATE: Self = Self {
        major: 1,
        minor: 44,
    };

    /// The first version that prints the aliases of an endpoint as they were given (Docker 26; below
    /// it, with the container's short ID and host name).
    pub const ALIASES_AS_GIVEN: Self = Self {
        major: 1,
        minor: 45,
    };

    /// The first version whose engine makes up MAC addresses at random, and not of the IP address
    /// (Docker 28).
    pub const RANDOM_MAC_ADDRESSES: Self = Self {
        major: 1,
        minor: 48,
    };

    /// The first version whose events have none of the fields that stand for `Action`, `Actor.ID` and
    /// the image to clients of Docker 1.9 and older (Docker 29).
    pub const EVENTS_WITHOUT_STATUS: Self = Self {
        major: 1,
        minor: 52,
    };
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What `create` answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The full ID of the new container.
    pub id: String,
    /// The engine's own warnings.
    pub warnings: Vec<String>,
}

/// How a container is to be stopped; what is left out is the container's own setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopOptions {
    /// Seconds until SIGKILL; negative: wait for ever. (`t` of the API.)
    pub timeout: Option<i32>,
    /// The signal to stop with, by name or number.
    pub signal: Option<String>,
}

/// One line of a pull's progress, as the engine wrote it.
pub type PullLine = Value;

/// What Refit asks of an engine. Every call is bounded in time; one that hits its bound is
/// [`EngineError::Unknown`]. Containers are referred to by name or by full ID.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// The API version that the calls use: the engine's newest, or ours where that is older.
    async fn api_version(&self) -> Result<ApiVersion>;

    /// `GET /containers/{reference}/json`, whole.
    async fn inspect_container(&self, reference: &str) -> Result<Value>;

    /// `GET /images/{reference}/json`, whole.
    async fn inspect_image(&self, reference: &str) -> Result<Value>;

    /// `GET /networks/{reference}`, whole.
    async fn inspect_network(&self, reference: &str) -> Result<Value>;

    /// `GET /volumes/{name}`, whole.
    async fn inspect_volume(&self, name: &str) -> Result<Value>;

    /// The IDs of all containers, running or not, that bear `label`.
    async fn list_labelled(&self, label: &str) -> Result<Vec<String>>;

    /// The summaries (as `GET /containers/json` prints them) of all containers, running or not.
    async fn list_containers(&self) -> Result<Vec<Value>>;

    /// The summaries (as `GET /images/json` prints them) of all images that bear `label`.
    async fn list_labelled_images(&self, label: &str) -> Result<Vec<Value>>;

    /// The architecture of the engine's machine, as Go calls it: `amd64`, `arm64`.
    async fn architecture(&self) -> Result<String>;

    /// Pulls `reference`, of a platform where one is given; each progress line is handed to
    /// `progress`. An error that arrives inside the `200` stream is [`EngineError::Refused`]. `auth`
    /// is the `X-Registry-Auth` header, handed on untouched.
    async fn pull(
        &self,
        reference: &str,
        platform: Option<&Platform>,
        auth: Option<&str>,
        progress: &(dyn Fn(PullLine) + Send + Sync),
    ) -> Result<()>;

    /// Makes an image of the files in `tar`; `changes` are lines of a Dockerfile.
    async fn import_image(&self, reference: &str, changes: &[String], tar: &[u8]) -> Result<()>;

    /// Takes a name from an image, which goes with its last one; one that is gone is a success.
    async fn remove_image(&self, reference: &str) -> Result<()>;

    /// `POST /containers/create?name=`, with the body as it is; of an image of another platform than
    /// the given one, it is refused.
    async fn create_container(
        &self,
        name: &str,
        platform: Option<&Platform>,
        body: &Value,
    ) -> Result<Created>;

    /// `POST /networks/{network}/connect`, with the endpoint settings as they are.
    async fn connect_network(&self, network: &str, container: &str, endpoint: &Value)
    -> Result<()>;

    /// Sets the restart policy.
    async fn update_restart_policy(&self, container: &str, policy: &RestartPolicy) -> Result<()>;

    /// Stops; a container that is stopped already is a success.
    async fn stop(&self, container: &str, options: &StopOptions) -> Result<()>;

    /// Starts; a container that runs already is a success.
    async fn start(&self, container: &str) -> Result<()>;

    /// Pauses.
    async fn pause(&self, container: &str) -> Result<()>;

    /// Renames.
    async fn rename(&self, container: &str, name: &str) -> Result<()>;

    /// Removes a container that does not run; `volumes` takes its anonymous volumes along.
    async fn remove(&self, container: &str, volumes: bool) -> Result<()>;

    /// Waits until the engine has removed a container and its name is free, as long as `patience`; one
    /// that is gone is a success.
    async fn wait_removed(&self, container: &str, patience: Duration) -> Result<()>;

    /// Kills a container and removes it; one that is gone is a success.
    async fn remove_by_force(&self, container: &str) -> Result<()>;

    /// The last `lines` lines of the log, standard output and error as they came.
    async fn log_tail(&self, container: &str, lines: usize) -> Result<Vec<String>>;

    /// Reads along what a container prints from now on, started or not.
    async fn attach(&self, container: &str) -> Result<Output>;

    /// How the container's process ended the first time, which inspect may have forgotten; `None`
    /// where the engine does not remember it either (it does of its last 256 events).
    async fn first_exit(&self, container: &str) -> Result<Option<Exit>>;

    /// Waits until the engine answers, at most as long as [`Limits::reconnect`] says.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when it did not.
    async fn await_reachable(&self) -> Result<()>;
}

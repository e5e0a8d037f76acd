//! What an upgrade is asked for, what it tells on the way, and how it ends.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    engine::{EngineError, Platform, StopOptions},
    plan::{Change, Object, Plan},
};

/// A checked request for one upgrade.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is asked for by itself")]
pub struct Request {
    /// The patch, as [`crate::plan::check_patch`] returns it.
    pub patch: Object,
    /// When the image is pulled.
    pub pull: Pull,
    /// The platform that the image is to be of; the engine's own choice where none is given.
    pub platform: Option<Platform>,
    /// Whether new anonymous volumes take the place of the original's, which are left as they are.
    pub renew_volumes: bool,
    /// How the original is stopped.
    pub stop: StopOptions,
    /// Upgrade although nothing differs.
    pub force: bool,
    /// Go back to the generation before, whose specification takes the place of the patch.
    pub go_back: bool,
    /// Only say what an upgrade would do: nothing is touched, and nothing pulled unless
    /// [`Request::pull`] is [`Pull::Always`].
    pub dry_run: bool,
    /// The `X-Registry-Auth` header, handed on untouched.
    pub registry_auth: Option<String>,
    /// How long the replacement must run before it counts as good.
    pub monitor: Duration,
    /// How long a replacement with a health check may take to become healthy; where none is given,
    /// as long as its plan says ([`Plan::healthy_deadline`]).
    pub healthy_deadline: Option<Duration>,
    /// Whether a replacement that does not get the original's addresses is no good.
    pub require_same_address: bool,
}

impl Default for Request {
    /// One that asks for nothing.
    fn default() -> Self {
        Self {
            patch: Object::new(),
            pull: Pull::default(),
            platform: None,
            renew_volumes: false,
            stop: StopOptions::default(),
            force: false,
            go_back: false,
            dry_run: false,
            registry_auth: None,
            monitor: Self::DEFAULT_MONITOR,
            healthy_deadline: None,
            require_same_address: false,
        }
    }
}

impl Request {
    /// Whether a plan is to be carried out.
    pub(super) fn is_due(&self, plan: &Plan) -> bool {
        plan.changed || self.force
    }

    /// `SwarmKit`'s default of `Monitor`.
    pub const DEFAULT_MONITOR: Duration = Duration::from_secs(5);
}

/// When an upgrade pulls its image, as `docker run --pull`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pull {
    /// If the engine does not have it.
    #[default]
    Missing,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The steps of a transaction. One word names each in code, logs, errors and docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Get the image.
    Pull,
    /// Decide what the replacement is.
    Plan,
    /// See that nobody else works on the container.
    Lock,
    /// Create the replacement.
    Create,
    /// Occupy the addresses that the engine would give to the replacement before the original's.
    Hold,
    /// See that no daemon starts the original by itself.
    Disarm,
    /// Stop the original.
    Stop,
    /// Rename the original out of the way.
    Park,
    /// Give the original's name to the replacement.
    Rename,
    /// Start the replacement.
    Start,
    /// Watch the replacement run.
    Verify,
    /// Delete the parked original.
    Commit,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; Self::Commit as usize + 1] = [
        Self::Pull,
        Self::Plan,
        Self::Lock,
        Self::Create,
        Self::Hold,
        Self::Disarm,
        Self::Stop,
        Self::Park,
        Self::Rename,
        Self::Start,
        Self::Verify,
        Self::Commit,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pull => "pull",
            Self::Plan => "plan",
            Self::Lock => "lock",
            Self::Create => "create",
            Self::Hold => "hold",
            Self::Disarm => "disarm",
            Self::Stop => "stop",
            Self::Park => "park",
            Self::Rename => "rename",
            Self::Start => "start",
            Self::Verify => "verify",
            Self::Commit => "commit",
        })
    }
}

/// What is told while an upgrade runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// A line of the engine's own pull progress.
    Pull(Value),
    /// A step begins, on the container of this name.
    Step {
        /// Which one.
        step: Step,
        /// The name of the original.
        name: String,
    },
}

/// A container with its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// The full ID of the container.
    pub id: String,
    /// The reference of its image.
    pub image: String,
    /// The ID of its image.
    pub image_id: String,
}

/// How a request that did not fail ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// The container is upgraded, or nothing was to do.
    Upgraded(Outcome),
    /// It was a dry run.
    Planned(Preview),
    /// Refit would stop with it: a helper goes on.
    HandedOver(HandedOver),
}

/// An upgrade that goes on without the Refit that was asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The ID of the transaction.
    pub transaction: String,
    /// The name of the container that is upgraded.
    pub name: String,
    /// The name of the container that Refit runs in: the same, or one that depends on it.
    pub own: String,
    /// The full ID of the helper.
    pub helper: String,
    /// Its name.
    pub helper_name: String,
}

/// What an upgrade would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Whether it would do anything.
    pub changed: bool,
    /// The body of `POST /containers/create`, but for the marker.
    pub create: Value,
    /// What would be another value.
    pub diff: Vec<Change>,
    /// The steps that it would take after the plan.
    pub steps: Vec<Step>,
    /// The names of the containers that depend on it, and would be recreated with it.
    pub companions: Vec<String>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// A container that was recreated, because it depends on the one that was upgraded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recreated {
    /// Its full ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The full ID of the container that had its name before.
    pub previous: String,
}

/// How a successful upgrade ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The container that has the name now.
    pub current: Incarnation,
    /// The container that had it before (the same one where nothing was to do).
    pub previous: Incarnation,
    /// The name.
    pub name: String,
    /// Whether anything was done.
    pub changed: bool,
    /// Whether the container runs (a paused one does not).
    pub running: bool,
    /// From the moment that the original was asked to stop to the one that the replacement had
    /// started; zero for a container that did not run.
    pub downtime: Duration,
    /// The containers that depend on it; each after those that it depends on.
    pub companions: Vec<Recreated>,
    /// What the caller should know.
    pub warnings: Vec<String>,
}

/// Whether the original is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rollback {
    /// It was never touched.
    #[serde(rename = "not needed")]
    NotNeeded,
    /// It was touched, and is as it was.
    Restored,
    /// It is not as it was; the message says what stands there.
    Incomplete,
}

impl fmt::Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNeeded => "not needed",
            Self::Restored => "restored",
            Self::Incomplete => "incomplete",
        })
    }
}

/// Whose fault a failure is, as far as the caller can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The request asks for something that cannot be.
    BadRequest,
    /// No such container or image.
    NotFound,
    /// The container is not in a state to be upgraded, or somebody is at it.
    Conflict,
    /// A step failed.
    Failed,
    /// The engine cannot be reached.
    Unreachable,
}

impl From<&EngineError> for Cause {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Refused { status: 400, .. } => Self::BadRequest,
            // Docker 20.10 answers a body that it cannot read with 500.
            EngineError::Refused { message, .. } if message.contains("json: cannot unmarshal") => {
                Self::BadRequest
            }
            EngineError::Refused { status: 404, .. } => Self::NotFound,
            EngineError::Refused { status: 409, .. } => Self::Conflict,
            EngineError::Refused { .. } | EngineError::Unknown { .. } => Self::Failed,
            EngineError::Unreachable { .. } => Self::Unreachable,
        }
    }
}

/// How a failed upgrade ended. The message says what failed, why, and what state things are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "PascalCase")]
#[error("{message}")]
pub struct Failure {
    /// Whose fault it is.
    pub cause: Cause,
    /// The step that failed.
    pub step: Step,
    /// Whether the original is back.
    pub rollback: Rollback,
    /// The whole message.
    pub message: String,
}

impl Failure {
    /// A failure before anything was touched.
    pub(super) fn untouched(cause: Cause, step: Step, message: impl Into<String>) -> Self {
        Self {
            cause,
            step,
            rollback: Rollback::NotNeeded,
            message: message.into(),
        }
    }

    /// A failed engine call before anything was touched: the engine's own status and words.
    pub(super) fn of_engine(step: Step, error: &EngineError) -> Self {
        Self::untouched(error.into(), step, error.to_string())
    }
}

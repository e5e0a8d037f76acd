//! What Refit reads of a container; the rest stays in its document.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EngineError, Exit, Result};

/// A container's `State.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Never started, or its first start failed.
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Its process ended and the restart policy will start it again. (`State.Running` is true
    /// then, too; this is why it is not looked at.)
    Restarting,
    /// Its process ended.
    Exited,
    /// It is being removed.
    Removing,
    /// Its removal failed half-way.
    Dead,
}

impl Status {
    /// Whether a process of the container runs, or will without anybody's doing.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" => Self::Exited,
            "removing" => Self::Removing,
            "dead" => Self::Dead,
            _ => return None,
        })
    }
}

/// A restart policy, as `HostConfig.RestartPolicy` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure`; the empty text is `no`, too.
    pub name: String,
    /// Of `on-failure`; 0: no limit.
    #[serde(default)]
    pub maximum_retry_count: i64,
}

impl RestartPolicy {
    /// A policy without a retry count.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            maximum_retry_count: 0,
        }
    }

    /// Whether a daemon that starts would start a container of this policy although somebody
    /// stopped it by hand (measured: `always` and `on-failure`, on all engines).
    #[must_use]
    pub fn resurrects(&self) -> bool {
        matches!(self.name.as_str(), "always" | "on-failure")
    }

    /// Whether the container is never restarted by the engine.
    #[must_use]
    pub fn is_no(&self) -> bool {
        matches!(self.name.as_str(), "" | "no")
    }
}

/// `State.Health.Status` of a container that has a health state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Not known yet, or inside the start period.
    Starting,
    /// The last probe passed.
    Healthy,
    /// As many probes failed as `Retries` says.
    Unhealthy,
}

/// One run of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its exit code; -1 where it was not let end, or could not begin.
    pub exit_code: i64,
    /// The beginning of what it printed, or why it was not let end.
    pub output: String,
}

/// A container as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The full ID.
    pub id: String,
    /// The name, without the leading slash.
    pub name: String,
    /// `State.Status`.
    pub status: Status,
    /// `HostConfig.RestartPolicy`.
    pub restart_policy: RestartPolicy,
    /// How often the engine restarted it by its policy.
    pub restart_count: i64,
    /// When its process was started, as the engine prints it.
    pub started_at: String,
    /// How its last process ended; code 0 while one runs.
    pub exit: Exit,
    /// Why it could not be started; empty if it could.
    pub error: String,
    /// The health state, where there is one. (`Config.Healthcheck` without `Test` has none.)
    pub health: Option<Health>,
    /// The image's reference, as it was given to create.
    pub image: String,
    /// The image's ID.
    pub image_id: String,
    /// The whole document.
    pub document: Value,
}

impl Container {
    /// Reads an inspect document.
    ///
    /// # Errors
    /// [`EngineError::Unknown`] if a field without which nothing can be decided is missing.
    pub fn from_document(document: Value) -> Result<Self> {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
        let missing =
            |field: &str| EngineError::unknown(format!("inspect printed no usable {field}"));
        Ok(Self {
            id: text("/Id").ok_or_else(|| missing("Id"))?.to_owned(),
            name: text("/Name")
                .ok_or_else(|| missing("Name"))?
                .trim_start_matches('/')
                .to_owned(),
            status: text("/State/Status")
                .and_then(Status::parse)
                .ok_or_else(|| missing("State.Status"))?,
            restart_policy: document
                .pointer("/HostConfig/RestartPolicy")
                .and_then(|policy| RestartPolicy::deserialize(policy).ok())
                .unwrap_or_else(|| RestartPolicy::named("no")),
            restart_count: document
                .get("RestartCount")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            started_at: text("/State/StartedAt").unwrap_or_default().to_owned(),
            exit: Exit {
                code: document
                    .pointer("/State/ExitCode")
                    .and_then(Value::as_i64)
                    .unwrap_or(0),
                oom_killed: document.pointer("/State/OOMKilled") == Some(&Value::Bool(true)),
            },
            error: text("/State/Error").unwrap_or_default().to_owned(),
            health: match text("/State/Health/Status") {
                Some("starting") => Some(Health::Starting),
                Some("healthy") => Some(Health::Healthy),
                Some("unhealthy") => Some(Health::Unhealthy),
                _ => None,
            },
            image: text("/Config/Image").unwrap_or_default().to_owned(),
            image_id: text("/Image").ok_or_else(|| missing("Image"))?.to_owned(),
            document,
        })
    }

    /// Whether the engine deletes it when it has ended (`--rm`).
    #[must_use]
    pub fn is_auto_removed(&self) -> bool {
        let auto_remove = self.document.pointer("/HostConfig/AutoRemove");
        auto_remove == Some(&Value::Bool(true))
    }

    /// The last run of its health check, if one has ended.
    #[must_use]
    pub fn last_probe(&self) -> Option<Probe> {
        let log = self.document.pointer("/State/Health/Log")?.as_array()?;
        let last = log.last()?;
        Some(Probe {
            exit_code: last.get("ExitCode")?.as_i64()?,
            output: last.get("Output")?.as_str()?.to_owned(),
        })
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.document.pointer("/Config/Labels")?.get(name)?.as_str()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_restarting_container_is_active_and_its_running_flag_is_not_looked_at() {
        let container = Container::from_document(json!({
            "Id": "a1", "Name": "/web", "Image": "sha256:1", "RestartCount": 3,
            "State": {
                "Status": "restarting", "Running": true, "ExitCode": 3, "OOMKilled": true,
                "Health": {"Status": "none", "Log": [
                    {"ExitCode": 0, "Output": "fine"}, {"ExitCode": 1, "Output": "refused"},
                ]},
            },
            "HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}},
            "Config": {"Image": "web:1", "Labels": {"a": "b"}},
        }))
        .unwrap();
        assert_eq!(container.status, Status::Restarting);
        assert!(container.status.is_active());
        assert_eq!(container.restart_policy.maximum_retry_count, 5);
        assert!(container.restart_policy.resurrects());
        assert_eq!(
            (container.label("a"), container.label("b")),
            (Some("b"), None)
        );
        let exit = Exit {
            code: 3,
            oom_killed: true,
        };
        assert_eq!(container.exit, exit);
        assert_eq!(container.health, None);
        let probe = Probe {
            exit_code: 1,
            output: "refused".to_owned(),
        };
        assert_eq!(container.last_probe(), Some(probe));
    }

    #[test]
    fn a_document_without_a_known_status_is_an_error_that_names_the_field() {
        let error = Container::from_document(json!({
            "Id": "a1", "Name": "/web", "Image": "sha256:1", "State": {"Status": "melting"},
        }))
        .unwrap_err();
        assert!(error.to_string().contains("State.Status"), "{error}");
    }
}

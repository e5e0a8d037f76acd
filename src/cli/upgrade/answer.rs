//! What the endpoint answered, and which exit code that is.

use std::{fmt, process::ExitCode};

use serde_json::Value;

use crate::cli;

/// Not upgraded; the container is as it was.
const NOT_UPGRADED: u8 = 1;

/// Not upgraded, and the container could not be brought back yet.
const INCOMPLETE: u8 = 2;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    /// The status of the answer; 0 where there was none.
    pub(super) status: u16,
    /// What the endpoint says, or why it says nothing.
    pub(super) message: String,
    /// The step that failed.
    pub(super) step: Option<String>,
    /// What became of the original.
    pub(super) rollback: Option<String>,
}

impl Failed {
    /// Nobody answers at a host, called as people call it.
    pub(super) fn unreachable(host: &str, reason: impl fmt::Display) -> Self {
        Self {
            status: 0,
            message: format!(
                "Cannot connect to the Docker daemon at {host}. Is the docker daemon running? \
                 ({reason})"
            ),
            step: None,
            rollback: None,
        }
    }

    /// Nothing was begun.
    pub(super) fn untouched(message: String) -> Self {
        Self {
            status: 409,
            message,
            step: None,
            rollback: Some("not needed".to_owned()),
        }
    }

    /// What was typed is wrong.
    pub(super) fn mistaken(message: String) -> Self {
        Self {
            status: 400,
            message,
            step: None,
            rollback: None,
        }
    }

    /// The answer broke off.
    pub(super) fn lost(reason: impl fmt::Display) -> Self {
        Self {
            status: 0,
            message: format!("the answer broke off: {reason}"),
            step: None,
            rollback: None,
        }
    }

    /// An error in Docker's shape, with what Refit adds.
    pub(super) fn read(status: u16, body: &Value) -> Self {
        let text = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            status,
            message: text("message").unwrap_or_else(|| body.to_string()),
            step: text("Step"),
            rollback: text("Rollback"),
        }
    }

    /// An error at the end of a stream of lines.
    pub(super) fn read_detail(detail: &Value) -> Self {
        let code = detail.get("code").and_then(Value::as_u64);
        let status = code.and_then(|code| u16::try_from(code).ok());
        Self::read(status.unwrap_or(500), detail)
    }

    pub(super) fn exit_code(&self) -> u8 {
        match (self.status, self.rollback.as_deref()) {
            (_, Some("incomplete")) => INCOMPLETE,
            (0 | 503, _) => cli::UNAVAILABLE,
            (400, _) => cli::USAGE,
            _ => NOT_UPGRADED,
        }
    }

    /// What whoever reads this can do about it.
    pub(super) fn advice(&self, is_own: bool) -> Option<&'static str> {
        match (self.rollback.as_deref(), self.step.as_deref()) {
            (Some("incomplete"), _) if is_own => {
                Some("\"docker upgrade --recover\" brings the original back, as soon as it can be")
            }
            (Some("incomplete"), _) => Some(
                "Refit goes on trying by itself; \"docker upgrade --history\" tells how things stand",
            ),
            (Some("restored"), _) => Some(
                "nothing is lost but what the new container wrote; \"docker upgrade --dry-run\" shows \
                 what an upgrade would change",
            ),
            (_, Some("pull")) => Some(
                "nothing was touched; look at the image's name, and whether \"docker login\" is needed",
            ),
            (Some("not needed"), _) if self.status != 404 => Some("nothing was touched"),
            _ => None,
        }
    }
}

/// How the upgrade of one container ended.
pub(super) type Ended = Result<Value, Failed>;

/// Whether it was upgraded, rather than that there was nothing to do.
pub(super) fn is_changed(answer: &Value) -> bool {
    answer
        .get("Changed")
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// A text of an answer.
pub(super) fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The twelve digits that an ID is known by.
pub(super) fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// Whether an original could not be brought back yet.
pub(super) fn is_incomplete(failed: &Failed) -> bool {
    failed.exit_code() == INCOMPLETE
}

/// The exit code of several: the one that most needs to be looked at.
pub(super) fn exit_code<'a>(failures: impl Iterator<Item = &'a Failed>) -> ExitCode {
    let urgency = |code: &u8| match *code {
        INCOMPLETE => 4,
        cli::UNAVAILABLE => 3,
        NOT_UPGRADED => 2,
        _ => 1,
    };
    failures
        .map(Failed::exit_code)
        .max_by_key(urgency)
        .map_or(ExitCode::SUCCESS, ExitCode::from)
}

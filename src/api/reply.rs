//! What a caller is answered: the one place that picks a status.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::upgrade::{
    Cause, Ending, Failure, Incarnation, Outcome, Preview, Progress, Rollback, Step,
};

/// A request that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    status: StatusCode,
    message: String,
}

impl Mistake {
    /// A request that is wrong; the message names what.
    pub fn bad(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// A reference that no container can have, in the engine's own words.
    pub fn no_such_container(reference: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("No such container: {reference}"),
        }
    }

    #[cfg(test)]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    #[cfg(test)]
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// A status with its JSON body.
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

impl From<Mistake> for Reply {
    fn from(mistake: Mistake) -> Self {
        let rollback = Rollback::NotNeeded.to_string();
        Self {
            status: mistake.status,
            body: json!({ "message": mistake.message, "Step": "request", "Rollback": rollback }),
        }
    }
}

impl From<Result<Ending, Failure>> for Reply {
    fn from(result: Result<Ending, Failure>) -> Self {
        match result {
            Ok(ending) => Self {
                status: StatusCode::OK,
                body: ending_body(&ending),
            },
            Err(failure) => Self {
                status: status(&failure),
                body: failure_body(&failure),
            },
        }
    }
}

fn status(failure: &Failure) -> StatusCode {
    match failure.cause {
        Cause::BadRequest => StatusCode::BAD_REQUEST,
        Cause::NotFound => StatusCode::NOT_FOUND,
        Cause::Conflict => StatusCode::CONFLICT,
        Cause::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        Cause::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn failure_body(failure: &Failure) -> Value {
    json!({
        "message": failure.message,
        "Step": failure.step.to_string(),
        "Rollback": failure.rollback.to_string(),
    })
}

fn ending_body(ending: &Ending) -> Value {
    match ending {
        Ending::Upgraded(outcome) => outcome_body(outcome),
        Ending::Planned(preview) => preview_body(preview),
    }
}

fn preview_body(preview: &Preview) -> Value {
    let changes = preview.diff.iter().map(|change| {
        json!({
            "Path": change.path,
            "From": change.from,
            "To": change.to,
            "Because": change.because.to_string(),
        })
    });
    let steps = preview.steps.iter().map(Step::to_string);
    json!({
        "Changed": preview.changed,
        "Plan": {
            "Create": preview.create,
            "Diff": changes.collect::<Vec<_>>(),
            "Steps": steps.collect::<Vec<_>>(),
        },
        "Warnings": preview.warnings,
    })
}

fn outcome_body(outcome: &Outcome) -> Value {
    let Incarnation {
        id,
        image,
        image_id,
    } = &outcome.current;
    json!({
        "Id": id,
        "Name": outcome.name,
        "Image": image,
        "ImageId": image_id,
        "Previous": {
            "Id": outcome.previous.id,
            "Image": outcome.previous.image,
            "ImageId": outcome.previous.image_id,
        },
        "Changed": outcome.changed,
        "Running": outcome.running,
        "Downtime": u64::try_from(outcome.downtime.as_nanos()).unwrap_or(u64::MAX),
        "Warnings": outcome.warnings,
    })
}

/// A line of a stream, in the shape of Docker's own progress messages.
pub(super) fn progress_line(progress: Progress) -> Value {
    match progress {
        Progress::Pull(line) => line,
        Progress::Step { step, name } => {
            json!({ "status": step.to_string(), "progressDetail": {}, "id": name })
        }
    }
}

/// The last line of a stream.
pub(super) fn last_line(result: Result<Ending, Failure>) -> Value {
    match result {
        Ok(ending) => json!({ "aux": ending_body(&ending) }),
        Err(failure) => {
            let mut detail = failure_body(&failure);
            detail["code"] = status(&failure).as_u16().into();
            json!({ "errorDetail": detail, "error": failure.message })
        }
    }
}

//! What a caller is answered: the one place that picks a status.

use std::time::Duration;

use humantime::format_rfc3339_seconds;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::upgrade::{
    Cause, Direction, Ended, Ending, Failure, Former, HandedOver, Incarnation, Outcome, Preview,
    Progress, Recreated, Report, Rollback, Step, Underway,
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

impl Reply {
    /// A request that would get in the way of an upgrade: in the place of the engine, and in its
    /// shape. `None`: the upgrade has ended just now, or the body could not be judged.
    pub fn in_the_way(underway: Option<&Underway>) -> Self {
        let message = match underway {
            Some(Underway {
                transaction,
                name,
                step,
            }) => format!(
                "an upgrade of {name} is under way (transaction {transaction}, step {step}): this \
                 would get in its way, and was not done"
            ),
            None => {
                "an upgrade was under way that this might have got in the way of: ask again, with \
                     the body's length in the head"
                    .to_owned()
            }
        };
        Self {
            status: StatusCode::CONFLICT,
            body: json!({ "message": message }),
        }
    }
}

impl From<Result<Report, Failure>> for Reply {
    fn from(result: Result<Report, Failure>) -> Self {
        Self::of(result, |report| (StatusCode::OK, report_body(report)))
    }
}

impl From<Result<Ended, Failure>> for Reply {
    fn from(result: Result<Ended, Failure>) -> Self {
        Self::of(result, |ended| {
            let status = match ended.failure.rollback {
                // It was asked for, and done.
                Rollback::NotNeeded | Rollback::Restored => StatusCode::OK,
                Rollback::Incomplete => status(&ended.failure),
            };
            (status, ended_body(&ended))
        })
    }
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
        Self::of(result, |ending| {
            let status = match ending {
                Ending::Upgraded(_) | Ending::Planned(_) => StatusCode::OK,
                Ending::HandedOver(_) => StatusCode::ACCEPTED,
            };
            (status, ending_body(&ending))
        })
    }
}

impl Reply {
    fn of<T>(result: Result<T, Failure>, answer: impl FnOnce(T) -> (StatusCode, Value)) -> Self {
        let (status, body) = match result {
            Ok(done) => answer(done),
            Err(failure) => (status(&failure), failure_body(&failure)),
        };
        Self { status, body }
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
        Ending::HandedOver(handed_over) => handed_over_body(handed_over),
    }
}

fn handed_over_body(handed_over: &HandedOver) -> Value {
    let HandedOver {
        transaction,
        name,
        own,
        helper,
        helper_name,
    } = handed_over;
    let status = format!("/containers/{name}/upgrade");
    json!({
        "message": format!(
            "Refit itself runs in {own}, and stops with it now: the helper {helper_name} goes on with \
             the upgrade of {name}; ask GET {status} for its end when Refit is back"
        ),
        "Transaction": transaction,
        "Name": name,
        "Helper": { "Id": helper, "Name": helper_name },
        "Status": status,
    })
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
    let mut body = json!({
        "Changed": preview.changed,
        "Plan": {
            "Create": preview.create,
            "Diff": changes.collect::<Vec<_>>(),
            "Steps": steps.collect::<Vec<_>>(),
        },
        "Warnings": preview.warnings,
    });
    if !preview.companions.is_empty() {
        body["Plan"]["Companions"] = json!(preview.companions);
    }
    body
}

fn incarnation_body(incarnation: &Incarnation) -> Value {
    json!({
        "Id": incarnation.id,
        "Image": incarnation.image,
        "ImageId": incarnation.image_id,
    })
}

/// A container of before; when it was replaced as Docker writes times, where that is known.
fn former_body(former: &Former) -> Value {
    let mut body = incarnation_body(&former.container);
    if let Some(replaced_at) = former.replaced_at {
        body["ReplacedAt"] = format_rfc3339_seconds(replaced_at).to_string().into();
    }
    body["CanRollback"] = former.is_known.into();
    body
}

/// An upgrade that failed or was cancelled, with the container that it was of.
fn ended_body(ended: &Ended) -> Value {
    let mut body = failure_body(&ended.failure);
    body["Name"] = ended.name.clone().into();
    body["Transaction"] = ended.transaction.clone().into();
    body
}

/// In ns.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn report_body(report: Report) -> Value {
    match report {
        Report::Running {
            transaction,
            name,
            step,
            direction,
            elapsed,
            step_elapsed,
        } => json!({
            "State": match direction {
                Direction::Forward | Direction::Commit => "running",
                Direction::Back => "rolling back",
                Direction::Recovery => "recovering",
            },
            "Transaction": transaction,
            "Name": name,
            "Step": step.to_string(),
            "Elapsed": nanoseconds(elapsed),
            "StepElapsed": nanoseconds(step_elapsed),
        }),
        Report::Upgraded {
            transaction,
            name,
            current,
            previous,
        } => {
            let mut body = incarnation_body(&current);
            body["State"] = "upgraded".into();
            body["Transaction"] = transaction.into();
            body["Name"] = name.into();
            body["Generations"] = previous.iter().map(former_body).collect();
            body
        }
        Report::Failed { ended, previous } => {
            let mut body = ended_body(&ended);
            body["State"] = "failed".into();
            body["Generations"] = previous.iter().map(former_body).collect();
            body
        }
        Report::Unfinished {
            transaction,
            name,
            original,
            replacement,
        } => json!({
            "State": "unfinished",
            "Transaction": transaction,
            "Name": name,
            "Original": original,
            "Replacement": replacement,
        }),
    }
}

fn outcome_body(outcome: &Outcome) -> Value {
    let Incarnation {
        id,
        image,
        image_id,
    } = &outcome.current;
    let mut body = json!({
        "Id": id,
        "Name": outcome.name,
        "Image": image,
        "ImageId": image_id,
        "Previous": incarnation_body(&outcome.previous),
        "Changed": outcome.changed,
        "Running": outcome.running,
        "Downtime": nanoseconds(outcome.downtime),
        "Warnings": outcome.warnings,
    });
    // Those of most upgrades are none: their answer is what it was before there were any.
    if !outcome.companions.is_empty() {
        body["Companions"] = outcome.companions.iter().map(recreated_body).collect();
    }
    body
}

fn recreated_body(recreated: &Recreated) -> Value {
    json!({
        "Id": recreated.id,
        "Name": recreated.name,
        "Previous": { "Id": recreated.previous },
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

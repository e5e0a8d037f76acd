//! What a helper tells on its standard output, a line of JSON each. Its log goes elsewhere, and may be
//! of JSON, too.

use serde::{Deserialize, Serialize};

use crate::upgrade::outcome::{Failure, Step};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "PascalCase", deny_unknown_fields)]
pub enum Line {
    /// A step begins.
    Step {
        /// Which one.
        step: Step,
        /// The name of the container that it is of.
        name: String,
    },
    /// The end: the transaction is committed.
    Upgraded {
        /// Its ID.
        transaction: String,
    },
    /// The end: it failed, or was taken back.
    Failed(Failure),
}

impl Line {
    /// Whether nothing comes after it.
    fn is_end(&self) -> bool {
        !matches!(self, Self::Step { .. })
    }
}

/// The end among these lines.
pub(super) fn end(lines: &[Line]) -> Option<&Line> {
    lines.iter().rfind(|line| line.is_end())
}

/// The last step among these lines.
pub(super) fn last_step(lines: &[Line]) -> Option<Step> {
    lines.iter().rev().find_map(|line| match line {
        Line::Step { step, .. } => Some(*step),
        Line::Upgraded { .. } | Line::Failed(_) => None,
    })
}

/// The lines in a log, whatever else is in it.
pub(super) fn read(log: &[String]) -> Vec<Line> {
    let lines = log.iter().map(|line| serde_json::from_str(line));
    lines.filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upgrade::outcome::{Cause, Rollback};

    #[test]
    fn what_is_told_is_found_among_what_is_logged() {
        let told = [
            Line::Step {
                step: Step::Create,
                name: "refit".to_owned(),
            },
            Line::Failed(Failure {
                cause: Cause::Conflict,
                step: Step::Start,
                rollback: Rollback::NotNeeded,
                message: "no\n\"such\" thing".to_owned(),
            }),
        ];
        let mut log = vec![r#"{"timestamp":"2026","level":"INFO","step":"pull"}"#.to_owned()];
        for line in &told {
            log.push(serde_json::to_string(line).expect("JSON"));
            log.push("2026 INFO step transaction=1".to_owned());
        }
        log.push(r#"{"Step":{"Step":"create","Na"#.to_owned());
        log.push(r#"{"Upgraded":{"Transaction":"1","More":1}}"#.to_owned());
        assert_eq!(read(&log), told);
        assert_eq!(last_step(&told), Some(Step::Create));
        assert_eq!(end(&told), Some(&told[1]));
        assert_eq!(end(&told[..1]), None);
    }

    #[test]
    fn a_line_is_written_in_the_words_that_answers_have() {
        let line = Line::Failed(Failure {
            cause: Cause::NotFound,
            step: Step::Verify,
            rollback: Rollback::Restored,
            message: "why".to_owned(),
        });
        let written = serde_json::to_value(&line).expect("JSON");
        let expected = serde_json::json!({ "Failed": {
            "Cause": "NotFound", "Step": "verify", "Rollback": "restored", "Message": "why",
        } });
        assert_eq!(written, expected);
    }
}

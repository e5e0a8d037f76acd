//! What is counted of upgrades: by how they ended and at which step, never by container.
//!
//! Every series is there from the beginning, at zero: what has not happened yet can be told from
//! what is not counted.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
};
use tokio::time::Instant;

use super::{
    outcome::{Cause, Ending, Failure, Outcome, Rollback, Step},
    recover::Recovered,
};

/// Upper bounds in seconds, for what may be a call, a pull, or the wait for a health check.
const LONG: [f64; 12] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0,
];

/// Upper bounds in seconds, for a stop and a start.
const SHORT: [f64; 12] = [
    0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0,
];

/// How an upgrade that was asked for ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conclusion {
    /// The replacement stands.
    Upgraded,
    /// Nothing was to do.
    Unchanged,
    /// It was a dry run.
    Planned,
    /// A helper went on with it.
    HandedOver,
    /// The request, or the container, was not one that could be upgraded; it was not touched.
    Refused,
    /// A step failed, or the engine was out of reach; the container was not touched.
    Failed,
    /// It failed, and the original is back.
    Restored,
    /// It failed, and the original is not as it was.
    Incomplete,
}

impl Conclusion {
    /// All of them.
    pub const ALL: [Self; Self::Incomplete as usize + 1] = [
        Self::Upgraded,
        Self::Unchanged,
        Self::Planned,
        Self::HandedOver,
        Self::Refused,
        Self::Failed,
        Self::Restored,
        Self::Incomplete,
    ];

    fn of(result: &Result<Ending, Failure>) -> Self {
        let failure = match result {
            Ok(Ending::Upgraded(Outcome { changed: true, .. })) => return Self::Upgraded,
            Ok(Ending::Upgraded(_)) => return Self::Unchanged,
            Ok(Ending::Planned(_)) => return Self::Planned,
            Ok(Ending::HandedOver(_)) => return Self::HandedOver,
            Err(failure) => failure,
        };
        match (failure.rollback, failure.cause) {
            (Rollback::Restored, _) => Self::Restored,
            (Rollback::Incomplete, _) => Self::Incomplete,
            (Rollback::NotNeeded, Cause::BadRequest | Cause::NotFound | Cause::Conflict) => {
                Self::Refused
            }
            (Rollback::NotNeeded, Cause::Failed | Cause::Unreachable) => Self::Failed,
        }
    }

    /// Whether containers were replaced, or were to be.
    fn has_touched(self) -> bool {
        matches!(self, Self::Upgraded | Self::Restored | Self::Incomplete)
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upgraded => "upgraded",
            Self::Unchanged => "unchanged",
            Self::Planned => "planned",
            Self::HandedOver => "handed_over",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Restored => "restored",
            Self::Incomplete => "incomplete",
        })
    }
}

/// What became of an upgrade that was found unfinished, and is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecoveryEnd {
    /// The replacement stands.
    Committed,
    /// The original is back.
    RolledBack,
    /// Only leftovers were to be removed.
    Cleared,
    /// Somebody changed things, and they were left alone.
    LeftAlone,
}

impl RecoveryEnd {
    /// All of them.
    pub const ALL: [Self; Self::LeftAlone as usize + 1] = [
        Self::Committed,
        Self::RolledBack,
        Self::Cleared,
        Self::LeftAlone,
    ];

    fn of(ending: &Recovered) -> Option<Self> {
        match ending {
            Recovered::Committed => Some(Self::Committed),
            Recovered::RolledBack => Some(Self::RolledBack),
            Recovered::Cleared => Some(Self::Cleared),
            Recovered::HandsOff(_) => Some(Self::LeftAlone),
            Recovered::Left(_) | Recovered::Stuck(_) | Recovered::Would(_) => None,
        }
    }
}

impl fmt::Display for RecoveryEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Committed => "committed",
            Self::RolledBack => "rolled_back",
            Self::Cleared => "cleared",
            Self::LeftAlone => "left_alone",
        })
    }
}

impl EncodeLabelValue for Conclusion {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        write!(encoder, "{self}")
    }
}

impl EncodeLabelValue for RecoveryEnd {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        write!(encoder, "{self}")
    }
}

impl EncodeLabelValue for Step {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        write!(encoder, "{self}")
    }
}

/// The label of what is counted by outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByOutcome {
    outcome: Conclusion,
}

/// The label of what is counted by step.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByStep {
    step: Step,
}

/// The label of what is counted by the end of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ByRecoveryEnd {
    outcome: RecoveryEnd,
}

/// What is counted of upgrades since this began. A clone counts on.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Upgrades that were asked for and have ended.
    pub ended: Family<ByOutcome, Counter>,
    /// Those that failed, by the step that did.
    pub failed: Family<ByStep, Counter>,
    /// Those that were asked for and have not ended.
    pub under_way: Gauge,
    /// How long upgrades took that touched containers, in seconds.
    pub duration: Histogram,
    /// How long steps took, in seconds.
    pub step_duration: Family<ByStep, Histogram>,
    /// How long it took to bring originals back, in seconds.
    pub rollback_duration: Histogram,
    /// How long containers were down that were upgraded while they ran, in seconds.
    pub downtime: Histogram,
    /// Unfinished upgrades that recovery brought to an end.
    pub recovered: Family<ByRecoveryEnd, Counter>,
    /// Unfinished upgrades that could not be brought to an end yet.
    pub unfinished: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let long = || Histogram::new(LONG);
        let metrics = Self {
            ended: Family::default(),
            failed: Family::default(),
            under_way: Gauge::default(),
            duration: long(),
            step_duration: Family::new_with_constructor(long),
            rollback_duration: long(),
            downtime: Histogram::new(SHORT),
            recovered: Family::default(),
            unfinished: Gauge::default(),
        };
        for outcome in Conclusion::ALL {
            drop(metrics.ended.get_or_create(&ByOutcome { outcome }));
        }
        for step in Step::ALL {
            drop(metrics.failed.get_or_create(&ByStep { step }));
            drop(metrics.step_duration.get_or_create(&ByStep { step }));
        }
        for outcome in RecoveryEnd::ALL {
            drop(metrics.recovered.get_or_create(&ByRecoveryEnd { outcome }));
        }
        metrics
    }
}

impl Metrics {
    /// An upgrade begins.
    pub(super) fn begin(&self) -> Counted<'_> {
        self.under_way.inc();
        Counted {
            metrics: self,
            began: Instant::now(),
        }
    }

    /// A step has ended that took so long.
    pub(super) fn step(&self, step: Step, took: Duration) {
        let step = self.step_duration.get_or_create(&ByStep { step });
        step.observe(took.as_secs_f64());
    }

    /// Originals have been brought back, or could not be, which took so long.
    pub(super) fn rollback(&self, took: Duration) {
        self.rollback_duration.observe(took.as_secs_f64());
    }

    /// This became of an upgrade that was found unfinished.
    pub(super) fn recovery(&self, ending: &Recovered) {
        if let Some(outcome) = RecoveryEnd::of(ending) {
            self.recovered
                .get_or_create(&ByRecoveryEnd { outcome })
                .inc();
        }
    }

    /// So many were left unfinished by a recovery.
    pub(super) fn leave_unfinished(&self, count: usize) {
        self.unfinished
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// An upgrade under way, for as long as this is held.
pub(super) struct Counted<'a> {
    metrics: &'a Metrics,
    began: Instant,
}

impl Counted<'_> {
    /// It has ended so.
    pub fn conclude(self, result: &Result<Ending, Failure>) {
        let metrics = self.metrics;
        let outcome = Conclusion::of(result);
        metrics.ended.get_or_create(&ByOutcome { outcome }).inc();
        if outcome.has_touched() {
            metrics.duration.observe(self.began.elapsed().as_secs_f64());
        }
        match result {
            Ok(Ending::Upgraded(Outcome { downtime, .. })) if !downtime.is_zero() => {
                metrics.downtime.observe(downtime.as_secs_f64());
            }
            Ok(_) => {}
            Err(Failure { step, .. }) => {
                metrics.failed.get_or_create(&ByStep { step: *step }).inc();
            }
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.under_way.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn failure(cause: Cause, rollback: Rollback) -> Result<Ending, Failure> {
        Err(Failure {
            cause,
            step: Step::Verify,
            rollback,
            message: String::new(),
        })
    }

    #[test]
    fn every_label_is_listed_once() {
        let distinct = |labels: Vec<String>| labels.iter().collect::<BTreeSet<_>>().len();
        let outcomes = Conclusion::ALL.map(|label| label.to_string()).to_vec();
        assert_eq!(distinct(outcomes), Conclusion::ALL.len());
        let steps = Step::ALL.map(|label| label.to_string()).to_vec();
        assert_eq!(distinct(steps), Step::ALL.len());
        let ends = RecoveryEnd::ALL.map(|label| label.to_string()).to_vec();
        assert_eq!(distinct(ends), RecoveryEnd::ALL.len());
    }

    #[test]
    fn a_failure_counts_by_what_became_of_the_original() {
        for (cause, rollback, expected) in [
            (Cause::Failed, Rollback::Restored, Conclusion::Restored),
            (Cause::NotFound, Rollback::Restored, Conclusion::Restored),
            (Cause::Failed, Rollback::Incomplete, Conclusion::Incomplete),
            (Cause::Failed, Rollback::NotNeeded, Conclusion::Failed),
            (Cause::Unreachable, Rollback::NotNeeded, Conclusion::Failed),
            (Cause::BadRequest, Rollback::NotNeeded, Conclusion::Refused),
            (Cause::NotFound, Rollback::NotNeeded, Conclusion::Refused),
            (Cause::Conflict, Rollback::NotNeeded, Conclusion::Refused),
        ] {
            let metrics = Metrics::default();
            let counted = metrics.begin();
            assert_eq!(metrics.under_way.get(), 1);
            counted.conclude(&failure(cause, rollback));
            assert_eq!(metrics.under_way.get(), 0);
            for outcome in Conclusion::ALL {
                let ended = metrics.ended.get_or_create(&ByOutcome { outcome }).get();
                let is_it = u64::from(outcome == expected);
                assert_eq!(ended, is_it, "{cause:?} {rollback:?} as {outcome}");
            }
            let failed = |step| metrics.failed.get_or_create(&ByStep { step }).get();
            assert_eq!(failed(Step::Verify), 1);
            assert_eq!(Step::ALL.map(failed).iter().sum::<u64>(), 1);
        }
    }

    #[test]
    fn what_ends_without_an_outcome_is_not_under_way() {
        let metrics = Metrics::default();
        drop(metrics.begin());
        assert_eq!(metrics.under_way.get(), 0);
    }
}

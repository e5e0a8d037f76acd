//! Verification: does the replacement run as it should?

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep};

use super::look::observe;
use crate::engine::{Container, Engine, EngineError, Health, Status};

/// How often the replacement is looked at. The engine has no event for "still runs".
const PACE: Duration = Duration::from_millis(100);

/// How often the replacement may be lost sight of, because the engine is away or does not answer.
const LOSSES: u32 = 5;

/// How many looks are spent on the exit code of a replacement that was seen restarted.
const EXIT_LOOKS: u32 = 10;

/// How many of its last log lines a failed replacement is quoted with.
const LOG_LINES: usize = 10;

/// Why a replacement is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its process ended.
    Ended {
        exit_code: i64,
        oom_killed: bool,
        error: String,
    },
    /// The engine restarted it; what its exit code was is not known any more.
    Restarted { times: i64 },
    /// Its health check said so.
    Unhealthy,
    /// Its health check said nothing in time.
    NotHealthyWithin(Duration),
    /// It could not be looked at.
    Unseen(EngineError),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended {
                exit_code,
                oom_killed,
                error,
            } => {
                write!(f, "its process ended with exit code {exit_code}")?;
                if *oom_killed {
                    f.write_str(" (killed for want of memory)")?;
                }
                if !error.is_empty() {
                    write!(f, ": {error}")?;
                }
                Ok(())
            }
            Self::Restarted { times } => {
                write!(
                    f,
                    "its process ended and the engine restarted it (restart count {times})"
                )
            }
            Self::Unhealthy => f.write_str("its health check failed"),
            Self::NotHealthyWithin(limit) => {
                write!(f, "its health check did not pass within {limit:?}")
            }
            Self::Unseen(error) => write!(f, "it cannot be looked at: {error}"),
        }
    }
}

/// Watches a started replacement: it must run for `monitor` without a restart, and if it has a
/// health state, be healthy within `healthy_deadline`. Exit code 0 is a failure, too. Both times begin
/// anew when the engine was away.
pub(super) async fn verify(
    engine: &dyn Engine,
    id: &str,
    monitor: Duration,
    healthy_deadline: Duration,
) -> Result<(), Fault> {
    let mut begin = Instant::now();
    let mut losses = 0;
    loop {
        let seen = match observe(engine, id).await {
            Ok(container) => container,
            Err(EngineError::Unreachable { .. } | EngineError::Unknown { .. })
                if losses < LOSSES =>
            {
                losses += 1;
                engine.await_reachable().await.map_err(Fault::Unseen)?;
                // What was not seen does not count: an engine that restarted has just started it,
                // and its restart count says nothing of that.
                begin = Instant::now();
                continue;
            }
            Err(error) => return Err(Fault::Unseen(error)),
        };
        let waits_for_health = match check(&seen) {
            Err(Fault::Restarted { times }) => return Err(next_exit(engine, id, times).await),
            checked => checked?,
        };
        let elapsed = begin.elapsed();
        if waits_for_health && elapsed >= healthy_deadline.max(monitor) {
            return Err(Fault::NotHealthyWithin(healthy_deadline));
        }
        if !waits_for_health && elapsed >= monitor {
            return Ok(());
        }
        let rest = if waits_for_health {
            PACE
        } else {
            monitor.saturating_sub(elapsed)
        };
        sleep(PACE.min(rest)).await;
    }
}

/// Whether it is good but for a health check that has not passed yet.
fn check(seen: &Container) -> Result<bool, Fault> {
    if !matches!(seen.status, Status::Running | Status::Paused) {
        return Err(Fault::Ended {
            exit_code: seen.exit_code,
            oom_killed: seen.oom_killed,
            error: seen.error.clone(),
        });
    }
    if seen.restart_count > 0 {
        let times = seen.restart_count;
        return Err(Fault::Restarted { times });
    }
    match seen.health {
        Some(Health::Unhealthy) => Err(Fault::Unhealthy),
        Some(Health::Starting) => Ok(true),
        Some(Health::Healthy) | None => Ok(false),
    }
}

/// A start clears the exit code of the run before; one that crashes again soon shows it again.
async fn next_exit(engine: &dyn Engine, id: &str, times: i64) -> Fault {
    for _ in 0..EXIT_LOOKS {
        sleep(PACE).await;
        if let Ok(seen) = observe(engine, id).await
            && let Err(fault @ Fault::Ended { .. }) = check(&seen)
        {
            return fault;
        }
    }
    Fault::Restarted { times }
}

/// The last log lines of a failed replacement, as a sentence's end; empty where there are none.
pub(super) async fn last_words(engine: &dyn Engine, id: &str) -> String {
    match engine.log_tail(id, LOG_LINES).await {
        Ok(lines) if !lines.is_empty() => format!("; its last log lines:\n{}", lines.join("\n")),
        Ok(_) => "; it logged nothing".to_owned(),
        Err(error) => format!("; its log cannot be read: {error}"),
    }
}

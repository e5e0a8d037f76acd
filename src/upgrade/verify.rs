//! Verification: does the replacement run as it should?
//!
//! It is looked at again and again, so what happens between two looks is told from what it leaves
//! behind: a restart by its policy from the restart count, a start by somebody else from the time of
//! the start. Both are failures, as the end that came before them is one when a look falls upon it:
//! chance must not decide.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep};

use super::{
    fault::{Checkup, Fault},
    look::observe,
    marker::Marker,
};
use crate::engine::{Container, Engine, EngineError, Health, Status};

/// How often the replacement is looked at. The engine has no event for "still runs".
const PACE: Duration = Duration::from_millis(100);

/// How often the replacement may be lost sight of, because the engine is away or does not answer.
const LOSSES: u32 = 5;

/// A started replacement, by its ID, with the marker of its member.
pub(super) type Started<'a> = (&'a Marker, &'a str);

/// Watches the started replacements of a transaction, as [`verify`] does, each for as long as its
/// marker says.
///
/// # Errors
/// The first that is not good.
pub(super) async fn verify_all<'a>(
    engine: &dyn Engine,
    started: Vec<Started<'a>>,
) -> Result<(), (&'a Marker, &'a str, Fault)> {
    let watch = |member| verify_one(engine, member);
    try_join_all(started.into_iter().map(watch)).await.map(drop)
}

async fn verify_one<'a>(
    engine: &dyn Engine,
    (marker, id): Started<'a>,
) -> Result<(), (&'a Marker, &'a str, Fault)> {
    verify(engine, id, marker.monitor(), marker.healthy_deadline())
        .await
        .map_err(|fault| (marker, id, fault))
}

/// Watches a started replacement: it must run for `monitor` without a restart, and if it has a
/// health state, be healthy within `healthy_deadline` and stay so. Exit code 0 is a failure, too. Both
/// times begin anew when the engine was away. The look that decides is begun when the time is over.
///
/// One that somebody paused counts as running: it has not ended, and its owner wants it so. (One whose
/// health check has not passed yet never will then: its probes pause, too.)
async fn verify(
    engine: &dyn Engine,
    id: &str,
    monitor: Duration,
    healthy_deadline: Duration,
) -> Result<(), Fault> {
    let mut begin = Instant::now();
    let mut started_at = None;
    let mut losses = 0;
    loop {
        let elapsed = begin.elapsed();
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
                started_at = None;
                continue;
            }
            Err(error) if error.is_not_found() => return Err(gone(engine, id).await),
            Err(error) => return Err(Fault::Unseen(error)),
        };
        let first = started_at.get_or_insert_with(|| seen.started_at.clone());
        let is_proven = match check(&seen, first) {
            Ok(is_proven) => is_proven,
            Err(fault) => return Err(with_first_exit(engine, &seen, fault).await),
        };
        let limit = if is_proven { monitor } else { healthy_deadline };
        match (elapsed >= limit, is_proven) {
            (true, true) => return Ok(()),
            (true, false) => return Err(Fault::NotHealthyWithin(limit, Checkup::from(&seen))),
            (false, _) => sleep(PACE.min(limit.saturating_sub(elapsed))).await,
        }
    }
}

/// One look at a replacement that was started a moment ago: whether it has ended since, or more than once.
/// What cannot be seen counts as running.
pub(super) async fn glance(engine: &dyn Engine, id: &str) -> Result<(), Fault> {
    let Ok(seen) = observe(engine, id).await else {
        return Ok(());
    };
    match check(&seen, &seen.started_at) {
        Ok(_) => Ok(()),
        Err(fault) => Err(with_first_exit(engine, &seen, fault).await),
    }
}

/// The same of an original. The first end of it that the engine remembers is not that of the run which
/// was just begun, and so is not told.
pub(super) async fn glance_back(engine: &dyn Engine, id: &str) -> Result<(), Fault> {
    let Ok(seen) = observe(engine, id).await else {
        return Ok(());
    };
    check(&seen, &seen.started_at).map(drop)
}

/// Of one that is not there any more, how its process ended.
pub(super) async fn gone(engine: &dyn Engine, id: &str) -> Fault {
    Fault::Gone(engine.first_exit(id).await.unwrap_or_default())
}

/// Of one that runs again, how its first run ended: a start clears the exit code of the run before. Of
/// one that was killed, whether it was for want of memory: the engine may tell of that late.
async fn with_first_exit(engine: &dyn Engine, seen: &Container, fault: Fault) -> Fault {
    let first = async || engine.first_exit(&seen.id).await.unwrap_or_default();
    match fault {
        Fault::RunsAgain { restarts, .. } => {
            let mut exit = first().await;
            if let Some(exit) = &mut exit {
                // Docker 20.10 remembers that, and may tell of it late.
                exit.oom_killed |= seen.exit.oom_killed;
            }
            Fault::RunsAgain { restarts, exit }
        }
        Fault::Ended { mut exit, error } if exit.is_unexplained() => {
            exit.oom_killed = first().await.is_some_and(|exit| exit.oom_killed);
            Fault::Ended { exit, error }
        }
        fault => fault,
    }
}

/// Whether nothing but time is wanting: a health check, if there is one, has passed. `started_at` is
/// when it was started.
fn check(seen: &Container, started_at: &str) -> Result<bool, Fault> {
    if !matches!(seen.status, Status::Running | Status::Paused) {
        return Err(Fault::Ended {
            exit: seen.exit,
            error: seen.error.clone(),
        });
    }
    if seen.restart_count > 0 || seen.started_at != started_at {
        return Err(Fault::RunsAgain {
            restarts: seen.restart_count,
            exit: None,
        });
    }
    match seen.health {
        Some(Health::Unhealthy) => Err(Fault::Unhealthy(Checkup::from(seen))),
        Some(Health::Starting) => Ok(false),
        Some(Health::Healthy) | None => Ok(true),
    }
}

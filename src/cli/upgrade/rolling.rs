//! Several containers, in Swarm's words: how many at once, how long between them, how many may fail,
//! and what becomes of the others then (`docker service update`, `--update-parallelism` and so on).

use std::{collections::VecDeque, future::Future, pin::pin, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{Ended, Failed, is_changed},
    args::FailureAction,
    settings::Rolling,
};

/// One of the containers, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Share {
    pub(super) name: String,
    /// How its upgrade ended, if one was begun.
    pub(super) ended: Option<Ended>,
    /// Why none was begun.
    pub(super) left: Option<&'static str>,
    /// It was upgraded, and is again what it was before.
    pub(super) taken_back: bool,
    /// Why it could not be taken back.
    pub(super) stuck: Option<Failed>,
}

impl Share {
    fn left(name: String, why: &'static str) -> Self {
        Self {
            name,
            ended: None,
            left: Some(why),
            taken_back: false,
            stuck: None,
        }
    }

    fn of(name: String, ended: Ended) -> Self {
        Self {
            name,
            ended: Some(ended),
            left: None,
            taken_back: false,
            stuck: None,
        }
    }

    fn is_failed(&self) -> bool {
        matches!(self.ended, Some(Err(_)))
    }

    fn is_upgraded(&self) -> bool {
        matches!(&self.ended, Some(Ok(answer)) if is_changed(answer) && answer.get("Plan").is_none())
    }

    /// Everything that went wrong.
    pub(super) fn failures(&self) -> impl Iterator<Item = &Failed> {
        let failed = match &self.ended {
            Some(Err(failed)) => Some(failed),
            _ => None,
        };
        failed.into_iter().chain(&self.stuck)
    }
}

/// Upgrades `containers` by `upgrade`, in their order, and takes them back by `back`, where that is the
/// action. `stop`: no further one is begun.
pub(super) async fn roll<U, B>(
    containers: Vec<String>,
    rolling: Rolling,
    stop: &CancellationToken,
    upgrade: impl Fn(String) -> U,
    back: impl Fn(String) -> B,
) -> Vec<Share>
where
    U: Future<Output = Ended> + Send + 'static,
    B: Future<Output = Ended>,
{
    let order = containers.clone();
    let chosen = containers.len().saturating_sub(rolling.partition);
    let mut waiting = VecDeque::from(containers);
    let kept = waiting.split_off(chosen);
    let mut shares: Vec<_> = kept
        .into_iter()
        .map(|name| Share::left(name, "left by --partition"))
        .collect();
    let at_once = match rolling.parallelism {
        0 => usize::MAX,
        n => n,
    };
    let mut running = JoinSet::new();
    // How many begin at once; each that follows another waits.
    let mut first = at_once;
    loop {
        // All that is known of failures counts before the next is begun.
        while let Some(ended) = running.try_join_next() {
            shares.push(joined(ended));
        }
        let goes_on = !is_over(&shares, chosen, rolling) && !stop.is_cancelled();
        if goes_on && running.len() < at_once && !waiting.is_empty() {
            let waits = first == 0 && !rolling.delay.is_zero();
            first = first.saturating_sub(1);
            if waits && !paused(rolling.delay, &mut running, &mut shares, stop).await {
                continue;
            }
            if is_over(&shares, chosen, rolling) {
                continue;
            }
            if let Some(name) = waiting.pop_front() {
                let upgraded = upgrade(name.clone());
                running.spawn(async move { (name, upgraded.await) });
            }
        } else if let Some(ended) = running.join_next().await {
            shares.push(joined(ended));
        } else {
            break;
        }
    }
    let why = if stop.is_cancelled() {
        "not begun: interrupted"
    } else {
        "not begun"
    };
    shares.extend(waiting.into_iter().map(|name| Share::left(name, why)));
    shares.sort_by_key(|share| order.iter().position(|name| *name == share.name));
    if is_over(&shares, chosen, rolling) && rolling.failure_action == FailureAction::Rollback {
        for share in shares.iter_mut().rev().filter(|share| share.is_upgraded()) {
            match back(share.name.clone()).await {
                Ok(_) => share.taken_back = true,
                Err(failed) => share.stuck = Some(failed),
            }
        }
    }
    shares
}

/// Waits, and takes what ends meanwhile. False: it was stopped.
async fn paused(
    delay: Duration,
    running: &mut JoinSet<(String, Ended)>,
    shares: &mut Vec<Share>,
    stop: &CancellationToken,
) -> bool {
    let mut end = pin!(sleep(delay));
    loop {
        tokio::select! {
            () = &mut end => return true,
            () = stop.cancelled() => return false,
            Some(ended) = running.join_next() => shares.push(joined(ended)),
        }
    }
}

fn joined(ended: Result<(String, Ended), JoinError>) -> Share {
    match ended {
        Ok((name, ended)) => Share::of(name, ended),
        Err(error) => Share::of("-".to_owned(), Err(Failed::lost(error))),
    }
}

/// Whether too many have failed for going on.
fn is_over(shares: &[Share], all: usize, rolling: Rolling) -> bool {
    let failed = shares.iter().filter(|share| share.is_failed()).count();
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 containers")]
    let is_too_many = failed as f64 > rolling.max_failure_ratio * all as f64;
    is_too_many && rolling.failure_action != FailureAction::Continue
}

#[cfg(test)]
mod tests;

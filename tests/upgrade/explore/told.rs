//! What is told of a transaction to whoever follows the events: what it came to, once.

use refit::upgrade::{Action, Ending, Event, Rollback};

use super::{case::Trial, check::original};

/// What is wrong with the events of a trial in which no other client did anything.
pub fn problems(trial: &Trial) -> Vec<String> {
    let leader = trial.originals().next().expect("the leader");
    let back = original(&trial.world, leader);
    // Where nothing is left, the answer is what the event is compared with.
    let is_gone = trial.world.excused_gone.contains(&leader.lineage);
    let is_back = back.is_some();
    let expected = match &trial.answer {
        Some((Ok(Ending::Upgraded(outcome)), _)) if outcome.changed => Some(Action::Upgrade),
        Some((Err(failure), _)) => match failure.rollback {
            Rollback::NotNeeded => None,
            Rollback::Restored => Some(Action::Rollback),
            Rollback::Incomplete if is_gone => trial.events.first().map(|event| event.action),
            Rollback::Incomplete if is_back => Some(Action::Rollback),
            Rollback::Incomplete => Some(Action::Upgrade),
        },
        Some(_) => None,
        // The process died, and what it had told with it: another one may have found nothing to do.
        None => trial.events.first().map(|event| event.action),
    };
    let told: Vec<Action> = trial.events.iter().map(|event| event.action).collect();
    if told != Vec::from_iter(expected) {
        return vec![format!("the events are {told:?}, not {expected:?}")];
    }
    trial.events.first().map_or_else(Vec::new, |event| {
        if is_gone {
            return Vec::new();
        }
        let mut problems = of(event, &back.unwrap_or(leader).id, leader.is_auto_removed());
        if (event.action == Action::Rollback) != is_back {
            problems.push(format!("{} was told", event.action));
        }
        if trial.world.find(&event.id).is_none() {
            problems.push("an event of a container that is gone".to_owned());
        }
        problems
    })
}

/// Whether it was told of more than once, whoever did what.
pub fn repeated(trial: &Trial) -> Option<String> {
    let times = trial.events.len();
    (times > 1).then(|| format!("it was told of {times} times"))
}

/// What an event says amiss.
fn of(event: &Event, original: &str, is_auto_removed: bool) -> Vec<String> {
    let (is, was) = match event.action {
        Action::Upgrade => (&event.old_id, &event.id),
        Action::Rollback => (&event.id, &event.old_id),
    };
    // A replacement of `--rm` may be gone before the process sees it that tells of it.
    let is_unseen = is_auto_removed && event.old_id.is_empty() && event.old_image.is_empty();
    let has_images =
        event.image.starts_with("web:") && (event.old_image.starts_with("web:") || is_unseen);
    let is_right = is == original && was != original && has_images && event.name == "web";
    if is_right {
        return Vec::new();
    }
    vec![format!("the event says {event:?}")]
}

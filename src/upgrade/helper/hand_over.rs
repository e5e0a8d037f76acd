//! Making a helper, and sending it on its errand.

use serde_json::{Value, json};

use super::{
    Helper, OwnContainer, Program,
    body::body,
    errand::{Asked, Errand, Task},
    line,
};
use crate::{
    engine::{Container, Engine, EngineError},
    plan::Plan,
    upgrade::{
        Shared, companions,
        look::{existing, text},
        marker::{self, Marker},
        members::Member,
        outcome::{Cause, Ending, Failure, Rollback, Step},
        own,
        owner::Owner,
        planning::{self, Planned},
        recover::Recovered,
        transaction::Transaction,
    },
};

impl Transaction<'_> {
    /// Hands the transaction of these members to a helper, because Refit itself runs in that of this
    /// place.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be handed over, or fails before the first of them is stopped.
    pub(in crate::upgrade) async fn hand_over(
        &self,
        members: &[Member],
        own: usize,
    ) -> Result<Ending, Failure> {
        let (leader, own) = (&members[0], &members[own].original);
        let name = &leader.original.name;
        let OwnContainer::HandedOver(program) = self.own_container else {
            return Err(Failure::untouched(
                Cause::Conflict,
                Step::Lock,
                format!("Refit itself runs in {}, and would stop with it", own.name),
            ));
        };
        let image = text(&leader.plan.create, "/Image");
        let asked = Asked::of(self.request, image, &leader.image_id);
        let errand = Errand {
            transaction: self.running().transaction.clone(),
            leader: leader.original.id.clone(),
            name: name.clone(),
            own: own.name.clone(),
            owner: Owner::this_process(),
            task: Task::Upgrade(Box::new(asked)),
        };
        self.lock.extend(&marker::helper_name(name));
        let others: Vec<&Container> = members.iter().map(|member| &member.original).collect();
        // By its ID, too, as soon as it has one: it may be touched before its start is answered.
        let made = |id: &str| self.lock.extend(id);
        let sent = send(self.engine, program, own, &others, errand, &made).await;
        let helper = sent.map_err(|failure| {
            let state = match failure.rollback {
                Rollback::NotNeeded => "nothing was touched",
                _ => "it may be at work, and Refit goes on looking for it",
            };
            Failure {
                message: format!(
                    "upgrade of {name}: Refit itself runs in {}, and {failure}\n{state}",
                    own.name
                ),
                ..failure
            }
        })?;
        self.follow(helper).await
    }
}

impl Shared {
    /// Hands the recovery of this leader's transaction to a helper, if Refit itself runs in one of its
    /// containers, which have these IDs: it may be stopped. `None` where it runs elsewhere.
    pub(in crate::upgrade) async fn hand_recovery_over(
        &self,
        marker: &Marker,
        ids: &[&String],
    ) -> Option<Recovered> {
        let OwnContainer::HandedOver(program) = &self.own_container else {
            return None;
        };
        let engine = self.engine.as_ref();
        let mut seen = Vec::new();
        for id in ids {
            match existing(engine, id).await {
                Ok(container) => seen.extend(container),
                Err(error) => return Some(Recovered::Stuck(error.to_string())),
            }
        }
        let seen: Vec<&Container> = seen.iter().collect();
        let own = seen[own::among(&seen)?];
        let name = &marker.original.name;
        let step = match self.take_away(marker).await {
            Ok(step) => step,
            Err(ending) => return Some(ending),
        };
        let errand = Errand {
            transaction: marker.transaction.clone(),
            leader: marker.original.id.clone(),
            name: name.clone(),
            own: marker::final_name(&own.name).to_owned(),
            owner: Owner::this_process(),
            // What is not known may have been the stop.
            task: Task::Recover(step.unwrap_or(Step::Stop)),
        };
        let whose = format!("Refit itself runs in {}", own.name);
        Some(
            match send(engine, program, own, &seen, errand, &|_| {}).await {
                Ok(helper) => {
                    let helper = helper.container.name;
                    Recovered::Left(format!("{whose}: the helper {helper} goes on with it"))
                }
                Err(failure) => Recovered::Stuck(format!("{whose}, and {failure}")),
            },
        )
    }

    /// Removes the helper that was at work before, if it is there; the step that it had come to.
    ///
    /// # Errors
    /// What is to be told of the transaction: it has ended it just now, or cannot be looked at.
    async fn take_away(&self, marker: &Marker) -> Result<Option<Step>, Recovered> {
        let engine = self.engine.as_ref();
        let stuck = |error: EngineError| Recovered::Stuck(error.to_string());
        let ended = Helper::of(engine, &marker.original.name).await;
        let Some(ended) = ended.map_err(stuck)? else {
            return Ok(None);
        };
        if ended.is_active() {
            let why = format!("the helper {} is at work", ended.container.name);
            return Err(Recovered::Left(why));
        }
        let told = ended.lines(engine).await.map_err(stuck)?;
        if ended.errand.transaction != marker.transaction {
            self.remember(&ended.errand, line::end(&told));
        } else if line::end(&told).is_some() {
            let why = "a helper, which has just brought it to its end".to_owned();
            return Err(Recovered::Left(why));
        }
        ended.remove(engine).await.map_err(stuck)?;
        let is_of_this = ended.errand.transaction == marker.transaction;
        Ok(line::last_step(&told).filter(|_| is_of_this))
    }
}

/// Whether a helper works on the transaction of this marker that is not this process.
pub(in crate::upgrade) async fn is_at_work(engine: &dyn Engine, marker: &Marker) -> bool {
    at_work(engine, marker).await.is_some()
}

/// The step that it was seen in.
pub(super) async fn step_of_work(engine: &dyn Engine, marker: &Marker) -> Option<Step> {
    let helper = at_work(engine, marker).await?;
    let told = helper.lines(engine).await.unwrap_or_default();
    // What is not known may have been the stop.
    Some(line::last_step(&told).unwrap_or(Step::Stop))
}

async fn at_work(engine: &dyn Engine, marker: &Marker) -> Option<Helper> {
    let helper = Helper::of(engine, &marker.original.name).await.ok()??;
    let is_it = helper.is_active()
        && helper.errand.transaction == marker.transaction
        && !own::is_own(&helper.container);
    is_it.then_some(helper)
}

/// Creates a helper after `own`, the container that Refit runs in, tells `made` its ID, and starts it.
///
/// # Errors
/// [`Failure`]: there is none, and nothing was touched; or it cannot be told.
async fn send(
    engine: &dyn Engine,
    program: &Program,
    own: &Container,
    members: &[&Container],
    errand: Errand,
    made: &(dyn Fn(&str) + Sync),
) -> Result<Helper, Failure> {
    let name = marker::helper_name(&errand.name);
    let refused = |failure: Failure| Failure {
        // What the engine says of the helper is not about the request.
        cause: match failure.cause {
            Cause::BadRequest | Cause::NotFound => Cause::Failed,
            cause => cause,
        },
        message: format!("no helper {name} can be sent: {failure}"),
        ..failure
    };
    let planned = planning::plan_again(engine, own.clone()).await;
    let Planned { plan, image_id, .. } = planned.map_err(refused)?;
    let body = body(&plan.create, &image_id, program, &errand);
    if members
        .iter()
        .any(|member| companions::depends(&body, member))
    {
        let message = "it would reach the engine through a container that is to be stopped";
        let failure = Failure::untouched(Cause::Conflict, Step::Lock, message);
        return Err(refused(failure));
    }
    let id = create(engine, &name, &body, &errand).await;
    let id = id.map_err(|error| refused(failed(&error)))?;
    made(&id);
    let started = connect_and_start(engine, &id, &plan, &body).await;
    let error = match (started, Helper::existing(engine, &id).await) {
        (Ok(()), Ok(Some(helper))) => return Ok(helper),
        (Err(EngineError::Unknown { .. }), Ok(Some(helper))) if helper.is_active() => {
            return Ok(helper);
        }
        (Err(error), _) | (Ok(()), Err(error)) => error,
        (Ok(()), Ok(None)) => EngineError::unknown("it is gone again"),
    };
    // Nobody would listen to it.
    let removed = engine.remove_by_force(&id).await;
    let rollback = removed.map_or(Rollback::Incomplete, |()| Rollback::NotNeeded);
    Err(refused(Failure {
        rollback,
        ..failed(&error)
    }))
}

/// Creates it; its ID. One whose answer was lost is looked for.
async fn create(
    engine: &dyn Engine,
    name: &str,
    body: &Value,
    errand: &Errand,
) -> Result<String, EngineError> {
    let error = match engine.create_container(name, None, body).await {
        Ok(created) => return Ok(created.id),
        Err(error @ EngineError::Unknown { .. }) => error,
        Err(error) => return Err(error),
    };
    match Helper::existing(engine, name).await? {
        Some(helper) if helper.errand == *errand => Ok(helper.container.id),
        _ => Err(error),
    }
}

async fn connect_and_start(
    engine: &dyn Engine,
    id: &str,
    plan: &Plan,
    body: &Value,
) -> Result<(), EngineError> {
    if body["HostConfig"]["NetworkMode"] != "none" {
        let bare = json!({});
        for (network, _) in &plan.connect {
            engine.connect_network(network, id, &bare).await?;
        }
    }
    engine.start(id).await
}

fn failed(error: &EngineError) -> Failure {
    Failure::of_engine(Step::Lock, error)
}

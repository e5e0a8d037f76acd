//! The invariants, as far as a simulated engine shows them.
//!
//! 1. At no instant do two containers of a lineage run (the engine itself looks, at every start).
//! 2. The name is exactly one container, in the run state it had, and nothing of ours is left over.
//! 3. No volume is lost.
//! 4. A failure before stop costs no downtime.
//! 5. Rollback brings back the same original: ID, restart policy, run state.
//! 6. What the caller was told is true, when it is told and afterwards.
//! 7. The original's ID means the container that took its place, to every process that lives.
//!
//! A dockerd that dies changes by itself what a container does. Where there is no unfinished upgrade
//! to set that right, it is what dockerd makes of the container (`excused`).
//!
//! Where another client interferes, its doing stands: see [`Judge::with_people`].

use refit::{
    engine::Status,
    upgrade::{Ending, Failure, Rollback, Step, marker::RunState},
};

use super::{
    case::{Case, Trial},
    told,
};
use crate::simulated::{Call, Container, Mount, Verb, Whom, World};

/// What is wrong with the end of a trial.
pub fn problems(case: Case, trial: &Trial) -> Vec<String> {
    let mut problems = trial.world.violations.clone();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
    };
    let left = placeholders(&trial.world).join(", ");
    expect(left.is_empty(), format!("{left} is left over"));
    expect(trial.is_at_rest, "it does not come to rest".to_owned());
    let changed = trial.unrest.join(", ");
    expect(
        trial.unrest.is_empty(),
        format!("a later recovery did: {changed}"),
    );
    let is_upgraded_all_the_same = trial.is_cancelled && trial.is_upgraded();
    expect(
        !is_upgraded_all_the_same,
        "it was cancelled, and upgraded".to_owned(),
    );
    if case.obstacle.is_some() {
        problems.extend(touched(trial));
        return problems;
    }
    let lost = trial
        .before
        .volumes
        .difference(&trial.world.volumes)
        .count();
    let is_excused = !trial.world.excused_gone.is_empty();
    expect(lost == 0 || is_excused, format!("{lost} volumes are lost"));
    let is_alone = trial.originals().count() == 1;
    for was in trial.originals() {
        let judge = Judge { case, trial, was };
        problems.extend(if trial.world.done_by_people.is_empty() {
            judge.without_people()
        } else if is_alone {
            judge.with_people()
        } else {
            // Whose doing the others follow is nobody's to say.
            Vec::new()
        });
    }
    if trial.world.done_by_people.is_empty() {
        problems.extend(torn(trial));
    }
    problems
}

/// Which members went another way than the leader, or depend on what is not there.
fn torn(trial: &Trial) -> Vec<String> {
    let world = &trial.world;
    let is_back: Vec<bool> = trial
        .originals()
        .map(|was| world.find(&was.id).is_some())
        .collect();
    let mut problems = Vec::new();
    if is_back.iter().any(|back| *back != is_back[0]) {
        problems.push(format!(
            "some originals are back and some are not: {is_back:?}"
        ));
    }
    for member in trial.originals().flat_map(|was| world.lineage(&was.id)) {
        let joined = member.joined().map(|(_, id)| id);
        let linked = member.links.iter().map(|(id, _)| id.as_str());
        for id in joined.chain(linked) {
            if world.find(id).is_none() {
                problems.push(format!("{} depends on what is gone", member.name));
            }
        }
        problems.extend(cut_off(world, member));
    }
    problems
}

/// Whether a member runs on in a namespace that ended with an earlier run of whose it is: it is cut
/// off there. (Where its policy started that again, it is cut off without an upgrade, too.)
fn cut_off(world: &World, member: &Container) -> Option<String> {
    let mut inside = member.inside.iter().filter(|_| member.has_process());
    inside.find_map(|(id, run)| {
        let of = world.find(id)?;
        let is_over = of.has_process() && of.runs != *run && of.restart_count == 0;
        is_over.then(|| format!("{} is cut off from {}", member.name, of.name))
    })
}

/// The original as it was before, or what it was created again as.
pub fn original<'w>(world: &'w World, was: &Container) -> Option<&'w Container> {
    let revived = || world.lineage(&was.id).find(|c| is_revival(c));
    world.find(&was.id).or_else(revived)
}

/// Whether a container is what a rollback created again.
fn is_revival(container: &Container) -> bool {
    container.marker()["Role"] == "Revival"
}

fn is_placeholder(name: &str) -> bool {
    name.contains(".refit-hold-") || name.starts_with("refit-placeholder:")
}

/// The placeholders, and their images: none outlives recovery.
fn placeholders(world: &World) -> Vec<&str> {
    let containers = world.containers.iter().map(|c| c.name.as_str());
    let both = containers.chain(world.image_names());
    both.filter(|name| is_placeholder(name)).collect()
}

/// What was done to an original that may not be upgraded, and what its caller was told amiss.
fn touched(trial: &Trial) -> Vec<String> {
    let done = trial.calls.iter().filter(|call| call.mutates());
    let mut problems: Vec<String> = done.map(|call| format!("it did {}", call.what)).collect();
    match &trial.answer {
        Some((Ok(_), _)) => problems.push("it was told of an upgrade".to_owned()),
        Some((Err(failure), _)) if failure.rollback != Rollback::NotNeeded => {
            problems.push(format!("it was told {}", failure.rollback));
        }
        _ => {}
    }
    problems
}

struct Judge<'a> {
    case: Case,
    trial: &'a Trial,
    /// The original of the member that is judged.
    was: &'a Container,
}

impl Judge<'_> {
    fn without_people(&self) -> Vec<String> {
        let mut problems = self.rested(&self.trial.world);
        problems.extend(self.kept_up());
        problems.extend(self.told());
        problems.extend(self.identified());
        if self.trial.world.done_by_people.is_empty() {
            problems.extend(told::problems(self.trial));
        }
        problems
    }

    /// What is wrong with what the original's ID stands for.
    fn identified(&self) -> Vec<String> {
        let member = self.trial.world.lineage(&self.was.id).next();
        if member.is_none() && self.trial.world.excused_gone.contains(&self.was.lineage) {
            return Vec::new();
        }
        let expected = member.map(|member| &member.id);
        let expected = expected.filter(|left| **left != self.was.id);
        let told = self.trial.successors.iter();
        let of_it = told.filter(|(id, _)| *id == self.was.id);
        let wrong = of_it.filter(|(_, successor)| successor.as_ref() != expected);
        wrong
            .map(|(_, successor)| format!("its ID means {successor:?}, and not {expected:?}"))
            .collect()
    }

    /// Whether a container stands as the original did: name, policy, run state, volumes, address.
    fn stands(&self, world: &World, container: &Container) -> Vec<String> {
        let was = self.was;
        let mut problems = Vec::new();
        if container.name != was.name && !self.is_renamed_in_time() {
            problems.push(format!("the name is {}", container.name));
        }
        if container.is_auto_removed() != was.is_auto_removed() {
            problems.push("it is deleted otherwise when it ends".to_owned());
        }
        if container.policy != was.policy {
            problems.push(format!("the policy is {:?}", container.policy));
        }
        let is = RunState::of(container.status);
        let is_excused = world.excused.contains(&(was.lineage.clone(), is));
        if is != self.case.run_state_of(&was.name) && !is_excused {
            problems.push(format!("the run state is {:?}", container.status));
        }
        for mount in &was.mounts {
            let is_it = |m: &&Mount| (&m.target, &m.volume) == (&mount.target, &mount.volume);
            if !container.mounts.iter().any(|m| is_it(&m)) {
                problems.push(format!("no {} at {}", mount.volume, mount.target));
            }
        }
        // A daemon that restarts starts its containers in any order, and so does a person.
        if world.deaths() == 0
            && !self.people_did(Verb::Start)
            && was.has_process()
            && container.has_process()
        {
            let address = |c: &Container| {
                let first = c.endpoints.values().next();
                first.map(|endpoint| endpoint["IPAddress"].clone())
            };
            if address(container) != address(was) && !self.may_have_moved() {
                problems.push(format!("the address is {:?}", address(container)));
            }
        }
        problems
    }

    /// Whether the address may be another: what could not be held may be lost, and the caller was told so,
    /// or to expect nothing yet.
    fn may_have_moved(&self) -> bool {
        let is_incomplete = matches!(
            &self.trial.answer,
            Some((Err(failure), _)) if failure.rollback == Rollback::Incomplete
        );
        self.case.has_gap && (is_incomplete || self.trial.tells_of_address())
    }

    /// At rest, the lineage is one container that stands as the original did, and nothing of ours
    /// is left over.
    fn rested(&self, world: &World) -> Vec<String> {
        let was = self.was;
        let members: Vec<&Container> = world.lineage(&was.id).collect();
        if members.is_empty() && world.excused_gone.contains(&was.lineage) {
            return Vec::new();
        }
        let [member] = members.as_slice() else {
            let names = members.iter().map(|member| member.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            return vec![format!("{} containers are left: {names}", members.len())];
        };
        let mut problems = self.stands(world, member);
        if member.bears_what(was) != (member.id == was.id) {
            problems.push("the marker is not the replacement's".to_owned());
        }
        // What was stopped by then was not to be verified.
        let is_stopped = (was.lineage.clone(), RunState::Stopped);
        let is_back = member.id == was.id || is_revival(member);
        if !is_back && !self.case.is_good() && !world.excused.contains(&is_stopped) {
            problems.push("a replacement that fails was committed".to_owned());
        }
        let is_ours = |name: &str| name.contains(".refit-") && !is_placeholder(name);
        if let Some(left) = world.containers.iter().find(|c| is_ours(&c.name)) {
            problems.push(format!("{} is left over", left.name));
        }
        let is_held = |volume: &&String| {
            let mut mounts = world.containers.iter().flat_map(|c| &c.mounts);
            mounts.any(|mount| mount.volume == **volume)
        };
        let fresh = world.volumes.difference(&self.trial.before.volumes);
        let left = fresh.filter(|volume| !is_held(volume)).count();
        // A person's removal left them.
        if left > 0 && !self.people_did(Verb::Remove) {
            problems.push(format!("{left} fresh volumes are left over"));
        }
        problems
    }

    /// A failure before stop costs no downtime.
    fn kept_up(&self) -> Option<String> {
        let (Err(failure), world) = self.trial.answer.as_ref()? else {
            return None;
        };
        let is_early = matches!(
            failure.step,
            Step::Pull | Step::Plan | Step::Lock | Step::Create | Step::Hold | Step::Disarm
        );
        let all = || world.containers.iter().chain(&world.removed);
        let original = all().find(|container| container.id == self.was.id);
        let stops = original.map_or(0, |original| original.stops);
        (is_early && stops > 0).then(|| format!("{} failed, and it was stopped", failure.step))
    }

    fn original<'w>(&self, world: &'w World) -> Option<&'w Container> {
        original(world, self.was)
    }

    /// Whether what the caller was told was true when it was told.
    fn told(&self) -> Vec<String> {
        let Some((answer, world)) = &self.trial.answer else {
            return Vec::new();
        };
        match answer {
            Ok(Ending::Planned(_)) => vec!["it was told a plan".to_owned()],
            Ok(Ending::HandedOver(_)) => vec!["it was told of a helper".to_owned()],
            Ok(Ending::Upgraded(outcome)) => {
                let mut companions = outcome.companions.iter();
                let companion = companions.find(|companion| companion.previous == self.was.id);
                let id = companion.map_or(&outcome.current.id, |companion| &companion.id);
                let Some(current) = world.find(id).filter(|c| c.lineage == self.was.id) else {
                    return vec!["it was told of a container that is not there".to_owned()];
                };
                let mut problems = self.rested(world);
                if self.original(world).is_some() || !outcome.changed {
                    problems.push("it was told of an upgrade that is none".to_owned());
                }
                let runs = current.status == Status::Running;
                if companion.is_none() && outcome.running != runs && world.excused.is_empty() {
                    problems.push(format!("it was told running: {}", outcome.running));
                }
                problems
            }
            Err(failure) => self.told_of_failure(failure, world),
        }
    }

    fn told_of_failure(&self, failure: &Failure, world: &World) -> Vec<String> {
        let original = self.original(world);
        if original.is_none() && world.excused_gone.contains(&self.was.lineage) {
            return Vec::new();
        }
        let untouched = original.is_some_and(|original| !original.is_touched);
        let mut problems = match original {
            Some(original) => self.stands(world, original),
            None => vec!["the original is gone".to_owned()],
        };
        match failure.rollback {
            Rollback::NotNeeded if untouched => {}
            Rollback::NotNeeded => problems.push("the original was touched".to_owned()),
            Rollback::Restored => problems.extend(self.rested(world)),
            Rollback::Incomplete if problems.is_empty() && self.rested(world).is_empty() => {
                return vec!["it was told incomplete, and all is well".to_owned()];
            }
            Rollback::Incomplete => return Vec::new(),
        }
        let told = |problem| format!("told {}, but {problem}", failure.rollback);
        problems.into_iter().map(told).collect()
    }
}

/// How many calls may lie between the last look at a container and what is done, or told, because of
/// it: nobody can see what another client does meanwhile. The placeholders go then, too.
const UNSEEN: usize = 3;

/// What holds although another client did something. Of what it stopped, killed or started, the run
/// state is its own affair; everything else must be as if it had not been there. What it renamed is
/// left alone, and so is what takes the place of what it removed: no more is asked then than that
/// something is left, and runs, that nothing bears a name of ours without need, and that the answer
/// does not claim more than is.
impl Judge<'_> {
    fn with_people(&self) -> Vec<String> {
        let world = &self.trial.world;
        let mut problems = Vec::from_iter(told::repeated(self.trial));
        for (at, verb, whom) in &world.done_by_people {
            match (verb, whom) {
                (Verb::Stop | Verb::Start | Verb::Kill, _) => {
                    problems.extend(self.without_people());
                }
                (Verb::Rename, _) => problems.extend(self.renamed(*at, *whom)),
                (Verb::Remove, Whom::Replacement) => problems.extend(self.replacement_removed()),
                (Verb::Remove, Whom::Original) => problems.extend(self.original_removed(*at)),
            }
        }
        problems
    }

    fn people_did(&self, verb: Verb) -> bool {
        let done = &self.trial.world.done_by_people;
        done.iter().any(|(_, done, _)| *done == verb)
    }

    /// Whether the original was renamed before its upgrade looked at it: it is upgraded as `mine`.
    fn is_renamed_in_time(&self) -> bool {
        let renamed = self.trial.world.done_by_people.iter();
        let mut renamed = renamed.filter(|(_, verb, _)| *verb == Verb::Rename);
        let created = self
            .trial
            .calls
            .iter()
            .position(|call| call.what == "create");
        renamed.any(|(at, ..)| created.is_none_or(|created| *at < created))
    }

    /// Nothing is done any more to what a person renamed, and a replacement that is good runs.
    fn renamed(&self, at: usize, whom: Whom) -> Vec<String> {
        let world = &self.trial.world;
        let original = &self.was.id;
        let mut problems = Vec::new();
        // The forward steps give their names to what had been looked at before, whatever it is
        // called by then; afterwards, only what could not be seen is overlooked.
        let gives_names = |call: &Call| matches!(call.what, "rename" | "remove");
        let of_it = |call: &Call| (call.subject == *original) == (whom == Whom::Original);
        let mut given = self.trial.calls.iter().enumerate();
        let first = given.find(|(_, call)| gives_names(call) && of_it(call));
        let is_overlooked = first.is_none_or(|(first, _)| first >= at)
            || given.any(|(n, call)| {
                gives_names(call) && of_it(call) && (at..at + UNSEEN).contains(&n)
            });
        if !is_overlooked && !world.containers.iter().any(|c| c.name == "mine") {
            problems.push("what a person renamed is gone".to_owned());
        }
        let mut members = world.lineage(original);
        let is_up = self.case.run_state() != RunState::Stopped;
        if is_up && !members.any(|member| member.status.is_active()) {
            problems.push("nothing runs".to_owned());
        }
        problems.extend(self.claims(at));
        problems
    }

    /// The original is back, unless it was gone already.
    fn replacement_removed(&self) -> Vec<String> {
        let world = &self.trial.world;
        let is_committed = self.original(world).is_none();
        if is_committed {
            let left = world.lineage(&self.was.id).count();
            return (left > 0)
                .then(|| "something came back".to_owned())
                .into_iter()
                .collect();
        }
        self.without_people()
    }

    /// The replacement is all that is left, under a name that was meant for it.
    fn original_removed(&self, at: usize) -> Vec<String> {
        let world = &self.trial.world;
        let mut problems = self.claims(at);
        for member in world.lineage(&self.was.id) {
            if !["web", "web.refit-new"].contains(&member.name.as_str()) {
                problems.push(format!("{} is left", member.name));
            }
        }
        problems
    }

    /// The answer claims nothing that was not so before the other client's doing at this call, or
    /// what could be seen of it.
    fn claims(&self, at: usize) -> Vec<String> {
        let Some((answer, world)) = &self.trial.answer else {
            return Vec::new();
        };
        let of_placeholders = |call: &&Call| {
            let removals = ["remove by force", "remove image"];
            call.what.starts_with("list ") || removals.contains(&call.what)
        };
        let later = world.calls.get(at..).unwrap_or_default().iter();
        if later.filter(|call| !of_placeholders(call)).count() <= UNSEEN {
            return Vec::new();
        }
        match answer {
            Err(failure) if failure.rollback != Rollback::Restored => {
                let is_touched = self
                    .original(world)
                    .is_some_and(|original| original.is_touched);
                let is_lie = is_touched && failure.rollback == Rollback::NotNeeded;
                is_lie
                    .then(|| "the original was touched".to_owned())
                    .into_iter()
                    .collect()
            }
            _ => self.told(),
        }
    }
}

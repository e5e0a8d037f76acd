//! What an engine has, and what its calls do to it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use refit::{
    engine::{RestartPolicy, Result, Status},
    upgrade::marker::RunState,
};
use serde_json::{Value, json};

use super::{
    container::{Actor, Container},
    fault::{Call, Fault, Verb, Whom},
    network, refused,
};

/// What an engine has.
#[derive(Debug, Clone)]
pub struct World {
    pub containers: Vec<Container>,
    /// Those that were removed.
    pub removed: Vec<Container>,
    pub volumes: BTreeSet<String>,
    /// By name and ID.
    pub(super) networks: Vec<(String, String)>,
    /// References, with what inspect prints of the image.
    pub(super) images: Vec<(String, Arc<Value>)>,
    /// What a pull finds: a reference, with the ID and the configuration of the image.
    pub registry: Vec<(String, String, Value)>,
    /// The calls that changed something, in their order: `stop web`.
    pub(super) changes: Vec<String>,
    made: u64,
    pub(super) now: Duration,
    /// When dockerd is back, while it is away.
    pub(super) returns: Option<Duration>,
    /// How often dockerd died.
    pub(super) deaths: u32,
    pub(super) before_death: Vec<(String, RunState)>,
    /// Who acts at the moment.
    pub(super) actor: Actor,
    /// The calls so far.
    pub calls: Vec<Call>,
    /// The calls that are not answered yet.
    pub in_flight: usize,
    /// What is to go wrong, by the number of the call.
    pub faults: Vec<(usize, Fault)>,
    /// The number of the first call that the disk is not full for.
    disk_is_free_at: usize,
    /// What other clients did, with the number of the call that it came before.
    pub done_by_people: Vec<(usize, Verb, Whom)>,
    /// What a lineage may do because dockerd's death made it so.
    pub excused: Vec<(String, RunState)>,
    /// The lineages of which dockerd's death left nothing, as it does of `--rm` containers that no
    /// unfinished upgrade looks after.
    pub excused_gone: Vec<String>,
    /// What must never happen, and did.
    pub violations: Vec<String>,
    /// What the engine's machine is.
    pub architecture: String,
    /// The ID of a container that the engine cannot inspect.
    pub broken: Option<String>,
    /// The ID of the container whose upgrade other clients interfere with.
    pub subject: String,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            containers: Vec::new(),
            removed: Vec::new(),
            volumes: BTreeSet::new(),
            networks: vec![network::named("bridge")],
            images: Vec::new(),
            registry: Vec::new(),
            changes: Vec::new(),
            made: 0,
            now: Duration::ZERO,
            returns: None,
            deaths: 0,
            before_death: Vec::new(),
            actor: Actor::Person,
            calls: Vec::new(),
            in_flight: 0,
            faults: Vec::new(),
            disk_is_free_at: 0,
            done_by_people: Vec::new(),
            excused: Vec::new(),
            excused_gone: Vec::new(),
            violations: Vec::new(),
            architecture: "amd64".to_owned(),
            broken: None,
            subject: String::new(),
        }
    }

    /// What was changed since the last time that somebody asked.
    pub fn changes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn position(&self, reference: &str) -> Result<usize> {
        let mut containers = self.containers.iter();
        containers
            .position(|c| c.id == reference || c.name == reference)
            .ok_or_else(|| refused(404, format!("No such container: {reference}")))
    }

    /// The container of this name or ID.
    pub fn find(&self, reference: &str) -> Option<&Container> {
        self.get(reference).ok()
    }

    /// The container of this name or ID.
    ///
    /// # Errors
    /// 404, as the engine says it.
    pub(super) fn get(&self, reference: &str) -> Result<&Container> {
        self.position(reference).map(|at| &self.containers[at])
    }

    /// What inspect prints.
    ///
    /// # Errors
    /// 404, as the engine says it.
    pub(super) fn printed(&self, reference: &str) -> Result<Value> {
        let container = self.get(reference)?;
        if self.broken.as_ref() == Some(&container.id) {
            return Err(refused(500, "layer does not exist"));
        }
        let mut printed = container.printed();
        let links = container.links.iter().filter_map(|(id, alias)| {
            let linked = self.find(id)?;
            Some(format!("/{}:/{}/{alias}", linked.name, container.name))
        });
        printed["HostConfig"]["Links"] = match links.collect::<Vec<_>>() {
            none if none.is_empty() => Value::Null,
            links => json!(links),
        };
        Ok(printed)
    }

    /// The containers that descend from one another by upgrades.
    pub fn lineage(&self, lineage: &str) -> impl Iterator<Item = &Container> {
        let members = self.containers.iter();
        members.filter(move |container| container.lineage == lineage)
    }

    /// 64 hexadecimal digits that were not given yet, for a container or an anonymous volume.
    pub(super) fn new_id(&mut self) -> String {
        self.made += 1;
        format!("{:064x}", self.made)
    }

    /// How often dockerd died.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// Whether dockerd is away.
    pub fn is_down(&self) -> bool {
        self.returns.is_some()
    }

    /// Counts a call, and says what is to go wrong with it.
    pub(super) fn enter(&mut self, call: Call) -> Option<Fault> {
        let number = self.calls.len();
        self.calls.push(call);
        let fault = self.faults.iter().find(|(at, _)| *at == number);
        let fault = fault.map(|(_, fault)| *fault);
        if let Some(Fault::DiskFull(calls)) = fault {
            self.disk_is_free_at = number + calls;
        }
        fault
    }

    /// Whether the call that was counted last finds a full disk.
    pub(super) fn is_disk_full(&self) -> bool {
        let call = self.calls.last().expect("a call");
        self.calls.len() <= self.disk_is_free_at && call.needs_disk()
    }

    /// The container that a call changes, which is remembered.
    pub(super) fn change(&mut self, call: &str, reference: &str) -> Result<usize> {
        let at = self.position(reference)?;
        let container = &mut self.containers[at];
        container.is_touched |= self.actor == Actor::Refit;
        self.changes.push(format!("{call} {}", container.name));
        Ok(at)
    }

    /// Has a test make something so that counts as nobody's doing.
    pub fn by_itself<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.actor = Actor::Engine;
        act(self)
    }

    pub(super) fn update(&mut self, id: &str, policy: &RestartPolicy) -> Result<()> {
        if self.get(id)?.is_auto_removed() && !policy.is_no() {
            let message = "restart policy cannot be updated because AutoRemove is enabled";
            return Err(refused(409, message));
        }
        let at = self.change("update", id)?;
        self.containers[at].policy = policy.clone();
        Ok(())
    }

    /// Begins to stop a container; true where its process is yet to end.
    pub fn stop(&mut self, id: &str, patience: Duration) -> Result<bool> {
        let at = self.change("stop", id)?;
        let now = self.now;
        let by_refit = self.actor == Actor::Refit;
        let container = &mut self.containers[at];
        if !container.status.is_active() {
            return Ok(false);
        }
        container.is_stopped_by_hand = true;
        container.stops += u32::from(by_refit);
        if container.status == Status::Restarting {
            container.end(container.exit_code);
            return Ok(false);
        }
        container.ask_to_end(now, patience);
        container.status = Status::Running;
        self.advance(now);
        Ok(self.find(id).is_some_and(Container::has_process))
    }

    pub fn start(&mut self, id: &str) -> Result<()> {
        let at = self.change("start", id)?;
        let actor = self.actor;
        let container = &mut self.containers[at];
        match container.status {
            Status::Paused => {
                let message = "cannot start a paused container, try unpause instead";
                return Err(refused(409, message));
            }
            // `Running` is true of one that is being restarted, too.
            Status::Running | Status::Restarting => return Ok(()),
            _ => {}
        }
        container.forget_restarts();
        container.started_by = actor;
        let begun = self.begin(at);
        if begun.is_err() && self.containers[at].is_auto_removed() {
            self.delete(at, true);
        }
        begun
    }

    /// The process of a container begins, on the lowest free address of each network; no other of
    /// its lineage may run then.
    pub(super) fn begin(&mut self, at: usize) -> Result<()> {
        let now = self.now;
        let joined = self.those_run(at).and_then(|()| self.join_networks(at));
        let begun = match joined {
            Ok(()) => self.containers[at].begin(now),
            Err(why) => Err(self.containers[at].fail(128, why)),
        };
        if let Err(why) = begun {
            self.containers[at].leave_networks();
            return Err(why);
        }
        self.containers[at].inside = self.namespaces_of(at);
        let begun = &self.containers[at];
        let others = self.lineage(&begun.lineage).filter(|c| c.id != begun.id);
        // What a person starts is the person's doing.
        let by_people = |c: &Container| c.started_by == Actor::Person;
        let second = others.filter(|c| c.has_process() && !by_people(c) && !by_people(begun));
        let violation = |other: &Container| format!("{} runs beside {}", begun.name, other.name);
        let violations: Vec<String> = second.map(violation).collect();
        self.violations.extend(violations);
        Ok(())
    }

    /// Those whose namespaces a container joins, each with its present run.
    fn namespaces_of(&self, at: usize) -> Vec<(String, usize)> {
        let joined = self.containers[at].joined();
        let leaders = joined.filter_map(|(_, id)| self.find(id));
        leaders
            .map(|leader| (leader.id.clone(), leader.runs))
            .collect()
    }

    /// Whether those run that a container joins or links to; one that is paused counts.
    fn those_run(&self, at: usize) -> Result<()> {
        let container = &self.containers[at];
        let runs = |id: &str| self.find(id).is_some_and(Container::has_process);
        for (mode, joined) in container.joined() {
            if !runs(joined) {
                let status = if mode == "/PidMode" { 500 } else { 409 };
                let message = format!("cannot join {mode} of a non running container: {joined}");
                return Err(refused(status, message));
            }
        }
        match container.links.iter().find(|(id, _)| !runs(id)) {
            Some((id, _)) => Err(refused(
                500,
                format!("cannot link to a non running container: {id}"),
            )),
            None => Ok(()),
        }
    }

    /// A client's SIGKILL.
    pub fn kill(&mut self, id: &str) -> Result<()> {
        let at = self.position(id)?;
        let container = &mut self.containers[at];
        if !container.status.is_active() {
            let message = format!("cannot kill container: {id}: it is not running");
            return Err(refused(409, message));
        }
        container.is_stopped_by_hand = true;
        // Between two runs nothing is left to kill.
        let code = if container.has_process() {
            137
        } else {
            container.exit_code
        };
        self.end(at, code);
        Ok(())
    }

    pub fn pause(&mut self, id: &str) -> Result<()> {
        let at = self.change("pause", id)?;
        let container = &mut self.containers[at];
        if container.status != Status::Running {
            let message = format!("container {id} is not running, or paused already");
            return Err(refused(409, message));
        }
        container.freeze();
        Ok(())
    }

    pub(super) fn rename(&mut self, id: &str, name: &str) -> Result<()> {
        let at = self.position(id)?;
        if self.containers[at].status == Status::Restarting {
            // Measured on 20.10 and 26.1; 28.5 takes it.
            return Err(refused(404, format!("No such container: {id}")));
        }
        if self.containers[at].name == name {
            let message = "renaming a container with the same name as its current name";
            return Err(refused(400, message));
        }
        if self.position(name).is_ok() {
            let message = format!("Conflict. The container name \"/{name}\" is already in use");
            return Err(refused(409, message));
        }
        let at = self.change("rename", id)?;
        name.clone_into(&mut self.containers[at].name);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &str, volumes: bool) -> Result<()> {
        let at = self.position(id)?;
        if self.containers[at].status.is_active() {
            let message = format!("cannot remove container {id}: container is running");
            return Err(refused(409, message));
        }
        let at = self.change("remove", id)?;
        let container = &self.containers[at];
        let is_last = self.lineage(&container.lineage).count() == 1;
        // What came after the last look, at what is to stay, could not be seen.
        let unseen = self.calls.len() - 1;
        let just_now = self.done_by_people.iter().any(|(at, ..)| *at >= unseen);
        if self.actor == Actor::Refit && is_last && !just_now {
            let violation = format!("{} was removed, and nothing is left", container.name);
            self.violations.push(violation);
        }
        self.delete(at, volumes);
        Ok(())
    }

    pub fn remove_by_force(&mut self, id: &str) -> Result<()> {
        if self.position(id).is_err() {
            return Ok(());
        }
        let at = self.change("remove by force", id)?;
        self.delete(at, false);
        Ok(())
    }

    /// A container goes, and with `volumes` those that were made up for it and nobody else has.
    pub(super) fn delete(&mut self, at: usize, volumes: bool) {
        let gone = self.containers.remove(at);
        gone.output.end();
        for mount in &gone.mounts {
            let mut mounts = self.containers.iter().flat_map(|c| &c.mounts);
            let is_held = mounts.any(|other| other.volume == mount.volume);
            if volumes && mount.is_anonymous && !is_held {
                self.volumes.remove(&mount.volume);
            }
        }
        self.removed.push(gone);
    }
}

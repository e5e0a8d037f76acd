//! What the engine does by itself: time, restart policies, its own death and return.

use std::time::Duration;

use refit::{engine::Status, upgrade::marker::RunState};

use super::{
    container::{Container, Due},
    fault::Death,
    text,
    world::World,
};

/// How long dockerd stays away.
const AWAY: Duration = Duration::from_secs(3);

impl World {
    /// Lets everything happen that is due by `now`, in its order.
    pub fn advance(&mut self, now: Duration) {
        loop {
            // What is due in a container waits for a daemon that sees to it.
            let containers = self.containers.iter().enumerate();
            let due = containers.filter_map(|(at, c)| Some((c.due?.0, at)));
            let next = match self.returns {
                Some(returns) => Some((returns, None)),
                None => due.min().map(|(when, at)| (when, Some(at))),
            };
            let Some((when, whose)) = next.filter(|(when, _)| *when <= now) else {
                break;
            };
            self.now = self.now.max(when);
            match whose {
                Some(at) => self.happen(at),
                None => self.come_back(),
            }
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, at: usize) {
        let Some((_, due)) = self.containers[at].due.take() else {
            return;
        };
        if let Due::Exit(code) = due {
            self.end(at, code);
        } else {
            // It is restarted even where its policy was changed meanwhile; the next end counts. What
            // cannot be started, because who it depends on is gone, stays down.
            if self.begin(at).is_err() {
                self.containers[at].status = Status::Exited;
            }
        }
    }

    /// The process of a container ends.
    pub fn end(&mut self, at: usize, code: i64) {
        let now = self.now;
        let container = &mut self.containers[at];
        container.end(code);
        let processes = format!("container:{}", container.id);
        let is_inside = |c: &Container| c.has_process() && c.host["PidMode"] == processes.as_str();
        let inside: Vec<usize> = (0..self.containers.len())
            .filter(|at| is_inside(&self.containers[*at]))
            .collect();
        // The kernel ends them with the first process of their namespace.
        for inside in inside {
            self.containers[inside].due = Some((now, Due::Exit(137)));
        }
        let container = &mut self.containers[at];
        if container.is_auto_removed() {
            self.delete(at, true);
        } else if !container.is_stopped_by_hand && container.should_restart() {
            container.restart_later(now);
        }
    }

    /// dockerd dies; it comes back by itself.
    pub fn die(&mut self, how: Death) {
        if self.is_down() {
            return;
        }
        self.returns = Some(self.now + AWAY);
        self.deaths += 1;
        self.before_death = self.run_states();
        for container in &mut self.containers {
            if container.has_process() {
                // What it finds running when it is back, it stops, as if by hand.
                container.is_stopped_by_hand |= how == Death::Killed;
                container.end(container.code_when_asked());
            } else if container.status == Status::Restarting {
                container.end(container.exit_code);
            }
        }
        self.excuse();
    }

    /// dockerd is back: restart policies (measured: `always` and `on-failure` also start what was
    /// stopped by hand, but not what never ran), and what is left of `--rm` containers goes.
    fn come_back(&mut self) {
        self.returns = None;
        while let Some(at) = self.containers.iter().position(Container::is_auto_removed) {
            let container = &self.containers[at];
            let is_last = self.lineage(&container.lineage).count() == 1;
            // Of what was never started, both go, wherever the upgrade is.
            if is_last && (container.runs == 0 || !container.name.contains(".refit-")) {
                self.excused_gone.push(container.lineage.clone());
            }
            self.delete(at, true);
        }
        for at in 0..self.containers.len() {
            let container = &self.containers[at];
            if container.status != Status::Created && container.should_restart() {
                self.containers[at].forget_restarts();
                // What cannot be started stays down.
                drop(self.begin(at));
            }
        }
        self.excuse();
    }

    /// Whether it is the replacement of a companion whose leader is committed.
    fn is_committed_with_leader(&self, container: &Container) -> bool {
        let marker = container.marker();
        let leader = text(&marker, "/Leader");
        !leader.is_empty() && self.find(leader).is_none()
    }

    /// What every container does, by ID.
    fn run_states(&self) -> Vec<(String, RunState)> {
        let states = self.containers.iter();
        states
            .map(|c| (c.id.clone(), RunState::of(c.status)))
            .collect()
    }

    /// A daemon's death that changed what a container does is nobody's fault, where no unfinished
    /// upgrade was there to set it right.
    fn excuse(&mut self) {
        let mut excused = Vec::new();
        for (id, before) in &self.before_death {
            let Some(container) = self.find(id) else {
                continue;
            };
            let is_settled = self.lineage(&container.lineage).count() == 1
                || self.is_committed_with_leader(container);
            let is = RunState::of(container.status);
            // Nor is it that its policy starts again what was stopped by hand, under its own name.
            let is_resurrected = is == RunState::Running && !container.name.contains(".refit-");
            if (is_settled || is_resurrected) && is != *before {
                excused.push((container.lineage.clone(), is));
            }
        }
        self.excused.extend(excused);
    }
}

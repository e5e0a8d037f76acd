//! Which process works on a transaction, and whether it still lives.
//!
//! A process that starts must not take back what another one is working on, and must not wait for one
//! that is dead. A process ID tells nothing by itself: it counts within one boot and one PID namespace,
//! and with the time of its start. Where a process cannot be seen, the deadline in the marker decides.

use std::{fs, os::linux::fs::MetadataExt, sync::OnceLock};

use procfs::{process::Process, sys::kernel::random::boot_id};
use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use serde::{Deserialize, Serialize};

use super::{look::existing, own};
use crate::engine::Engine;

/// A process, as the marker names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Owner {
    /// Its ID, in its own PID namespace.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    pub started: u64,
    /// The inode of its PID namespace.
    pub pid_namespace: u64,
    /// The ID of the boot.
    pub boot: String,
    /// The ID of the machine (`machine-id(5)`); where it has none, or shows none to a container, empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// The full ID of the container that it runs in, if it runs in one of Docker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// Whether a process lives, as far as can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    /// It is this process.
    This,
    /// It lives.
    Alive,
    /// It is dead.
    Gone,
    /// It cannot be seen from here.
    Unknown,
}

impl Owner {
    /// This process; `None` where `/proc` does not tell.
    #[must_use]
    pub fn this_process() -> Option<Self> {
        static THIS: OnceLock<Option<Owner>> = OnceLock::new();
        THIS.get_or_init(Self::read).clone()
    }

    fn read() -> Option<Self> {
        let stat = Process::myself().and_then(|process| process.stat()).ok()?;
        Some(Self {
            pid: stat.pid,
            started: stat.starttime,
            pid_namespace: fs::metadata("/proc/self/ns/pid").ok()?.st_ino(),
            boot: boot_id().ok()?,
            machine: fs::read_to_string("/etc/machine-id")
                .map(|id| id.trim().to_owned())
                .unwrap_or_default(),
            container: own::container(),
        })
    }

    /// Whether it lives.
    pub(super) async fn liveness(&self, engine: &dyn Engine) -> Liveness {
        let Some(this) = Self::this_process() else {
            return Liveness::Unknown;
        };
        match self.beside(&this) {
            Liveness::Unknown => self.in_container(&this, engine).await,
            known => known,
        }
    }

    /// What `this` process can tell of it without asking the engine.
    fn beside(&self, this: &Self) -> Liveness {
        if self == this {
            return Liveness::This;
        }
        let (is_boot, is_machine) = (
            self.boot == this.boot,
            !self.machine.is_empty() && self.machine == this.machine,
        );
        if is_boot && self.pid_namespace == this.pid_namespace {
            return self.in_sight();
        }
        // The machine was booted again, or the container that both run in was started again.
        let is_same_container = self.container.is_some() && self.container == this.container;
        if !is_boot && is_machine || is_same_container {
            return Liveness::Gone;
        }
        Liveness::Unknown
    }

    /// Of a process in our own PID namespace.
    fn in_sight(&self) -> Liveness {
        match Process::new(self.pid).and_then(|process| process.stat()) {
            // Dead, and not yet reaped, or another one of the same ID.
            Ok(stat) if stat.starttime != self.started || matches!(stat.state, 'Z' | 'X') => {
                Liveness::Gone
            }
            Ok(_) => Liveness::Alive,
            // `/proc` may hide the processes of others: the kernel knows.
            Err(_) => match Pid::from_raw(self.pid).map(test_kill_process) {
                Some(Err(Errno::SRCH)) | None => Liveness::Gone,
                Some(_) => Liveness::Unknown,
            },
        }
    }

    /// Of a process in a container, the engine knows whether it can still run, if it is the one that
    /// runs us, too.
    async fn in_container(&self, this: &Self, engine: &dyn Engine) -> Liveness {
        let Some(container) = &self.container else {
            return Liveness::Unknown;
        };
        match existing(engine, container).await {
            Ok(Some(found)) if found.status.is_active() => Liveness::Unknown,
            Ok(Some(_)) => Liveness::Gone,
            // Removed, unless it is another engine's.
            Ok(None) if self.boot == this.boot && this.is_run_by(engine).await => Liveness::Gone,
            Ok(None) | Err(_) => Liveness::Unknown,
        }
    }

    /// Whether its container is one of this engine's.
    async fn is_run_by(&self, engine: &dyn Engine) -> bool {
        let Some(container) = &self.container else {
            return false;
        };
        matches!(existing(engine, container).await, Ok(Some(_)))
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn this() -> Owner {
        Owner::this_process().expect("/proc")
    }

    #[test]
    fn this_process_is_told_from_one_of_the_same_id() {
        assert_eq!(this().beside(&this()), Liveness::This);
        let earlier = Owner {
            started: this().started - 1,
            ..this()
        };
        assert_eq!(earlier.beside(&this()), Liveness::Gone);
    }

    #[test]
    fn another_process_lives_until_it_ends() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("a process");
        let pid = i32::try_from(child.id()).expect("an ID");
        let stat = Process::new(pid).and_then(|process| process.stat());
        let other = Owner {
            pid,
            started: stat.expect("its stat").starttime,
            ..this()
        };
        assert_eq!(other.beside(&this()), Liveness::Alive);
        child.kill().expect("kill");
        // Killed, whether reaped or not.
        child.wait().expect("reap");
        assert_eq!(other.beside(&this()), Liveness::Gone);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_but_for_another_boot_or_an_earlier_start() {
        let container = |id: &str| Some(id.to_owned());
        let this = Owner {
            machine: "m".to_owned(),
            container: container("c"),
            ..this()
        };
        let other = |change: &dyn Fn(&mut Owner)| {
            let mut other = Owner {
                container: None,
                pid_namespace: this.pid_namespace + 1,
                ..this.clone()
            };
            change(&mut other);
            other.beside(&this)
        };
        assert_eq!(other(&|_| {}), Liveness::Unknown);
        assert_eq!(other(&|o| o.container = container("d")), Liveness::Unknown);
        assert_eq!(other(&|o| o.container = container("c")), Liveness::Gone);
        assert_eq!(other(&|o| o.boot.push('x')), Liveness::Gone);
        let elsewhere = other(&|o| {
            o.boot.push('x');
            o.machine.clear();
        });
        assert_eq!(elsewhere, Liveness::Unknown);
    }
}

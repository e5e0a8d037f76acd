//! Refit's process, as the machine sees it.

use std::{fmt, fs, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use crate::Scenario;

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vitals {
    /// How many file descriptors are open.
    pub descriptors: usize,
    /// How many threads it has.
    pub threads: u64,
    /// How much memory it takes, in bytes.
    pub memory: u64,
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            descriptors,
            threads,
            memory,
        } = self;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {} KiB",
            memory >> 10
        )
    }
}

impl Scenario {
    fn process_of_refit(&self) -> Pid {
        Pid::from_child(self.refit.as_ref().expect("a running refit"))
    }

    /// Ends Refit by SIGTERM, and waits for its end.
    pub fn terminate_refit(&mut self) -> ExitStatus {
        kill_process(self.process_of_refit(), Signal::TERM).expect("terminate refit");
        let mut refit = self.refit.take().expect("a running refit");
        refit.wait().expect("reap refit")
    }

    /// Makes Refit stand still, as a machine that is short of time does.
    pub fn hold_refit(&self) {
        kill_process(self.process_of_refit(), Signal::STOP).expect("hold refit");
    }

    /// Lets Refit go on.
    pub fn release_refit(&self) {
        kill_process(self.process_of_refit(), Signal::CONT).expect("release refit");
    }

    /// How much memory Refit takes, in bytes.
    pub fn memory_of_refit(&self) -> u64 {
        self.status_of_refit("VmRSS:") << 10
    }

    /// What Refit holds now.
    pub fn vitals_of_refit(&self) -> Vitals {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.process_of_refit()));
        Vitals {
            descriptors: descriptors.expect("its descriptors").count(),
            threads: self.status_of_refit("Threads:"),
            memory: self.memory_of_refit(),
        }
    }

    /// The number behind a key of its `/proc/PID/status`.
    fn status_of_refit(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process_of_refit());
        let status = fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number")
    }
}

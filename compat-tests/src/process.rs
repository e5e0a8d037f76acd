//! A Refit that runs.

use std::{
    fmt, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::variable;

/// A process of Refit's. Dropping it ends it by SIGKILL, and reaps it.
pub struct Refit {
    child: Child,
}

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

/// Tells that a Refit listens, or has ended.
pub struct Listening(Receiver<()>);

impl Listening {
    /// Waits until it listens (which is after recovery); false if it ended before.
    pub fn wait(self) -> bool {
        self.0.recv().is_ok()
    }
}

impl Refit {
    /// Starts Refit, with further arguments; its engine is that of `REFIT_ENGINE`, where they do
    /// not say another. Each line of its log is handed to `tell`.
    ///
    /// It has one heap for all its threads: how much several of them keep of what is free is left to
    /// chance, and a leak would not be told from it.
    pub fn spawn(
        listen: &str,
        further: &[&str],
        mut tell: impl FnMut(&str) + Send + 'static,
    ) -> (Self, Listening) {
        let mut child = Command::new(variable("REFIT_BIN"))
            .args(["serve", "--listen", listen])
            .args(further)
            .env("MALLOC_ARENA_MAX", "1")
            .stderr(Stdio::piped())
            .spawn()
            .expect("start refit");
        let log = BufReader::new(child.stderr.take().expect("its log"));
        let (listens, listening) = mpsc::channel();
        // Read to its end, so that a full pipe stops nobody.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                tell(&line);
                if line.contains("listening") {
                    // Nobody may be waiting for it any more.
                    let _ = listens.send(());
                }
            }
        });
        (Self { child }, Listening(listening))
    }

    /// Its process, whose ID is no other's before it is dropped.
    pub fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("signal refit");
    }

    /// Ends it by SIGTERM, and waits for its end.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().expect("reap refit")
    }

    /// What it holds now.
    pub fn vitals(&self) -> Vitals {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.process()));
        Vitals {
            descriptors: descriptors.expect("its descriptors").count(),
            threads: self.status("Threads:"),
            memory: self.status("VmRSS:") << 10,
        }
    }

    /// The number behind a key of its `/proc/PID/status`.
    fn status(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process());
        let status = fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number")
    }
}

impl Drop for Refit {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

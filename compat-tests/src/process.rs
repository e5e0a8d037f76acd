//! A Refit that runs.

use std::{
    fs,
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
    pub fn spawn(
        listen: &str,
        further: &[&str],
        mut tell: impl FnMut(&str) + Send + 'static,
    ) -> (Self, Listening) {
        let mut child = Command::new(variable("REFIT_BIN"))
            .args(["serve", "--listen", listen])
            .args(further)
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

    /// How much memory it takes, in bytes.
    pub fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process());
        let status = fs::read_to_string(path).expect("its status");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|size| size.trim().strip_suffix(" kB"));
        let size: Option<u64> = resident.and_then(|size| size.parse().ok());
        size.expect("a size") << 10
    }
}

impl Drop for Refit {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

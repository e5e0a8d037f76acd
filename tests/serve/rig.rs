//! A `refit serve` of one test, in a folder of its own. Everything is awaited, nothing for ever.

use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    ops::Deref,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    rc::Rc,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Far more than anything here takes, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A command line to come, and the folder that it works in.
pub struct Rig {
    folder: Rc<TempDir>,
    command: Command,
}

/// A path in a rig's folder, which is there for as long as a path in it is held.
pub struct Spot {
    path: PathBuf,
    _folder: Rc<TempDir>,
}

impl Deref for Spot {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl AsRef<Path> for Spot {
    fn as_ref(&self) -> &Path {
        self
    }
}

/// What a process left behind.
pub struct Ended {
    pub status: ExitStatus,
    pub log: String,
}

/// A process that was started. It is killed if a test fails before its end.
pub struct Refit {
    /// Taken when it is waited for.
    child: Option<Child>,
    /// What it says on stderr, as soon as it has ended.
    log: mpsc::Receiver<String>,
    notifications: UnixDatagram,
    heard: String,
    _folder: Rc<TempDir>,
}

impl Rig {
    /// `refit serve`, with a bare environment.
    pub fn new() -> Self {
        Self::wrapped(Command::new(env!("CARGO_BIN_EXE_refit")))
    }

    /// `refit serve`, started by way of `command`, which gets its command line as arguments.
    pub fn by_way_of(mut command: Command) -> Self {
        command.arg(env!("CARGO_BIN_EXE_refit"));
        Self::wrapped(command)
    }

    fn wrapped(mut command: Command) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).arg("serve");
        Self {
            folder: Rc::new(tempfile::tempdir().expect("a folder")),
            command,
        }
    }

    /// A path in the folder.
    pub fn at(&self, name: &str) -> Spot {
        Spot {
            path: self.folder.path().join(name),
            _folder: Rc::clone(&self.folder),
        }
    }

    /// The address of a unix socket in the folder.
    pub fn unix(&self, name: &str) -> String {
        format!("unix://{}", self.at(name).display())
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// `--listen` on a unix socket in the folder.
    pub fn listen(self, name: &str) -> Self {
        let address = self.unix(name);
        self.arg("--listen").arg(address)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it, with a service manager that hears what it says.
    pub fn start(mut self) -> Refit {
        let notify = self.at("notify.sock");
        let notifications = UnixDatagram::bind(&notify).expect("bind");
        notifications
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout");
        let mut child = self
            .command
            .env("NOTIFY_SOCKET", &*notify)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, log) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = sender.send(text);
        });
        Refit {
            child: Some(child),
            log,
            notifications,
            heard: String::new(),
            _folder: self.folder,
        }
    }

    /// Starts it, and waits until it is ready.
    pub fn serve(self) -> Refit {
        let mut refit = self.start();
        refit.hear("READY=1");
        refit
    }

    /// Starts it, and waits for its end, which it comes to by itself.
    pub fn run(self) -> Ended {
        self.start().end()
    }

    /// Runs it: it must refuse its arguments. What it says about them.
    pub fn mistakes(self) -> String {
        let ended = self.run();
        assert_eq!(ended.status.code(), Some(64), "{}", ended.log);
        ended.log
    }

    /// Runs it: it must fail later than at its arguments. What it says.
    pub fn failure(self) -> String {
        let ended = self.run();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.log);
        ended.log
    }
}

impl Refit {
    /// Waits until it tells the service manager `line`.
    pub fn hear(&mut self, line: &str) {
        let mut datagram = [0; 4096];
        while !self.heard.lines().any(|heard| heard == line) {
            let length = self.notifications.recv(&mut datagram).unwrap_or_else(|e| {
                panic!("no {line}: {e}; heard {:?}", self.heard);
            });
            self.heard += &String::from_utf8_lossy(&datagram[..length]);
        }
    }

    /// What it has told the service manager, as far as that was heard.
    pub fn heard(&self) -> &str {
        &self.heard
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("kill");
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let log = self.log.recv_timeout(PATIENCE).expect("it ends in time");
        let status = self.child.take().expect("it was started").wait();
        Ended {
            status: status.expect("it ends"),
            log,
        }
    }

    /// Asks it to end: it must do so in good order. What it has said.
    pub fn stop(self) -> String {
        self.signal(Signal::TERM);
        let ended = self.end();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
        ended.log
    }
}

impl Drop for Refit {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until `condition` holds. For what tells nobody when it happens.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        thread::yield_now();
    }
}

/// Whether something, of whatever kind, is at `path`.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

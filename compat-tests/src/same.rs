//! The same commands, once directly and once through Refit, and whether both said the same.
//!
//! A scenario hands [`same`] the commands as a closure. It runs twice, against the engine's own
//! socket first; whatever it returns must be equal. Compared are the bytes themselves, unless the
//! scenario calls [`Said::masked`] for what an engine never says twice.

use std::{
    fmt::{self, Debug, Formatter},
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, LazyLock, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use regex::{Captures, Regex};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{PATIENCE, Scenario, docker_program, variable};

/// Runs the commands directly and through Refit, and asserts that they returned the same; returns
/// it, so that the scenario can assert what it should have been.
pub fn same<T: PartialEq + Debug>(scenario: &Scenario, commands: impl Fn(&Side) -> T) -> T {
    let direct = commands(&scenario.directly());
    let through = commands(&scenario.through());
    assert_same(&direct, &through);
    through
}

/// Asserts that both are the same, and tells from where on they are not.
pub fn assert_same<T: PartialEq + Debug>(direct: &T, through: &T) {
    if direct == through {
        return;
    }
    let [direct, through] = [direct, through].map(|said| format!("{said:#?}"));
    let shorter = direct.lines().count().min(through.lines().count());
    let pairs = direct.lines().zip(through.lines());
    let equal = pairs
        .take_while(|(direct, through)| direct == through)
        .count();
    let rest = |said: &str| said.lines().skip(equal).collect::<Vec<_>>().join("\n");
    panic!(
        "not the same from line {equal} of {shorter} on, directly:\n{}\nthrough Refit:\n{}",
        rest(&direct),
        rest(&through)
    );
}

/// Where commands go: to the engine itself, or to Refit.
pub struct Side<'a> {
    scenario: &'a Scenario,
    host: String,
}

impl Scenario {
    /// The engine itself.
    pub fn directly(&self) -> Side<'_> {
        Side {
            scenario: self,
            host: self.engine(),
        }
    }

    /// Refit.
    pub fn through(&self) -> Side<'_> {
        Side {
            scenario: self,
            host: self.refit(),
        }
    }
}

impl Side<'_> {
    /// The address, as docker's `-H` takes it.
    pub fn address(&self) -> &str {
        &self.host
    }

    /// The docker CLI with these arguments.
    pub fn docker(&self, arguments: &[&str]) -> Ask {
        Ask::new(
            &docker_program(),
            &[&["-H", &self.host], arguments].concat(),
        )
    }

    /// `docker run --rm` with the scenario's label.
    pub fn run(&self, arguments: &[&str]) -> Ask {
        let label = self.scenario.label();
        self.docker(&[&["run", "--rm", &label], arguments].concat())
    }

    /// `docker run -d` with the scenario's label and this name; removed by [`Side::remove`].
    pub fn run_detached(&self, name: &str, arguments: &[&str]) {
        let label = self.scenario.label();
        let named = ["run", "-d", &label, "--name", name];
        let said = self.docker(&[&named, arguments].concat()).said();
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// `docker rm -f`.
    pub fn remove(&self, container: &str) {
        let said = self.docker(&["rm", "-fv", container]).said();
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Compose v2, of a file in a folder, as a project of this name.
    pub fn compose(&self, folder: &Path, project: &str, arguments: &[&str]) -> Ask {
        let folder = folder.to_str().expect("a printable path");
        let of = ["compose", "--project-directory", folder, "-p", project];
        self.docker(&[&of, arguments].concat())
    }

    /// Compose v1, of a file in a folder, as a project of this name.
    pub fn compose_v1(&self, folder: &Path, project: &str, arguments: &[&str]) -> Ask {
        let of = ["-H", &self.host, "-p", project];
        let program = variable("REFIT_COMPOSE_V1");
        Ask::new(&program, &[&of, arguments].concat()).within(folder)
    }

    /// curl with these arguments on a path of the API: the head and the body, as they come.
    pub fn curl(&self, arguments: &[&str], path: &str) -> Ask {
        let socket = self.host.trim_start_matches("unix://");
        let url = format!("http://docker{path}");
        let always = [
            "-sSiN",
            "--max-time",
            "60",
            "--unix-socket",
            socket,
            url.as_str(),
        ];
        // curl holds a head back until a body comes, unless its output is unbuffered.
        let unbuffered = ["-o0", "curl"];
        Ask::new("stdbuf", &[&unbuffered, &always[..], arguments].concat())
    }
}

/// A command that is about to run.
pub struct Ask {
    command: Command,
    input: Vec<u8>,
}

impl Ask {
    /// A program with these arguments.
    pub fn new(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self {
            command,
            input: Vec::new(),
        }
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// In this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// With this input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Runs it to its end.
    pub fn said(mut self) -> Said {
        let input = std::mem::take(&mut self.input);
        let mut running = self.start();
        let mut stdin = running.input.take().expect("its input");
        // A command that ends early breaks the pipe; what it said tells whether that was right.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let said = running.end();
        writer.join().expect("the input's writer");
        said
    }

    /// Runs it to its end with another command's output as its input.
    pub fn said_of(mut self, source: Self) -> (Said, Said) {
        let mut source = source.spawn(Stdio::null());
        self.command
            .stdin(source.stdout.take().expect("its output"));
        let child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().expect("the command");
        // The reading end is the command's alone: it may break the pipe.
        drop(self.command);
        (Running::of(source).end(), Running::of(child).end())
    }

    /// Starts it with a pipe for each of its three streams.
    pub fn start(self) -> Running {
        Running::of(self.spawn(Stdio::piped()))
    }

    fn spawn(mut self, input: Stdio) -> Child {
        self.command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command")
    }

    /// Starts it on a terminal of 80 columns and 24 rows, which is all three of its streams.
    pub fn on_terminal(mut self) -> Running {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let theirs = ioctl_tiocgptpeer(&ours, flags).expect("its other end");
        resize(&ours, 80, 24);
        let copy = |of: &OwnedFd| of.try_clone().expect("a copy");
        let child = self
            .command
            .env("TERM", "xterm")
            .stdin(copy(&theirs))
            .stdout(copy(&theirs))
            .stderr(theirs)
            .spawn()
            .expect("the command");
        // With the command, the last copies of the terminal's other end go: else it never ends.
        drop(self.command);
        let mut running = Running::of(child);
        running.readers = vec![read(File::from(copy(&ours)), &running.heard, Stream::Out)];
        running.terminal = Some(copy(&ours));
        running.input = Some(Box::new(File::from(ours)));
        running
    }
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).expect("resize the terminal");
}

/// A command that runs. Dropping it kills it.
pub struct Running {
    child: Child,
    input: Option<Box<dyn Write + Send>>,
    terminal: Option<OwnedFd>,
    heard: Arc<Heard>,
    readers: Vec<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

#[derive(Default)]
struct Heard {
    said: Mutex<(Vec<u8>, Vec<u8>)>,
    more: Condvar,
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Collects a stream until it ends.
fn read(
    mut from: impl Read + Send + 'static,
    heard: &Arc<Heard>,
    stream: Stream,
) -> JoinHandle<()> {
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match from.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // A terminal ends with an error.
                Ok(0) | Err(_) => return,
                Ok(read) => &buffer[..read],
            };
            let mut said = heard.said.lock().unwrap_or_else(PoisonError::into_inner);
            match stream {
                Stream::Out => said.0.extend_from_slice(read),
                Stream::Err => said.1.extend_from_slice(read),
            }
            heard.more.notify_all();
        }
    })
}

impl Running {
    fn of(mut child: Child) -> Self {
        let heard = Arc::<Heard>::default();
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            readers.push(read(out, &heard, Stream::Out));
        }
        if let Some(err) = child.stderr.take() {
            readers.push(read(err, &heard, Stream::Err));
        }
        let input = child.stdin.take();
        Self {
            child,
            input: input.map(|input| Box::new(input) as Box<dyn Write + Send>),
            terminal: None,
            heard,
            readers,
            ended: None,
        }
    }

    /// Writes to its input, which stays open.
    pub fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(text.as_bytes()).expect("write");
        input.flush().expect("write");
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Resizes its terminal, and waits until its output contains this.
    pub fn resize_until(&self, columns: u16, rows: u16, text: &str) {
        resize(self.terminal.as_ref().expect("a terminal"), columns, rows);
        let deadline = Instant::now() + PATIENCE;
        // The CLI heeds the signal only from some time after the container's start on.
        while !self.so_far().contains(text) {
            assert!(Instant::now() < deadline, "no {text}: {}", self.so_far());
            // It is not the terminal's foreground group, which is who else hears of it.
            self.signal(Signal::WINCH);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it to end, as Ctrl-C does.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("signal the command");
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the command");
        }
        self.ended.is_none()
    }

    /// Waits until its output contains this.
    pub fn until(&self, text: &str) {
        self.until_times(text, 1);
    }

    /// Waits until its output contains this so many times.
    pub fn until_times(&self, text: &str, times: usize) {
        let said = self.heard.said.lock().expect("what it said");
        let lacks = |out: &[u8]| String::from_utf8_lossy(out).matches(text).count() < times;
        let (said, waited) = self
            .heard
            .more
            .wait_timeout_while(said, PATIENCE, |said| lacks(&said.0))
            .expect("what it said");
        assert!(
            !waited.timed_out(),
            "waited in vain for {text:?}: {} {}",
            text_of(&said.0),
            text_of(&said.1)
        );
    }

    /// What it said so far on its output.
    pub fn so_far(&self) -> String {
        let said = self.heard.said.lock().expect("what it said");
        String::from_utf8_lossy(&said.0).into_owned()
    }

    /// Waits for its end, with its input closed where that is a pipe.
    pub fn end(mut self) -> Said {
        if self.terminal.is_none() {
            self.close_input();
        }
        let deadline = Instant::now() + PATIENCE;
        while self.runs() || !self.readers.iter().all(JoinHandle::is_finished) {
            assert!(Instant::now() < deadline, "no end: {}", self.so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
        let (stdout, stderr) = std::mem::take(&mut *self.heard.said.lock().expect("what it said"));
        Said {
            code: self.ended.and_then(|status| status.code()),
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// What a command said, and how it ended.
#[derive(PartialEq, Eq)]
pub struct Said {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its error output.
    pub stderr: Vec<u8>,
}

impl Said {
    /// The output as text.
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The error output as text.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// With what an engine never says twice replaced in both streams, as by [`mask`].
    #[must_use]
    pub fn masked(self) -> Self {
        Self {
            stdout: mask(&self.out()).into_bytes(),
            stderr: mask(&self.err()).into_bytes(),
            ..self
        }
    }

    /// With its lines in an order of their own: for commands that do several things at once.
    #[must_use]
    pub fn sorted(self) -> Self {
        let sort = |text: String| {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n").into_bytes()
        };
        Self {
            stdout: sort(self.out()),
            stderr: sort(self.err()),
            ..self
        }
    }
}

impl Debug for Said {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Said")
            .field("code", &self.code)
            .field("stdout", &text_of(&self.stdout))
            .field("stderr", &text_of(&self.stderr))
            .finish()
    }
}

/// The beginning of some bytes, and how many there are.
fn text_of(bytes: &[u8]) -> String {
    const SHOWN: usize = 4000;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]);
    if bytes.len() <= SHOWN {
        return text.into_owned();
    }
    format!("{text}… ({} bytes)", bytes.len())
}

/// What is no ID, and the word that it is replaced by.
static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let masks = [
        (
            r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?[+-]\d{4} UTC|Z|[+-]\d\d:\d\d)?",
            "<time>",
        ),
        (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<time>"),
        (r#"("time(Nano)?":)\d+"#, "$1<time>"),
        (r"\b\d+\.\d+s\b", "<duration>"),
    ];
    let masks = masks.map(|(pattern, word)| (Regex::new(pattern).expect("a pattern"), word));
    masks.into()
});

/// An ID, long or short.
static ID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b([0-9a-f]{64}|[0-9a-f]{12})\b").expect("a pattern"));

/// Replaces IDs by the number of their first appearance, so that the same one stays the same, and
/// times, durations and Unix times by a word.
pub fn mask(text: &str) -> String {
    let mut masked = text.to_owned();
    for (pattern, word) in MASKS.iter() {
        masked = pattern.replace_all(&masked, *word).into_owned();
    }
    let mut seen: Vec<String> = Vec::new();
    ID.replace_all(&masked, |found: &Captures<'_>| {
        // The short form of an ID is its first 12 characters.
        let short = &found[0][..12];
        let number = seen.iter().position(|id| id == short).unwrap_or_else(|| {
            seen.push(short.to_owned());
            seen.len() - 1
        });
        format!("<id {number}>")
    })
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Ask, mask};

    #[test]
    fn masks_tell_ids_apart_and_keep_the_rest() {
        let one = "0123456789ab".to_owned() + &"c".repeat(52);
        let text = format!("{one} ba9876543210 0123456789ab 2026-01-02T03:04:05.6Z 12 sha256");
        assert_eq!(mask(&text), "<id 0> <id 1> <id 0> <time> 12 sha256");
        assert_eq!(mask("done in 1.23s, 4 of 5"), "done in <duration>, 4 of 5");
    }

    #[test]
    fn a_command_is_heard_on_pipes_and_on_a_terminal() {
        let shell = |script: &str| Ask::new("sh", &["-c", script]);
        let said = shell("cat; echo err >&2; exit 3").input("in").said();
        assert_eq!(
            (said.code, said.out(), said.err()),
            (Some(3), "in".to_owned(), "err\n".to_owned())
        );
        let said = shell("test -t 0 && test -t 1 && test -t 2 && stty size").on_terminal();
        assert_eq!(said.end().out(), "24 80\r\n");
        let (source, said) = shell("cat").said_of(shell("echo piped; exit 4"));
        assert_eq!((source.code, said.out()), (Some(4), "piped\n".to_owned()));
    }
}

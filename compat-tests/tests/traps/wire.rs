//! A client that sends bytes as they are, and notes what comes back and how the connection ends.

use std::{
    fmt::Debug,
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use compat_tests::{
    Scenario,
    same::{assert_same, mask},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long a first word may take where none may come at all.
const SILENCE: Duration = Duration::from_secs(10);

/// When a connection has said nothing for so long, it stays open.
pub const QUIET: Duration = Duration::from_millis(400);

/// How long a full close may come after the end of the answers: Go and Refit wait 500 ms each.
const LINGER: Duration = Duration::from_millis(1600);

/// A connection.
pub struct Wire {
    stream: UnixStream,
    heard: Vec<u8>,
}

/// How a connection stands when nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other side has closed nothing.
    Open,
    /// The other side sends no more, but takes what we send.
    Half,
    /// The other side sends and takes no more.
    Full,
}

/// What was heard, one character per byte, by [`mask`]; and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub said: String,
    pub end: End,
}

/// An answer whose end its head tells; the body is without what frames its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    pub head: String,
    pub body: Vec<u8>,
}

impl Answered {
    /// The head, by [`mask`].
    pub fn masked_head(&self) -> String {
        mask(&self.head)
    }

    /// The body, one character per byte.
    pub fn text(&self) -> String {
        characters(&self.body)
    }

    /// The body as [`Heard::said`].
    pub fn masked_body(&self) -> String {
        mask(&self.text())
    }
}

/// What was heard, as [`Heard::said`], and how long it took until the other side closed: first its
/// own direction, then both.
#[derive(Debug, Clone)]
pub struct Closing {
    pub said: String,
    pub half: Option<Duration>,
    pub full: Option<Duration>,
}

impl Closing {
    /// When the directions were closed.
    pub fn times(&self) -> [Option<Duration>; 2] {
        [self.half, self.full]
    }
}

enum Got {
    Some,
    Nothing,
    End,
}

impl Wire {
    /// Connects to `unix://…`.
    pub fn open(address: &str) -> Self {
        let path = address.trim_start_matches("unix://");
        Self {
            stream: UnixStream::connect(path).expect("connect"),
            heard: Vec::new(),
        }
    }

    /// Connects, and sends this.
    pub fn opened(address: &str, bytes: impl AsRef<[u8]>) -> Self {
        let wire = Self::open(address);
        wire.send(bytes);
        wire
    }

    /// Sends this, all of it, without reading meanwhile.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        (&self.stream).write_all(bytes.as_ref()).expect("send");
    }

    /// Sends this meanwhile; returns whether all of it was taken.
    pub fn sending(&self, bytes: Vec<u8>) -> JoinHandle<bool> {
        let mut stream = self.stream.try_clone().expect("a second handle");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        thread::spawn(move || match stream.write_all(&bytes) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => panic!("not taken in time"),
            result => result.is_ok(),
        })
    }

    /// Closes our direction.
    pub fn shut(&self) {
        self.stream.shutdown(Shutdown::Write).expect("half-close");
    }

    /// Reads until this has been heard.
    pub fn until(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !contains(&self.heard, text.as_bytes()) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                matches!(self.read(left), Got::Some),
                "waited in vain for {text:?}: {:?}",
                self.so_far()
            );
        }
    }

    /// Reads this many bytes without keeping them, or those before the end; how many there were.
    pub fn skip(&mut self, bytes: usize) -> usize {
        let mut skipped = 0;
        self.heard.clear();
        while skipped < bytes && matches!(self.read(PATIENCE), Got::Some) {
            skipped += self.heard.len();
            self.heard.clear();
        }
        skipped
    }

    /// What was heard so far, as [`Heard::said`].
    pub fn so_far(&self) -> String {
        mask(&characters(&self.heard))
    }

    /// The bytes that were heard so far.
    pub fn bytes(&self) -> &[u8] {
        &self.heard
    }

    /// Reads until nothing more comes: the end, or quiet after something was heard.
    pub fn settle(&mut self) -> End {
        self.settle_after(0)
    }

    /// As [`Wire::settle`], after so many bytes were heard before.
    fn settle_after(&mut self, before: usize) -> End {
        let begun = Instant::now();
        loop {
            match self.read(QUIET) {
                Got::Nothing if self.heard.len() == before && begun.elapsed() < SILENCE => {}
                Got::Nothing => {
                    assert!(!self.heard.is_empty(), "heard nothing at all");
                    return End::Open;
                }
                Got::Some => assert!(begun.elapsed() < 3 * PATIENCE, "it goes on and on"),
                Got::End if self.closes() => return End::Full,
                Got::End => return End::Half,
            }
        }
    }

    /// Reads until the other side sends no more, which must come.
    pub fn ended(mut self) -> Heard {
        while let Got::Some = self.read(PATIENCE) {}
        let heard = self.rest();
        assert!(heard.end != End::Open, "no end after {:?}", heard.said);
        heard
    }

    /// Reads until nothing more comes; tells what was heard in all.
    pub fn rest(mut self) -> Heard {
        let end = self.settle();
        self.heard(end)
    }

    fn heard(&self, end: End) -> Heard {
        let said = self.so_far();
        Heard { said, end }
    }

    /// Reads to the end, and tells how long the body is, without what frames its chunks.
    pub fn body_length(mut self) -> usize {
        while let Got::Some = self.read(PATIENCE) {}
        let head = end_of(&self.heard, b"\r\n\r\n").expect("a head");
        let (head, rest) = self.heard.split_at(head);
        if !contains(head, b"chunked") {
            return rest.len();
        }
        let (body, length) = unchunked(rest).expect("the last chunk");
        assert_eq!(length, rest.len(), "something behind the last chunk");
        body.len()
    }

    /// Sends a request on a connection that is kept, and reads its answer, which is framed, and all
    /// that comes.
    pub fn answer(&mut self, request: impl AsRef<[u8]>) -> Answered {
        let request = request.as_ref();
        let answered = self.answer_or_end(request, PATIENCE);
        let asked = String::from_utf8_lossy(request);
        answered.unwrap_or_else(|| panic!("ended before {asked}: {:?}", self.so_far()))
    }

    /// As [`Wire::answer`], within this time; `None` where the other side ends before that.
    pub fn answer_or_end(
        &mut self,
        request: impl AsRef<[u8]>,
        within: Duration,
    ) -> Option<Answered> {
        let request = request.as_ref();
        (&self.stream).write_all(request).ok()?;
        let deadline = Instant::now() + within;
        loop {
            if let Some((answered, length)) = answered(&self.heard, request.starts_with(b"HEAD ")) {
                assert_eq!(length, self.heard.len(), "more than was asked for");
                self.forget();
                return Some(answered);
            }
            match self.read(deadline.saturating_duration_since(Instant::now())) {
                Got::Some => {}
                Got::End => return None,
                Got::Nothing => {
                    let asked = String::from_utf8_lossy(request);
                    panic!("no whole answer to {asked}: {:?}", self.so_far());
                }
            }
        }
    }

    /// Forgets what was heard so far: the next answer on the same connection begins anew.
    pub fn forget(&mut self) {
        self.heard.clear();
    }

    /// Reads until the other side has closed both directions, or this time is over. Notes when each
    /// was closed.
    pub fn closing(mut self, within: Duration) -> Closing {
        let begun = Instant::now();
        let left = |begun: Instant| within.saturating_sub(begun.elapsed());
        let mut half = None;
        while half.is_none() && !left(begun).is_zero() {
            if let Got::End = self.read(left(begun)) {
                half = Some(begun.elapsed());
            }
        }
        let full = half.and_then(|_| self.hangs_up(left(begun)).then(|| begun.elapsed()));
        let said = self.so_far();
        Closing { said, half, full }
    }

    fn read(&mut self, patience: Duration) -> Got {
        let mut buffer = vec![0; 1 << 16];
        let patience = patience.max(Duration::from_millis(1));
        self.stream
            .set_read_timeout(Some(patience))
            .expect("a timeout");
        match self.stream.read(&mut buffer) {
            Ok(n @ 1..) => {
                self.heard.extend_from_slice(&buffer[..n]);
                Got::Some
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Got::Some,
            Err(e) if e.kind() == ErrorKind::WouldBlock => Got::Nothing,
            // A reset: of what we sent, something was not read.
            Ok(0) | Err(_) => Got::End,
        }
    }

    /// Whether both directions are closed, or will soon be.
    fn closes(&self) -> bool {
        self.hangs_up(LINGER)
    }

    /// Whether both directions are closed within this time.
    fn hangs_up(&self, within: Duration) -> bool {
        let mut watched = [PollFd::new(&self.stream, PollFlags::empty())];
        let within = Timespec::try_from(within).expect("a time");
        poll(&mut watched, Some(&within)).expect("poll") > 0
    }
}

/// One character per byte.
fn characters(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| byte as char).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    end_of(bytes, part).is_some()
}

/// Where the first `part` in `bytes` ends.
fn end_of(bytes: &[u8], part: &[u8]) -> Option<usize> {
    let at = bytes.windows(part.len()).position(|window| window == part);
    at.map(|at| at + part.len())
}

/// The answer that these bytes begin with, if it is whole, and its length.
fn answered(bytes: &[u8], is_head: bool) -> Option<(Answered, usize)> {
    let (head, rest) = bytes.split_at(end_of(bytes, b"\r\n\r\n")?);
    let head = str::from_utf8(head).expect("a head of ASCII");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    let is_bare = is_head || [" 204 ", " 304 "].contains(&&head[8..13]);
    let (body, length) = if is_bare {
        (Vec::new(), 0)
    } else if let Some(length) = length {
        let length = length.parse().expect("a length");
        (rest.get(..length)?.to_vec(), length)
    } else {
        assert!(head.contains("Transfer-Encoding: chunked"), "{head}");
        unchunked(rest)?
    };
    let length = head.len() + length;
    let head = head.to_owned();
    Some((Answered { head, body }, length))
}

/// The data of the chunks that these bytes begin with, up to the last one, and their length.
fn unchunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = end_of(&bytes[at..], b"\r\n")?;
        let size = str::from_utf8(&bytes[at..at + line - 2]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let end = at + line + size;
        body.extend_from_slice(bytes.get(at + line..end)?);
        assert_eq!(bytes.get(end..end + 2)?, b"\r\n");
        at = end + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

/// A request of these lines, with a `Host`, without a body.
pub fn head(lines: &[&str]) -> String {
    let (first, rest) = lines.split_first().expect("a request line");
    let request = format!("{first} HTTP/1.1\r\nHost: docker");
    [&[request.as_str()], rest, &["", ""]].concat().join("\r\n")
}

/// A `POST` with a JSON body, and these headers.
pub fn post(path: &str, headers: &[&str], body: &str) -> String {
    let (line, length) = (
        format!("POST {path}"),
        format!("Content-Length: {}", body.len()),
    );
    let of = [line.as_str(), "Content-Type: application/json", &length];
    head(&[&of, headers].concat()) + body
}

/// Asks the engine and Refit at the same time, and asserts that both answered the same; returns
/// it. For questions that leave nothing behind.
pub fn alike<T: PartialEq + Debug + Send>(
    scenario: &Scenario,
    ask: impl Fn(&str) -> T + Sync,
) -> T {
    let (direct, through) = both(scenario, ask);
    assert_same(&direct, &through);
    through
}

/// Asks the engine and Refit at the same time; returns both answers.
pub fn both<T: Send>(scenario: &Scenario, ask: impl Fn(&str) -> T + Sync) -> (T, T) {
    let (engine, refit) = (scenario.engine(), scenario.refit());
    thread::scope(|scope| {
        let direct = scope.spawn(|| ask(&engine));
        let through = ask(&refit);
        (direct.join().expect("the engine's answer"), through)
    })
}

/// A container that only sleeps.
pub fn sleeper(scenario: &Scenario) -> String {
    let name = scenario.named("box");
    scenario.run(&["--name", &name, "busybox", "sleep", "1000"]);
    name
}

/// A name for what one side of [`alike`] makes.
pub fn side(scenario: &Scenario, address: &str) -> String {
    let is_engine = address == scenario.engine();
    scenario.named(if is_engine { "direct" } else { "through" })
}

/// Does this with all at once.
pub fn at_once<T: Send, U: Send, const N: usize>(
    all: [T; N],
    each: impl Fn(T) -> U + Sync,
) -> [U; N] {
    thread::scope(|scope| {
        let threads = all.map(|one| scope.spawn(|| each(one)));
        threads.map(|thread| thread.join().expect("a result"))
    })
}

/// Asks in a connection of its own, and again with the next request where the connection stays open.
pub fn ask(address: &str, bytes: &[u8]) -> Heard {
    let mut wire = Wire::open(address);
    // It may be refused before it is taken.
    wire.sending(bytes.to_vec()).join().expect("the sender");
    let mut end = wire.settle();
    if end == End::Open {
        let before = wire.heard.len();
        wire.send(head(&["GET /_ping?further"]));
        end = wire.settle_after(before);
    }
    wire.heard(end)
}

/// Asks each in a thread of its own.
fn ask_all(address: &str, asked: &[Vec<u8>]) -> Vec<Heard> {
    thread::scope(|scope| {
        let asks: Vec<_> = asked
            .iter()
            .map(|bytes| scope.spawn(move || ask(address, bytes)))
            .collect();
        asks.into_iter()
            .map(|asked| asked.join().expect("an answer"))
            .collect()
    })
}

/// A name, what is sent, and what the answer begins with.
pub type Row = (String, Vec<u8>, &'static str);

pub fn row(name: impl Into<String>, bytes: impl Into<Vec<u8>>, answer: &'static str) -> Row {
    (name.into(), bytes.into(), answer)
}

/// Sends each row; returns what was heard after it was found to be the same.
///
/// A connection that the engine has half closed and then forgotten is closed by its garbage collector
/// at any time: where that is all that differs, the rows are asked again, and what differs each time
/// is a difference.
pub fn compare(scenario: &Scenario, rows: &[Row]) -> Vec<Heard> {
    assert!(rows.len() > 1);
    let asked: Vec<Vec<u8>> = rows.iter().map(|(_, bytes, _)| bytes.clone()).collect();
    let ask = |address: &str| {
        let names = rows.iter().map(|(name, ..)| name.as_str());
        names.zip(ask_all(address, &asked)).collect::<Vec<_>>()
    };
    let (mut direct, mut through) = both(scenario, ask);
    for _ in 0..2 {
        if !is_collected(&direct, &through) {
            break;
        }
        (direct, through) = both(scenario, ask);
    }
    assert_same(&direct, &through);
    println!("{} requests compared", rows.len());
    for ((name, _, answer), (_, heard)) in rows.iter().zip(&through) {
        assert!(heard.said.starts_with(answer), "{name}: {heard:#?}");
    }
    through.into_iter().map(|(_, heard)| heard).collect()
}

/// Whether the two differ, and in nothing but which of two half closed connections was closed by now.
fn is_collected(direct: &[(&str, Heard)], through: &[(&str, Heard)]) -> bool {
    let is_closing = |end: &End| matches!(end, End::Half | End::Full);
    direct != through
        && direct
            .iter()
            .zip(through)
            .all(|((_, direct), (_, through))| {
                let is_excused = is_closing(&direct.end) && is_closing(&through.end);
                direct.said == through.said && (direct.end == through.end || is_excused)
            })
}

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
pub const PATIENCE: Duration = Duration::from_secs(10);

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

    /// What was heard so far, as [`Heard::said`].
    pub fn so_far(&self) -> String {
        mask(
            &self
                .heard
                .iter()
                .map(|&byte| byte as char)
                .collect::<String>(),
        )
    }

    /// The bytes that were heard so far.
    pub fn bytes(&self) -> &[u8] {
        &self.heard
    }

    /// Reads until nothing more comes: the end, or quiet after something was heard.
    pub fn settle(&mut self) -> End {
        let begun = Instant::now();
        loop {
            match self.read(QUIET) {
                Got::Nothing if self.heard.is_empty() => {
                    assert!(begun.elapsed() < PATIENCE, "heard nothing at all");
                }
                Got::Nothing => return End::Open,
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
        let head = self.heard.windows(4).position(|end| end == b"\r\n\r\n");
        let (head, mut rest) = self.heard.split_at(head.expect("a head") + 4);
        if !contains(head, b"chunked") {
            return rest.len();
        }
        let mut length = 0;
        loop {
            let line = rest.windows(2).position(|end| end == b"\r\n");
            let (size, data) = rest.split_at(line.expect("a chunk's size"));
            let size = str::from_utf8(size).expect("a size");
            let size = usize::from_str_radix(size, 16).expect("a size");
            if size == 0 {
                assert_eq!(data, b"\r\n\r\n");
                return length;
            }
            length += size;
            rest = &data[2 + size + 2..];
        }
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
        let mut watched = [PollFd::new(&self.stream, PollFlags::empty())];
        let linger = Timespec::try_from(LINGER).expect("a time");
        poll(&mut watched, Some(&linger)).expect("poll") > 0
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
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

/// Asks the engine and Refit at the same time.
fn both<T: Send>(scenario: &Scenario, ask: impl Fn(&str) -> T + Sync) -> (T, T) {
    let (engine, refit) = (scenario.engine(), scenario.refit());
    thread::scope(|scope| {
        let direct = scope.spawn(|| ask(&engine));
        let through = ask(&refit);
        (direct.join().expect("the engine's answer"), through)
    })
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

/// Asks each in a connection and a thread of its own, and again with the next request where the
/// connection stays open.
fn ask_all(address: &str, asked: &[Vec<u8>]) -> Vec<Heard> {
    let ask = |bytes: &[u8]| {
        let mut wire = Wire::open(address);
        // It may be refused before it is taken.
        wire.sending(bytes.to_vec()).join().expect("the sender");
        let mut end = wire.settle();
        if end == End::Open {
            wire.send(head(&["GET /_ping?further"]));
            end = wire.settle();
        }
        wire.heard(end)
    };
    thread::scope(|scope| {
        let asks: Vec<_> = asked
            .iter()
            .map(|bytes| scope.spawn(move || ask(bytes)))
            .collect();
        asks.into_iter()
            .map(|asked| asked.join().expect("an answer"))
            .collect()
    })
}

/// A name, what is sent, and what the answer begins with.
pub type Row = (&'static str, Vec<u8>, &'static str);

pub fn row(name: &'static str, bytes: impl Into<Vec<u8>>, answer: &'static str) -> Row {
    (name, bytes.into(), answer)
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
        let names = rows.iter().map(|(name, ..)| *name);
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

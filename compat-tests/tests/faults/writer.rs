//! A client that writes to the container all along, and remembers what was acknowledged.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use compat_tests::{
    PATIENCE,
    engines::{enter_network, in_network},
};

/// How long it waits for anything while it writes.
const LIMIT: Duration = Duration::from_millis(500);

/// How long lies between two writes, or two attempts to connect.
const PACE: Duration = Duration::from_millis(4);

/// How many keys are asked for at once.
const BATCH: usize = 1000;

/// The client. Dropping it ends its load.
pub struct Writer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// The numbers of the acknowledged writes. One that was not acknowledged may be there or not,
    /// and its number is not used again.
    acknowledged: Mutex<Vec<usize>>,
    more: Condvar,
    is_over: AtomicBool,
}

impl Writer {
    /// Writes to the Redis at an address inside the engine's network.
    pub fn new(address: SocketAddr) -> Self {
        let shared = Arc::new(Shared::default());
        let writing = Arc::clone(&shared);
        let thread = thread::spawn(move || writing.write(address));
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// How many writes were acknowledged.
    pub fn written(&self) -> usize {
        self.shared.acknowledged.lock().expect("the list").len()
    }

    /// Waits for one more acknowledged write; whether there was one.
    pub fn is_served(&self) -> bool {
        let list = self.shared.acknowledged.lock().expect("the list");
        let written = list.len();
        let waits = |list: &mut Vec<usize>| list.len() == written;
        let more = self.shared.more.wait_timeout_while(list, PATIENCE, waits);
        !more.expect("the list").1.timed_out()
    }

    /// The acknowledged writes since the `from`th that are not there.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub fn lost(&self, from: usize) -> io::Result<Vec<usize>> {
        let numbers = self.shared.acknowledged.lock().expect("the list")[from..].to_vec();
        in_network(|| {
            let mut redis = Redis::connect(self.address, PATIENCE)?;
            let mut lost = Vec::new();
            for batch in numbers.chunks(BATCH) {
                let keys: Vec<String> = batch.iter().map(|number| format!("w:{number}")).collect();
                let values = redis.ask(&format!("MGET {}", keys.join(" ")))?;
                let is_lost = |(number, value): &(&usize, &Option<String>)| {
                    value.as_deref() != Some(number.to_string().as_str())
                };
                let pairs = batch.iter().zip(&values).filter(is_lost);
                lost.extend(pairs.map(|(number, _)| *number));
            }
            Ok(lost)
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Shared {
    fn write(&self, address: SocketAddr) {
        let mut connection = None;
        let mut number = 0;
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(PACE);
            let Some(redis) = &mut connection else {
                // It is another one after the engine's machine was.
                connection = enter_network()
                    .and_then(|()| Redis::connect(address, LIMIT))
                    .ok();
                continue;
            };
            number += 1;
            match redis.ask(&format!("SET w:{number} {number}")) {
                Ok(answer) if answer == [Some("OK".to_owned())] => {
                    self.acknowledged.lock().expect("the list").push(number);
                    self.more.notify_all();
                }
                _ => connection = None,
            }
        }
    }
}

/// Whether Redis answers at an address inside the engine's network.
pub fn is_answered(address: SocketAddr) -> bool {
    let ping = || Redis::connect(address, PATIENCE)?.ask("PING");
    in_network(ping).is_ok_and(|answer| answer == [Some("PONG".to_owned())])
}

/// A connection.
struct Redis(BufReader<TcpStream>);

impl Redis {
    /// Each of its words is waited for so long.
    fn connect(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The answer's words; `None` for a key that is not there.
    fn ask(&mut self, command: &str) -> io::Result<Vec<Option<String>>> {
        let line = format!("{command}\r\n");
        self.0.get_mut().write_all(line.as_bytes())?;
        let head = self.line()?;
        match head.split_at_checked(1) {
            Some(("+", word)) => Ok(vec![Some(word.to_owned())]),
            Some(("*", count)) => {
                let count = count.parse().map_err(io::Error::other)?;
                (0..count).map(|_| self.word()).collect()
            }
            _ => Err(io::Error::other(head)),
        }
    }

    /// One word of a list; none here has a line break.
    fn word(&mut self) -> io::Result<Option<String>> {
        if self.line()? == "$-1" {
            return Ok(None);
        }
        self.line().map(Some)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

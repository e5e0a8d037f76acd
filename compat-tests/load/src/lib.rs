//! Shared by the programs that load a relay: what they are told, how they connect, how they report.

use std::{
    env, io,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    str::FromStr,
    time::Duration,
};

use hdrhistogram::Histogram;

/// The size of the chunks that engines send files in (Go's `io.Copy`).
pub const CHUNK: usize = 32 * 1024;

/// The arguments of a program, in turn.
#[derive(Debug)]
pub struct Arguments(env::Args);

impl Arguments {
    /// Those of this program.
    #[must_use]
    pub fn of_program() -> Self {
        let mut all = env::args();
        all.next();
        Self(all)
    }

    /// The next one.
    ///
    /// # Errors
    /// There is none, or it reads differently; the message names `what` it should be.
    pub fn read<T: FromStr>(&mut self, what: &str) -> io::Result<T> {
        let text = self.0.next().unwrap_or_default();
        text.parse()
            .map_err(|_| io::Error::other(format!("{what} is expected, not \"{text}\"")))
    }

    /// The next one, if there is one.
    pub fn optional(&mut self) -> Option<String> {
        self.0.next()
    }
}

/// A connection on which `head` was sent.
///
/// # Errors
/// It can't be had.
pub fn send_head(socket: &Path, head: &str) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// Reads the head of an answer, and no byte more; its status must be `expected`.
///
/// # Errors
/// It is another one, or none came.
pub fn read_head(stream: &mut UnixStream, expected: u16) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let text = String::from_utf8_lossy(&head);
    if text.split(' ').nth(1) == Some(&expected.to_string()) {
        return Ok(());
    }
    Err(io::Error::other(text.into_owned()))
}

/// How long each of many things took.
#[derive(Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    /// None yet.
    fn default() -> Self {
        // From 1 ns to 60 s, to three digits.
        let histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Self(histogram.expect("valid bounds"))
    }
}

impl Times {
    /// One more.
    pub fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// The mean, the median and the 99th percentile in µs, as columns.
    #[must_use]
    pub fn columns(&self) -> String {
        let percentile = |p| Duration::from_nanos(self.0.value_at_quantile(p)).as_secs_f64() * 1e6;
        let mean = self.0.mean() / 1000.0;
        format!("{mean:.1}\t{:.1}\t{:.1}", percentile(0.5), percentile(0.99))
    }
}

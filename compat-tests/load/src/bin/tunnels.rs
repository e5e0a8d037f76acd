//! Hijacked connections that echo: `tunnels SOCKET PATH echo ROUNDS`, `tunnels SOCKET PATH hold COUNT`.
//!
//! The first sends 64 bytes and waits for them, so often, and prints the mean, median and 99th
//! percentile of a round in µs. The second opens so many, says `held`, and holds them until its standard
//! input ends.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Instant,
};

use load::{Arguments, Times, read_head, send_head};

/// What is sent: no byte that a terminal would change.
const MESSAGE: [u8; 64] = [b'.'; 64];

fn main() -> io::Result<()> {
    let mut arguments = Arguments::of_program();
    let socket: PathBuf = arguments.read("the path of a socket")?;
    let path: String = arguments.read("a path to be hijacked")?;
    let what: String = arguments.read("echo or hold")?;
    let count: usize = arguments.read("how many")?;
    match what.as_str() {
        "echo" => measure(open(&socket, &path)?, count),
        "hold" => hold(&socket, &path, count),
        _ => Err(io::Error::other("echo or hold is expected")),
    }
}

fn open(socket: &Path, path: &str) -> io::Result<UnixStream> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
         Content-Length: 0\r\n\r\n"
    );
    let mut tunnel = send_head(socket, &head)?;
    read_head(&mut tunnel, 101)?;
    Ok(tunnel)
}

/// Sends a message, and waits for all of it.
fn round(tunnel: &mut UnixStream) -> io::Result<()> {
    let mut echo = [0; MESSAGE.len()];
    tunnel.write_all(&MESSAGE)?;
    tunnel.read_exact(&mut echo)?;
    if echo == MESSAGE {
        return Ok(());
    }
    Err(io::Error::other("what came back is something else"))
}

fn measure(mut tunnel: UnixStream, rounds: usize) -> io::Result<()> {
    let mut times = Times::default();
    for _ in 0..rounds {
        let begin = Instant::now();
        round(&mut tunnel)?;
        times.record(begin.elapsed());
    }
    println!("{}", times.columns());
    Ok(())
}

fn hold(socket: &Path, path: &str, count: usize) -> io::Result<()> {
    let mut tunnels = Vec::with_capacity(count);
    for _ in 0..count {
        let mut tunnel = open(socket, path)?;
        round(&mut tunnel)?;
        tunnels.push(tunnel);
    }
    println!("held");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

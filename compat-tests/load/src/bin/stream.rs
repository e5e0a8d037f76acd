//! How long a long body takes: `stream SOCKET METHOD PATH [BODY]`.
//!
//! Sends a file, or so many zeros where `BODY` is a number, in chunks as docker does; then reads
//! the answer to its end. Prints the seconds, and how many bytes came back.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Instant,
};

use load::{Arguments, CHUNK, read_head, send_head};

fn main() -> io::Result<()> {
    let mut arguments = Arguments::of_program();
    let socket: PathBuf = arguments.read("the path of a socket")?;
    let method: String = arguments.read("a method")?;
    let path: String = arguments.read("a path")?;
    let body = arguments.optional();
    let begin = Instant::now();
    let framing = match body {
        Some(_) => "Content-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n",
        None => "",
    };
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n{framing}\r\n");
    let mut stream = send_head(&socket, &head)?;
    if let Some(body) = body {
        match body.parse() {
            Ok(zeros) => send_chunks(&mut stream, io::repeat(0).take(zeros))?,
            Err(_) => send_chunks(&mut stream, File::open(body)?)?,
        }
    }
    read_head(&mut stream, 200)?;
    let came = drain(&mut stream)?;
    println!("{:.4}\t{came}", begin.elapsed().as_secs_f64());
    Ok(())
}

/// Sends all of `body`, and the end of it.
fn send_chunks(stream: &mut UnixStream, mut body: impl Read) -> io::Result<()> {
    let mut data = vec![0; CHUNK];
    let mut chunk = Vec::with_capacity(CHUNK + 16);
    loop {
        let n = body.read(&mut data)?;
        chunk.clear();
        write!(chunk, "{n:x}\r\n")?;
        chunk.extend_from_slice(&data[..n]);
        chunk.extend_from_slice(b"\r\n");
        stream.write_all(&chunk)?;
        if n == 0 {
            return Ok(());
        }
    }
}

/// Reads to the end; how many bytes there were.
fn drain(stream: &mut UnixStream) -> io::Result<u64> {
    let mut buffer = vec![0; 8 * CHUNK];
    let mut came = 0;
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(came),
            n => came += n as u64,
        }
    }
}

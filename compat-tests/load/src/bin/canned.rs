//! A backend that costs next to nothing: `canned SOCKET` answers from memory what an engine would.
//!
//! | request | answer |
//! |---|---|
//! | `GET /_ping` | `OK` |
//! | `GET /containers/json` | 50 containers, about as long as an engine's |
//! | `GET /chunked/BYTES`, `GET /sized/BYTES` | so many zeros, in chunks as engines send them, or with a length |
//! | anything with a body of zeros, chunked or with a length | 200 behind its last byte |
//! | anything with `Upgrade` | 101, and from there on what the client sends |
//!
//! On one thread, so that on a machine of few CPUs the relay and the client have theirs.

use std::{fmt::Write as _, io, path::PathBuf};

use bytes::BytesMut;
use load::{Arguments, CHUNK};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// How many chunks are sent at once.
const BATCH: usize = 32;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let socket: PathBuf = Arguments::of_program().read("a path for the socket")?;
    let listener = UnixListener::bind(socket)?;
    let canned: &Canned = Box::leak(Box::default());
    loop {
        let (client, _) = listener.accept().await?;
        // One that breaks off is the clients' affair: they count what they got.
        tokio::spawn(canned.serve(client));
    }
}

/// What is sent, ready to be sent.
struct Canned {
    ping: Vec<u8>,
    containers: Vec<u8>,
    chunks: Vec<u8>,
}

/// The end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

const ACCEPTED: &[u8] = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: \
    application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

impl Default for Canned {
    fn default() -> Self {
        let size = format!("{CHUNK:x}\r\n");
        let chunk = [size.as_bytes(), &vec![0; CHUNK], b"\r\n"].concat();
        Self {
            ping: answer("text/plain; charset=utf-8", "OK"),
            containers: answer("application/json", &containers()),
            chunks: chunk.repeat(BATCH),
        }
    }
}

/// A whole answer, with the headers of an engine.
fn answer(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Type: {content_type}\r\n\
         Docker-Experimental: false\r\nOstype: linux\r\nServer: Docker/28.5.2 (linux)\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// 50 containers, of the fields that `GET /containers/json` has.
fn containers() -> String {
    let mut list = String::new();
    for n in 0..50 {
        let comma = if n == 0 { '[' } else { ',' };
        let _ = write!(
            list,
            r#"{comma}{{"Id":"{n:064x}","Names":["/service-{n}"],"Image":"registry.example/team/service:{n}","ImageID":"sha256:{n:064x}","Command":"/usr/bin/service --serve","Created":1767225600,"Ports":[{{"IP":"0.0.0.0","PrivatePort":8080,"PublicPort":{port},"Type":"tcp"}}],"Labels":{{"com.docker.compose.project":"example","com.docker.compose.service":"service-{n}"}},"State":"running","Status":"Up 3 days","HostConfig":{{"NetworkMode":"example_default"}},"NetworkSettings":{{"Networks":{{"example_default":{{"IPAMConfig":null,"Links":null,"Aliases":null,"MacAddress":"02:42:ac:12:00:02","NetworkID":"{n:064x}","EndpointID":"{n:064x}","Gateway":"172.18.0.1","IPAddress":"172.18.0.{n}","IPPrefixLen":16,"IPv6Gateway":"","GlobalIPv6Address":"","GlobalIPv6PrefixLen":0,"DriverOpts":null,"DNSNames":null}}}}}},"Mounts":[]}}"#,
            port = 8000 + n,
        );
    }
    list + "]"
}

/// What has to be known of a request.
struct Request {
    path: String,
    upgrade: bool,
    close: bool,
    chunked: bool,
    length: usize,
}

impl Canned {
    async fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let mut inbox = BytesMut::with_capacity(2 * CHUNK);
        loop {
            while let Some(request) = take_head(&mut inbox)? {
                if request.upgrade {
                    client.write_all(ACCEPTED).await?;
                    return echo(client, inbox).await;
                }
                if request.chunked {
                    skip_chunks(&mut client, &mut inbox).await?;
                } else {
                    skip(&mut client, &mut inbox, request.length).await?;
                }
                self.answer(&mut client, &request).await?;
                if request.close {
                    return Ok(());
                }
            }
            if client.read_buf(&mut inbox).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn answer(&self, client: &mut UnixStream, request: &Request) -> io::Result<()> {
        let bytes = |text: &str| text.parse::<usize>().map_err(io::Error::other);
        if request.path == "/_ping" {
            client.write_all(&self.ping).await
        } else if request.path.starts_with("/containers/json") {
            client.write_all(&self.containers).await
        } else if let Some(length) = request.path.strip_prefix("/chunked/") {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            client.write_all(head).await?;
            for _ in 0..bytes(length)? / (CHUNK * BATCH) {
                client.write_all(&self.chunks).await?;
            }
            client.write_all(LAST_CHUNK).await
        } else if let Some(length) = request.path.strip_prefix("/sized/") {
            let length = bytes(length)?;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            client.write_all(head.as_bytes()).await?;
            for at in (0..length).step_by(self.chunks.len()) {
                let rest = self.chunks.len().min(length - at);
                client.write_all(&self.chunks[..rest]).await?;
            }
            Ok(())
        } else {
            client.write_all(DONE).await
        }
    }
}

/// Takes the head off `inbox`, once it is whole.
fn take_head(inbox: &mut BytesMut) -> io::Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let parsed = head.parse(inbox).map_err(io::Error::other)?;
    let httparse::Status::Complete(end) = parsed else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = head
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|header| str::from_utf8(header.value).ok())
    };
    let request = Request {
        path: head.path.unwrap_or_default().to_owned(),
        upgrade: header("upgrade").is_some(),
        close: header("connection") == Some("close"),
        chunked: header("transfer-encoding").is_some(),
        length: header("content-length")
            .map_or(Ok(0), str::parse)
            .map_err(io::Error::other)?,
    };
    let _ = inbox.split_to(end);
    Ok(Some(request))
}

/// Reads past so many bytes.
async fn skip(client: &mut UnixStream, inbox: &mut BytesMut, mut length: usize) -> io::Result<()> {
    loop {
        let part = length.min(inbox.len());
        let _ = inbox.split_to(part);
        length -= part;
        if length == 0 {
            return Ok(());
        }
        read(client, inbox).await?;
    }
}

/// Reads past a chunked body of zeros, which nothing follows: it ends where these bytes end it.
async fn skip_chunks(client: &mut UnixStream, inbox: &mut BytesMut) -> io::Result<()> {
    while !inbox.ends_with(LAST_CHUNK) {
        let seen = inbox.len().saturating_sub(LAST_CHUNK.len());
        let _ = inbox.split_to(seen);
        read(client, inbox).await?;
    }
    inbox.clear();
    Ok(())
}

/// Reads more, which there must be.
async fn read(client: &mut UnixStream, inbox: &mut BytesMut) -> io::Result<()> {
    inbox.reserve(2 * CHUNK);
    match client.read_buf(inbox).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Sends what the client sends.
async fn echo(mut client: UnixStream, mut inbox: BytesMut) -> io::Result<()> {
    client.write_all(&inbox).await?;
    // Many of these idle: no more than they need.
    inbox = BytesMut::with_capacity(512);
    while client.read_buf(&mut inbox).await? > 0 {
        client.write_all(&inbox).await?;
        inbox.clear();
    }
    Ok(())
}

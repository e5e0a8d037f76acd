//! How long requests take: `load SOCKET PATH CONNECTIONS REQUESTS [close]`.
//!
//! So many GET requests in all, over so many connections at a time; with `close` over one
//! connection for each request, which is a part of what it takes. Prints the requests per second, and the
//! mean, median and 99th percentile of a request in µs.

use std::{
    cell::{Cell, RefCell},
    io,
    path::{Path, PathBuf},
    rc::Rc,
    time::Instant,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use load::{Arguments, Times};
use tokio::{
    net::UnixStream,
    task::{JoinSet, LocalSet, spawn_local},
};

type Client = SendRequest<Empty<Bytes>>;

/// What all connections share.
struct Load {
    socket: PathBuf,
    path: String,
    close: bool,
    left: Cell<u32>,
    times: RefCell<Times>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = Arguments::of_program();
    let socket = arguments.read("the path of a socket")?;
    let path = arguments.read("a path to ask for")?;
    let connections: usize = arguments.read("a number of connections")?;
    let requests: u32 = arguments.read("a number of requests")?;
    let load = Rc::new(Load {
        socket,
        path,
        close: arguments.optional().as_deref() == Some("close"),
        left: Cell::new(requests),
        times: RefCell::default(),
    });
    let begin = Instant::now();
    LocalSet::new().run_until(run(&load, connections)).await?;
    let rate = f64::from(requests) / begin.elapsed().as_secs_f64();
    println!("{rate:.1}\t{}", load.times.borrow().columns());
    Ok(())
}

async fn run(load: &Rc<Load>, connections: usize) -> io::Result<()> {
    let mut all = JoinSet::new();
    for _ in 0..connections {
        all.spawn_local(work(Rc::clone(load)));
    }
    while let Some(ended) = all.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(())
}

/// Asks, over one connection at a time, as long as requests are left.
async fn work(load: Rc<Load>) -> io::Result<()> {
    let mut kept = None;
    while let Some(left) = load.left.get().checked_sub(1) {
        load.left.set(left);
        let begin = Instant::now();
        let mut client = match kept.take() {
            Some(client) => client,
            None => connect(&load.socket).await?,
        };
        ask(&mut client, &load.path).await?;
        load.times.borrow_mut().record(begin.elapsed());
        kept = (!load.close).then_some(client);
    }
    Ok(())
}

async fn connect(socket: &Path) -> io::Result<Client> {
    let stream = UnixStream::connect(socket).await?;
    let (client, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // How it ends is told to who asks.
    spawn_local(async { drop(connection.await) });
    Ok(client)
}

/// One request; its answer must be 200.
async fn ask(client: &mut Client, path: &str) -> io::Result<()> {
    let request = Request::get(path)
        .header("Host", "docker")
        .body(Empty::new())
        .map_err(io::Error::other)?;
    client.ready().await.map_err(io::Error::other)?;
    let answer = client
        .send_request(request)
        .await
        .map_err(io::Error::other)?;
    if answer.status() != StatusCode::OK {
        return Err(io::Error::other(answer.status().to_string()));
    }
    let mut body = answer.into_body();
    while let Some(frame) = body.frame().await {
        frame.map_err(io::Error::other)?;
    }
    Ok(())
}

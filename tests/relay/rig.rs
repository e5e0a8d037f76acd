//! A relay, and both of its sides in the hands of a test. Nothing waits longer than [`PATIENCE`].

use std::{io::ErrorKind, sync::Arc, time::Duration};

use refit::{
    api::Api,
    engine::{Address, DockerEngine, Limits, Socket},
    relay::Relay,
    upgrade::{Events, Upgrades},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, Interest},
    net::{UnixListener, UnixStream},
    task::JoinHandle,
    time::timeout,
};

/// Long enough for anything that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A request of ours that is answered without asking the engine anything: no engine knows the
/// parameter.
pub const OURS: &str = "POST /containers/web/upgrade?nonsense=1 HTTP/1.1\r\nHost: d\r\n\
                        Content-Length: 2\r\n\r\n{}";

/// The engine's answer in most tests.
pub const OK: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 2\r\n\r\nOK";

pub fn relay_to(engine: &Address) -> Relay {
    relay_with(engine, &upgrades_on(engine))
}

fn upgrades_on(engine: &Address) -> Upgrades {
    let engine = DockerEngine::new(engine.clone(), Limits::default());
    Upgrades::new(Arc::new(engine))
}

fn relay_with(engine: &Address, upgrades: &Upgrades) -> Relay {
    let api = Api::new(Arc::new(upgrades.clone()));
    Relay::new(engine.clone(), api).unwrap()
}

/// A relay whose engine listens in a folder of its own.
pub struct Rig {
    pub relay: Relay,
    pub upgrades: Upgrades,
    /// What it tells of upgrades.
    pub events: Events,
    engine: UnixListener,
    _folder: TempDir,
}

/// A client's end, and the task that serves it.
pub struct Client {
    pub io: UnixStream,
    pub served: JoinHandle<()>,
}

impl Rig {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let engine = UnixListener::bind(&path).unwrap();
        let address = Address::Unix(path);
        let upgrades = upgrades_on(&address);
        Self {
            relay: relay_with(&address, &upgrades),
            events: upgrades.events(),
            upgrades,
            engine,
            _folder: folder,
        }
    }

    /// A new client.
    pub fn client(&self) -> Client {
        connect(&self.relay)
    }

    /// The engine's end of the next connection.
    pub async fn accept(&self) -> UnixStream {
        within(self.engine.accept()).await.unwrap().0
    }

    /// A client that has sent `request`, and the engine that has read it.
    pub async fn asked(&self, request: &str) -> (Client, UnixStream) {
        let mut client = self.client();
        send(&mut client.io, request).await;
        let mut engine = self.accept().await;
        expect(&mut engine, request).await;
        (client, engine)
    }

    /// As [`Rig::asked`], after the engine has answered `answer`, and the client read it.
    pub async fn answered(&self, request: &str, answer: &str) -> (Client, UnixStream) {
        let (mut client, mut engine) = self.asked(request).await;
        send(&mut engine, answer).await;
        expect(&mut client.io, answer).await;
        (client, engine)
    }

    /// Whether nobody has dialled the engine (again).
    pub async fn nobody_dialled(&self) -> bool {
        // A connection would be in the backlog already: this needs one turn of the reactor only.
        timeout(Duration::from_millis(20), self.engine.accept())
            .await
            .is_err()
    }
}

/// A new client of `relay`.
pub fn connect(relay: &Relay) -> Client {
    let (io, theirs) = UnixStream::pair().unwrap();
    let theirs = Socket::Unix(theirs.into_std().unwrap());
    let (lane, relay) = (relay.lane(), relay.clone());
    let served = lane.spawn(async move { relay.serve(theirs).await });
    Client { io, served }
}

pub async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it takes too long")
}

pub async fn send(to: &mut UnixStream, bytes: impl AsRef<[u8]>) {
    within(to.write_all(bytes.as_ref())).await.unwrap();
}

/// Reads as many bytes as `bytes` has, and compares.
pub async fn expect(from: &mut (impl AsyncRead + Unpin), bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let mut got = vec![0; bytes.len()];
    let mut at = 0;
    while at < got.len() {
        match within(from.read(&mut got[at..])).await.unwrap() {
            0 => break,
            n => at += n,
        }
    }
    if got[..at] != *bytes {
        let show = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            text.chars().take(2000).collect::<String>()
        };
        panic!("got {:?}\nnot {:?}", show(&got[..at]), show(bytes));
    }
}

/// Reads the end, and nothing before it.
pub async fn expect_end(from: &mut UnixStream) {
    let mut byte = [0];
    match within(from.read(&mut byte)).await {
        Ok(n) => assert_eq!(n, 0, "{:?} before the end", byte[0] as char),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
}

/// Whether nothing can be read, not even the end, after everybody had a turn.
pub async fn silent(from: &UnixStream) -> bool {
    timeout(Duration::from_millis(20), async {
        while let Err(ErrorKind::WouldBlock) = from.try_read(&mut [0]).map_err(|e| e.kind()) {
            from.readable().await.unwrap();
        }
    })
    .await
    .is_err()
}

/// Waits until the peer has closed its socket, rather than one direction of it. Nothing can be
/// written afterwards.
pub async fn hung_up(side: &UnixStream) {
    within(async {
        while !side
            .ready(Interest::WRITABLE)
            .await
            .unwrap()
            .is_write_closed()
        {
            // It can be written, and that is not news: wait for the next event.
            let _ = side.try_io(Interest::WRITABLE, || {
                std::io::Result::<()>::Err(ErrorKind::WouldBlock.into())
            });
        }
    })
    .await;
}

/// Half-close.
pub async fn shut(side: &mut UnixStream) {
    within(side.shutdown()).await.unwrap();
}

impl Client {
    /// Waits until the relay is done with the connection.
    pub async fn served(self) {
        within(self.served).await.unwrap();
    }
}

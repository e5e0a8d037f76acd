//! The life of a server: what each phase waits for, and what it does not.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::Handle,
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{BindError, Group, Serve, Server, SocketAccess, Transactions, bind, run};
use crate::engine::{Address, Socket};

const LIMIT: Duration = Duration::from_secs(60);

/// Far more than anything here takes, and far less than a stuck test may cost.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("it happens soon")
}

/// Sends back every byte, until the client ends.
struct Echo;

impl Serve for Echo {
    async fn serve(&self, client: Socket) {
        let mut client = client.into_stream().expect("registered");
        let mut byte = [0];
        while let Ok(1..) = client.read(&mut byte).await {
            if client.write_all(&byte).await.is_err() {
                return;
            }
        }
    }

    fn lane(&self) -> Handle {
        Handle::current()
    }
}

/// A recovery and a transaction that end when the test says so.
struct Gates {
    recovery: Semaphore,
    transaction: Semaphore,
}

impl Gates {
    fn open() -> Self {
        Self {
            recovery: Semaphore::new(1),
            transaction: Semaphore::new(1),
        }
    }
}

impl Transactions for Gates {
    async fn recover(&self) {
        let _ = self.recovery.acquire().await;
    }

    async fn drain(&self) {
        let _ = self.transaction.acquire().await;
    }
}

/// A server that echoes, in a folder of its own.
struct Rig {
    gates: Arc<Gates>,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), BindError>>,
    socket: PathBuf,
    /// The one of those who watch.
    admin: PathBuf,
    _folder: TempDir,
}

impl Rig {
    async fn start(gates: Gates) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("docker.sock");
        let access = SocketAccess {
            mode: 0o600,
            group: Group::Own,
        };
        let admin = folder.path().join("admin.sock");
        let bind_to = async |path: &Path| {
            let bound = bind(&Address::Unix(path.to_owned()), &access).await;
            vec![bound.expect("bind")]
        };
        let gates = Arc::new(gates);
        let shutdown = CancellationToken::new();
        let server = Server {
            bound: bind_to(&socket).await,
            serve: Arc::new(Echo),
            admin_bound: bind_to(&admin).await,
            admin: Arc::new(Echo),
            transactions: Arc::clone(&gates),
            drain_limit: LIMIT,
        };
        Self {
            running: tokio::spawn(run(server, shutdown.clone())),
            gates,
            shutdown,
            socket,
            admin,
            _folder: folder,
        }
    }

    /// Connects, as soon as somebody listens.
    async fn connect(&self) -> UnixStream {
        Self::connect_to(&self.socket).await
    }

    async fn connect_to(socket: &Path) -> UnixStream {
        soon(async {
            loop {
                match UnixStream::connect(socket).await {
                    Ok(client) => return client,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        })
        .await
    }

    async fn ended(self) {
        soon(self.running)
            .await
            .expect("no panic")
            .expect("no error");
        assert!(!self.socket.exists(), "the socket file is gone");
        assert!(!self.admin.exists(), "so is the other");
    }
}

async fn echoes(client: &mut UnixStream) -> bool {
    let mut byte = [0];
    client.write_all(b"x").await.is_ok() && soon(client.read_exact(&mut byte)).await.is_ok()
}

async fn gone(path: &Path) {
    soon(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_is_served_before_recovery_has_ended() {
    let mut gates = Gates::open();
    gates.recovery = Semaphore::new(0);
    let rig = Rig::start(gates).await;
    tokio::task::yield_now().await;
    let refused = UnixStream::connect(&rig.socket).await.expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    rig.gates.recovery.add_permits(1);
    assert!(echoes(&mut rig.connect().await).await);
    rig.shutdown.cancel();
    rig.ended().await;
}

#[tokio::test]
async fn an_open_connection_does_not_hold_up_the_shutdown() {
    let rig = Rig::start(Gates::open()).await;
    let mut tunnel = rig.connect().await;
    assert!(echoes(&mut tunnel).await);
    let began = Instant::now();
    rig.shutdown.cancel();
    rig.ended().await;
    assert!(began.elapsed() < LIMIT / 2);
    assert_eq!(tunnel.read(&mut [0]).await.expect("closed"), 0);
}

#[tokio::test]
async fn a_transaction_holds_up_the_shutdown_and_its_client_is_answered() {
    let mut gates = Gates::open();
    gates.transaction = Semaphore::new(0);
    let rig = Rig::start(gates).await;
    let mut client = rig.connect().await;
    assert!(echoes(&mut client).await);
    rig.shutdown.cancel();
    gone(&rig.socket).await;
    assert!(echoes(&mut client).await, "it is served while we drain");
    assert!(!rig.running.is_finished());
    rig.gates.transaction.add_permits(1);
    assert!(echoes(&mut client).await, "the answer is written");
    drop(client);
    rig.ended().await;
}

#[tokio::test]
async fn who_watches_is_answered_during_recovery_and_while_we_drain() {
    let gates = Gates {
        recovery: Semaphore::new(0),
        transaction: Semaphore::new(0),
    };
    let rig = Rig::start(gates).await;
    let mut early = Rig::connect_to(&rig.admin).await;
    assert!(echoes(&mut early).await, "during recovery");
    UnixStream::connect(&rig.socket).await.expect_err("refused");
    rig.gates.recovery.add_permits(1);
    assert!(echoes(&mut rig.connect().await).await);
    rig.shutdown.cancel();
    gone(&rig.socket).await;
    let mut late = Rig::connect_to(&rig.admin).await;
    assert!(echoes(&mut late).await, "while we drain");
    assert!(echoes(&mut early).await, "and on an open connection");
    rig.gates.transaction.add_permits(1);
    rig.ended().await;
    assert_eq!(soon(late.read(&mut [0])).await.expect("closed"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_holds_up_the_shutdown_no_longer_than_its_limit() {
    let mut gates = Gates::open();
    gates.transaction = Semaphore::new(0);
    let rig = Rig::start(gates).await;
    rig.connect().await;
    let began = Instant::now();
    rig.shutdown.cancel();
    rig.running.await.expect("no panic").expect("no error");
    let took = began.elapsed();
    assert!(took >= LIMIT && took < LIMIT + LIMIT / 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_does_not_end_is_left_to_the_next_start() {
    let mut gates = Gates::open();
    gates.recovery = Semaphore::new(0);
    let rig = Rig::start(gates).await;
    let began = Instant::now();
    rig.shutdown.cancel();
    rig.running.await.expect("no panic").expect("no error");
    assert!(began.elapsed() >= LIMIT);
    assert!(!rig.socket.exists(), "the socket file is gone");
}

#[tokio::test]
async fn an_abandoned_server_takes_everything_along() {
    let mut gates = Gates::open();
    gates.recovery = Semaphore::new(0);
    let rig = Rig::start(gates).await;
    assert!(rig.socket.exists());
    rig.running.abort();
    gone(&rig.socket).await;

    let rig = Rig::start(Gates::open()).await;
    let mut client = rig.connect().await;
    assert!(echoes(&mut client).await);
    rig.running.abort();
    gone(&rig.socket).await;
    assert_eq!(soon(client.read(&mut [0])).await.expect("closed"), 0);
}

//! Engines that only the docker CLI can reach: `docker system dial-stdio` carries one connection over
//! its standard streams, with TLS or through ssh, as the CLI itself connects.

use std::{
    fs::Permissions, io, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::{
    io::{AsyncWriteExt as _, copy},
    net::{UnixListener, UnixStream},
    process::Command,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{cli::print, engine::Address};

/// The mode of the folder: who can connect is who the docker CLI takes us for.
const OURS_ALONE: u32 = 0o700;

/// How long the docker CLI has for what it says when it ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A unix socket in a folder that is ours alone; each connection to it is a process of the docker CLI.
#[derive(Debug)]
pub(super) struct Bridge {
    folder: TempDir,
    _accepting: AbortOnDropHandle<()>,
}

impl Bridge {
    /// Listens. `program` is the docker CLI, `arguments` say which engine.
    pub(super) fn start(program: PathBuf, arguments: Vec<String>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("docker-upgrade-")
            .permissions(Permissions::from_mode(OURS_ALONE))
            .tempdir()
            .context("make a folder")?;
        let listener = UnixListener::bind(path(&folder)).context("listen for ourselves")?;
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (program, arguments) = (program.clone(), arguments.clone());
                tokio::spawn(async move {
                    // What it says of a failure, it says on our standard error.
                    drop(carry(client, program, arguments).await);
                });
            }
        });
        Ok(Self {
            folder,
            _accepting: AbortOnDropHandle::new(accepting),
        })
    }

    /// Where the engine is found.
    pub(super) fn address(&self) -> Address {
        Address::Unix(path(&self.folder))
    }
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("docker.sock")
}

/// Carries one connection, until both sides are done.
async fn carry(mut client: UnixStream, program: PathBuf, arguments: Vec<String>) -> io::Result<()> {
    let mut process = Command::new(&program)
        .args(arguments)
        .args(["system", "dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .inspect_err(|error| {
            let program = program.display();
            print::err(format_args!(
                "docker upgrade: can't start {program}: {error}"
            ));
        })?;
    let (Some(mut stdin), Some(mut stdout)) = (process.stdin.take(), process.stdout.take()) else {
        return Ok(());
    };
    let (mut from, mut to) = client.split();
    let up = async {
        copy(&mut from, &mut stdin).await?;
        // Its end is the end of the pipe, which only dropping it is.
        drop(stdin);
        std::future::pending::<io::Result<u64>>().await
    };
    let carried = tokio::select! {
        // The engine is done; what is left of the process ends with this.
        done = copy(&mut stdout, &mut to) => done,
        failed = up => failed,
    };
    // Why it could not connect, it says last of all: before whoever asked learns of the end, and ends, too.
    drop(timeout(LAST_WORDS, process.wait()).await);
    carried?;
    to.shutdown().await
}

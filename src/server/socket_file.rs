//! The file that leads to a unix socket: made with care, removed only while it is ours.
//!
//! Nobody ever connects with more rights than `--socket-mode` grants, and the process's umask is
//! left alone: the file is bound, gets its group and its mode, and only then does the socket
//! *listen*. `connect(2)` checks the file's permissions when it is called, and refuses a socket
//! that does not listen yet; so whatever mode the file was born with, it opened nothing. (Binding
//! under a temporary name and renaming would do as well, but then `ss` and `lsof` show that name
//! for ever, and a path that somebody took meanwhile is overwritten instead of refused.)

use std::{
    fs::{self, DirBuilder, FileType, Metadata, Permissions},
    io,
    os::unix::fs::{
        DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown,
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    net::{UnixSocket, UnixStream},
    time::timeout,
};
use tracing::{debug, info, warn};

use super::BindError;

/// How long a listener that answers our probe may take. One whose queue is full does not answer,
/// and is alive.
const PROBE: Duration = Duration::from_secs(1);

/// The mode of the folder, where it has to be made.
const FOLDER_MODE: u32 = 0o755;

/// Who may connect to a socket file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketAccess {
    /// The file's permission bits. Connecting takes the write bit.
    pub mode: u32,
    /// The file's group.
    pub group: Group,
}

/// Which group a socket file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The process's own.
    Own,
    /// This one by default: where we may not give the file to it, a warning says so.
    Preferred(u32),
    /// This one, because somebody asked for it.
    Required(u32),
}

/// A socket file that we made, removed when this is dropped, if it was not before.
///
/// A file is known by device and inode. The inode can't be reused while the socket that is bound
/// to it is open: so this must be dropped, or removed, *before* the socket is.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
    is_removed: AtomicBool,
}

impl SocketFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to what we made.
    pub(super) fn is_ours(&self) -> bool {
        fs::symlink_metadata(&self.path)
            .is_ok_and(|now| now.dev() == self.device && now.ino() == self.inode)
    }

    /// Removes it, if it was not before.
    pub(super) fn remove(&self) {
        if self.is_removed.swap(true, Ordering::Relaxed) {
            return;
        }
        if !self.is_ours() {
            debug!(path = %self.path.display(), "the socket file is not ours any more; let it be");
        } else if let Err(error) = fs::remove_file(&self.path) {
            warn!(path = %self.path.display(), %error, "can't remove the socket file");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Binds a socket to `path`, which nobody can connect to before it listens. A missing folder is
/// made, a stale socket file is replaced.
///
/// Two processes that start in the same instant may both see the same stale file; the one that
/// was overtaken learns that when it listens ([`BindError::Taken`]).
pub(super) async fn bind(
    path: &Path,
    access: &SocketAccess,
) -> Result<(UnixSocket, SocketFile), BindError> {
    make_folder(path)?;
    clear_the_way(path).await?;
    let socket = UnixSocket::new_stream().map_err(doing(path, "make a socket"))?;
    socket.bind(path).map_err(doing(path, "bind"))?;
    let made = fs::symlink_metadata(path).map_err(doing(path, "read back the socket file"))?;
    let file = SocketFile {
        path: path.to_owned(),
        device: made.dev(),
        inode: made.ino(),
        is_removed: AtomicBool::new(false),
    };
    grant(path, access)?;
    Ok((socket, file))
}

/// Makes the folder that `path` is in.
fn make_folder(path: &Path) -> Result<(), BindError> {
    let Some(folder) = path.parent().filter(|folder| !folder.exists()) else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)
        .map_err(doing(
            path,
            &format!("create the folder {}", folder.display()),
        ))
}

/// Removes a stale socket file; anything else that is in the way is an error.
async fn clear_the_way(path: &Path) -> Result<(), BindError> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(doing(path, "look at the path")(error)),
    };
    if !there.file_type().is_socket() {
        return Err(BindError::NotASocket {
            path: path.to_owned(),
            what: name_of(there.file_type()),
        });
    }
    match timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            remove_stale(path, &there)
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Err(doing(
            path,
            "find out whether another process is listening there",
        )(error)),
        // It answered, or its queue is full, or it is a socket of another type.
        _ => Err(BindError::Live(path.to_owned())),
    }
}

/// Removes the file that nobody listened behind, unless it was replaced since.
fn remove_stale(path: &Path, stale: &Metadata) -> Result<(), BindError> {
    let unchanged = fs::symlink_metadata(path)
        .is_ok_and(|now| now.dev() == stale.dev() && now.ino() == stale.ino());
    if !unchanged {
        return Err(BindError::Taken(path.to_owned()));
    }
    info!(path = %path.display(), "replace a stale socket file");
    fs::remove_file(path).map_err(doing(path, "remove the stale socket file"))
}

/// Gives the file its group and its mode, the group first: with the mode, it would be open for
/// the wrong one.
fn grant(path: &Path, access: &SocketAccess) -> Result<(), BindError> {
    match access.group {
        Group::Own => {}
        Group::Required(group) => chown(path, None, Some(group))
            .map_err(doing(path, &format!("give the socket to group {group}")))?,
        Group::Preferred(group) => {
            if let Err(error) = chown(path, None, Some(group)) {
                warn!(path = %path.display(), group, %error, "the socket keeps our own group");
            }
        }
    }
    fs::set_permissions(path, Permissions::from_mode(access.mode)).map_err(doing(
        path,
        &format!("set the socket's mode to {:04o}", access.mode),
    ))
}

/// What a thing that is no socket is.
fn name_of(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device or pipe"
    }
}

/// Adds the address and what was tried to what the system says.
fn doing(path: &Path, doing: &str) -> impl FnOnce(io::Error) -> BindError {
    move |source| BindError::Io {
        address: format!("unix://{}", path.display()),
        doing: doing.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;

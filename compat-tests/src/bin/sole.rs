//! Runs a program under the lock of a folder: `sole FOLDER PROGRAM…`.
//!
//! The kernel holds the lock as long as the program lives, in whichever container that is. One that
//! finds it taken runs all the same, as a second writer would, and leaves the file `two` behind.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::{FdFlags, fcntl_setfd},
};

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let folder = arguments.next().map(PathBuf::from).unwrap_or_default();
    let program = arguments.next().unwrap_or_default();
    let lock = File::create(folder.join("lock"))?;
    // The program inherits it, and with it the lock.
    fcntl_setfd(&lock, FdFlags::empty())?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        fs::write(folder.join("two"), "two at once\n")?;
    }
    Err(Command::new(program).args(arguments).exec())
}

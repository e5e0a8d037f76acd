//! Socket files: what is replaced, what is left alone, who may connect.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::rig::{PATIENCE, Refit, Rig, Spot, eventually, exists};

#[test]
fn a_stale_socket_is_replaced() {
    let rig = Rig::new().listen("docker.sock");
    let socket = rig.at("docker.sock");
    drop(UnixListener::bind(&socket).expect("bind"));
    assert!(exists(&socket));
    let refit = rig.serve();
    UnixStream::connect(&socket).expect("connect");
    refit.stop();
    assert!(!exists(&socket));
}

#[test]
fn a_live_socket_is_an_error_that_names_it() {
    let rig = Rig::new().listen("docker.sock");
    let (socket, address) = (rig.at("docker.sock"), rig.unix("docker.sock"));
    let listener = UnixListener::bind(&socket).expect("bind");
    let log = rig.failure();
    assert!(
        log.contains(&format!("{address}: another process is listening there")),
        "{log}"
    );
    drop(listener);
}

#[test]
fn what_is_no_socket_is_an_error() {
    let rig = Rig::new().listen("docker.sock");
    fs::write(rig.at("docker.sock"), "precious").expect("write");
    let log = rig.failure();
    assert!(log.contains("is a file, not a socket"), "{log}");

    let rig = Rig::new().listen("docker.sock");
    symlink("elsewhere", rig.at("docker.sock")).expect("link");
    let log = rig.failure();
    assert!(log.contains("is a symbolic link, not a socket"), "{log}");
}

#[test]
fn one_address_that_fails_takes_the_others_along() {
    let rig = Rig::new().listen("good.sock").listen("bad.sock");
    let good = rig.at("good.sock");
    fs::create_dir(rig.at("bad.sock")).expect("create");
    assert!(rig.failure().contains("is a folder, not a socket"));
    assert!(!exists(&good));
}

#[test]
fn the_folder_is_made_and_the_mode_is_set() {
    let rig = Rig::new().listen("made/for/docker.sock");
    let (socket, folder) = (rig.at("made/for/docker.sock"), rig.at("made/for"));
    let refit = rig.serve();
    assert_eq!(mode(&socket), 0o660);
    assert_eq!(mode(&folder), 0o755);
    refit.stop();

    for asked in ["0600", "666"] {
        let rig = Rig::new()
            .listen("docker.sock")
            .arg("--socket-mode")
            .arg(asked);
        let socket = rig.at("docker.sock");
        let refit = rig.serve();
        assert_eq!(mode(&socket), u32::from_str_radix(asked, 8).expect("octal"));
        refit.stop();
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o7777
}

#[test]
fn the_group_is_given() {
    let rig = Rig::new().listen("docker.sock");
    let socket = rig.at("docker.sock");
    let ourselves = fs::metadata(rig.at(".")).expect("the folder");
    // Only root may give a file to a group that it does not belong to.
    let group = if ourselves.uid() == 0 {
        12_345
    } else {
        ourselves.gid()
    };
    let refit = rig.arg(format!("--socket-group={group}")).serve();
    assert_eq!(fs::metadata(&socket).expect("it exists").gid(), group);
    refit.stop();
}

#[test]
fn a_socket_file_of_somebody_else_stays() {
    let rig = Rig::new().listen("docker.sock");
    let socket = rig.at("docker.sock");
    let refit = rig.serve();
    fs::remove_file(&socket).expect("remove");
    let _other = UnixListener::bind(&socket).expect("bind");
    refit.signal(Signal::TERM);
    let ended = refit.end();
    assert!(exists(&socket));
    assert_eq!(ended.status.code(), Some(0), "{}", ended.log);
}

/// Listens at the socket, with no engine; its limits of open files are as `ulimit` says.
fn limited(ulimit: &str) -> (Refit, Spot) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {ulimit} && exec \"$@\""), "sh"]);
    let rig = Rig::by_way_of(shell).listen("docker.sock");
    let socket = rig.at("docker.sock");
    let engine = rig.unix("no-engine.sock");
    (rig.arg("--engine").arg(engine).serve(), socket)
}

/// Clients that say nothing: the relay keeps their connections.
fn silent(socket: &Path, count: usize) -> Vec<UnixStream> {
    let connect = |_| UnixStream::connect(socket).expect("there is room in the queue");
    (0..count).map(connect).collect()
}

/// A client that has asked.
fn asking(socket: &Path) -> UnixStream {
    let mut asking = UnixStream::connect(socket).expect("connect");
    let ping = b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n";
    asking.write_all(ping).expect("write");
    asking
}

#[test]
fn the_soft_limit_of_descriptors_is_no_limit() {
    let (refit, socket) = limited("-Sn 64");
    let _silent = silent(&socket, 100);
    let mut asking = asking(&socket);
    asking.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut status = [0; 12];
    asking.read_exact(&mut status).expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 503");
    let log = refit.stop();
    assert!(!log.contains("can't accept"), "{log}");
}

#[test]
fn running_out_of_descriptors_is_survived() {
    let (refit, socket) = limited("-n 32");
    let silent = silent(&socket, 40);
    // Queued behind the silent ones, it is answered once they have gone.
    let mut asking = asking(&socket);
    asking.set_nonblocking(true).expect("non-blocking");
    assert!(asking.read(&mut [0; 12]).is_err(), "it waits");
    // Nothing tells that an attempt has failed again, and the log must not either: there are ten.
    thread::sleep(Duration::from_secs(1));
    drop(silent);
    let mut status = [0; 12];
    eventually("an answer", || asking.read(&mut status).is_ok());
    assert_eq!(&status, b"HTTP/1.1 503");
    let log = refit.stop();
    // More than once, as those that were queued when the silent had gone don't fit at once.
    let told = log.matches("can't accept").count();
    assert!((1..=4).contains(&told), "{log}");
    assert!(log.contains("this process may open 32 files"), "{log}");
    // The last attempt may have found neither a descriptor nor anybody to accept.
    let again = log.matches("accepting again").count();
    assert!((told.max(2) - 1..=told).contains(&again), "{log}");
}

//! What may be in the way of a socket file, and what becomes of it.

use std::os::unix::{
    fs::symlink,
    net::{UnixDatagram, UnixListener},
};

use super::*;

const ACCESS: SocketAccess = SocketAccess {
    mode: 0o640,
    group: Group::Own,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn the_file_has_its_mode_before_anybody_can_connect() {
    let folder = folder();
    let path = folder.path().join("made/on/the/way/docker.sock");
    let (socket, file) = bind(&path, &ACCESS).await.expect("bind");
    let mode = fs::metadata(&path).expect("metadata").mode() & 0o7777;
    assert_eq!(mode, 0o640);
    let refused = UnixStream::connect(&path).await.expect_err("refused");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let _listener = socket.listen(1).expect("listen");
    UnixStream::connect(&path).await.expect("connect");
    drop(file);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = folder();
    let path = folder.path().join("docker.sock");
    drop(UnixListener::bind(&path).expect("bind"));
    assert!(path.exists());
    let (socket, _file) = bind(&path, &ACCESS).await.expect("bind");
    let _listener = socket.listen(1).expect("listen");
    UnixStream::connect(&path).await.expect("connect");
}

#[tokio::test]
async fn a_live_socket_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).expect("bind");
    let error = bind(&path, &ACCESS).await.expect_err("live");
    assert!(matches!(error, BindError::Live(_)), "{error}");
    assert!(path.exists());
    drop(listener);

    let datagrams = folder.path().join("datagrams.sock");
    let _socket = UnixDatagram::bind(&datagrams).expect("bind");
    let error = bind(&datagrams, &ACCESS).await.expect_err("live");
    assert!(matches!(error, BindError::Live(_)), "{error}");
}

#[tokio::test]
async fn a_socket_that_does_not_answer_is_live() {
    let folder = folder();
    let path = folder.path().join("docker.sock");
    let socket = UnixSocket::new_stream().expect("a socket");
    socket.bind(&path).expect("bind");
    let _listener = socket.listen(0).expect("listen");
    let _waiting = UnixStream::connect(&path).await.expect("the one place");
    let error = bind(&path, &ACCESS).await.expect_err("live");
    assert!(matches!(error, BindError::Live(_)), "{error}");
}

#[tokio::test]
async fn what_is_no_socket_stays() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "kept").expect("write");
    fs::create_dir(at("folder")).expect("create");
    symlink("nowhere", at("link")).expect("link");
    for (name, what) in [
        ("file", "a file"),
        ("folder", "a folder"),
        ("link", "a symbolic link"),
    ] {
        let error = bind(&at(name), &ACCESS).await.expect_err(name).to_string();
        assert!(error.contains(what) && error.contains(name), "{error}");
        assert!(fs::symlink_metadata(at(name)).is_ok(), "{name} is there");
    }
}

#[tokio::test]
async fn a_file_that_is_not_ours_any_more_stays() {
    let folder = folder();
    let path = folder.path().join("docker.sock");
    let (_socket, file) = bind(&path, &ACCESS).await.expect("bind");
    fs::remove_file(&path).expect("remove");
    let _other = UnixListener::bind(&path).expect("bind");
    assert!(!file.is_ours());
    drop(file);
    assert!(path.exists());
}

#[tokio::test]
async fn an_error_names_the_address_and_what_was_tried() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").expect("write");
    let path = folder.path().join("file/sub/docker.sock");
    let error = bind(&path, &ACCESS)
        .await
        .expect_err("no folder")
        .to_string();
    assert!(
        error.starts_with(&format!("unix://{}: ", path.display())),
        "{error}"
    );
    assert!(error.contains("create the folder"), "{error}");
}

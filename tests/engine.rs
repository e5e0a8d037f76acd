//! What the engine's answers are taken for, where a real one can't be made to give them.

use std::{path::Path, sync::Mutex};

use refit::engine::{Address, DockerEngine, Engine, EngineError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

/// An engine that answers `_ping`, and every pull with these lines, each in a chunk of its own.
fn engine(folder: &Path, lines: &'static [&'static str]) -> DockerEngine {
    let path = folder.join("engine.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a head"));
            }
            let chunks: String = if head.starts_with(b"POST ") {
                let chunk = |line: &&str| format!("{:x}\r\n{line}\r\n\r\n", line.len() + 2);
                lines.iter().map(chunk).collect()
            } else {
                String::new()
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
            );
            stream
                .write_all(answer.as_bytes())
                .await
                .expect("an answer");
        }
    });
    DockerEngine::new(Address::Unix(path))
}

/// Pulls; returns how it ended, and the progress that was told.
async fn pull(lines: &'static [&'static str]) -> (Result<(), EngineError>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Mutex::new(Vec::new());
    let progress = |line: serde_json::Value| told.lock().expect("told").push(line.to_string());
    let ended = engine(folder.path(), lines)
        .pull("db:2", None, None, &progress)
        .await;
    (ended, told.into_inner().expect("told"))
}

#[tokio::test]
async fn an_error_inside_the_stream_of_a_pull_is_an_error() {
    const PULLING: &str = r#"{"status":"Pulling from db","id":"2"}"#;
    const FAILED: &str = r#"{"errorDetail":{"message":"unknown blob"},"error":"unknown blob"}"#;
    let refused = EngineError::Refused {
        status: 500,
        message: "unknown blob".to_owned(),
    };
    assert_eq!(pull(&[PULLING]).await, (Ok(()), vec![PULLING.to_owned()]));
    assert_eq!(
        pull(&[PULLING, FAILED]).await,
        (Err(refused.clone()), vec![PULLING.to_owned()])
    );
    assert_eq!(pull(&[FAILED, PULLING]).await, (Err(refused), vec![]));
}

#[tokio::test]
async fn a_pull_that_says_no_json_is_not_taken_for_done() {
    let (ended, _) = pull(&["<html>"]).await;
    assert!(
        matches!(ended, Err(EngineError::Unknown { .. })),
        "{ended:?}"
    );
}

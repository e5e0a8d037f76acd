//! What the engine's answers are taken for, where a real one can't be made to give them.

use std::{
    path::Path,
    sync::Mutex,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt, TryFutureExt,
    future::{BoxFuture, join_all},
};
use refit::engine::{
    Address, DockerEngine, Engine, EngineError, Limits, RestartPolicy, StopOptions,
};
use serde_json::json;
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
    DockerEngine::new(Address::Unix(path), Limits::default())
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

/// A call that is told of nothing but its end.
type Bare<'a> = BoxFuture<'a, Result<(), EngineError>>;

/// An engine that says who it is, and answers nothing else.
fn hanging_engine(folder: &Path, limits: Limits) -> DockerEngine {
    let path = folder.join("engine.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        let mut hanging = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 10];
            stream.read_exact(&mut head).await.expect("a head");
            if &head == b"GET /_ping" {
                let answer = b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(answer).await.expect("an answer");
            }
            hanging.push(stream);
        }
    });
    DockerEngine::new(Address::Unix(path), limits)
}

#[tokio::test]
async fn no_call_outlasts_its_limit_and_whether_it_happened_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    // The typed client counts whole seconds.
    let (short, long) = (Duration::from_millis(800), Duration::from_millis(1800));
    let limits = Limits {
        call: short,
        work: long,
        reconnect: long,
    };
    let engine = &hanging_engine(folder.path(), limits);
    engine.api_version().await.expect("a version");
    let stop = StopOptions {
        timeout: Some(0),
        signal: None,
    };
    let policy = RestartPolicy::named("no");
    let (body, progress) = (json!({}), |_| {});
    let calls: Vec<(&str, Duration, Bare<'_>)> = vec![
        (
            "inspect",
            short,
            engine.inspect_container("web").map_ok(drop).boxed(),
        ),
        (
            "inspect image",
            short,
            engine.inspect_image("web").map_ok(drop).boxed(),
        ),
        (
            "inspect network",
            short,
            engine.inspect_network("app").map_ok(drop).boxed(),
        ),
        (
            "list labelled",
            short,
            engine.list_labelled("a").map_ok(drop).boxed(),
        ),
        ("list", short, engine.list_containers().map_ok(drop).boxed()),
        (
            "pull",
            long,
            engine.pull("web", None, None, &progress).boxed(),
        ),
        (
            "create",
            long,
            engine
                .create_container("web", None, &body)
                .map_ok(drop)
                .boxed(),
        ),
        (
            "connect",
            short,
            engine.connect_network("app", "web", &body).boxed(),
        ),
        (
            "update",
            short,
            engine.update_restart_policy("web", &policy).boxed(),
        ),
        ("stop", short, engine.stop("web", &stop).boxed()),
        ("start", long, engine.start("web").boxed()),
        ("pause", short, engine.pause("web").boxed()),
        ("rename", short, engine.rename("web", "db").boxed()),
        ("remove", long, engine.remove("web", true).boxed()),
        ("log", short, engine.log_tail("web", 1).map_ok(drop).boxed()),
    ];
    let timed = calls.into_iter().map(async |(what, limit, call)| {
        let begin = Instant::now();
        let ended = call.await;
        (what, limit, ended, begin.elapsed())
    });
    for (what, limit, ended, elapsed) in join_all(timed).await {
        let is_unknown = matches!(ended, Err(EngineError::Unknown { .. }));
        assert!(is_unknown, "{what}: {ended:?}");
        // Not sooner, and not for much longer.
        assert!(
            elapsed >= limit && elapsed < 10 * limit,
            "{what}: {elapsed:?}, {ended:?}"
        );
    }
}

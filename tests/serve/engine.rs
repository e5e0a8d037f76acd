//! An engine that has nothing, in the hands of a test.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// It answers for as long as it is held.
pub struct Engine {
    path: PathBuf,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_ended: bool,
    /// Requests of this path are not answered.
    held: Option<&'static str>,
}

impl Engine {
    /// One that listens here, and does not answer requests of the path `held`.
    pub fn at(path: &Path, held: Option<&'static str>) -> Self {
        let shared = Arc::new(Shared::default());
        shared.state().held = held;
        let listener = UnixListener::bind(path).expect("bind");
        let theirs = Arc::clone(&shared);
        let listening = thread::spawn(move || {
            for client in listener.incoming() {
                if theirs.state().has_ended {
                    break;
                }
                let shared = Arc::clone(&theirs);
                thread::spawn(move || shared.answer(client.expect("a client")));
            }
        });
        Self {
            path: path.to_owned(),
            shared,
            listening: Some(listening),
        }
    }

    /// Requests are answered again, whatever their path.
    pub fn release(&self) {
        self.shared.state().held = None;
        self.shared.changed.notify_all();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.state().has_ended = true;
        // It looks when somebody comes.
        drop(UnixStream::connect(&self.path));
        if let Some(listening) = self.listening.take() {
            drop(listening.join());
        }
        drop(fs::remove_file(&self.path));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request. Those that Refit makes when it has nothing to do have no body.
    fn answer(&self, mut client: UnixStream) {
        let head = BufReader::new(&client).lines().map_while(Result::ok);
        let head: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
        let Some(target) = head.first().and_then(|line| line.split(' ').nth(1)) else {
            return;
        };
        let path = target.split('?').next().unwrap_or_default();
        // Without the version.
        let path = path.find("/v1.").map_or(path, |_| &path[6..]);
        let is_held = |state: &mut State| state.held == Some(path);
        drop(self.changed.wait_while(self.state(), is_held));
        let (status, body) = match path {
            "/_ping" => ("200 OK", "OK"),
            _ if path.starts_with("/containers/") && path != "/containers/json" => {
                ("404 Not Found", r#"{"message":"No such container"}"#)
            }
            _ => ("200 OK", "[]"),
        };
        let length = body.len();
        drop(write!(
            client,
            "HTTP/1.1 {status}\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ));
    }
}

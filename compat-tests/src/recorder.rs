//! What an engine said to Refit, byte for byte.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};

use crate::direct::socket;

/// Stands between Refit and an engine.
pub struct Recorder {
    path: PathBuf,
    conversations: Arc<Mutex<Vec<Arc<Conversation>>>>,
}

/// The two directions of one connection.
#[derive(Default)]
struct Conversation {
    asked: Mutex<Vec<u8>>,
    said: Mutex<Vec<u8>>,
}

impl Recorder {
    /// Listens at `path`, in front of the engine at this address.
    pub fn start(path: &Path, engine: &str) -> Self {
        let listener = UnixListener::bind(path).expect("listen");
        let recorder = Self {
            path: path.to_owned(),
            conversations: Arc::default(),
        };
        let engine = socket(engine).to_owned();
        let conversations = Arc::clone(&recorder.conversations);
        // It ends with the process of the test.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let conversation = Arc::<Conversation>::default();
                let mut all = conversations.lock().expect("the list");
                all.push(Arc::clone(&conversation));
                let engine = UnixStream::connect(&engine).expect("the engine");
                record(&client, &engine, conversation);
            }
        });
        recorder
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// What the engine has said so far over the connections whose first request begins so, the oldest
    /// first.
    pub fn said_to(&self, request: &str) -> Vec<String> {
        let conversations = self.conversations.lock().expect("the list");
        let asked = |conversation: &&Arc<Conversation>| {
            let asked = conversation.asked.lock().expect("what was asked");
            asked.starts_with(request.as_bytes())
        };
        let said = |conversation: &Arc<Conversation>| {
            let said = conversation.said.lock().expect("what was said");
            String::from_utf8_lossy(&said).into_owned()
        };
        conversations.iter().filter(asked).map(said).collect()
    }
}

/// Copies and records both directions.
fn record(client: &UnixStream, engine: &UnixStream, conversation: Arc<Conversation>) {
    let handle = |side: &UnixStream| side.try_clone().expect("a copy");
    let (from, to) = (handle(client), handle(engine));
    let asked = Arc::clone(&conversation);
    thread::spawn(move || copy(from, to, &asked.asked));
    let (from, to) = (handle(engine), handle(client));
    thread::spawn(move || copy(from, to, &conversation.said));
}

/// Copies until the end, which is handed on; what is handed on was recorded.
fn copy(mut from: UnixStream, mut to: UnixStream, record: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => break,
            Ok(read) => &buffer[..read],
        };
        record.lock().expect("the record").extend_from_slice(read);
        if to.write_all(read).is_err() {
            break;
        }
    }
    // Whoever sends no more, or takes no more, is known to the other side.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

//! Stands between Refit and the engine: counts Refit's calls, forwards them, and makes one of them
//! meet a fault.
//!
//! Each call is forwarded on a connection of its own. Of the lists of containers, only one
//! container's lineage is shown, so that recovery sees what is its own.

use std::{
    convert::Infallible,
    fs,
    future::pending,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use compat_tests::{
    direct, engines,
    process::{Listening, Refit},
};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client, header, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime::{Builder, Runtime},
    select,
    sync::Notify,
};

use super::{
    calls::{Call, Place},
    fault::{Blow, Fault, When},
};

/// How long the engine stays away.
const OUTAGE: Duration = Duration::from_secs(1);

type Body = Either<Incoming, Full<Bytes>>;

/// Why there is no answer.
type Lost = Box<dyn std::error::Error + Send + Sync>;

/// A double of the engine.
pub struct Injector {
    shared: Arc<Shared>,
    /// Ends with it.
    _runtime: Runtime,
}

struct Shared {
    /// Where Refit finds it.
    socket: PathBuf,
    /// The engine's own socket.
    engine: PathBuf,
    /// The container whose lineage Refit is shown.
    name: String,
    case: Mutex<Case>,
    /// Tells every connection that the engine has died.
    severed: Notify,
}

/// One upgrade.
#[derive(Default)]
struct Case {
    calls: Vec<Call>,
    /// What is still to happen.
    armed: Option<(Place, Fault)>,
    /// The process that a fault may kill.
    refit: Option<Pid>,
    /// The end of the engine's absence.
    outage: Option<JoinHandle<()>>,
}

impl Injector {
    /// A double of the `engine` at this address, at `socket`.
    pub fn new(socket: &Path, engine: &str, name: &str) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            engine: direct::socket(engine).to_owned(),
            name: name.to_owned(),
            case: Mutex::default(),
            severed: Notify::new(),
        });
        let listening = Arc::clone(&shared);
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(socket).expect("listen")
        };
        runtime.spawn(listening.listen(listener));
        Self {
            shared,
            _runtime: runtime,
        }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("unix://{}", self.shared.socket.display())
    }

    /// Counts from the beginning; the call at the place, if one is given, is to meet the fault.
    pub fn arm(&self, fault: Option<(Place, Fault)>) {
        *self.shared.case() = Case {
            armed: fault,
            ..Case::default()
        };
    }

    /// Starts the Refit that a fault may kill. Its first call waits until it is known.
    pub fn start(&self, spawn: impl FnOnce() -> (Refit, Listening)) -> (Refit, Listening) {
        let mut case = self.shared.case();
        let started = spawn();
        case.refit = Some(started.0.process());
        started
    }

    /// Whether the fault has happened.
    pub fn is_done(&self) -> bool {
        self.shared.case().armed.is_none()
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.case().calls.clone()
    }

    /// Waits until the engine is back, if a fault killed it.
    pub fn await_engine(&self) {
        let outage = self.shared.case().outage.take();
        if let Some(outage) = outage {
            outage.join().expect("the engine is back");
        }
    }
}

impl Shared {
    fn case(&self) -> MutexGuard<'_, Case> {
        self.case.lock().expect("the case")
    }

    async fn listen(self: Arc<Self>, listener: UnixListener) -> Infallible {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                let serve = service_fn(|request| shared.serve(request));
                let http = server::conn::http1::Builder::new();
                select! {
                    // How a connection ends is Refit's affair.
                    _ = http.serve_connection(TokioIo::new(stream), serve) => {}
                    () = shared.severed.notified() => {}
                }
            });
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, Lost> {
        let Some(Fault { blow, when }) = self.count(&request) else {
            return self.forward(request).await;
        };
        if when == When::After {
            let answer = self.forward(request).await?;
            answer.into_body().collect().await?;
        }
        match blow {
            Blow::Refuse => Ok(refusal()),
            Blow::Drop => Err("dropped".into()),
            Blow::Hang => pending().await,
            Blow::KillRefit => {
                self.kill_refit()?;
                Err("killed".into())
            }
            Blow::KillDockerd => {
                // Blocks the other connections meanwhile: their engine is gone, too.
                self.end_engine("kill")?;
                pending().await
            }
            Blow::CutPower => {
                self.kill_refit()?;
                self.end_engine("cut")?;
                pending().await
            }
        }
    }

    /// Counts a call; the fault that it is to meet.
    fn count(&self, request: &Request<Incoming>) -> Option<Fault> {
        let mut case = self.case();
        let path = request
            .uri()
            .path_and_query()
            .map_or("", |path| path.as_str());
        let call = Call::after(&case.calls, request.method().as_str(), path);
        let place = call.place;
        case.calls.push(call);
        let (_, fault) = case.armed.take_if(|(at, _)| *at == place)?;
        Some(fault)
    }

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Body>, Lost> {
        let is_list = request.uri().path().ends_with("/containers/json");
        let stream = UnixStream::connect(&self.engine).await?;
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its one exchange.
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        if is_list && response.status().is_success() {
            return self.own(response).await;
        }
        Ok(response.map(Either::Left))
    }

    /// The part of a list of containers that is shown.
    async fn own(&self, response: Response<Incoming>) -> Result<Response<Body>, Lost> {
        let (mut head, body) = response.into_parts();
        let mut list: Vec<Value> = serde_json::from_slice(&body.collect().await?.to_bytes())?;
        let later = format!("/{}.", self.name);
        let is_own = |name: &str| name[1..] == self.name || name.starts_with(&later);
        list.retain(|summary| summary["Names"][0].as_str().is_some_and(is_own));
        head.headers.remove(header::CONTENT_LENGTH);
        let body = Full::from(Value::Array(list).to_string());
        Ok(Response::from_parts(head, Either::Right(body)))
    }

    fn kill_refit(&self) -> io::Result<()> {
        let process = self.case().refit.expect("a running refit");
        Ok(kill_process(process, Signal::KILL)?)
    }

    /// Ends the engine as it is seen from outside: nobody listens, and no connection stays.
    fn end_engine(&self, how: &str) -> io::Result<()> {
        let (socket, away) = (self.socket.clone(), self.socket.with_extension("away"));
        engines::manage(how);
        fs::rename(&socket, &away)?;
        self.severed.notify_waiters();
        self.case().outage = Some(thread::spawn(move || {
            thread::sleep(OUTAGE);
            engines::manage("start");
            fs::rename(away, socket).expect("listen again");
        }));
        Ok(())
    }
}

fn refusal() -> Response<Body> {
    let message = json!({ "message": "injected" }).to_string();
    let mut response = Response::new(Either::Right(Full::from(message)));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

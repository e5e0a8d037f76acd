//! What hyper's server reads out of the bytes of a connection.

use std::{
    cell::RefCell,
    convert::Infallible,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Body, Incoming},
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};

/// A request as hyper reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// The length of the body where the head tells; none where it comes in chunks.
    pub length: Option<u64>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether it was read to its end.
    pub is_whole: bool,
}

impl Served {
    /// Whether hyper hands a target on as it stands: it writes the absolute form anew, and cuts off
    /// what it takes for a fragment.
    #[must_use]
    pub fn keeps(target: &str) -> bool {
        target.starts_with('/') && !target.contains('#')
    }
}

/// Serves all of `bytes`, after which the client closes its half.
///
/// # Panics
/// hyper waits for something, although everything is there.
#[must_use]
pub fn serve(bytes: &[u8]) -> Vec<Served> {
    let served = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let served = Rc::clone(&served);
        async move {
            let at = served.borrow().len();
            let mut body = read(&request);
            served.borrow_mut().push(body.clone());
            let mut frames = request.into_body();
            loop {
                match frames.frame().await {
                    None => break body.is_whole = true,
                    Some(Err(_)) => break,
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            body.body.extend_from_slice(&data);
                        }
                    }
                }
            }
            served.borrow_mut()[at] = body;
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .half_close(true)
            .auto_date_header(false)
            .max_buf_size(2 << 20)
            .serve_connection(Io { bytes, at: 0 }, service)
    );
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    while woken.0.swap(false, Ordering::Relaxed) {
        // How it ends is of no interest.
        if connection.as_mut().poll(&mut cx).is_ready() {
            return served.take();
        }
    }
    panic!("hyper waits for nothing");
}

fn read(request: &Request<Incoming>) -> Served {
    Served {
        method: request.method().to_string(),
        target: request.uri().to_string(),
        length: request.body().size_hint().exact(),
        ..Served::default()
    }
}

/// Whether it is worth to poll again.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads from memory, and writes nowhere.
struct Io<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl Read for Io<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.bytes[self.at..];
        let read = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..read]);
        self.at += read;
        Poll::Ready(Ok(()))
    }
}

impl Write for Io<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

//! A client connection from the middle on: the bytes that were read already, then the socket.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::engine::Stream;

/// Takes the target out of the request line that `inbox` begins with, and leaves `/` there.
///
/// hyper is stricter than Go about a target's characters and its length, and would refuse with
/// an empty answer what the endpoint, or the engine, has a proper one for. So it sees none.
pub(super) fn take_target(inbox: &mut BytesMut) -> String {
    // Blank lines may stand before the request line: they have no spaces.
    let mut spaces = (0..inbox.len()).filter(|at| inbox[*at] == b' ');
    let (Some(before), Some(after)) = (spaces.next(), spaces.next()) else {
        // Nothing that was found to be a request.
        return String::new();
    };
    let target = String::from_utf8_lossy(&inbox[before + 1..after]).into_owned();
    let rest = inbox.split_off(after);
    inbox.truncate(before + 1);
    inbox.extend_from_slice(b"/");
    inbox.unsplit(rest);
    target
}

/// A stream with bytes put back in front.
#[derive(Debug)]
pub(super) struct Handover {
    before: BytesMut,
    stream: Stream,
}

impl Handover {
    /// Reads `before`, then `stream`; writes to `stream`.
    pub(super) fn new(before: BytesMut, stream: Stream) -> Self {
        Self { before, stream }
    }
}

impl AsyncRead for Handover {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let n = self.before.len().min(buf.remaining());
        buf.put_slice(&self.before[..n]);
        self.before.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Handover {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_taken_out_of_the_request_line() {
        for (before, target, after) in [
            (
                "POST /containers/web/upgrade?pull=\"<{# HTTP/1.1\r\nHost: d\r\n\r\n{ }",
                "/containers/web/upgrade?pull=\"<{#",
                "POST / HTTP/1.1\r\nHost: d\r\n\r\n{ }",
            ),
            (
                "\r\n\nPOST http://d/containers/upgrade HTTP/1.0\n\n",
                "http://d/containers/upgrade",
                "\r\n\nPOST / HTTP/1.0\n\n",
            ),
        ] {
            let mut inbox = BytesMut::from(before);
            assert_eq!(take_target(&mut inbox), target);
            assert_eq!(inbox, after);
        }
    }
}

//! A client's stream: tells when bytes come, gives up a client that does not read, and keeps back what hyper answers to a head that it
//! cannot read, as that says too little.

use super::standing::Standing;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream of a connection.
pub(super) struct Stream<S> {
    inner: S,
    standing: Standing,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    kept_back: bool,
}

impl<S> Stream<S> {
    pub(super) fn new(inner: S, standing: Standing, stall: Duration) -> Self {
        Self { inner, standing, stall, stalled: None, kept_back: false }
    }

    /// The stream itself, and whether an answer of hyper's own was kept back.
    pub(super) fn into_parts(self) -> (S, bool) {
        (self.inner, self.kept_back)
    }

    /// `polled`, or an error where nothing has moved for too long.
    fn moving<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stall = self.stall;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

/// What hyper writes when it cannot read a head. No answer of the API's own is of this form: each has more fields.
fn is_bare_refusal(written: &[u8]) -> bool {
    let status = [&b"HTTP/1.1 400 "[..], b"HTTP/1.1 414 ", b"HTTP/1.1 431 "].iter().any(|s| written.starts_with(s));
    let has = |field: &[u8]| written.windows(field.len()).any(|window| window == field);
    status && written.len() < 160 && written.ends_with(b"\r\n\r\n") && has(b"content-length: 0\r\n")
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.standing.saw_bytes();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.standing.is_in_head() && is_bare_refusal(buf) {
            self.kept_back = true;
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.moving(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.moving(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.moving(cx, polled)
    }
}

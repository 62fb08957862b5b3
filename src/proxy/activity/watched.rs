//! A client's stream of bytes, watched on their way to hyper and back.

use super::Activity;
use crate::proxy::flood::{Frames, last_straw};
use crate::proxy::framing::Framing;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A client's stream whose bytes are watched. What was read to tell the protocol is read again first.
#[derive(Debug)]
pub(in crate::proxy) struct Watched<S> {
    inner: S,
    prefix: Vec<u8>,
    framing: Framing,
    /// Of HTTP/2, while nothing is wrong with them.
    frames: Option<Frames>,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    /// `frames`: if the connection speaks HTTP/2.
    pub(in crate::proxy) fn new(inner: S, prefix: Vec<u8>, activity: Arc<Activity>, frames: Option<Frames>) -> Self {
        Self { inner, prefix, framing: Framing::default(), frames, activity }
    }

    /// Looks at what was read, which is in `buf` behind its first `before` bytes.
    fn saw(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let bytes = buf.filled().get(before..).unwrap_or_default();
        let activity = &self.activity;
        if bytes.is_empty() {
            return;
        }
        activity.moves(bytes.len());
        if let Some(frames) = &mut self.frames {
            let flood = frames.follow(bytes, &activity.earned, || activity.now());
            activity.is_in_block(frames.is_in_block());
            if let Some((flood, at)) = flood {
                activity.is_flooded(flood);
                buf.set_filled(before + at);
                (self.frames, self.prefix) = (None, last_straw());
            }
            return;
        }
        if activity.multiplexed.load(Relaxed) {
            return;
        }
        if let Some(number) = self.framing.follow(bytes)
            && activity.two_lengths.load(Relaxed) == 0
        {
            activity.two_lengths.store(number, Relaxed);
        }
        if activity.in_flight.load(Relaxed) > 0 {
            return;
        }
        activity.has_bytes.store(true, Relaxed);
        if activity.head_since.load(Relaxed) == 0 {
            activity.head_since.store(activity.now() + 1, Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.prefix.is_empty() {
            if this.activity.flooded_since.load(Relaxed) > 0 {
                // All is said; the deadline ends what is left.
                return Poll::Pending;
            }
            ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        } else {
            this.take_prefix(buf);
        }
        let read = buf.filled().len() > before;
        this.saw(buf, before);
        if read && buf.filled().len() == before {
            // Nothing is left of it, which would be the end.
            this.take_prefix(buf);
        }
        Poll::Ready(Ok(()))
    }
}

/// What hyper writes when it cannot read a head: a status, and nothing that says whose request it was or why.
fn is_bare_refusal(written: &[u8]) -> bool {
    let status = [&b"HTTP/1.1 400 "[..], b"HTTP/1.1 414 ", b"HTTP/1.1 431 "].iter().any(|s| written.starts_with(s));
    let has = |field: &[u8]| written.windows(field.len()).any(|window| window == field);
    status
        && written.len() < 160
        && written.ends_with(b"\r\n\r\n")
        && has(b"content-length: 0\r\n")
        && has(b"connection: close\r\n")
}

impl<S> Watched<S> {
    /// Whether `written` is hyper's answer to a head that it cannot read. Nothing else is written while a head is incomplete
    /// and no request is under way but the end of an earlier response, which is not of this form.
    fn keeps_back(&self, written: &[u8]) -> bool {
        let keeps = self.activity.is_in_head() && is_bare_refusal(written);
        if keeps {
            self.activity.kept_back.store(true, Relaxed);
        }
        keeps
    }

    fn take_prefix(&mut self, buf: &mut ReadBuf<'_>) {
        let prefix = std::mem::take(&mut self.prefix);
        let (now, later) = prefix.split_at(prefix.len().min(buf.remaining()));
        buf.put_slice(now);
        self.prefix = later.to_vec();
    }

    /// The stream itself.
    pub(in crate::proxy) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// Bytes were written, or could not be.
    fn wrote(&mut self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &polled {
            self.activity.moves(*bytes);
        }
        if polled.is_ready()
            && let Some(frames) = &mut self.frames
        {
            frames.sent();
        }
        self.note(polled)
    }

    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        let blocked = &self.activity.blocked_since;
        match (polled.is_ready(), blocked.load(Relaxed)) {
            (true, 0) => {}
            (true, _) => blocked.store(0, Relaxed),
            (false, 0) => blocked.store(self.activity.now() + 1, Relaxed),
            (false, _) => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.keeps_back(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.wrote(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs
            && self.keeps_back(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.activity.has_kept_back() {
            // The answer in the place of the one that was kept back comes first.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

//! What happens on a client's connection, seen from its bytes: for deadlines that hyper does not keep, and for what its
//! parser does not tell.

use super::framing::Framing;
use super::limits::Limits;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The state of one connection. Atomics only because an upgradable connection must be `Send`; there is one thread.
#[derive(Debug)]
pub(super) struct Activity {
    epoch: Instant,
    in_flight: AtomicU32,
    multiplexed: AtomicBool,
    /// Since when a head is incomplete; milliseconds since the epoch, plus one; 0: none is.
    head_since: AtomicU64,
    /// Whether that head has a byte.
    has_bytes: AtomicBool,
    /// Whether hyper's own answer to a head that it cannot read was kept back: it says too little.
    kept_back: AtomicBool,
    /// Since when the client does not read; the same.
    blocked_since: AtomicU64,
    /// When the last request ended; milliseconds since the epoch.
    idle_since: AtomicU64,
    /// Requests that have begun.
    begun: AtomicU64,
    /// The number of the first request whose head says its content's length in two ways; 0: none has. Such a request is refused and ends its connection, so that no
    /// later one is asked for.
    two_lengths: AtomicU64,
}

impl Activity {
    pub(super) fn new(epoch: Instant) -> Arc<Self> {
        let now = millis(epoch.elapsed());
        Arc::new(Self {
            epoch,
            in_flight: AtomicU32::new(0),
            multiplexed: AtomicBool::new(false),
            head_since: AtomicU64::new(now + 1),
            has_bytes: AtomicBool::new(false),
            kept_back: AtomicBool::new(false),
            blocked_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(now),
            begun: AtomicU64::new(0),
            two_lengths: AtomicU64::new(0),
        })
    }

    /// The connection speaks HTTP/2: its bytes tell nothing of heads, which hyper bounds itself.
    pub(super) fn is_multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }

    /// The connection is a tunnel from here on: its bytes are no requests.
    pub(super) fn is_tunnel(&self) {
        self.is_multiplexed();
    }

    /// A request has come. Tells whether its head had a Content-Length beside its Transfer-Encoding.
    pub(super) fn begin(&self) -> bool {
        self.in_flight.store(self.in_flight.load(Relaxed) + 1, Relaxed);
        self.head_since.store(0, Relaxed);
        self.has_bytes.store(false, Relaxed);
        let number = self.begun.load(Relaxed) + 1;
        self.begun.store(number, Relaxed);
        self.two_lengths.load(Relaxed) == number
    }

    /// A request has ended.
    pub(super) fn end(&self) {
        self.in_flight.store(self.in_flight.load(Relaxed).saturating_sub(1), Relaxed);
        self.idle_since.store(self.now(), Relaxed);
    }

    /// Whether an answer of hyper's own was kept back, so that a better one can be given.
    pub(super) fn has_kept_back(&self) -> bool {
        self.kept_back.load(Relaxed)
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        self.head_since.load(Relaxed) > 0 && self.in_flight.load(Relaxed) == 0
    }

    /// Whether bytes of a head came, and no request was seen of them.
    pub(super) fn has_part_of_head(&self) -> bool {
        self.is_in_head() && self.has_bytes.load(Relaxed)
    }

    /// When the connection is to be closed if nothing happens. `stopping`: since when the gateway stops.
    pub(super) fn deadline(&self, limits: &Limits, stopping: Option<Instant>) -> Option<Instant> {
        let at = |since: u64, limit: Duration| Some(self.epoch + Duration::from_millis(since) + limit);
        let blocked = self.blocked_since.load(Relaxed);
        let head = self.head_since.load(Relaxed);
        if blocked > 0 {
            at(blocked, limits.stream_idle)
        } else if self.in_flight.load(Relaxed) > 0 {
            None
        } else if head > 0 && (stopping.is_none() || self.has_bytes.load(Relaxed)) {
            at(head, limits.head)
        } else {
            let idle_since = self.epoch + Duration::from_millis(self.idle_since.load(Relaxed));
            let idle = idle_since + limits.client_idle;
            Some(stopping.map_or(idle, |since| idle.min(since.max(idle_since) + limits.last_call)))
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A client's stream whose bytes are watched. What was read to tell the protocol is read again first.
#[derive(Debug)]
pub(super) struct Watched<S> {
    inner: S,
    prefix: Vec<u8>,
    framing: Framing,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, prefix: Vec<u8>, activity: Arc<Activity>) -> Self {
        Self { inner, prefix, framing: Framing::default(), activity }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let activity = &self.activity;
        if bytes.is_empty() || activity.multiplexed.load(Relaxed) {
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
        if !this.prefix.is_empty() {
            let prefix = std::mem::take(&mut this.prefix);
            let (now, later) = prefix.split_at(prefix.len().min(buf.remaining()));
            buf.put_slice(now);
            this.prefix = later.to_vec();
            this.saw(now);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        if polled.is_ready() {
            this.saw(buf.filled().get(before..).unwrap_or_default());
        }
        polled
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

    /// The stream itself.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
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
        self.note(polled)
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
        self.note(polled)
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

//! What happens on a client's connection, seen from its bytes: for deadlines that hyper does not keep, and for what its
//! parser does not tell.

mod watched;

pub(super) use watched::Watched;

use super::flood::{Earned, Flood};
use super::limits::Limits;
use crate::telemetry::metrics;
use futures::task::AtomicWaker;
use http::{HeaderName, HeaderValue, request::Parts};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;
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
    /// Bytes of the heads of an HTTP/2 client's requests under way.
    heads: AtomicU64,
    /// Requests that have begun.
    begun: AtomicU64,
    /// The number of the first request whose head says its content's length in two ways; 0: none has. Such a request is refused and ends its connection, so that no
    /// later one is asked for.
    two_lengths: AtomicU64,
    /// What an HTTP/2 client has earned by taking answers.
    earned: Earned,
    /// Bytes that were read and written.
    moved: AtomicU64,
    /// Requests whose content the client is to send before they can be answered.
    awaited: AtomicU32,
    /// Streams of HTTP/2 of which the client takes nothing at the moment.
    stalled: AtomicU32,
    /// Why the connection has to go, as there are too many: a [`Leave`], or 0.
    leave: AtomicU8,
    /// Who drives the connection, to be told so.
    driver: AtomicWaker,
    /// Since when there is too much of some frame: milliseconds since the epoch, plus one; 0: there is not.
    flooded_since: AtomicU64,
    /// What the stream that is polled now has done, for [`super::stall`].
    step: AtomicU8,
}

/// Why a connection is asked to leave when there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Leave {
    /// Nothing is under way on it.
    Idle = 1,
    /// What is under way waits for its client, which moves next to nothing.
    Slow,
}

impl Leave {
    /// For metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Slow => "slow",
        }
    }
}

/// What became of a response's content while its stream was polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// It was not asked for any.
    Untouched,
    /// Some was handed over last.
    Handed,
    /// It was asked for more than there was.
    Waits,
}

impl Activity {
    pub(super) fn new(epoch: Instant, limits: &Limits) -> Arc<Self> {
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
            heads: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            two_lengths: AtomicU64::new(0),
            earned: Earned::new(limits.http2_unanswered_resets, limits.http2_streams.saturating_mul(2)),
            moved: AtomicU64::new(0),
            awaited: AtomicU32::new(0),
            stalled: AtomicU32::new(0),
            leave: AtomicU8::new(0),
            driver: AtomicWaker::new(),
            flooded_since: AtomicU64::new(0),
            step: AtomicU8::new(Step::Untouched as u8),
        })
    }

    /// The connection speaks HTTP/2: heads are seen by their frames.
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
        if self.multiplexed.load(Relaxed) {
            return false;
        }
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

    /// Counts the head of a request, as HTTP/2 counts it (RFC 9113, section 6.5.2); gives its bytes. Of HTTP/1.1 there is one at a time.
    pub(super) fn holds_head(&self, head: &Parts) -> u64 {
        if !self.multiplexed.load(Relaxed) {
            return 0;
        }
        let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 32;
        let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
        let bytes = (head.headers.iter().map(field).sum::<usize>() + target) as u64;
        self.heads.store(self.heads.load(Relaxed) + bytes, Relaxed);
        bytes
    }

    /// So many bytes of heads are held no longer.
    pub(super) fn dropped_head(&self, bytes: u64) {
        self.heads.store(self.heads.load(Relaxed).saturating_sub(bytes), Relaxed);
    }

    /// Bytes of the heads of an HTTP/2 client's requests under way.
    pub(super) fn heads(&self) -> u64 {
        self.heads.load(Relaxed)
    }

    /// The head of an answer is there.
    pub(super) fn answered(&self) {
        self.earned.answered();
    }

    /// Content of a response is handed over.
    pub(super) fn hands_over(&self) {
        self.earned.moved();
        self.step.store(Step::Handed as u8, Relaxed);
    }

    /// A response has no more content now.
    pub(super) fn waits(&self) {
        self.step.store(Step::Waits as u8, Relaxed);
    }

    /// A stream is polled from here on.
    pub(super) fn begin_step(&self) {
        self.step.store(Step::Untouched as u8, Relaxed);
    }

    /// What the content of the stream that was polled did.
    pub(super) fn step(&self) -> Step {
        let step = self.step.load(Relaxed);
        let is = |other: &Step| *other as u8 == step;
        [Step::Handed, Step::Waits].into_iter().find(is).unwrap_or(Step::Untouched)
    }

    /// Bytes were read or written.
    fn moves(&self, bytes: usize) {
        self.moved.store(self.moved.load(Relaxed).wrapping_add(bytes as u64), Relaxed);
    }

    /// The time, in milliseconds since the epoch, and the bytes that were read and written so far.
    pub(super) fn moved(&self) -> (u64, u64) {
        (self.now(), self.moved.load(Relaxed))
    }

    /// One more request waits for content of its client, or one less.
    pub(super) fn awaits_content(&self, one_more: bool) {
        count(&self.awaited, one_more);
    }

    /// One more stream is taken nothing of, or one less.
    pub(super) fn is_stalled(&self, one_more: bool) {
        count(&self.stalled, one_more);
    }

    /// Whether all that is under way waits for the client: to send what can be answered then, or to take an answer.
    pub(super) fn waits_for_client(&self) -> bool {
        let in_flight = self.in_flight.load(Relaxed);
        let waiting = self.awaited.load(Relaxed).saturating_add(self.stalled.load(Relaxed));
        self.blocked_since.load(Relaxed) > 0 || (in_flight > 0 && waiting >= in_flight)
    }

    /// How long it has been idle at `now`, if it is.
    pub(super) fn idle_for(&self, now: u64) -> Option<Duration> {
        let since = self.idle_since.load(Relaxed);
        self.is_idle().then(|| Duration::from_millis(now.saturating_sub(since)))
    }

    /// There are too many connections, and this one has to go.
    pub(super) fn leave(&self, why: Leave) {
        self.leave.store(why as u8, Relaxed);
        self.driver.wake();
    }

    /// Whether it is closed for being too slow.
    pub(super) fn is_too_slow(&self) -> bool {
        self.leave.load(Relaxed) == Leave::Slow as u8
    }

    /// Who drives the connection.
    pub(super) fn is_driven_by(&self, driver: &Waker) {
        self.driver.register(driver);
    }

    /// Whether it has to go now. One that was idle and is not any more goes when it is again.
    fn has_to_go(&self, leaving: Option<Instant>) -> bool {
        let is_asked = self.leave.load(Relaxed) == Leave::Idle as u8;
        self.is_too_slow() || (is_asked && leaving.is_none() && self.is_idle())
    }

    /// There is too much of some frame: the connection has a moment to say so.
    fn is_flooded(&self, flood: Flood) {
        self.flooded_since.store(self.now() + 1, Relaxed);
        metrics::client_flood(flood.as_str());
        tracing::debug!(of = flood.as_str(), "a client's HTTP/2 frames are too many");
    }

    /// Whether a header block of HTTP/2 has begun and not ended.
    fn is_in_block(&self, is_in_block: bool) {
        match (is_in_block, self.head_since.load(Relaxed)) {
            (true, 0) => self.head_since.store(self.now() + 1, Relaxed),
            (false, since) if since > 0 => self.head_since.store(0, Relaxed),
            (true, _) | (false, _) => {}
        }
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

    /// Whether nothing is under way and nothing has begun: closed now, it loses no request that was read.
    pub(super) fn is_idle(&self) -> bool {
        let has_begun = self.has_bytes.load(Relaxed) || self.multiplexed.load(Relaxed);
        self.in_flight.load(Relaxed) == 0
            && self.blocked_since.load(Relaxed) == 0
            && self.flooded_since.load(Relaxed) == 0
            && !(self.head_since.load(Relaxed) > 0 && has_begun)
    }

    /// When the connection is to be closed if nothing happens. `leaving`: since when the client is told to go, or the gateway stops.
    pub(super) fn deadline(&self, limits: &Limits, leaving: Option<Instant>) -> Option<Instant> {
        let at = |since: u64, limit: Duration| Some(self.epoch + Duration::from_millis(since) + limit);
        let blocked = self.blocked_since.load(Relaxed);
        let head = self.head_since.load(Relaxed);
        let flooded = self.flooded_since.load(Relaxed);
        if self.has_to_go(leaving) {
            Some(self.epoch)
        } else if flooded > 0 {
            at(flooded, limits.last_call)
        } else if blocked > 0 {
            at(blocked, limits.stream_idle)
        } else if head > 0 && self.multiplexed.load(Relaxed) {
            // Nothing else may come on the connection before this head is complete.
            at(head, limits.head)
        } else if self.in_flight.load(Relaxed) > 0 {
            None
        } else if head > 0 && (leaving.is_none() || self.has_bytes.load(Relaxed)) {
            at(head, limits.head)
        } else {
            let idle_since = self.epoch + Duration::from_millis(self.idle_since.load(Relaxed));
            let idle = idle_since + limits.client_idle;
            Some(leaving.map_or(idle, |since| since.max(idle_since) + limits.last_call))
        }
    }
}

fn count(counter: &AtomicU32, one_more: bool) {
    let now = counter.load(Relaxed);
    counter.store(if one_more { now.saturating_add(1) } else { now.saturating_sub(1) }, Relaxed);
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

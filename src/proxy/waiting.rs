//! A request waits: for an endpoint, for room at one, or until it may be sent again. Nothing here is on the way of a
//! request that need not wait.

use super::refusal::Refusal;
use super::uses;
use super::worker::Worker;
use crate::routing::{Cluster, Endpoint, RetryGuard, Rule, Ticket, WaitQueue};
use crate::telemetry::metrics::{Waiting, WaitsFor};
use crate::upstream::Unavailable;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How many of those that wait are called for each one that was answered: their number doubles from round to round.
const CALLED_PER_ANSWER: usize = 2;

/// How long a request to `cluster` by `rule` may wait for an endpoint. One with content may not: its client would have to
/// hold it back, and the gateway does not keep content. Neither may one whose Service is not there.
pub(super) fn bound(worker: &Worker, rule: &Rule, cluster: &Arc<Cluster>, has_content: bool) -> Duration {
    let bound = rule.timeouts.wait.unwrap_or(worker.limits.wait);
    let mut unresolved = rule.backends.iter().filter(|backend| backend.unresolved.is_some());
    if has_content || bound.is_zero() || unresolved.any(|backend| Arc::ptr_eq(&backend.cluster, cluster)) {
        return Duration::ZERO;
    }
    let Some(key) = &rule.environment else { return bound };
    match worker.table.load().environment(key) {
        Some(note) if !note.may_come_up() => Duration::ZERO,
        Some(note) => {
            // Told before it waits: it waits for just that.
            if note.is_asleep() {
                uses::want(&worker.uses, Some(rule), key);
            }
            bound
        }
        None => bound,
    }
}

/// The turn of a request that waited. When it is over, those behind it are called.
#[derive(Debug)]
pub(super) struct Turn {
    queue: Arc<WaitQueue>,
    calls: usize,
}

impl Turn {
    fn take(ticket: Ticket, cluster: &Cluster) -> Self {
        ticket.leave();
        Self { queue: cluster.waiting.clone(), calls: 1 }
    }

    /// The request was answered, or takes its time: the endpoint can have more.
    pub(super) fn went_well(&mut self) {
        self.calls = CALLED_PER_ANSWER;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.queue.call(self.calls);
    }
}

/// An endpoint of `cluster` other than `avoid`, waited for until `until` in the order in which requests came. A request for
/// which there is no endpoint waits only if `until` lies ahead; one for which none has room waits in any case.
pub(super) async fn endpoint(
    worker: &Worker,
    cluster: &Cluster,
    why: Unavailable,
    avoid: Option<SocketAddr>,
    until: Instant,
) -> Result<(Arc<Endpoint>, Turn), Refusal> {
    let (waits_for, until) = match why {
        Unavailable::Missing => (WaitsFor::Endpoint, until),
        Unavailable::Busy => (WaitsFor::Room, until.max(Instant::now() + worker.limits.wait)),
    };
    if until <= Instant::now() {
        return Err(refusal(why));
    }
    let Some(ticket) = cluster.waiting.join() else {
        Waiting::overflow(waits_for);
        return Err(refusal(why));
    };
    let _counted = Waiting::begin(waits_for);
    loop {
        // Looked for after joining: what is published in between calls this request.
        let found = worker.balancer.endpoint(&cluster.endpoints(), avoid);
        match found {
            Ok(endpoint) => return Ok((endpoint, Turn::take(ticket, cluster))),
            Err(why) => called(&ticket, until).await.map_err(|()| refusal(why))?,
        }
        ticket.again();
    }
}

/// A place in the retry budget of `cluster`, waited for until `until`. `None` when there is none.
pub(super) async fn repeat(cluster: &Cluster, until: Instant) -> Option<RetryGuard> {
    if let Some(place) = cluster.budget.enter(cluster.active()) {
        return Some(place);
    }
    let Some(ticket) = cluster.budget.waiting.join() else {
        Waiting::overflow(WaitsFor::Retry);
        return None;
    };
    let _counted = Waiting::begin(WaitsFor::Retry);
    loop {
        if let Some(place) = cluster.budget.enter(cluster.active()) {
            ticket.leave();
            return Some(place);
        }
        called(&ticket, until).await.ok()?;
        ticket.again();
    }
}

/// Waits for the ticket's turn. An error when the time is over.
async fn called(ticket: &Ticket, until: Instant) -> Result<(), ()> {
    timeout_at(until, poll_fn(|cx| ticket.poll_called(cx))).await.map_err(|_| ())
}

fn refusal(why: Unavailable) -> Refusal {
    match why {
        Unavailable::Missing => Refusal::NoEndpoint,
        Unavailable::Busy => Refusal::Overloaded,
    }
}

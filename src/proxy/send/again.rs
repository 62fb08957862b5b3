//! A request once more: whether it may be sent again, where to, and when.

use super::{Failure, Way};
use crate::proxy::body::RequestBody;
use crate::proxy::refusal::{Refusal, Retry};
use crate::proxy::waiting::{self, Turn};
use crate::routing::{Endpoint, RetryGuard};
use http::{HeaderMap, Method, Request, Uri};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often a request may be sent again after something of it was sent.
pub(super) const MOST_REPEATS: u32 = 2;
/// How often connections that time out are tried.
const MOST_TIMEOUTS: u32 = 2;
/// Between two attempts at an endpoint that takes no connection: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// A head that can be sent again, if the request may be repeated: idempotent, and without content.
pub(super) struct Copy {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Copy {
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        Self::is_possible(request).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
    }

    pub(super) fn is_possible(request: &Request<RequestBody>) -> bool {
        request.method().is_idempotent() && request.body().is_empty()
    }

    fn request(&self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// What failed attempts leave to the next one.
pub(super) struct Attempts {
    /// The endpoint that failed last.
    pub(super) avoid: SocketAddr,
    repeats: u32,
    timeouts: u32,
    /// Until when the request waits: for an endpoint, for one that takes connections, for a place in the retry budget.
    until: Instant,
    pause: Duration,
}

impl Attempts {
    /// After a first attempt at `failed`.
    pub(super) fn after(failed: SocketAddr, until: Instant) -> Self {
        Self { avoid: failed, repeats: 0, timeouts: 0, until, pause: FIRST_PAUSE }
    }

    /// The request once more, if it may be sent once more; and its place in the retry budget, if it needs one. Where nothing
    /// was sent the next attempt is the first one that costs a backend something, so it needs none.
    pub(super) async fn next_request(
        &mut self,
        way: &Way<'_>,
        failure: &mut Failure,
        copy: Option<&Copy>,
    ) -> Result<(Request<RequestBody>, Option<RetryGuard>), Refusal> {
        if let (Some(place), Some(copy)) = (failure.place.take(), copy) {
            self.repeats += 1;
            return Ok((copy.request(), Some(place)));
        }
        match failure.refusal.retry() {
            Retry::Never => Err(failure.refusal.clone()),
            Retry::IfRepeatable => {
                self.repeats += 1;
                let copy = copy.filter(|_| self.repeats <= MOST_REPEATS).ok_or_else(|| failure.refusal.clone())?;
                let place = waiting::repeat(way.cluster, self.until).await;
                place.map(|place| (copy.request(), Some(place))).ok_or_else(|| failure.refusal.clone())
            }
            Retry::Unsent => {
                let is_timeout = failure.refusal == Refusal::ConnectTimeout;
                self.timeouts += u32::from(is_timeout);
                if self.timeouts > MOST_TIMEOUTS || !(is_timeout || Instant::now() < self.until) {
                    return Err(failure.refusal.clone());
                }
                let unsent = failure.unsent.take().or_else(|| copy.map(Copy::request));
                unsent.map(|request| (request, None)).ok_or_else(|| failure.refusal.clone())
            }
        }
    }

    /// Another endpoint by the newest set; or, after a pause, the same one: its successor may be announced any moment.
    pub(super) async fn next_endpoint(
        &mut self,
        way: &Way<'_>,
        failure: &Failure,
    ) -> Result<(Arc<Endpoint>, Option<Turn>), Refusal> {
        let mut may_pause = failure.refusal == Refusal::ConnectRefused;
        loop {
            let found = way.worker.balancer.endpoint(&way.cluster.endpoints(), Some(self.avoid));
            match found {
                Ok(endpoint) if !may_pause || endpoint.address != self.avoid => return Ok((endpoint, None)),
                Ok(_) => {
                    may_pause = false;
                    sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    // The set is read again: it may have changed meanwhile.
                }
                Err(why) => {
                    let avoid = Some(self.avoid);
                    let waited = waiting::endpoint(way.worker, way.cluster, why, avoid, self.until).await;
                    return waited.map(|(endpoint, turn)| (endpoint, Some(turn)));
                }
            }
        }
    }
}

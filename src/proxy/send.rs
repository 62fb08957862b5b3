//! Sends a request to an endpoint, and to another one where that is safe.

mod again;

use super::body::{Progress, RequestBody};
use super::record::Record;
use super::refusal::{BadRequest, Refusal};
use super::waiting::{self, Turn};
use super::worker::Worker;
use crate::routing::{Cluster, Endpoint, EndpointState, Load, Protocol, RetryGuard, Rule};
use crate::telemetry::metrics::Ejection;
use crate::upstream::{ConnectError, Lease, Taken, Unavailable};
use again::{Attempts, Copy, MOST_REPEATS};
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// A response's head with the connection that its content comes from.
pub(super) type Answer = (Response<Incoming>, Lease<RequestBody>);

/// A request that waited and is not answered after this time makes those behind it wait no longer.
const SLOW_ANSWER: Duration = Duration::from_millis(50);

/// One way of a request: where it may go, and until when.
struct Way<'r> {
    worker: &'r Rc<Worker>,
    rule: &'r Rule,
    cluster: &'r Arc<Cluster>,
    /// Until when the head of the response must be there.
    deadline: Instant,
}

/// One attempt's failure.
struct Failure {
    refusal: Refusal,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<RequestBody>>,
    /// The place in the retry budget with which it was given up, so that it can be sent again.
    place: Option<RetryGuard>,
}

impl Failure {
    fn new(refusal: Refusal, unsent: Option<Request<RequestBody>>) -> Self {
        Self { refusal, unsent, place: None }
    }
}

/// Sends `request` to an endpoint of `rule`, and again to another where that is safe. Without an endpoint it waits, if it
/// may.
pub(super) async fn send(
    worker: &Rc<Worker>,
    rule: &Rule,
    request: Request<RequestBody>,
    record: &mut Record,
) -> Result<Answer, Refusal> {
    let cluster = worker.balancer.backend(&rule.backends).ok_or(Refusal::NoEndpoint)?;
    let deadline = Instant::now() + rule.timeouts.response_head.unwrap_or(worker.limits.response_head);
    let mut way = Way { worker, rule, cluster, deadline };
    let found = worker.balancer.endpoint(&cluster.endpoints(), None);
    // The cold paths are boxed: they would make every request's future larger.
    let endpoint = match found {
        Ok(endpoint) => endpoint,
        Err(why) => return Box::pin(way.send_later(why, request, record)).await,
    };
    let copy = Copy::of(&request);
    match way.attempt(&endpoint, request, record).await {
        Ok(answer) => Ok(answer),
        Err(failure) => Box::pin(way.send_again(endpoint.address, copy, failure, record)).await,
    }
}

impl Way<'_> {
    /// No endpoint is there, or none has room: the request waits before its first attempt.
    async fn send_later(
        &mut self,
        why: Unavailable,
        request: Request<RequestBody>,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let begun = Instant::now();
        let until = begun + waiting::bound(self.worker, self.rule, self.cluster, !request.body().is_empty());
        let (endpoint, turn) = waiting::endpoint(self.worker, self.cluster, why, None, until).await?;
        // The time that it waited is not the backend's.
        self.deadline += begun.elapsed();
        let copy = Copy::of(&request);
        match self.attempt_in_turn(&endpoint, turn, request, record).await {
            Ok(answer) => Ok(answer),
            Err(failure) => self.send_again(endpoint.address, copy, failure, record).await,
        }
    }

    async fn send_again(
        &self,
        failed: SocketAddr,
        copy: Option<Copy>,
        mut failure: Failure,
        record: &mut Record,
    ) -> Result<Answer, Refusal> {
        let has_content = copy.is_none() && failure.unsent.as_ref().is_none_or(|request| !request.body().is_empty());
        let patience =
            waiting::bound(self.worker, self.rule, self.cluster, has_content).max(self.worker.limits.patience);
        let mut attempts = Attempts::after(failed, Instant::now() + patience);
        loop {
            let (request, place) = attempts.next_request(self, &mut failure, copy.as_ref()).await?;
            let (endpoint, turn) = attempts.next_endpoint(self, &failure).await?;
            record.retries += 1;
            attempts.avoid = endpoint.address;
            let sent = match turn {
                Some(turn) => self.attempt_in_turn(&endpoint, turn, request, record).await,
                None => self.attempt(&endpoint, request, record).await,
            };
            drop(place);
            match sent {
                Ok(answer) => return Ok(answer),
                Err(next) => failure = next,
            }
        }
    }

    /// An attempt of a request that waited: its answer lets those behind it go on, and so does a slow one.
    async fn attempt_in_turn(
        &self,
        endpoint: &Arc<Endpoint>,
        mut turn: Turn,
        request: Request<RequestBody>,
        record: &mut Record,
    ) -> Result<Answer, Failure> {
        let mut attempt = pin!(self.attempt(endpoint, request, record));
        match timeout(SLOW_ANSWER, attempt.as_mut()).await {
            Ok(Ok(answer)) => {
                turn.went_well();
                Ok(answer)
            }
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                turn.went_well();
                drop(turn);
                attempt.await
            }
        }
    }

    /// Sends the request to one endpoint, once.
    async fn attempt(
        &self,
        endpoint: &Arc<Endpoint>,
        request: Request<RequestBody>,
        record: &mut Record,
    ) -> Result<Answer, Failure> {
        let Self { worker, cluster, deadline, .. } = self;
        record.endpoint = Some(endpoint.clone());
        // An upgrade is HTTP/1.1's own: a backend that takes both protocols on its port is asked in that one.
        let is_upgrade = request.headers().contains_key(header::UPGRADE);
        let protocol = if is_upgrade { Protocol::Http1 } else { cluster.protocol };
        let taken = match worker.pools.take(cluster, endpoint, protocol) {
            Some(taken) => taken,
            None => match Box::pin(self.connect(endpoint, protocol, record)).await {
                Ok(taken) => taken,
                Err(refusal) => return Err(Failure::new(refusal, Some(request))),
            },
        };
        let was_used = taken.reused;
        let (may_be_repeated, answers) = (Copy::is_possible(&request), endpoint.load.answers());
        let mut sending = pin!(taken.send(request));
        let own = self.rule.timeouts.attempt.map(|attempt| Instant::now() + attempt);
        let sent = loop {
            let now = Instant::now();
            let look = own.filter(|own| *own > now).unwrap_or(*deadline).min(now + worker.limits.silence);
            let until = if may_be_repeated { look.min(*deadline) } else { *deadline };
            match timeout_at(until, sending.as_mut()).await {
                Err(_) if until < *deadline => {
                    let is_lost = self.is_lost(endpoint, answers);
                    let leaves = is_lost || own.is_some_and(|own| own <= Instant::now());
                    if let Some(place) = leaves.then(|| self.place_elsewhere(endpoint, record)).flatten() {
                        self.blame(endpoint, if is_lost { Ejection::Silence } else { Ejection::Failures });
                        return Err(Failure { place: Some(place), ..Failure::new(Refusal::ResponseHeadTimeout, None) });
                    }
                }
                sent => break sent,
            }
        };
        match sent {
            Ok(Ok(answer)) => {
                self.answered(endpoint, answer.0.status());
                Ok(answer)
            }
            // The client's fault: neither the endpoint nor its other connections have anything to do with it.
            Ok(Err(_)) if record.content.get() == Progress::Broken => {
                Err(Failure::new(Refusal::BadRequest(BadRequest::Content), None))
            }
            Ok(Err(_)) if record.content.get() == Progress::Stalled => Err(Failure::new(Refusal::ContentTimeout, None)),
            Ok(Err(failure)) => {
                // Its other idle connections are as dead as this one, most likely: the next attempt makes a new one.
                worker.pools.discard(endpoint.address);
                let refusal = if failure.unsent.is_some() {
                    Refusal::UpstreamReset { sent: false }
                } else if failure.error.is_parse() {
                    Refusal::UpstreamProtocol
                } else {
                    Refusal::UpstreamReset { sent: true }
                };
                // A connection that was used before may have been closed for its age: that is no failure of the endpoint.
                if !was_used {
                    self.blame(endpoint, Ejection::Failures);
                }
                tracing::debug!(address = %endpoint.address, error = %failure.error, "an attempt failed");
                Err(Failure::new(refusal, failure.unsent))
            }
            Err(_) => {
                let is_silent = endpoint.load.is_silent_since(answers);
                self.blame(endpoint, if is_silent { Ejection::Silence } else { Ejection::Failures });
                Err(Failure::new(Refusal::ResponseHeadTimeout, None))
            }
        }
    }

    /// Whether an endpoint has answered nobody since `answers`, and either several wait for it, or the cluster says that it is not ready. A process that was
    /// stopped looks so: its system goes on to take connections for it. A slow page alone does not.
    fn is_lost(&self, endpoint: &Endpoint, answers: u32) -> bool {
        let set = self.cluster.endpoints();
        let state = || set.all().find(|listed| listed.address == endpoint.address).map(|listed| listed.state);
        let load = &endpoint.load;
        load.is_silent_since(answers) || (load.answers() == answers && state() == Some(EndpointState::NotReady))
    }

    /// A place in the retry budget for a request that leaves `endpoint`, where another one does well.
    fn place_elsewhere(&self, endpoint: &Endpoint, record: &Record) -> Option<RetryGuard> {
        let may_leave = record.retries < MOST_REPEATS && self.has_others(endpoint);
        may_leave.then(|| self.cluster.budget.enter(self.cluster.active())).flatten()
    }

    /// Whether another endpoint does well, as far as is known.
    fn has_others(&self, endpoint: &Endpoint) -> bool {
        let set = self.cluster.endpoints();
        let stands_in = |other: &Arc<Endpoint>| other.address != endpoint.address && !other.load.is_ejected();
        set.usable().iter().chain(set.ready()).any(stands_in)
    }

    async fn connect(
        &self,
        endpoint: &Arc<Endpoint>,
        protocol: Protocol,
        record: &mut Record,
    ) -> Result<Taken<RequestBody>, Refusal> {
        let begun = Instant::now();
        let metrics = &self.worker.metrics;
        let connected = self.worker.pools.connect(self.cluster, endpoint, protocol).await;
        record.connect = Some(begun.elapsed());
        metrics.connects.increment(1);
        connected.map_err(|error| {
            metrics.connect_failures.increment(1);
            tracing::debug!(%error, cluster = %self.cluster.name, "no connection to an endpoint");
            match error {
                ConnectError::Refused { .. } => {
                    self.blame(endpoint, Ejection::Failures);
                    Refusal::ConnectRefused
                }
                ConnectError::TimedOut { .. } => {
                    self.blame(endpoint, Ejection::Failures);
                    Refusal::ConnectTimeout
                }
                ConnectError::Local { .. } => Refusal::ConnectExhausted,
                ConnectError::Forbidden { .. } => Refusal::ForbiddenAddress,
            }
        })
    }

    /// An endpoint has answered: well, or with what says that it cannot.
    fn answered(&self, endpoint: &Endpoint, status: StatusCode) {
        let says_that_it_cannot =
            matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
        if says_that_it_cannot && self.worker.limits.eject_by_status {
            self.blame(endpoint, Ejection::Status);
        } else {
            endpoint.load.succeeded();
        }
    }

    /// Whether another endpoint answers well.
    fn has_better(&self, endpoint: &Endpoint) -> bool {
        let set = self.cluster.endpoints();
        let is_better = |other: &Arc<Endpoint>| other.address != endpoint.address && other.load.does_well();
        set.usable().iter().chain(set.ready()).any(is_better)
    }

    /// Counts a failure of an endpoint. After some in a row, or one by which it is silent, it gets no requests for a while, if there is another.
    fn blame(&self, endpoint: &Endpoint, cause: Ejection) {
        let (now, load) = (Load::now(), &endpoint.load);
        let ejected = match cause {
            Ejection::Failures => load.failed(now, self.has_others(endpoint)),
            Ejection::Silence => load.fell_silent(now, self.has_others(endpoint)),
            Ejection::Status => load.answered_in_trouble(now, self.has_better(endpoint)),
        };
        if let Some(period) = ejected {
            self.worker.metrics.ejected(cause);
            let (address, cluster, cause) = (endpoint.address, &self.cluster.name, cause.as_str());
            tracing::warn!(%address, %cluster, ?period, cause, "an endpoint failed too often and gets no requests for a while");
        }
    }
}

//! Forwards a request: route, choose, send, and send again where that is safe.

use super::body::{RequestBody, ResponseBody};
use super::connection::Client;
use super::fields;
use super::filters;
use super::record::Record;
use super::refusal::{Refusal, Retry};
use super::request;
use super::respond;
use super::upgrade;
use super::worker::Worker;
use crate::routing::{Cluster, Endpoint, Match, Protocol, Rule};
use crate::upstream::{ConnectError, Lease, Taken};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, header, request::Parts};
use hyper::body::Incoming;
use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A response's head with the connection that its content comes from.
pub(super) type Answer = (Response<Incoming>, Lease<RequestBody>);

/// How often a request may be sent again after something of it was sent.
const MOST_REPEATS: u32 = 2;
/// How often connections that time out are tried.
const MOST_TIMEOUTS: u32 = 2;
/// Between two looks for an endpoint that comes up: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Answers one request.
pub(super) async fn handle(
    client: Rc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let has_length = client.activity.begin();
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let request_id = fields::request_id(&parts.headers);
    let mut record = Record::begin(&client, &parts, request_id);
    let html = respond::wants_html(&parts.headers);
    let routed = request::check(&parts, has_length, &client).and_then(|checked| {
        record.host = checked.host.clone();
        route(&client, &parts, &checked.host).map(|rule| (checked, rule))
    });
    let (checked, rule) = match routed {
        Ok(routed) => routed,
        Err(refusal) => return Ok(respond::refuse(&refusal, html, record)),
    };
    record.rule = Some(rule.clone());
    fields::to_backend(&mut parts.headers, &checked, &client, &record.request_id);
    if !rule.filters.is_empty()
        && let Err(answered) = filters::request(&rule, &mut parts, &checked, &client, &mut record)
    {
        return Ok(filters::answer(answered, html, record));
    }
    let limits = &client.worker.limits;
    let idle = rule.timeouts.idle.unwrap_or(limits.stream_idle);
    let ended = Rc::new(Cell::new(false));
    if let Some(upgrade) = checked.upgrade {
        // An upgrade has no content of its own; what the client sends before the backend agrees stays unread.
        drop(incoming);
        ended.set(true);
        let outgoing = outgoing(parts, RequestBody::Empty);
        let upgrading = upgrade::forward(record, outgoing, &rule, upgrade, on_upgrade);
        return Ok(Box::pin(upgrading)
            .await
            .unwrap_or_else(|(refusal, record)| respond::refuse(&refusal, html, record)));
    }
    drop(on_upgrade);
    let body = RequestBody::new(incoming, idle, &record.bytes_in, &ended);
    match send(&client.worker, &rule, outgoing(parts, body), &mut record).await {
        Ok((response, lease)) => Ok(respond::forward(response, lease, idle, ended, record)),
        Err(refusal) => {
            let refusal = explain(&client.worker, &rule, refusal);
            Ok(respond::refuse(&refusal, html, record))
        }
    }
}

/// The rule that takes the request.
fn route(client: &Client, parts: &Parts, host: &str) -> Result<Arc<Rule>, Refusal> {
    let view = filters::view(client, parts, host);
    let table = client.worker.table.load();
    match table.find(&view) {
        Match::Rule(rule) => Ok(rule.clone()),
        Match::NoRule | Match::NoHost | Match::Personal(..) if !table.is_complete() => Err(Refusal::GatewayStarting),
        Match::NoRule => Err(Refusal::NoRule),
        Match::NoHost => Err(Refusal::NoRoute),
        Match::Personal(key, None) => Err(Refusal::NoEnvironment { key }),
        Match::Personal(key, Some(note)) => {
            Err(Refusal::NotReady { key, reason: note.reason.clone(), message: note.message.clone() })
        }
    }
}

/// Tells more of a failure, where the table knows why the environment does not answer.
pub(super) fn explain(worker: &Worker, rule: &Rule, refusal: Refusal) -> Refusal {
    let about_endpoints = matches!(
        refusal,
        Refusal::NoEndpoint | Refusal::ConnectRefused | Refusal::ConnectTimeout | Refusal::UpstreamReset { .. }
    );
    if matches!(refusal, Refusal::NoEndpoint) && rule.backends.iter().any(|backend| backend.unresolved.is_some()) {
        return Refusal::BackendNotFound;
    }
    let Some(key) = rule.environment.as_ref().filter(|_| about_endpoints) else { return refusal };
    match worker.table.load().environment(key) {
        Some(note) if !note.ready => {
            Refusal::NotReady { key: key.clone(), reason: note.reason.clone(), message: note.message.clone() }
        }
        Some(_) | None => refusal,
    }
}

/// The request as the backend gets it, in HTTP/1.1's form: the target in origin form.
fn outgoing(parts: Parts, body: RequestBody) -> Request<RequestBody> {
    let mut request = Request::new(body);
    *request.method_mut() = if parts.method == Method::CONNECT { Method::GET } else { parts.method };
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = parts.uri.into_parts().path_and_query;
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
    *request.headers_mut() = parts.headers;
    request
}

/// A head that can be sent again, if the request may be repeated: idempotent, and without content.
struct Copy {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Copy {
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        (request.method().is_idempotent() && request.body().is_empty()).then(|| Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
        })
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
struct Attempts {
    /// The endpoint that failed last.
    avoid: Option<SocketAddr>,
    repeats: u32,
    timeouts: u32,
    /// Until when endpoints that take no connection are tried again.
    until: Option<Instant>,
    pause: Duration,
}

/// One attempt's failure.
struct Failure {
    refusal: Refusal,
    /// The request, if nothing of it was sent.
    unsent: Option<Request<RequestBody>>,
}

/// Sends `request` to an endpoint of `rule`, and again to another where that is safe.
pub(super) async fn send(
    worker: &Rc<Worker>,
    rule: &Rule,
    request: Request<RequestBody>,
    record: &mut Record,
) -> Result<Answer, Refusal> {
    let cluster = worker.balancer.backend(&rule.backends).ok_or(Refusal::NoEndpoint)?;
    let deadline = Instant::now() + rule.timeouts.response_head.unwrap_or(worker.limits.response_head);
    let endpoint = worker.balancer.endpoint(&cluster.endpoints(), None).ok_or(Refusal::NoEndpoint)?;
    let copy = Copy::of(&request);
    match attempt(worker, cluster, &endpoint, request, deadline, record).await {
        Ok(answer) => Ok(answer),
        // The cold path is boxed: it would make every request's future larger.
        Err(failure) => Box::pin(send_again(worker, cluster, endpoint.address, copy, failure, deadline, record)).await,
    }
}

#[expect(clippy::too_many_arguments, reason = "the state of a request that failed once")]
async fn send_again(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    failed: SocketAddr,
    copy: Option<Copy>,
    mut failure: Failure,
    deadline: Instant,
    record: &mut Record,
) -> Result<Answer, Refusal> {
    let mut attempts = Attempts { avoid: Some(failed), repeats: 0, timeouts: 0, until: None, pause: FIRST_PAUSE };
    loop {
        let request = attempts.next_request(&mut failure, copy.as_ref(), worker.limits.patience)?;
        let endpoint = attempts.next_endpoint(worker, cluster, &failure).await?;
        record.retries += 1;
        attempts.avoid = Some(endpoint.address);
        match attempt(worker, cluster, &endpoint, request, deadline, record).await {
            Ok(answer) => return Ok(answer),
            Err(next) => failure = next,
        }
    }
}

impl Attempts {
    /// The request once more, if it may be sent once more.
    fn next_request(
        &mut self,
        failure: &mut Failure,
        copy: Option<&Copy>,
        patience: Duration,
    ) -> Result<Request<RequestBody>, Refusal> {
        let refuse = || Err(failure.refusal.clone());
        match failure.refusal.retry() {
            Retry::Never => refuse(),
            Retry::IfRepeatable => {
                self.repeats += 1;
                match copy {
                    Some(copy) if self.repeats <= MOST_REPEATS => Ok(copy.request()),
                    Some(_) | None => refuse(),
                }
            }
            Retry::Unsent => {
                self.timeouts += u32::from(failure.refusal == Refusal::ConnectTimeout);
                let until = *self.until.get_or_insert_with(|| Instant::now() + patience);
                let in_time = failure.refusal == Refusal::ConnectTimeout || Instant::now() < until;
                if self.timeouts > MOST_TIMEOUTS || !in_time {
                    return refuse();
                }
                match failure.unsent.take() {
                    Some(request) => Ok(request),
                    None => copy.map(Copy::request).ok_or_else(|| failure.refusal.clone()),
                }
            }
        }
    }

    /// Another endpoint by the newest set; or, after a pause, the same one: its successor may be announced any moment.
    async fn next_endpoint(
        &mut self,
        worker: &Worker,
        cluster: &Cluster,
        failure: &Failure,
    ) -> Result<Arc<Endpoint>, Refusal> {
        let mut may_wait = failure.refusal == Refusal::ConnectRefused;
        loop {
            let found = worker.balancer.endpoint(&cluster.endpoints(), self.avoid);
            match found {
                Some(endpoint) if !may_wait || Some(endpoint.address) != self.avoid => return Ok(endpoint),
                Some(endpoint) => {
                    may_wait = false;
                    self.rest().await;
                    // The set is read again: it may have changed meanwhile.
                    drop(endpoint);
                }
                None if self.until.is_none_or(|until| Instant::now() < until) => {
                    self.until.get_or_insert_with(|| Instant::now() + worker.limits.patience);
                    self.rest().await;
                }
                None => return Err(Refusal::NoEndpoint),
            }
        }
    }

    async fn rest(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

/// Sends the request to one endpoint, once.
async fn attempt(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    request: Request<RequestBody>,
    deadline: Instant,
    record: &mut Record,
) -> Result<Answer, Failure> {
    record.endpoint = Some(endpoint.clone());
    // An upgrade is HTTP/1.1's own: a backend that takes both protocols on its port is asked in that one.
    let is_upgrade = request.headers().contains_key(header::UPGRADE);
    let protocol = if is_upgrade { Protocol::Http1 } else { cluster.protocol };
    let taken = match worker.pools.take(cluster, endpoint, protocol) {
        Some(taken) => taken,
        None => match Box::pin(connect(worker, cluster, endpoint, protocol, record)).await {
            Ok(taken) => taken,
            Err(refusal) => return Err(Failure { refusal, unsent: Some(request) }),
        },
    };
    match timeout_at(deadline, taken.send(request)).await {
        Ok(Ok(answer)) => Ok(answer),
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
            tracing::debug!(address = %endpoint.address, error = %failure.error, "an attempt failed");
            Err(Failure { refusal, unsent: failure.unsent })
        }
        Err(_) => Err(Failure { refusal: Refusal::ResponseHeadTimeout, unsent: None }),
    }
}

async fn connect(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    endpoint: &Arc<Endpoint>,
    protocol: Protocol,
    record: &mut Record,
) -> Result<Taken<RequestBody>, Refusal> {
    let begun = Instant::now();
    let connected = worker.pools.connect(cluster, endpoint, protocol).await;
    record.connect = Some(begun.elapsed());
    worker.metrics.connects.increment(1);
    connected.map_err(|error| {
        worker.metrics.connect_failures.increment(1);
        tracing::debug!(%error, cluster = %cluster.name, "no connection to an endpoint");
        match error {
            ConnectError::Refused { .. } => Refusal::ConnectRefused,
            ConnectError::TimedOut { .. } => Refusal::ConnectTimeout,
            ConnectError::Local { .. } => Refusal::ConnectExhausted,
            ConnectError::Forbidden { .. } => Refusal::ForbiddenAddress,
        }
    })
}

/// Whether a response may come to a request that asked for no upgrade.
pub(super) fn is_unasked_switch<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// The version that responses are written in; hyper lowers it for older clients.
pub(super) const RESPONSE_VERSION: Version = Version::HTTP_11;

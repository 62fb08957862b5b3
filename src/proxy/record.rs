//! What happened to a request: written when it is over, however it ended.

use super::body::{Awaited, Progress};
use super::connection::Client;
use super::drive::End;
use super::refusal::{BadRequest, Refusal};
use super::uses;
use crate::routing::{Endpoint, Rule};
use crate::telemetry::access_log::Entry;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts};
use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// One request's record. Dropping it counts it, and writes its line.
pub(super) struct Record {
    client: Rc<Client>,
    begun: Instant,
    method: Method,
    uri: Uri,
    version: Version,
    user_agent: Option<HeaderValue>,
    pub(super) request_id: HeaderValue,
    pub(super) host: Box<str>,
    pub(super) status: Option<StatusCode>,
    refusal: Option<(&'static str, &'static str)>,
    pub(super) rule: Option<Arc<Rule>>,
    /// The request's Origin field, where the rule has filters.
    pub(super) origin: Option<HeaderValue>,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    environment: Option<String>,
    pub(super) retries: u32,
    pub(super) bytes_in: Rc<Cell<u64>>,
    /// How far the request's content is.
    pub(super) content: Rc<Cell<Progress>>,
    pub(super) bytes_out: u64,
    pub(super) connect: Option<Duration>,
    head: Option<Duration>,
    /// While it is not answered, and has content: tells that the client is waited for.
    awaited: Option<Rc<Awaited>>,
    /// Bytes of its head that count for its connection.
    held: u64,
    /// Whether a pod of an environment answers, which is told to the worker's count of uses.
    is_use: bool,
    /// How it ended, if not by a complete response. At first: the client went before there was one.
    pub(super) end: Option<&'static str>,
}

impl Record {
    /// Begins with a request's head.
    pub(super) fn begin(client: &Rc<Client>, parts: &Parts, request_id: HeaderValue) -> Box<Self> {
        client.worker.metrics.active.increment(1.0);
        Box::new(Self {
            client: client.clone(),
            begun: Instant::now(),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            user_agent: parts.headers.get(header::USER_AGENT).cloned(),
            request_id,
            host: Box::default(),
            status: None,
            refusal: None,
            rule: None,
            origin: None,
            endpoint: None,
            environment: None,
            retries: 0,
            bytes_in: Rc::default(),
            content: Rc::default(),
            bytes_out: 0,
            connect: None,
            head: None,
            awaited: None,
            held: client.activity.holds_head(parts),
            is_use: false,
            end: Some("ClientAbort"),
        })
    }

    pub(super) fn client(&self) -> &Rc<Client> {
        &self.client
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// The request has content to come.
    pub(super) fn awaits_content(&mut self) -> Rc<Awaited> {
        self.awaited.insert(Awaited::new(&self.client.activity)).clone()
    }

    fn awaits_no_more(&mut self) {
        if let Some(awaited) = self.awaited.take() {
            awaited.is_over();
        }
    }

    /// The head of the response is there.
    pub(super) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        self.awaits_no_more();
        self.head = Some(self.begun.elapsed());
        self.client.activity.answered();
        if let Some(rule) = self.rule.as_ref().filter(|rule| rule.environment.is_some() && self.endpoint.is_some()) {
            self.client.worker.own_uses.begin(rule);
            self.is_use = true;
        }
    }

    /// The gateway answers itself.
    pub(super) fn refused(&mut self, refusal: &Refusal) {
        self.status = Some(refusal.status());
        self.client.activity.answered();
        self.awaits_no_more();
        // Nothing of it is kept, however long the client takes to read why.
        self.client.activity.dropped_head(std::mem::take(&mut self.held));
        self.refusal = Some((refusal.code(), refusal.proxy_status()));
        self.environment = refusal.environment().map(ToString::to_string);
        if let Refusal::Asleep { key, wakes: true, .. } = refusal {
            uses::want(&self.client.worker.uses, self.rule.as_deref(), key);
        }
        self.client.worker.metrics.refusal(refusal.code()).increment(1);
    }

    /// The response is complete.
    pub(super) fn completed(&mut self) {
        self.end = None;
    }

    fn write(&self) {
        let mut log = self.client.worker.log.borrow_mut();
        if !log.is_on() {
            return;
        }
        let environment = self.rule.as_ref().and_then(|rule| rule.environment.as_ref()).map(ToString::to_string);
        let agent = self.user_agent.as_ref().map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        log.write(&Entry {
            time: jiff::Timestamp::now().to_string(),
            request_id: self.request_id.to_str().unwrap_or_default(),
            client: self.client.peer.to_string(),
            method: self.method.as_str(),
            host: &self.host,
            path: &visible(Cow::Borrowed(self.uri.path())),
            query: self.uri.query().is_some(),
            protocol: protocol(self.version),
            tls: self.client.tls,
            status: self.status.map(|status| status.as_u16()),
            refusal: self.refusal.map(|(code, _)| code),
            proxy_error: self.refusal.map(|(_, error)| error),
            end: self.end,
            rule: self.rule.as_ref().map(|rule| rule.name.to_string()),
            environment: environment.or_else(|| self.environment.clone()),
            endpoint: self.endpoint.as_ref().map(|endpoint| endpoint.address.to_string()),
            pod: self.endpoint.as_ref().and_then(|endpoint| endpoint.pod.as_deref()),
            retries: self.retries,
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out,
            total_ms: millis(self.begun.elapsed()),
            connect_ms: self.connect.map(millis),
            head_ms: self.head.map(millis),
            user_agent: agent.map(|agent| visible(agent).into_owned()),
        });
    }

    fn count(&self) {
        let metrics = &self.client.worker.metrics;
        let requests = if self.version == Version::HTTP_2 { &metrics.http2 } else { &metrics.http1 };
        requests.of(self.status.map(|status| status.as_u16())).increment(1);
        metrics.duration.record(self.begun.elapsed().as_secs_f64());
        metrics.active.decrement(1.0);
        metrics.retries.increment(u64::from(self.retries));
        metrics.request_bytes.increment(self.bytes_in.get());
        metrics.response_bytes.increment(self.bytes_out);
        if let Some(rule) = self.rule.as_ref().filter(|rule| rule.environment.is_some()) {
            let is_error = self.status.is_some_and(|status| status.is_server_error());
            self.client.worker.own_uses.end(rule, self.is_use, is_error);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.awaits_no_more();
        if self.end.is_some() && self.client.activity.is_too_slow() {
            self.end = Some("Crowded");
        }
        self.client.activity.end();
        self.client.activity.dropped_head(self.held);
        self.count();
        self.write();
    }
}

/// A client's text without what a terminal would obey. JSON escapes control characters of ASCII, but neither those behind it nor
/// changes of direction.
fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    match is_plain || !text.contains(obeyed) {
        true => text,
        false => Cow::Owned(text.replace(obeyed, "\u{fffd}")),
    }
}

/// Milliseconds with three decimals.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        _ => "HTTP/1.1",
    }
}

/// A connection ended. Gives what is to be answered, where a head was the reason, and no request was seen of it.
pub(super) fn connection_ended(client: &Client, end: &End) -> Option<Refusal> {
    match end {
        End::Done => None,
        End::Broken(error) if error.is_parse() && client.activity.has_kept_back() => Some(unreadable(error)),
        // HTTP/2 where HTTP/1.1 was agreed upon: hyper says nothing to it.
        End::Broken(error) if error.is_parse_version_h2() => Some(unreadable(error)),
        End::Broken(error) => {
            if error.is_parse() {
                // The rest of a pipelined read: hyper's own answer is out already.
                let refusal = unreadable(error);
                unseen_request(client, &refusal, "", Some(refusal.status()));
            }
            tracing::debug!(peer = %client.peer, %error, "a connection ended");
            None
        }
        End::Expired if client.activity.has_part_of_head() => Some(Refusal::HeadTimeout),
        End::Expired => {
            if client.activity.is_in_head() {
                unseen_request(client, &Refusal::HeadTimeout, "", None);
            }
            None
        }
    }
}

fn unreadable(error: &hyper::Error) -> Refusal {
    if error.is_parse_too_large() {
        Refusal::HeadTooLarge
    } else if error.to_string().contains("URI too long") {
        Refusal::TargetTooLong
    } else {
        Refusal::BadRequest(BadRequest::Malformed)
    }
}

/// Counts and logs a request of which no head was read. `status`: what was answered, if anything.
pub(super) fn unseen_request(client: &Client, refusal: &Refusal, request_id: &str, status: Option<StatusCode>) {
    let metrics = &client.worker.metrics;
    metrics.refusal(refusal.code()).increment(1);
    metrics.http1.of(status.map(|status| status.as_u16())).increment(1);
    client.worker.log.borrow_mut().write(&Entry {
        time: jiff::Timestamp::now().to_string(),
        request_id,
        client: client.peer.to_string(),
        tls: client.tls,
        status: status.map(|status| status.as_u16()),
        refusal: Some(refusal.code()),
        proxy_error: Some(refusal.proxy_status()),
        ..Entry::default()
    });
}

//! The gateway's data plane.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const REQUESTS: &str = "doorstep_requests_total";
const DURATION: &str = "doorstep_request_duration_seconds";
const ACTIVE: &str = "doorstep_requests_active";
const CONNECTIONS: &str = "doorstep_connections_active";
const ACCEPTED: &str = "doorstep_connections_accepted_total";
const TURNED_AWAY: &str = "doorstep_connections_turned_away_total";
const FLOODS: &str = "doorstep_client_floods_total";
const SHED: &str = "doorstep_connections_shed_total";
const RETRIES: &str = "doorstep_retries_total";
const REFUSALS: &str = "doorstep_refusals_total";
const CONNECTS: &str = "doorstep_upstream_connects_total";
const CONNECT_FAILURES: &str = "doorstep_upstream_connect_failures_total";
const REQUEST_BYTES: &str = "doorstep_request_bytes_total";
const RESPONSE_BYTES: &str = "doorstep_response_bytes_total";
const UPGRADES: &str = "doorstep_upgrades_active";
const LOG_DROPPED: &str = "doorstep_access_log_dropped_total";
const WAITING: &str = "doorstep_requests_waiting";
const WAIT: &str = "doorstep_request_wait_seconds";
const WAIT_OVERFLOWS: &str = "doorstep_request_wait_overflows_total";
const EJECTIONS: &str = "doorstep_endpoint_ejections_total";

pub(super) fn describe() {
    describe_counter!(
        REQUESTS,
        Unit::Count,
        "Requests by class of status and by protocol; status none: the client had gone"
    );
    describe_histogram!(DURATION, Unit::Seconds, "From a request's head to the end of its response");
    describe_gauge!(ACTIVE, Unit::Count, "Requests under way");
    describe_gauge!(CONNECTIONS, Unit::Count, "Client connections");
    describe_counter!(ACCEPTED, Unit::Count, "Client connections accepted");
    describe_counter!(TURNED_AWAY, Unit::Count, "Client connections closed at once, as there were too many");
    describe_counter!(
        FLOODS,
        Unit::Count,
        "Client connections that were ended as their HTTP/2 frames of a kind were too many, by kind"
    );
    describe_counter!(
        SHED,
        Unit::Count,
        "Client connections that were closed as there were too many, by why: idle, slow"
    );
    describe_counter!(RETRIES, Unit::Count, "Requests sent once more");
    describe_counter!(REFUSALS, Unit::Count, "Requests answered by the gateway itself, by code");
    describe_counter!(CONNECTS, Unit::Count, "New connections to endpoints");
    describe_counter!(CONNECT_FAILURES, Unit::Count, "Connections to endpoints that could not be made");
    describe_counter!(REQUEST_BYTES, Unit::Bytes, "Bytes of requests' content");
    describe_counter!(RESPONSE_BYTES, Unit::Bytes, "Bytes of responses' content");
    describe_gauge!(UPGRADES, Unit::Count, "Upgraded connections, like WebSockets");
    describe_gauge!(
        WAITING,
        Unit::Count,
        "Requests that wait: for an endpoint, for room at one, or for a place in the retry budget"
    );
    describe_histogram!(WAIT, Unit::Seconds, "How long they waited, whether what they waited for came or not");
    describe_counter!(WAIT_OVERFLOWS, Unit::Count, "Requests that could not wait, as too many did");
    describe_counter!(EJECTIONS, Unit::Count, "Endpoints that were left alone for a while, as they failed too often");
    describe_counter!(LOG_DROPPED, Unit::Count, "Access log records dropped, as the sink was too slow or failed");
}

/// A client's connection is closed, as there are too many.
pub fn client_shed(why: &'static str) {
    counter!(SHED, "why" => why).increment(1);
}

/// A client's HTTP/2 frames of a kind are too many. The handle is looked up: the connection ends by it.
pub fn client_flood(kind: &'static str) {
    counter!(FLOODS, "kind" => kind).increment(1);
}

/// Why an endpoint is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ejection {
    /// Its connections failed, several times in a row.
    Failures,
    /// It answers nobody.
    Silence,
    /// It answered 502, 503 or 504 several times in a row, and others did not.
    Status,
}

impl Ejection {
    const ALL: [Self; 3] = [Self::Failures, Self::Silence, Self::Status];

    /// As in labels and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Silence => "silence",
            Self::Status => "status",
        }
    }
}

/// One protocol's counters of requests, by class of status.
pub struct Requests {
    by_class: [Counter; 5],
    none: Counter,
}

impl Requests {
    fn new(protocol: &'static str) -> Self {
        let class = |status: &'static str| counter!(REQUESTS, "status" => status, "protocol" => protocol);
        Self { by_class: [class("1xx"), class("2xx"), class("3xx"), class("4xx"), class("5xx")], none: class("none") }
    }

    /// The counter for `status`.
    pub fn of(&self, status: Option<u16>) -> &Counter {
        let class = status.map(|status| usize::from(status / 100));
        class.and_then(|class| self.by_class.get(class.checked_sub(1)?)).unwrap_or(&self.none)
    }
}

/// What a request may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// An endpoint that may get requests.
    Endpoint,
    /// Room at an endpoint that has as many requests as it may have.
    Room,
    /// A place in the retry budget.
    Retry,
}

impl WaitsFor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Room => "room",
            Self::Retry => "retry",
        }
    }
}

/// Counts a request that waits until it is dropped. The handles are looked up: a request that waits is not the hot path.
pub struct Waiting {
    waits_for: WaitsFor,
    since: std::time::Instant,
}

impl Waiting {
    /// A request begins to wait.
    pub fn begin(waits_for: WaitsFor) -> Self {
        gauge!(WAITING, "for" => waits_for.as_str()).increment(1.0);
        Self { waits_for, since: std::time::Instant::now() }
    }

    /// A request may not wait: too many do.
    pub fn overflow(waits_for: WaitsFor) {
        counter!(WAIT_OVERFLOWS, "for" => waits_for.as_str()).increment(1);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        gauge!(WAITING, "for" => self.waits_for.as_str()).decrement(1.0);
        histogram!(WAIT, "for" => self.waits_for.as_str()).record(self.since.elapsed().as_secs_f64());
    }
}

/// The handles of one data worker, made once: nothing is looked up per request.
pub struct ProxyMetrics {
    /// Requests over HTTP/1.
    pub http1: Requests,
    /// Requests over HTTP/2.
    pub http2: Requests,
    /// How long they took.
    pub duration: Histogram,
    /// Requests under way.
    pub active: Gauge,
    /// Client connections.
    pub connections: Gauge,
    /// Client connections accepted.
    pub accepted: Counter,
    /// Client connections closed at once.
    pub turned_away: Counter,
    /// Requests sent once more.
    pub retries: Counter,
    /// New connections to endpoints.
    pub connects: Counter,
    /// Connections to endpoints that could not be made.
    pub connect_failures: Counter,
    ejections: [Counter; 3],
    /// Bytes of requests' content.
    pub request_bytes: Counter,
    /// Bytes of responses' content.
    pub response_bytes: Counter,
    /// Upgraded connections.
    pub upgrades: Gauge,
    log_dropped: Counter,
}

impl ProxyMetrics {
    /// Handles of the recorder that is installed now.
    pub fn new() -> Self {
        Self {
            http1: Requests::new("http1"),
            http2: Requests::new("http2"),
            duration: histogram!(DURATION),
            active: gauge!(ACTIVE),
            connections: gauge!(CONNECTIONS),
            accepted: counter!(ACCEPTED),
            turned_away: counter!(TURNED_AWAY),
            retries: counter!(RETRIES),
            connects: counter!(CONNECTS),
            connect_failures: counter!(CONNECT_FAILURES),
            ejections: Ejection::ALL.map(|cause| counter!(EJECTIONS, "cause" => cause.as_str())),
            request_bytes: counter!(REQUEST_BYTES),
            response_bytes: counter!(RESPONSE_BYTES),
            upgrades: gauge!(UPGRADES),
            log_dropped: counter!(LOG_DROPPED),
        }
    }

    /// Tells how many access log records all workers have dropped so far.
    pub fn access_log_dropped(&self, total: u64) {
        self.log_dropped.absolute(total);
    }

    /// An endpoint is left alone for a while.
    pub fn ejected(&self, cause: Ejection) {
        let counters = Ejection::ALL.iter().zip(&self.ejections);
        counters.filter(|(other, _)| **other == cause).for_each(|(_, counter)| counter.increment(1));
    }

    /// The counter of refusals with `code`. Looked up: a refusal is not the hot path.
    pub fn refusal(&self, code: &'static str) -> Counter {
        counter!(REFUSALS, "code" => code)
    }
}

impl Default for ProxyMetrics {
    fn default() -> Self {
        Self::new()
    }
}

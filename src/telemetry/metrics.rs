//! Every metric of Doorstep, by name. Nowhere else is a metric named.
#![allow(clippy::disallowed_macros, reason = "this is the one place")]

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

const BUILD_INFO: &str = "doorstep_build_info";

/// Tells the recorder each metric's unit and help. Call it once, after a recorder is installed.
pub fn describe() {
    describe_gauge!(BUILD_INFO, Unit::Count, "1, with the version that runs");
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    describe_proxy();
    describe_table();
    describe_last_good();
    describe_cluster();
    describe_webhooks();
    describe_identity();
    describe_dns();
    describe_azure();
}

// ---- The route table ----

const TABLE_GENERATION: &str = "doorstep_table_generation";
const TABLE_HOSTS: &str = "doorstep_table_hosts";
const ROUTES_FILE_MISTAKES: &str = "doorstep_routes_file_mistakes";
const CERTIFICATES: &str = "doorstep_certificates";
const CERTIFICATE_NOT_AFTER: &str = "doorstep_certificate_not_after_seconds";
const CERTIFICATE_EARLIEST: &str = "doorstep_certificate_earliest_not_after_seconds";
/// The most certificates with a series of their own.
const MAX_CERTIFICATES: usize = 500;
const TABLE_PROBLEMS: &str = "doorstep_table_problems";
const KIND_CURRENT: &str = "doorstep_table_kind_current";
const KIND_STALE_SINCE: &str = "doorstep_table_kind_stale_since_timestamp_seconds";
const LAST_GOOD_WRITTEN: &str = "doorstep_last_good_written_timestamp_seconds";
const LAST_GOOD_BYTES: &str = "doorstep_last_good_bytes";
const LAST_GOOD_FAILURES: &str = "doorstep_last_good_write_failures_total";

fn describe_table() {
    describe_gauge!(CERTIFICATES, Unit::Count, "Certificates from Secrets that are in use");
    describe_gauge!(
        CERTIFICATE_NOT_AFTER,
        Unit::Seconds,
        "When a certificate ends, in seconds since 1970, by its Secret; 0: not in use any more"
    );
    describe_gauge!(CERTIFICATE_EARLIEST, Unit::Seconds, "When the first of all certificates ends; 0: there is none");
    describe_gauge!(ROUTES_FILE_MISTAKES, Unit::Count, "Mistakes in the file of routes as it is now");
    describe_gauge!(TABLE_GENERATION, Unit::Count, "How often a route table was published");
    describe_gauge!(TABLE_HOSTS, Unit::Count, "Hosts in the published route table");
    describe_gauge!(
        TABLE_PROBLEMS,
        Unit::Count,
        "Sources, or parts of them, that are not in the table; explain says why"
    );
}

fn describe_last_good() {
    describe_gauge!(KIND_CURRENT, Unit::Count, "1 while a kind's objects are listed and watched; else 0");
    describe_gauge!(
        KIND_STALE_SINCE,
        Unit::Seconds,
        "Since when changes of a kind may have been missed, in seconds since 1970; 0 while it is current or missing"
    );
    describe_gauge!(LAST_GOOD_WRITTEN, Unit::Seconds, "When the last good table was written, in seconds since 1970");
    describe_gauge!(LAST_GOOD_BYTES, Unit::Bytes, "How large the last good table on disk is");
    describe_counter!(LAST_GOOD_FAILURES, Unit::Count, "Writes of the last good table that failed");
}

/// How current what is known of a kind is; `stale_since` in seconds since 1970.
pub fn kind_currency(kind: &impl ToString, current: bool, stale_since: Option<i64>) {
    gauge!(KIND_CURRENT, "kind" => kind.to_string()).set(f64::from(u8::from(current)));
    gauge!(KIND_STALE_SINCE, "kind" => kind.to_string()).set(stale_since.unwrap_or_default() as f64);
}

/// The certificates in use, each with the time of its end in seconds since 1970. At most so many have a series of their
/// own; the earliest end of all is always told. One that is not in use any more reads 0.
pub fn certificates(all: impl Iterator<Item = (String, i64)>) {
    static TOLD: std::sync::Mutex<std::collections::BTreeSet<String>> =
        std::sync::Mutex::new(std::collections::BTreeSet::new());
    let mut told = TOLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut before = std::mem::take(&mut *told);
    let (mut count, mut earliest) = (0_usize, None::<i64>);
    for (secret, not_after) in all {
        count += 1;
        earliest = Some(earliest.map_or(not_after, |known| known.min(not_after)));
        if before.remove(&secret) || before.len() + told.len() < MAX_CERTIFICATES {
            gauge!(CERTIFICATE_NOT_AFTER, "secret" => secret.clone()).set(not_after as f64);
            told.insert(secret);
        }
    }
    for secret in before {
        gauge!(CERTIFICATE_NOT_AFTER, "secret" => secret).set(0.0);
    }
    gauge!(CERTIFICATES).set(count as f64);
    gauge!(CERTIFICATE_EARLIEST).set(earliest.unwrap_or_default() as f64);
}

/// The last good table was written, with that many bytes.
pub fn last_good_written(bytes: u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    gauge!(LAST_GOOD_WRITTEN).set(now.as_secs_f64().floor());
    gauge!(LAST_GOOD_BYTES).set(bytes as f64);
}

/// The last good table could not be written.
pub fn last_good_write_failed() {
    counter!(LAST_GOOD_FAILURES).increment(1);
}

/// The file of routes was read, with that many mistakes; with any, what was read before stays.
pub fn routes_file_mistakes(mistakes: usize) {
    gauge!(ROUTES_FILE_MISTAKES).set(mistakes as f64);
}

/// A route table was published.
pub fn table_published(generation: u64, hosts: usize, problems: usize) {
    gauge!(TABLE_GENERATION).set(generation as f64);
    gauge!(TABLE_HOSTS).set(hosts as f64);
    gauge!(TABLE_PROBLEMS).set(problems as f64);
}

// ---- Webhooks ----

const WEBHOOK_BACKLOG: &str = "doorstep_webhook_backlog";
const WEBHOOK_TRIES: &str = "doorstep_webhook_tries_total";

fn describe_webhooks() {
    describe_gauge!(WEBHOOK_BACKLOG, Unit::Count, "Messages of webhooks that wait, or were given up, by state");
    describe_counter!(WEBHOOK_TRIES, Unit::Count, "Tries to deliver a message of a webhook, by what it is afterwards");
}

/// How many messages wait, and how many were given up.
pub fn webhook_backlog(waiting: i64, dead: i64) {
    gauge!(WEBHOOK_BACKLOG, "state" => "waiting").set(waiting as f64);
    gauge!(WEBHOOK_BACKLOG, "state" => "dead").set(dead as f64);
}

/// A message was tried; it is `state` afterwards.
pub fn webhook_tried(state: &'static str) {
    counter!(WEBHOOK_TRIES, "state" => state).increment(1);
}

// ---- The cluster ----

const LEADER: &str = "doorstep_leader";
const USE_MARKS_FAILED: &str = "doorstep_use_mark_failures_total";
const WRITES_FENCED: &str = "doorstep_writes_fenced_total";
const MISSING_RIGHTS: &str = "doorstep_missing_rights";
const HOSTS_UNCONFIRMED: &str = "doorstep_gateway_hosts_unconfirmed";
const GATEWAYS_SILENT: &str = "doorstep_gateways_silent";
const CREDENTIAL_RENEWALS: &str = "doorstep_credential_renewals_total";

fn describe_cluster() {
    describe_gauge!(MISSING_RIGHTS, Unit::Count, "Whether a right in the cluster is missing: 1, or 0");
    describe_gauge!(LEADER, Unit::Count, "Whether this manager leads: 1, or 0");
    describe_gauge!(HOSTS_UNCONFIRMED, Unit::Count, "Hosts that wait until every gateway leads to their endpoints");
    describe_gauge!(GATEWAYS_SILENT, Unit::Count, "Gateways that do not answer where they lead while a host waits");
    describe_counter!(USE_MARKS_FAILED, Unit::Count, "Writes of the use of environments that failed");
    describe_counter!(WRITES_FENCED, Unit::Count, "Writes that were not sent, as another manager may lead by now");
    describe_counter!(
        CREDENTIAL_RENEWALS,
        Unit::Count,
        "How often the cluster's credentials were asked for, by outcome"
    );
}

/// This manager leads now, or does not.
pub fn leads(leads: bool) {
    gauge!(LEADER).set(if leads { 1.0 } else { 0.0 });
}

/// So many hosts wait until every gateway leads to their endpoints, and so many gateways do not answer.
pub fn gateways_asked(hosts: usize, silent: usize) {
    gauge!(HOSTS_UNCONFIRMED).set(hosts as f64);
    gauge!(GATEWAYS_SILENT).set(silent as f64);
}

/// The use of environments could not be noted.
pub fn use_mark_failed() {
    counter!(USE_MARKS_FAILED).increment(1);
}

/// A write was not sent, as another manager may lead by now.
pub fn write_fenced() {
    counter!(WRITES_FENCED).increment(1);
}

/// Whether a right is missing; the labels are its role, API group, resource and verb, all from one list.
pub fn right_is_missing([role, group, resource, verb]: [&'static str; 4], is_missing: bool) {
    let gauge = gauge!(MISSING_RIGHTS, "role" => role, "group" => group, "resource" => resource, "verb" => verb);
    gauge.set(if is_missing { 1.0 } else { 0.0 });
}

/// The cluster's credentials were asked for.
pub fn credentials_renewed(done: bool) {
    counter!(CREDENTIAL_RENEWALS, "outcome" => if done { "done" } else { "failed" }).increment(1);
}

// ---- Who calls the management API ----

const CALLERS_REFUSED: &str = "doorstep_api_callers_refused_total";
const IDENTITY_FILE_MISTAKES: &str = "doorstep_identity_file_mistakes";
const ISSUER_KEY_FETCHES: &str = "doorstep_issuer_key_fetches_total";

fn describe_identity() {
    describe_counter!(CALLERS_REFUSED, Unit::Count, "Calls of the management API that were refused, by reason");
    describe_gauge!(
        IDENTITY_FILE_MISTAKES,
        Unit::Count,
        "Mistakes in the identity file as it is now; with any, what was read before stays"
    );
    describe_counter!(ISSUER_KEY_FETCHES, Unit::Count, "How often issuers' keys were fetched, by outcome");
}

/// Why a call of the management API did not reach its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerRefused {
    /// Nobody is known by what was presented.
    Unknown,
    /// Somebody is known who may not do it.
    Forbidden,
    /// It cannot be decided now.
    Undecided,
    /// There were too many.
    TooMany,
    /// Its head cannot be read, or is too large.
    Unreadable,
    /// Its head did not come in time.
    TooSlow,
    /// There was no place for its connection.
    Crowded,
}

/// A call of the management API did not reach its handler.
pub fn caller_refused(reason: CallerRefused) {
    let reason = match reason {
        CallerRefused::Unknown => "unknown",
        CallerRefused::Forbidden => "forbidden",
        CallerRefused::Undecided => "undecided",
        CallerRefused::TooMany => "too-many",
        CallerRefused::Unreadable => "unreadable",
        CallerRefused::TooSlow => "too-slow",
        CallerRefused::Crowded => "crowded",
    };
    counter!(CALLERS_REFUSED, "reason" => reason).increment(1);
}

/// The identity file was read, with that many mistakes; with any, what was read before stays.
pub fn identity_file_mistakes(mistakes: usize) {
    gauge!(IDENTITY_FILE_MISTAKES).set(mistakes as f64);
}

/// An issuer's keys were fetched.
pub fn issuer_keys_fetched(done: bool) {
    counter!(ISSUER_KEY_FETCHES, "outcome" => if done { "done" } else { "failed" }).increment(1);
}

// ---- DNS ----

const DNS_CHANGES: &str = "doorstep_dns_changes_total";
const DNS_RECORDS: &str = "doorstep_dns_record_sets";
const DNS_LISTINGS: &str = "doorstep_dns_listings_total";
const DNS_LISTED_AT: &str = "doorstep_dns_listed_timestamp_seconds";
const DNS_QUESTIONS: &str = "doorstep_dns_questions_total";

fn describe_dns() {
    describe_counter!(DNS_CHANGES, Unit::Count, "Changes of record sets by kind of change and by outcome");
    describe_gauge!(DNS_RECORDS, Unit::Count, "Record sets of a zone of the file of DNS, by how they are");
    describe_counter!(DNS_LISTINGS, Unit::Count, "Listings of zones by outcome");
    describe_gauge!(DNS_LISTED_AT, Unit::Seconds, "When a zone was listed last, in seconds since 1970");
    describe_counter!(DNS_QUESTIONS, Unit::Count, "Questions to the name server of this program, by transport");
}

/// A record set was changed, or could not be: `outcome` is `done` or the reason.
pub fn dns_changed(change: &'static str, outcome: &'static str) {
    counter!(DNS_CHANGES, "change" => change, "outcome" => outcome).increment(1);
}

/// A zone was listed, or could not be: `outcome` is `done` or the reason.
pub fn dns_listed(zone: &impl ToString, outcome: &'static str) {
    counter!(DNS_LISTINGS, "outcome" => outcome).increment(1);
    if outcome == "done" {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        gauge!(DNS_LISTED_AT, "zone" => zone.to_string()).set(now.as_secs_f64().floor());
    }
}

/// How the record sets of a zone are. Zones come from the file of DNS alone, so they are few.
pub fn dns_record_sets(zone: &impl ToString, counts: &[(&'static str, usize)]) {
    for (state, count) in counts {
        gauge!(DNS_RECORDS, "zone" => zone.to_string(), "state" => *state).set(*count as f64);
    }
}

/// The name server of this program was asked.
pub fn dns_question(by_stream: bool) {
    counter!(DNS_QUESTIONS, "transport" => if by_stream { "tcp" } else { "udp" }).increment(1);
}

// ---- Azure ----

const AZURE_CALLS: &str = "doorstep_azure_calls_total";

fn describe_azure() {
    describe_counter!(AZURE_CALLS, Unit::Count, "Attempts to call Azure, by service, method and outcome");
}

/// How an attempt to call Azure ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AzureOutcome {
    /// With a success.
    Done,
    /// No connection could be made.
    NotSent,
    /// It was sent and got no whole answer.
    NoAnswer,
    /// The answer cannot be read.
    Malformed,
    /// Refused for now: too many calls.
    Throttled,
    /// The resource was not as the call's condition says.
    Precondition,
    /// An error on the service's side.
    ServerError,
    /// Refused.
    Refused,
}

impl AzureOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotSent => "not-sent",
            Self::NoAnswer => "no-answer",
            Self::Malformed => "malformed",
            Self::Throttled => "throttled",
            Self::Precondition => "precondition",
            Self::ServerError => "server-error",
            Self::Refused => "refused",
        }
    }
}

/// Azure was called once.
pub fn azure_call(service: &'static str, method: &'static str, outcome: AzureOutcome) {
    counter!(AZURE_CALLS, "service" => service, "method" => method, "outcome" => outcome.as_str()).increment(1);
}

// ---- The gateway's data plane ----

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

fn describe_proxy() {
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

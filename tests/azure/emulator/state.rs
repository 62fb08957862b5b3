//! Everything that the emulator knows, and the way of a call through it: token, budget, fate, service.

use super::budgets::Budgets;
use super::faults::{Fate, Faults};
use super::reply::{Cut, Reply};
use super::zones::{Operation, Zone};
use doorstep::azure::Clock;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A call as it came.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub method: String,
    pub path: String,
    pub query: String,
    pub authorization: Option<String>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub client_request_id: Option<String>,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// What is remembered of a call.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: String,
    pub at: Duration,
    pub status: u16,
    pub fate: Fate,
    pub client_request_id: String,
}

/// Hears of each call that was served, with its status; `true` cuts the answer off.
pub type Witness = Box<dyn FnMut(&Incoming, u16) -> bool + Send>;

pub struct State {
    pub clock: Clock,
    pub origin: String,
    pub zones: BTreeMap<String, Zone>,
    pub operations: BTreeMap<String, Operation>,
    pub faults: Faults,
    pub random: fastrand::Rng,
    pub budgets: Budgets,
    pub seen: Vec<Seen>,
    /// What was wrong with bodies and calls that a client of ours must never send.
    pub violations: Vec<String>,
    /// Answers given in the place of the next ones, in order.
    pub scripted: VecDeque<Reply>,
    pub witness: Option<Witness>,
    pub tokens: BTreeSet<String>,
    pub token_calls: usize,
    pub secret: String,
    pub page: usize,
    counter: u64,
}

impl State {
    pub fn new(clock: Clock, origin: String) -> Self {
        Self {
            clock,
            origin,
            zones: BTreeMap::new(),
            operations: BTreeMap::new(),
            faults: Faults::default(),
            random: fastrand::Rng::with_seed(5),
            budgets: Budgets::default(),
            seen: Vec::new(),
            violations: Vec::new(),
            scripted: VecDeque::new(),
            witness: None,
            tokens: BTreeSet::new(),
            token_calls: 0,
            secret: super::SECRET.to_owned(),
            page: 100,
            counter: 0,
        }
    }

    /// A number that was not given before.
    pub fn next(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// How many calls of ARM had this method.
    pub fn calls(&self, method: &str) -> usize {
        self.seen.iter().filter(|seen| seen.method == method).count()
    }

    pub(super) fn answer(&mut self, call: &Incoming) -> Reply {
        if call.path.ends_with("/oauth2/v2.0/token") {
            return self.token(call);
        }
        let now = self.clock.now();
        let (mut reply, fate) = self.through(call, now);
        let was_served = matches!(fate, Fate::None | Fate::LostAfter | Fate::Touched);
        if was_served && self.witness.as_mut().is_some_and(|witness| witness(call, reply.status)) {
            reply = reply.cut(Cut::Before);
        }
        self.seen.push(Seen {
            method: call.method.clone(),
            path: call.path.clone(),
            query: call.query.clone(),
            at: now,
            status: reply.status,
            fate,
            client_request_id: call.client_request_id.clone().unwrap_or_default(),
        });
        let id = format!("00000000-0000-0000-0000-{:012}", self.next());
        reply
            .header("x-ms-request-id", id)
            .header("x-ms-ratelimit-remaining-subscription-global-reads", "16499")
            .header("x-ms-ratelimit-remaining-subscription-global-writes", "11999")
    }

    fn through(&mut self, call: &Incoming, now: Duration) -> (Reply, Fate) {
        let token = call.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.tokens.contains(token)) {
            let message = "The access token is invalid.";
            return (Reply::error(401, "InvalidAuthenticationToken", message), Fate::None);
        }
        if let Some(reply) = self.scripted.pop_front() {
            return (reply, Fate::None);
        }
        if let Some(wait) = self.budgets.count(&call.method, call.path.contains("/privateDnsZones/"), now) {
            return (Reply::throttled(wait.as_secs()), Fate::None);
        }
        let is_write = !matches!(call.method.as_str(), "GET" | "HEAD");
        let fate = self.faults.draw(&mut self.random, is_write);
        let reply = match fate {
            Fate::Throttled => Reply::throttled(self.random.u64(1..=10)),
            Fate::Unavailable => Reply::error(503, "ServiceUnavailable", "The service is unavailable now."),
            Fate::LostBefore => Reply::empty(500).cut(Cut::Before),
            Fate::LostAfter => {
                let cut = if self.random.bool() { Cut::Before } else { Cut::Within };
                match self.serve(call, now) {
                    // Half of nothing is nothing: such an answer is lost whole.
                    reply if reply.body.is_none() => reply.cut(Cut::Before),
                    reply => reply.cut(cut),
                }
            }
            Fate::Touched => self.touched(call, now),
            Fate::None => self.serve(call, now),
        };
        (reply, fate)
    }

    /// The issuer of tokens: a client's secret, or an assertion.
    fn token(&mut self, call: &Incoming) -> Reply {
        self.token_calls += 1;
        let form: BTreeMap<String, String> =
            reqwest::Url::parse(&format!("https://x/?{}", String::from_utf8_lossy(&call.body)))
                .map(|url| url.query_pairs().into_owned().collect())
                .unwrap_or_default();
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let by_secret = field("client_secret") == self.secret;
        let by_assertion = field("client_assertion").starts_with("assertion-")
            && field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if field("scope") != "https://management.test/.default" || field("client_id") != "client-1" {
            self.violations.push(format!("a token was asked for by {form:?}"));
        }
        if !call.path.starts_with("/tenant-1/") || !(by_secret || by_assertion) {
            let said = "AADSTS7000215: Invalid client secret provided.";
            let body = json!({"error": "invalid_client", "error_description": said, "error_codes": [7_000_215]});
            return Reply::json(401, &body);
        }
        let token = format!("token-{}", self.next());
        self.tokens.insert(token.clone());
        let body = json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token});
        Reply::json(200, &body)
    }
}

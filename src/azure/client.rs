//! The client: one call's way from budget to answer, and what is done when the answer is lost.

use super::call::{Answer, Call, Condition, Method, Target};
use super::clock::Clock;
use super::credential::Tokens;
use super::error::AzureError;
use super::retry::{self, Failure, MAX_ATTEMPTS, Verdict};
use super::service_error::ServiceError;
use super::settings::{ApiVersions, Endpoints, Settings};
use super::throttle::{Budget, Throttle};
use super::transport::{Transport, Whole};
use crate::telemetry::metrics::{self, AzureOutcome};
use http::HeaderMap;
use reqwest::Url;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a call waits for room in its budgets before it gives the wait back to its caller.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a write whose answer was lost is looked after and tried again.
const MAX_ROUNDS: u32 = 5;
const MAX_PAGES: usize = 10_000;

/// Whether this process may still write.
pub type Fence = Arc<dyn Fn() -> bool + Send + Sync>;

/// The client of Azure Resource Manager. Cheap to clone; all clones share tokens and budgets.
#[derive(Clone)]
pub struct Arm {
    inner: Arc<Inner>,
    fence: Option<Fence>,
}

struct Inner {
    endpoints: Endpoints,
    versions: ApiVersions,
    transport: Transport,
    tokens: Tokens,
    throttle: Throttle,
    clock: Clock,
}

/// What a look at the resource says about a write that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It took effect.
    Applied,
    /// It did not: all is as before.
    NotApplied,
    /// Somebody else has written meanwhile.
    Otherwise,
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm").field("management", &self.inner.endpoints.management.as_str()).finish_non_exhaustive()
    }
}

impl Arm {
    /// A client by `settings`, whose waits and budgets are counted by `clock`. Nothing is asked for yet.
    pub fn new(settings: &Settings, clock: Clock) -> Result<Self, AzureError> {
        let endpoints = settings.endpoints()?;
        let inner = Inner {
            versions: settings.api_versions.clone(),
            transport: Transport::new(settings, true)?,
            tokens: Tokens::new(settings, endpoints.clone(), clock.clone())?,
            throttle: Throttle::new(clock.clone()),
            endpoints,
            clock,
        };
        Ok(Self { inner: Arc::new(inner), fence: None })
    }

    /// The same client, whose writes ask `fence` right before each is sent: a call may have waited long for its budget, and
    /// another process may write by then.
    #[must_use]
    pub fn fenced(self, fence: Fence) -> Self {
        Self { fence: Some(fence), ..self }
    }

    /// The clock that its waits are counted by.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Makes a call, again where that is safe. A write that got no answer is [`AzureError::Lost`]; see [`Self::write`].
    pub async fn send(&self, call: &Call) -> Result<Answer, AzureError> {
        let correlation = random_id();
        let budgets = Budget::of(call.service, call.method);
        let mut attempt = 0;
        loop {
            let admitted = self.inner.throttle.admit(call.subscription(), budgets, PATIENCE).await;
            admitted.map_err(|after| AzureError::Throttled { what: call.to_string(), after })?;
            let token = self.inner.tokens.token().await?;
            if !call.method.is_safe() && self.fence.as_ref().is_some_and(|may| !may()) {
                return Err(AzureError::Fenced { what: call.to_string() });
            }
            let failure = match self.attempt(call, &correlation, token.secret()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let verdict = retry::verdict(call.method, &failure, attempt);
            tracing::debug!(%call, attempt, ?verdict, ?failure, correlation, "a call of Azure failed");
            attempt += 1;
            match verdict {
                Verdict::Again(wait) if attempt < MAX_ATTEMPTS => self.inner.clock.sleep(wait).await,
                Verdict::Throttled(wait) => {
                    self.inner.throttle.close(call.subscription(), budgets, wait);
                    tracing::warn!(%call, seconds = wait.as_secs(), "Azure takes no more calls of this kind for a while");
                    if attempt >= MAX_ATTEMPTS {
                        return Err(AzureError::Throttled { what: call.to_string(), after: wait });
                    }
                }
                Verdict::NewToken => self.inner.tokens.refused(&token).await,
                Verdict::Again(_) | Verdict::Unknown | Verdict::Final => return Err(given_up(call, failure, attempt)),
            }
        }
    }

    /// Makes a write, and when its answer is lost looks at the resource: `settle` says what the look means, given
    /// what is there now. Returns the resource as written, if the service or the look told it.
    pub async fn write(
        &self,
        call: &Call,
        settle: impl Fn(Option<&Value>) -> Settled + Send + Sync,
    ) -> Result<Value, AzureError> {
        let mut lost = None;
        for round in 0..MAX_ROUNDS {
            match self.send(call).await {
                Ok(answer) => return Ok(answer.body),
                Err(error @ AzureError::Lost { .. }) => lost = Some(error),
                // The lost one may have arrived after we looked.
                Err(AzureError::Precondition { .. } | AzureError::Absent { .. }) if lost.is_some() => {}
                Err(error) => return Err(error),
            }
            let found = self.look(call).await.map_err(|error| unsettled(call, error))?;
            match settle(found.as_ref()) {
                Settled::Applied => return Ok(found.unwrap_or_default()),
                Settled::Otherwise => return Err(AzureError::Precondition { what: call.to_string() }),
                Settled::NotApplied => self.inner.clock.sleep(retry::backoff(round)).await,
            }
        }
        Err(lost.unwrap_or_else(|| AzureError::Precondition { what: call.to_string() }))
    }

    /// The resource of `call`, or none.
    async fn look(&self, call: &Call) -> Result<Option<Value>, AzureError> {
        match self.send(&call.look()).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(AzureError::Absent { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All items of a listing, whatever the number of its pages. An item may come twice when the list changes meanwhile.
    pub async fn list(&self, call: &Call) -> Result<Vec<Value>, AzureError> {
        let mut page = call.clone();
        let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
        loop {
            let mut answer = self.send(&page).await?;
            let malformed = |reason: &str| AzureError::Malformed { what: call.to_string(), reason: reason.to_owned() };
            match answer.body.get_mut("value").map(Value::take) {
                Some(Value::Array(more)) => items.extend(more),
                _ => return Err(malformed("a page has no `value` that is a list")),
            }
            let Some(next) = answer.body.get("nextLink").and_then(Value::as_str).filter(|next| !next.is_empty()) else {
                return Ok(items);
            };
            if !seen.insert(next.to_owned()) || seen.len() > MAX_PAGES {
                return Err(malformed("its pages do not end"));
            }
            page = Call::follow(call.service, next, call.subscription());
        }
    }

    async fn attempt(&self, call: &Call, correlation: &str, token: &str) -> Result<Answer, Failure> {
        let url = self.url(call)?;
        let mut request = self.inner.transport.request(call.method.as_str(), url);
        request = request
            .bearer_auth(token)
            .header("accept", "application/json")
            .header("x-ms-client-request-id", random_id())
            .header("x-ms-correlation-request-id", correlation)
            .header("x-ms-return-client-request-id", "true");
        request = match &call.condition {
            Condition::Always => request,
            Condition::Absent => request.header("if-none-match", "*"),
            Condition::Unchanged(etag) => request.header("if-match", &etag.0),
        };
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let outcome = self.inner.transport.exchange(request).await.and_then(|whole| self.read(call, whole));
        metrics::azure_call(call.service.as_str(), call.method.as_str(), outcome_of(&outcome));
        outcome
    }

    /// Turns a whole answer into a success or a failure, and learns from its header fields.
    fn read(&self, call: &Call, whole: Whole) -> Result<Answer, Failure> {
        self.learn(call, &whole.headers);
        let text = |name: &str| whole.headers.get(name).and_then(|value| value.to_str().ok());
        tracing::debug!(%call, status = whole.status, id = text("x-ms-request-id").unwrap_or_default(), "Azure answered");
        if !(200..300).contains(&whole.status) {
            let retry_after = text("retry-after").and_then(|v| retry::retry_after(v, jiff::Timestamp::now()));
            let error = ServiceError::of_body(&whole.body);
            return Err(Failure::Status { status: whole.status, retry_after, error });
        }
        let body = match whole.body.trim_ascii() {
            [] => Value::Null,
            body => serde_json::from_slice(body)
                .map_err(|reason| Failure::Malformed(format!("a success whose body is no JSON: {reason}")))?,
        };
        Ok(Answer { status: whole.status, headers: whole.headers, body })
    }

    /// Others use the same subscription; the service tells how many calls it has left.
    fn learn(&self, call: &Call, headers: &HeaderMap) {
        let (budget, kind) = match call.method {
            Method::Get | Method::Head => (Budget::Reads, "reads"),
            Method::Put | Method::Patch | Method::Post => (Budget::Writes, "writes"),
            Method::Delete => (Budget::Deletes, "deletes"),
        };
        let told = ["", "global-"].into_iter().filter_map(|scope| {
            let name = format!("x-ms-ratelimit-remaining-subscription-{scope}{kind}");
            headers.get(name.as_str())?.to_str().ok()?.parse::<u32>().ok()
        });
        if let Some(remaining) = told.min() {
            self.inner.throttle.remaining(call.subscription(), budget, remaining);
        }
    }

    pub(super) fn url(&self, call: &Call) -> Result<Url, Failure> {
        let management = &self.inner.endpoints.management;
        match &call.target {
            Target::Resource(path) => {
                let mut url = management.clone();
                url.set_path(path.as_str());
                let version = self.inner.versions.of(call.service);
                url.query_pairs_mut().append_pair("api-version", version).extend_pairs(&call.query);
                Ok(url)
            }
            Target::Verbatim { url, .. } => same_origin(url, management).map_err(Failure::Malformed),
        }
    }
}

/// A URL that came in an answer is followed only to where our token belongs.
fn same_origin(url: &str, management: &Url) -> Result<Url, String> {
    match Url::parse(url) {
        Ok(parsed) if parsed.origin() != management.origin() || !parsed.username().is_empty() => {
            Err(format!("it leads to {}, which is not ARM; the token stays here", super::redact::url(url)))
        }
        Ok(parsed) => Ok(parsed),
        Err(reason) => Err(format!("it leads to what is no URL: {reason}")),
    }
}

/// A lost write that could not be looked after either.
fn unsettled(call: &Call, look: AzureError) -> AzureError {
    match look {
        AzureError::Unavailable { attempts, reason, .. } => {
            let reason = format!("whether it took effect is not known, as a look at it got no answer either: {reason}");
            AzureError::Unavailable { what: call.to_string(), attempts, reason }
        }
        other => other,
    }
}

fn given_up(call: &Call, failure: Failure, attempts: u32) -> AzureError {
    let what = call.to_string();
    match failure {
        Failure::NotSent(reason) => AzureError::Unavailable { what, attempts, reason },
        Failure::NoAnswer(reason) if call.method.is_safe() => AzureError::Unavailable { what, attempts, reason },
        Failure::NoAnswer(reason) => AzureError::Lost { what, reason },
        Failure::Malformed(reason) if call.method.is_safe() => AzureError::Malformed { what, reason },
        Failure::Malformed(reason) => AzureError::Lost { what, reason },
        Failure::Status { status: 404, error, .. } => AzureError::Absent { what, error },
        Failure::Status { status: 412, .. } => AzureError::Precondition { what },
        Failure::Status { status: 408 | 500 | 502 | 503 | 504, error, .. } if !call.method.is_safe() => {
            AzureError::Lost { what, reason: error.to_string() }
        }
        Failure::Status { status: 408 | 500 | 502 | 503 | 504, error, .. } => {
            AzureError::Unavailable { what, attempts, reason: error.to_string() }
        }
        Failure::Status { status, error, .. } => AzureError::Refused { what, status, error },
    }
}

fn outcome_of(outcome: &Result<Answer, Failure>) -> AzureOutcome {
    match outcome {
        Ok(_) => AzureOutcome::Done,
        Err(Failure::NotSent(_)) => AzureOutcome::NotSent,
        Err(Failure::NoAnswer(_)) => AzureOutcome::NoAnswer,
        Err(Failure::Malformed(_)) => AzureOutcome::Malformed,
        Err(Failure::Status { status: 429, .. }) => AzureOutcome::Throttled,
        Err(Failure::Status { status: 412, .. }) => AzureOutcome::Precondition,
        Err(Failure::Status { status: 500.., .. }) => AzureOutcome::ServerError,
        Err(Failure::Status { .. }) => AzureOutcome::Refused,
    }
}

/// A random UUID (RFC 9562, version 4).
fn random_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_to_arm_alone() {
        let management = Url::parse("https://management.example").unwrap();
        let long = format!("https://management.example/op?t=1&s={}%2b==&h=a~b", "x".repeat(4_000));
        assert_eq!(same_origin(&long, &management).unwrap().as_str(), long, "followed as it is");
        for bad in [
            "https://management.example.evil/op?s=1",
            "http://management.example/op",
            "https://management.example:444/op",
            "https://a@management.example/op",
            "//management.example/op",
            "",
        ] {
            let said = same_origin(bad, &management).unwrap_err();
            assert!(!said.contains("s=1"), "{said}");
        }
    }

    #[test]
    fn ids_are_random_uuids() {
        let id = random_id();
        assert_eq!(id.len(), 36);
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        assert_ne!(id, random_id());
    }
}

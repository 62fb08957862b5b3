//! Repeated calls: with an `Idempotency-Key`, the first call is done and its answer kept, and whoever sends the same again
//! gets that answer. A key belongs to its caller and to one request.

use super::input::limited;
use super::problem::{Code, Problem};
use super::{ApiState, Shared, store};
use crate::identity::Caller;
use crate::store::{Answer, Claim, Claimed, KeyedCall};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH, LINK, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

const FIELD: HeaderName = HeaderName::from_static("idempotency-key");
/// Marks an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest key.
const MOST_CHARS: usize = 128;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(86_400);
/// Calls whose answer shows a secret, once: it is not kept.
const SHOWN_ONCE: [&str; 2] = ["/api/v1/webhooks", "/api/v1/tokens"];
/// The most bytes of an answer that is kept.
const MOST_BYTES: usize = 4 << 20;

tokio::task_local! {
    /// The mark of the call under way.
    static MARK: String;
}

/// The mark of the call under way, where it has a key: the same whenever the same caller sends the same request with the same key.
///
/// What a call writes carries it. A process may die after it has written and before the answer is kept; the call is then done anew, and what
/// carries its mark already is not changed once more.
pub(super) fn mark() -> Option<String> {
    MARK.try_with(Clone::clone).ok()
}

/// Does `work` as a call with this mark.
pub(super) async fn with_mark<T>(mark: String, work: impl Future<Output = T>) -> T {
    MARK.scope(mark, work).await
}

/// `work` for a task of its own, which does not inherit the mark of the call that begins it.
pub(super) fn within_this_call<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let mark = mark();
    async move {
        match mark {
            Some(mark) => with_mark(mark, work).await,
            None => work.await,
        }
    }
}

/// Does a call with a key once.
pub(super) async fn once(State(state): Shared, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        || !request.headers().contains_key(FIELD)
    {
        return next.run(request).await;
    }
    match claimed(&state, request).await {
        Err(problem) => problem.into_response(),
        Ok((Claimed::Done(answer), ..)) => replayed(answer),
        Ok((Claimed::Running, ..)) => {
            let said = "the first call with this Idempotency-Key is still running; ask again in a moment";
            let mut response = Problem::new(Code::IdempotencyKeyRunning, said).into_response();
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        Ok((Claimed::Other, ..)) => {
            let said = "this Idempotency-Key was used with another request; take a new key for each request";
            Problem::new(Code::IdempotencyKeyReused, said).into_response()
        }
        Ok((Claimed::Mine(claim), request, mark)) => {
            // A task of its own: the answer is kept even where its caller has gone.
            let work = tokio::spawn(with_mark(mark, done(state, claim, request, next)).in_current_span());
            work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
    }
}

/// Asks the store who does the call. Gives the request back, whose body was read for its fingerprint, and the call's mark.
async fn claimed(state: &ApiState, request: Request) -> Result<(Claimed, Request, String), Problem> {
    let key = key(request.headers())?;
    let caller = request.extensions().get::<Caller>().map(|caller| caller.subject.clone()).unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = limited(body).await?;
    let target = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let field = |name: HeaderName| parts.headers.get(name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    // What the outcome depends on.
    let outcome = [parts.method.as_str().as_bytes(), target.as_bytes(), &field(IF_MATCH), &field(IF_NONE_MATCH), &body];
    let fingerprint = digest(&outcome);
    let mark = digest(&[caller.as_bytes(), key.as_bytes(), fingerprint.as_bytes()]);
    let at = state.clock.now();
    let call = KeyedCall { caller, key, fingerprint, at, expires_at: crate::model::later(at, KEPT) };
    let claimed = state.store.idempotency().claim(&call).await.map_err(|error| store::problem(&error))?;
    Ok((claimed, Request::from_parts(parts, Body::from(body)), mark))
}

/// SHA-256 over all parts, each with its length, so that no two lists read the same.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut fields = headers.get_all(FIELD).iter();
    let text = fields.next().and_then(|field| field.to_str().ok()).unwrap_or_default();
    let sane = (1..=MOST_CHARS).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
    if sane && fields.next().is_none() {
        return Ok(text.to_owned());
    }
    let said = format!("Idempotency-Key has to be one text of 1 to {MOST_CHARS} visible ASCII characters, like a UUID");
    Err(Problem::new(Code::Malformed, said))
}

/// Does the call and keeps its answer. One that failed for now is not kept: whoever comes again may do it.
async fn done(state: Arc<ApiState>, claim: Claim, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let response = next.run(request).await;
    let (parts, body) = response.into_parts();
    let for_now = parts.status.is_server_error()
        || matches!(parts.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let Ok(body) = Limited::new(body, MOST_BYTES).collect().await.map(|whole| whole.to_bytes()) else {
        release(&state, &claim).await;
        tracing::error!("an answer is too long to be kept for its Idempotency-Key");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    match std::str::from_utf8(&body) {
        Ok(text) if !for_now => {
            let secret = parts.status.is_success() && route.is_some_and(|route| SHOWN_ONCE.contains(&route.as_str()));
            let (headers, body) = (kept(&parts.headers), text.to_owned());
            let answer = if secret { shown_once() } else { Answer { status: parts.status.as_u16(), headers, body } };
            if let Err(error) = state.store.idempotency().finish(&claim, &answer).await {
                // It was done, and must not be told to have failed: whoever repeats it finds it running until it expires.
                tracing::error!(%error, "an answer could not be kept for its Idempotency-Key");
            }
        }
        Ok(_) | Err(_) => release(&state, &claim).await,
    }
    Response::from_parts(parts, Body::from(body))
}

/// What whoever repeats a call hears whose secret was shown.
fn shown_once() -> Answer {
    let said = "this was done by the first call with this Idempotency-Key, whose answer alone showed the secret";
    let problem = Problem::new(Code::Conflict, said);
    Answer {
        status: problem.status,
        headers: vec![(CONTENT_TYPE.to_string(), "application/problem+json".to_owned())],
        body: serde_json::to_string(&problem).unwrap_or_default(),
    }
}

async fn release(state: &ApiState, claim: &Claim) {
    if let Err(error) = state.store.idempotency().release(claim).await {
        tracing::warn!(%error, "an Idempotency-Key could not be given back");
    }
}

/// The fields of an answer that are told again.
fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = [CONTENT_TYPE, ETAG, LINK, LOCATION, RETRY_AFTER, PREFERENCE_APPLIED];
    let values =
        told.into_iter().filter_map(|name| Some((name.to_string(), headers.get(&name)?.to_str().ok()?.to_owned())));
    values.collect()
}

fn replayed(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_visible_text() {
        let read = |texts: &[&str]| {
            let mut headers = HeaderMap::new();
            for text in texts {
                headers.append(FIELD, HeaderValue::from_str(text).unwrap());
            }
            key(&headers)
        };
        assert_eq!(read(&["build-17/deploy"]).unwrap(), "build-17/deploy");
        for bad in [&[""][..], &["a b"], &["a", "a"], &[&"x".repeat(129)]] {
            assert_eq!(read(bad).unwrap_err().status, 400, "{bad:?}");
        }
    }
}

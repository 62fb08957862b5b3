//! Around each call that changes something: a record before it, and one after it.

use super::super::problem::Told;
use super::super::request_id::RequestId;
use super::super::tls::Peer;
use super::super::{ApiState, Shared, idempotency, store, verbs};
use super::observe::{Observed, Sight, observed};
use crate::identity::{Caller, Scope};
use crate::store::{Begun, Call, Ended, Outcome, Target, Who};
use axum::RequestExt as _;
use axum::extract::{ConnectInfo, MatchedPath, RawPathParams, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use serde_json::Value;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;

/// How long a record waits for a store that does not take it.
const PAUSE: Duration = Duration::from_secs(2);

/// What a handler wants to be in the record of its end: an extension of its response. Secrets in it are masked.
#[derive(Debug, Clone, Default)]
pub struct Note {
    /// How things stand now.
    pub after: Option<Value>,
    /// More about it, in a sentence.
    pub said: Option<String>,
}

/// Writes both records. When the first one cannot be written, nothing is done.
pub(in crate::api) async fn record(State(state): Shared, mut request: Request, next: Next) -> Response {
    if !changes(&request) {
        return next.run(request).await;
    }
    let mut begun = begun(&state, &mut request).await;
    let seen = observed(&state.client, &state.namespace, &begun.target).await;
    begun.before = seen.as_ref().and_then(Observed::wish);
    let sight = Sight::new(seen);
    // A task of its own, from before its beginning is written: a caller that goes away must not leave a call half done, or without
    // its end.
    let work = async move {
        let call = match state.store.audit().begin(begun).await {
            Ok(call) => call,
            Err(error) => return store::problem(&error).into_response(),
        };
        let call_itself = sight.clone().during(next.run(request));
        let response = AssertUnwindSafe(call_itself).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a handler of the management API panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        });
        let mut ended = ended(&state, &response);
        if ended.after.is_none() && ended.result == Outcome::Done {
            ended.after = match sight.after() {
                Some(after) => Some(after),
                None => {
                    let seen = observed(&state.client, &state.namespace, &call.begun.target).await;
                    seen.and_then(|seen| seen.wish())
                }
            };
        }
        end(&state, call, ended).await;
        response
    };
    let work = tokio::spawn(idempotency::within_this_call(work).in_current_span());
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Whether a call may change something: by what it needs, as some that only ask are sent with POST.
fn changes(request: &Request) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let asks =
        request.extensions().get::<crate::identity::Action>().is_some_and(|action| action.scope() == Scope::Read);
    !safe && !asks
}

/// A refusal before the handler. The response itself cannot be shared while the store is asked.
pub(in crate::api) struct Refused {
    status: StatusCode,
    said: Option<String>,
    caller: Caller,
}

impl Refused {
    /// What of a refusal is written.
    pub(in crate::api) fn of(response: &Response, caller: Caller) -> Self {
        let said = response.extensions().get::<Told>().map(|told| told.0.to_string());
        Self { status: response.status(), said, caller }
    }
}

/// Writes that a call which would change something was refused to a caller who is known.
pub(in crate::api) async fn refused(state: &ApiState, request: &mut Request, refused: Refused) {
    let Refused { status, said, caller } = refused;
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || status != StatusCode::FORBIDDEN {
        return;
    }
    request.extensions_mut().insert(caller);
    let begun = begun(state, request).await;
    let (at, status) = (state.clock.now(), Some(status.as_u16()));
    let ended = Ended { at, result: Outcome::Refused, status, after: None, said };
    if let Err(error) = state.store.audit().refused(begun, ended).await {
        tracing::warn!(%error, "a refused call is not in the audit");
    }
}

async fn begun(state: &ApiState, request: &mut Request) -> Begun {
    let parameters = request.extract_parts::<RawPathParams>().await.ok();
    let parameter = |wanted: &str| {
        let value = parameters.as_ref()?.iter().find(|(name, _)| *name == wanted)?.1;
        Some(value.to_ascii_lowercase())
    };
    let path = verbs::outside(request.uri().path());
    let path = path.strip_prefix("/api/v1").unwrap_or(&path).to_owned();
    let route = request.extensions().get::<MatchedPath>().map(|matched| matched.as_str().to_owned());
    let route = route.unwrap_or_default();
    let route = verbs::outside(route.strip_prefix("/api/v1").unwrap_or(&route));
    let user = parameter("user");
    let class = parameter("class").or_else(|| route.starts_with("/classes/").then(|| parameter("name")).flatten());
    let caller = request.extensions().get::<Caller>();
    let who = caller.map(|caller| Who {
        subject: caller.subject.clone(),
        name: caller.name.clone(),
        through: caller.through.to_string(),
    });
    let nobody = || Who { subject: String::new(), name: String::new(), through: String::new() };
    Begun {
        at: state.clock.now(),
        who: who.unwrap_or_else(nobody),
        origin: origin(request),
        request: request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        action: format!("{} {route}", request.method()),
        target: Target { path, user, class },
        before: None,
    }
}

/// The address that the caller's connection comes from.
fn origin(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    peer.map(|ConnectInfo(peer)| peer.address.ip().to_string()).unwrap_or_default()
}

fn ended(state: &ApiState, response: &Response) -> Ended {
    let status = response.status();
    let result = match status {
        _ if status.is_server_error() => Outcome::Failed,
        _ if status.is_client_error() => Outcome::Refused,
        _ => Outcome::Done,
    };
    let note = response.extensions().get::<Note>().cloned().unwrap_or_default();
    let told = response.extensions().get::<Told>().map(|told| told.0.to_string());
    Ended { at: state.clock.now(), result, status: Some(status.as_u16()), after: note.after, said: note.said.or(told) }
}

/// Writes the end, now or as soon as the store takes it. When this process dies before, the next one writes what it sees.
async fn end(state: &Arc<ApiState>, call: Call, ended: Ended) {
    let Err(error) = state.store.audit().end(&call, ended.clone()).await else { return };
    tracing::warn!(%error, call = call.id, "the end of a call is not in the audit yet");
    let state = state.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = state.shutdown.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            let written = state.store.audit().end(&call, ended.clone()).await;
            if written.is_ok() || state.shutdown.is_cancelled() {
                return;
            }
        }
    });
}

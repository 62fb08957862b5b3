//! Forwards a request: route it, have it sent, answer.

use super::body::{Progress, RequestBody, ResponseBody};
use super::connection::Client;
use super::fields;
use super::filters;
use super::record::Record;
use super::refusal::Refusal;
use super::request;
use super::respond;
use super::send::send;
use super::upgrade;
use super::worker::Worker;
use crate::model::EnvironmentKey;
use crate::routing::{EnvironmentNote, Match, Rule, Snapshot};
use http::{Method, Request, Response, StatusCode, Uri, Version, request::Parts};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

/// Answers one request.
pub(super) async fn handle(
    client: Rc<Client>,
    mut request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let has_two_lengths = client.activity.begin();
    let on_upgrade = hyper::upgrade::on(&mut request);
    let (mut parts, incoming) = request.into_parts();
    let request_id = fields::request_id(&parts.headers);
    let mut record = Record::begin(&client, &parts, request_id);
    let html = respond::wants_html(&parts.headers);
    let routed = request::check(&parts, has_two_lengths, &client).and_then(|checked| {
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
    let content = record.content.clone();
    if let Some(upgrade) = checked.upgrade {
        // An upgrade has no content of its own; what the client sends before the backend agrees stays unread.
        drop(incoming);
        content.set(Progress::Ended);
        let outgoing = outgoing(parts, RequestBody::Empty);
        let upgrading = upgrade::forward(record, outgoing, &rule, upgrade, on_upgrade);
        return Ok(Box::pin(upgrading)
            .await
            .unwrap_or_else(|(refusal, record)| respond::refuse(&refusal, html, record)));
    }
    drop(on_upgrade);
    let body = RequestBody::new(incoming, idle, &mut record);
    if !body.is_empty() && matches!(parts.method, Method::GET | Method::HEAD) {
        fields::tell_content(&mut parts.headers);
    }
    match send(&client.worker, &rule, outgoing(parts, body), &mut record).await {
        Ok((response, lease)) => Ok(respond::forward(response, lease, idle, content, record)),
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
        Match::Personal(key, None) => Err(expired(&table, &key).unwrap_or(Refusal::NoEnvironment { key })),
        Match::Personal(key, Some(note)) => Err(expired(&table, &key).unwrap_or_else(|| state(note))),
    }
}

/// Why an environment that exists does not answer.
fn state(note: &EnvironmentNote) -> Refusal {
    let (key, message) = (note.key.clone(), note.message.clone());
    match note.is_asleep() {
        true => Refusal::Asleep { key, message, wakes: note.wakes },
        false => Refusal::NotReady { key, reason: note.reason.clone(), message },
    }
}

/// That the environment has expired, if it has.
fn expired(table: &Snapshot, key: &EnvironmentKey) -> Option<Refusal> {
    let note = table.expired(key)?;
    Some(Refusal::Expired { key: key.clone(), at: note.at.clone(), message: note.message.clone() })
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
    let table = worker.table.load();
    match table.environment(key) {
        Some(note) if !note.ready => expired(&table, key).unwrap_or_else(|| state(note)),
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

/// Whether a response may come to a request that asked for no upgrade.
pub(super) fn is_unasked_switch<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
}

/// The version that responses are written in; hyper lowers it for older clients.
pub(super) const RESPONSE_VERSION: Version = Version::HTTP_11;

//! Leads a request through the filters of its rule, and its response back.

use super::body::ResponseBody;
use super::connection::Client;
use super::fields;
use super::forward::RESPONSE_VERSION;
use super::record::Record;
use super::refusal::Refusal;
use super::request::Checked;
use super::respond;
use crate::routing::{self, Answer, Passage, RequestView, Rule, Scheme};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, Version, header, request::Parts, uri::PathAndQuery};

/// What a rule's filters answered, and how many had let the request pass before.
pub(super) struct Answered {
    answer: Answer,
    passed: usize,
}

/// The request as the table looks at it.
pub(super) fn view<'r>(client: &Client, parts: &'r Parts, host: &'r str) -> RequestView<'r> {
    RequestView {
        scheme: Scheme::of_tls(client.tls),
        client: Some(client.peer.ip()),
        host,
        path: parts.uri.path(),
        query: parts.uri.query(),
        method: &parts.method,
        headers: &parts.headers,
    }
}

/// Leads a request through `rule`'s filters. Its fields are those for the backend already.
pub(super) fn request(
    rule: &Rule,
    parts: &mut Parts,
    checked: &Checked,
    client: &Client,
    record: &mut Record,
) -> Result<(), Answered> {
    record.origin = parts.headers.get(header::ORIGIN).cloned();
    let mut headers = std::mem::take(&mut parts.headers);
    let host = checked.host_value.to_str().unwrap_or(&checked.host);
    let mut passage = Passage::new(&view(client, parts, &checked.host), host);
    let mut passed = 0;
    let outcome = rule.filters.iter().try_for_each(|filter| {
        passage.through(std::slice::from_ref(filter), &mut headers)?;
        passed += 1;
        Ok(())
    });
    let target = (passage.path != parts.uri.path()).then(|| target(&passage));
    parts.headers = headers;
    match (outcome, target) {
        (Err(answer), _) => Err(Answered { answer, passed }),
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(Some(target))) => {
            parts.uri = Uri::from(target);
            Ok(())
        }
        (Ok(()), Some(None)) => {
            let reason = "What the rule's filters make of this path is none.".into();
            Err(Answered { answer: Answer::Refuse { status: StatusCode::INTERNAL_SERVER_ERROR, reason }, passed })
        }
    }
}

fn target(passage: &Passage<'_>) -> Option<PathAndQuery> {
    match passage.query {
        Some(query) => format!("{}?{query}", passage.path).parse().ok(),
        None => passage.path.parse().ok(),
    }
}

/// Leads a response's fields back through the filters of the rule that its request had.
pub(super) fn response(record: &Record, headers: &mut HeaderMap) {
    if let Some(rule) = &record.rule {
        routing::respond(&rule.filters, record.origin.as_ref(), headers);
    }
}

/// Answers a request that goes no further.
pub(super) fn answer(answered: Answered, html: bool, mut record: Box<Record>) -> Response<ResponseBody> {
    let (rule, origin) = (record.rule.clone(), record.origin.clone());
    let mut response = match answered.answer {
        Answer::Refuse { status, reason } => {
            respond::refuse(&Refusal::Denied { status, reason: reason.into() }, html, record)
        }
        Answer::Redirect { status, location } => {
            record.answered(status);
            empty(status, HeaderMap::from_iter([(header::LOCATION, location)]), record)
        }
        Answer::Preflight(headers) => {
            record.answered(StatusCode::OK);
            empty(StatusCode::OK, headers, record)
        }
    };
    let passed = rule.as_ref().and_then(|rule| rule.filters.get(..answered.passed)).unwrap_or_default();
    routing::respond(passed, origin.as_ref(), response.headers_mut());
    response
}

fn empty(status: StatusCode, mut headers: HeaderMap, record: Box<Record>) -> Response<ResponseBody> {
    headers.insert(&fields::X_REQUEST_ID, record.request_id.clone());
    if record.version() < Version::HTTP_2 && record.client().worker.is_stopping() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(ResponseBody::own(Bytes::new(), record));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = RESPONSE_VERSION;
    response
}

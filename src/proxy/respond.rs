//! Makes responses: a backend's for the client, and the gateway's own from a refusal. The one place that does.

use super::body::{Progress, RequestBody, ResponseBody};
use super::fields;
use super::filters;
use super::forward::{RESPONSE_VERSION, is_unasked_switch};
use super::pages;
use super::record::Record;
use super::refusal::Refusal;
use crate::upstream::Lease;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version, header};
use hyper::body::Incoming;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

static PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Sends a backend's response on.
pub(super) fn forward(
    response: Response<Incoming>,
    lease: Lease<RequestBody>,
    idle: Duration,
    request_content: Rc<Cell<Progress>>,
    record: Box<Record>,
) -> Response<ResponseBody> {
    if is_unasked_switch(&response) || !fields::is_framed(response.headers()) {
        return refuse(&Refusal::UpstreamProtocol, false, record);
    }
    streamed(response, Some(lease), idle, request_content, record)
}

/// Sends a response on whose connection must not be used again.
pub(super) fn forward_and_close(
    response: Response<Incoming>,
    idle: Duration,
    record: Box<Record>,
) -> Response<ResponseBody> {
    streamed(response, None, idle, Rc::new(Cell::new(Progress::Ended)), record)
}

fn streamed(
    response: Response<Incoming>,
    lease: Option<Lease<RequestBody>>,
    idle: Duration,
    request_content: Rc<Cell<Progress>>,
    mut record: Box<Record>,
) -> Response<ResponseBody> {
    let (mut parts, incoming) = response.into_parts();
    fields::to_client(&mut parts.headers, parts.status);
    filters::response(&record, &mut parts.headers);
    parts.version = RESPONSE_VERSION;
    record.answered(parts.status);
    if record.version() < Version::HTTP_2 && record.client().worker.is_stopping() {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(parts, ResponseBody::streamed(incoming, idle, lease, request_content, record))
}

/// Whether the client would rather see a page.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|value| {
        let bytes = value.as_bytes().to_ascii_lowercase();
        bytes.windows(9).any(|window| window == b"text/html")
    })
}

/// Answers with why there is no other answer.
pub(super) fn refuse(refusal: &Refusal, html: bool, mut record: Box<Record>) -> Response<ResponseBody> {
    record.refused(refusal);
    tell(refusal, &record);
    let detail = refusal.detail();
    let (kind, content) = if html {
        (
            "text/html; charset=utf-8",
            pages::page(refusal, &detail, &record.host, record.request_id.to_str().unwrap_or_default()),
        )
    } else {
        ("application/problem+json", problem(refusal, &detail, &record))
    };
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(&fields::X_REQUEST_ID, record.request_id.clone());
    if let Ok(value) = HeaderValue::try_from(proxy_status(refusal, &detail)) {
        headers.insert(&PROXY_STATUS, value);
    }
    if html && let Ok(policy) = HeaderValue::try_from(pages::policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    let stopping = record.client().worker.is_stopping();
    if record.version() < Version::HTTP_2 && (refusal.closes() || stopping) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let mut response = Response::new(ResponseBody::own(Bytes::from(content), record));
    *response.status_mut() = refusal.status();
    *response.headers_mut() = headers;
    response
}

/// The answer to a request whose head was not read, as it goes over the wire: nobody knows what the client would rather see,
/// so it is a problem.
pub(super) fn unread(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let detail = refusal.detail();
    let (status, proxy_status) = (refusal.status(), proxy_status(refusal, &detail));
    let reason = status.canonical_reason().unwrap_or("Error");
    let problem = serde_json::json!({
        "type": format!("urn:doorstep:problem:{}", refusal.code()),
        "title": refusal.title(),
        "status": status.as_u16(),
        "detail": detail,
        "code": refusal.code(),
        "requestId": request_id,
    });
    let content = format!("{problem}\n");
    let length = content.len();
    format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/problem+json\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nx-request-id: {request_id}\r\nproxy-status: {proxy_status}\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{content}",
        status.as_u16()
    )
    .into_bytes()
}

/// The Proxy-Status field (RFC 9209). Its `details` is a string of RFC 8941: printable ASCII, quotes escaped.
fn proxy_status(refusal: &Refusal, detail: &str) -> String {
    let mut details = String::with_capacity(detail.len());
    for c in detail.chars().take(200) {
        match c {
            '"' | '\\' => details.extend(['\\', c]),
            ' '..='~' => details.push(c),
            _ => details.push('?'),
        }
    }
    format!("doorstep; error={}; details=\"{details}\"", refusal.proxy_status())
}

/// A problem of RFC 9457.
fn problem(refusal: &Refusal, detail: &str, record: &Record) -> String {
    let mut problem = serde_json::json!({
        "type": format!("urn:doorstep:problem:{}", refusal.code()),
        "title": refusal.title(),
        "status": refusal.status().as_u16(),
        "detail": detail,
        "code": refusal.code(),
        "requestId": record.request_id.to_str().unwrap_or_default(),
    });
    if let Some(problem) = problem.as_object_mut() {
        if !record.host.is_empty() {
            problem.insert("host".into(), (*record.host).into());
        }
        if let Some(key) = refusal.environment() {
            problem.insert("environment".into(), key.to_string().into());
        }
        if let Refusal::NotReady { reason, .. } = refusal {
            problem.insert("reason".into(), (**reason).into());
        }
    }
    format!("{problem}\n")
}

fn tell(refusal: &Refusal, record: &Record) {
    let (code, host, id) = (refusal.code(), &record.host, &record.request_id);
    match refusal.level() {
        tracing::Level::WARN | tracing::Level::ERROR => tracing::warn!(code, ?host, ?id, "refused"),
        tracing::Level::INFO => tracing::info!(code, ?host, ?id, "refused"),
        _ => tracing::debug!(code, ?host, ?id, "refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_a_string_of_printable_characters() {
        let field = proxy_status(&Refusal::NoRoute, "a \"b\" \\ \r\n é");
        assert_eq!(field, "doorstep; error=destination_not_found; details=\"a \\\"b\\\" \\\\ ?? ?\"");
    }
}

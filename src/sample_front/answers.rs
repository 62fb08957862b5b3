//! What is answered where.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, TRAILER,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;

use super::page::Page;
use super::server::Front;
use super::streams;
use super::websocket::{self, NoHandshake};
use crate::model::shown;

/// An answer; its body fails only where it is the request's own.
pub type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

const MAX_SLOW_MILLISECONDS: u64 = 60_000;
const MAX_BYTES: u64 = 1 << 30;
const LAST_EVENT_ID: &str = "last-event-id";

/// Answers one request.
pub async fn answer(request: Request<Incoming>, front: &Arc<Front>) -> Answer {
    let head = request.method() == Method::HEAD;
    let answer = route(request, front).await;
    if head { without_content(answer) } else { answer }
}

async fn route(mut request: Request<Incoming>, front: &Arc<Front>) -> Answer {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/ws" => return upgrade(&mut request, front),
        "/echo" => return echo(request),
        _ => {}
    }
    let (parts, _) = request.into_parts();
    match path.as_str() {
        "/" => page(&parts, front),
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/events" => events(&parts, front),
        "/slow" => slow(parts.uri.query()).await,
        path => numbered(path),
    }
}

/// The paths that end in a number, and the answer to all that are not known.
fn numbered(path: &str) -> Answer {
    if let Some(number) = path.strip_prefix("/bytes/") {
        return bytes(number);
    }
    if let Some(number) = path.strip_prefix("/status/") {
        return status(number);
    }
    let known = "/, /healthz, /ws, /events, /slow?ms=N, /bytes/N, /echo and /status/N";
    text(StatusCode::NOT_FOUND, format!("There is nothing at {}; this front end knows {known}.\n", shown(path)))
}

fn page(parts: &Parts, front: &Front) -> Answer {
    let page = Page::of(&front.identity, parts);
    let mut answer = text(StatusCode::OK, page.text);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn events(parts: &Parts, front: &Front) -> Answer {
    let last = parts.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.parse::<u64>().ok());
    let clock = streams::clock(last.map_or(1, |id| id.wrapping_add(1)), front.stage.clone());
    let mut answer = Response::new(clock.map_err(|never| match never {}).boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

async fn slow(query: Option<&str>) -> Answer {
    let given = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("ms=")).unwrap_or_default();
    match given.parse() {
        Ok(milliseconds @ 0..=MAX_SLOW_MILLISECONDS) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            text(StatusCode::OK, format!("answered after {milliseconds} ms\n"))
        }
        Ok(_) | Err(_) => bad_number("ms", given, MAX_SLOW_MILLISECONDS),
    }
}

fn bytes(number: &str) -> Answer {
    match number.parse() {
        Ok(count @ 0..=MAX_BYTES) => {
            let mut answer = Response::new(streams::Run::new(count).map_err(|never| match never {}).boxed_unsync());
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            answer
        }
        Ok(_) | Err(_) => bad_number("the number of bytes", number, MAX_BYTES),
    }
}

fn status(number: &str) -> Answer {
    match number.parse().ok().and_then(|code: u16| StatusCode::from_u16(code).ok()) {
        Some(StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED) if number.len() == 3 => {
            let mut answer = Response::new(empty());
            *answer.status_mut() = number.parse().unwrap_or(StatusCode::NO_CONTENT);
            answer
        }
        Some(status) if (200..600).contains(&status.as_u16()) => text(status, format!("{status}\n")),
        Some(_) | None => {
            let sentence = format!(
                "The status is {}, which is no status of an answer; give one from 200 to 599.\n",
                shown(number)
            );
            text(StatusCode::BAD_REQUEST, sentence)
        }
    }
}

/// Sends the request's content and trailers back as they come.
fn echo(request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    let mut answer = Response::new(body.boxed_unsync());
    // Trailers go out over HTTP/1.1 only where the `Trailer` field announces them.
    for name in [CONTENT_TYPE, TRAILER] {
        for value in parts.headers.get_all(&name) {
            answer.headers_mut().append(&name, value.clone());
        }
    }
    answer
}

fn upgrade(request: &mut Request<Incoming>, front: &Arc<Front>) -> Answer {
    match websocket::accept(request.method(), request.version(), request.headers()) {
        Ok(accept) => {
            front.tasks.spawn(websocket::echo(hyper::upgrade::on(request), front.stage.clone()));
            let mut answer = Response::new(empty());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            answer.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
            answer
        }
        Err(NoHandshake::UpgradeRequired) => {
            let sentence = "This is a WebSocket: ask with Upgrade: websocket and Sec-WebSocket-Version: 13.\n";
            let mut answer = text(StatusCode::UPGRADE_REQUIRED, sentence);
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            answer
        }
        Err(NoHandshake::BadKey) => text(
            StatusCode::BAD_REQUEST,
            "Sec-WebSocket-Key is missing or no 16 bytes in base64 (RFC 6455, section 4.2.1).\n",
        ),
    }
}

fn bad_number(what: &str, given: &str, most: u64) -> Answer {
    let sentence = format!("{what} is {}; give a whole number from 0 to {most}.\n", shown(given));
    text(StatusCode::BAD_REQUEST, sentence)
}

fn text(status: StatusCode, content: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(content.into()).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn empty() -> UnsyncBoxBody<Bytes, hyper::Error> {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// The answer to HEAD: all fields of the answer to GET, with its length, and no content.
fn without_content(answer: Answer) -> Answer {
    let (mut parts, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact().filter(|_| parts.status.is_success()) {
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(parts, empty())
}

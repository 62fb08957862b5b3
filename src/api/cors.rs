//! Calls from web pages of other origins: none but those of the identity file, and never with cookies.

use super::Shared;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Answers what browsers ask before a call of another origin, and lets them read answers, for the known origins.
pub(super) async fn origins(State(state): Shared, request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let known = origin.filter(|origin| {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        state.access.load().origins.contains(&origin)
    });
    let asks = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let Some(origin) = known else { return next.run(request).await };
    let mut response = if asks { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    allow(response.headers_mut(), origin, asks);
    response
}

fn allow(fields: &mut HeaderMap, origin: HeaderValue, asks: bool) {
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    fields.append(VARY, HeaderValue::from_static("Origin"));
    if asks {
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE"),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, X-Request-Id",
            ),
            (ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            fields.insert(name, HeaderValue::from_static(value));
        }
    } else {
        fields.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("ETag, Link, Location, Retry-After, X-Request-Id"),
        );
    }
}

//! The answers that show an environment: with its tag, and with the place where the work goes on.

use super::environment_view::EnvironmentView;
use super::etag::{Tag, tagged};
use crate::model::EnvironmentKey;
use crate::resources::Environment;
use axum::Json;
use axum::http::header::{LINK, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

/// `Prefer` and its answer (RFC 7240).
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Whether the caller asks not to be told that all is done, but where to look.
pub(super) fn prefers_async(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    fields
        .flat_map(|value| value.split(','))
        .any(|word| word.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("respond-async"))
}

/// The path of an environment.
pub(super) fn path(key: &EnvironmentKey) -> String {
    format!("/api/v1/environments/{}/{}", key.user, key.class)
}

/// What is there now. A `Link` names the monitor of the generation; a 202 names it in `Location` as well.
pub(super) fn environment(
    status: StatusCode,
    key: &EnvironmentKey,
    object: &Environment,
    view: EnvironmentView,
) -> Response {
    let monitor = format!("{}/generations/{}", path(key), view.generation);
    let mut response = tagged(&Tag::of(object), (status, Json(view)));
    let fields = response.headers_mut();
    if let Ok(link) = HeaderValue::from_str(&format!("<{monitor}>; rel=\"monitor\"")) {
        fields.insert(LINK, link);
    }
    if status == StatusCode::ACCEPTED
        && let Ok(location) = HeaderValue::from_str(&monitor)
    {
        fields.insert(LOCATION, location);
        fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The same, as the caller prefers it: whoever asks for `respond-async` gets 202 where the work goes on.
pub(super) fn as_preferred(
    headers: &HeaderMap,
    status: StatusCode,
    key: &EnvironmentKey,
    object: &Environment,
    view: EnvironmentView,
) -> Response {
    let go_on = !view.ready && prefers_async(headers);
    let mut response = environment(if go_on { StatusCode::ACCEPTED } else { status }, key, object, view);
    if go_on {
        response.headers_mut().insert(PREFERENCE_APPLIED, HeaderValue::from_static("respond-async"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_found_among_others() {
        let asks = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, HeaderValue::from_static(value));
            prefers_async(&headers)
        };
        assert!(asks("respond-async") && asks("wait=10, Respond-Async; foo=bar"));
        assert!(!asks("return=minimal") && !asks(""));
    }
}

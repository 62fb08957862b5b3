//! A name for each call: the caller's own where it is sane, else one made here. It is in the response, in every problem, and
//! in every line of the log that the call causes.

use super::problem;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use tracing::Instrument as _;

/// The field that carries it.
pub(super) const FIELD: HeaderName = HeaderName::from_static("x-request-id");
/// The longest that is taken from a caller.
const MOST_CHARS: usize = 64;

/// The name of a call, as an extension of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The caller's own, unless it could disturb a log or a header: 1 to 64 letters, digits, `.`, `_` and `-`.
    fn given(field: &HeaderValue) -> Option<Self> {
        let text = field.to_str().ok()?;
        let sane = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        ((1..=MOST_CHARS).contains(&text.len()) && text.bytes().all(sane)).then(|| Self(text.into()))
    }

    /// One that nobody else has: it is no secret, so chance of this kind is enough.
    pub(super) fn made() -> Self {
        Self(format!("{:032x}", fastrand::u128(..)).into())
    }
}

/// Names the call.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(FIELD).and_then(RequestId::given);
    let id = given.unwrap_or_else(RequestId::made);
    request.extensions_mut().insert(id.clone());
    let span = tracing::info_span!("call", request_id = id.as_str());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = async {
        let response = next.run(request).await;
        let status = response.status();
        if status.is_server_error() {
            let path = crate::model::shown(&path);
            tracing::warn!(%method, path, status = status.as_u16(), "a call failed");
        }
        response
    };
    let mut response = problem::named(answered.instrument(span).await, id.as_str());
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(FIELD, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sane_name_is_taken_from_the_caller() {
        let taken = |text: &[u8]| RequestId::given(&HeaderValue::from_bytes(text).unwrap()).is_some();
        assert!(taken(b"build-17.2_a") && taken(&[b'a'; 64]));
        for bad in [&b""[..], b"a b", b"a\tb", b"\"", b"<x>", b"\xc3\xa9", &[b'a'; 65]] {
            assert!(!taken(bad), "{bad:?}");
        }
        assert_ne!(RequestId::made(), RequestId::made());
    }
}

//! Verbs at the end of a path, like `…/haimaz/integration:restart`. The router knows no such ending, so each request is
//! rewritten before it: `…/haimaz/integration/@restart` is what the routes are called inside, and nowhere else.

use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;

const PREFIX: &str = "/api/v1/";

/// Puts a verb into a segment of its own.
pub(super) fn rewrite(mut request: Request) -> Request {
    if let Some(path) = inside(request.uri().path()) {
        let whole = request.uri().query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        if let Ok(rewritten) = whole.parse::<PathAndQuery>() {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(rewritten);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    request
}

/// The path as the routes spell it, where it has to be another one. A verb stands behind something that was named: a segment
/// that follows another one. `/environments:bulk` is a path like any other.
fn inside(path: &str) -> Option<String> {
    let rest = path.strip_prefix(PREFIX)?;
    // Nobody outside may use the inner spelling.
    let hidden = rest.contains("/@").then(|| format!("{PREFIX}{}", rest.replace("/@", "/%40")));
    let from = hidden.as_deref().unwrap_or(path);
    let (head, last) = from.rsplit_once('/')?;
    let verb = last.rsplit_once(':').filter(|(name, verb)| {
        !name.is_empty() && !verb.is_empty() && verb.bytes().all(|c| c.is_ascii_lowercase() || c == b'-')
    });
    match verb {
        Some((name, verb)) if head.len() > PREFIX.len() => Some(format!("{head}/{name}/@{verb}")),
        Some(_) | None => hidden,
    }
}

/// A path or a route, as it is spelled outside and in the description of the API.
pub(super) fn outside(path: &str) -> String {
    path.replace("/@", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_becomes_a_segment_and_back() {
        let path = "/api/v1/environments/haimaz/integration:restart";
        assert_eq!(inside(path).unwrap(), "/api/v1/environments/haimaz/integration/@restart");
        assert_eq!(outside(&inside(path).unwrap()), path);
        assert_eq!(inside("/api/v1/a/b/generations/3:wait").unwrap(), "/api/v1/a/b/generations/3/@wait");
    }

    #[test]
    fn what_is_no_verb_stays_and_the_inner_spelling_is_hidden() {
        for same in ["/api/v1/environments:bulk", "/api/v1/environments/a/b", "/api/v1/environments/a/:x", "/metrics"] {
            assert_eq!(inside(same), None, "{same}");
        }
        assert_eq!(inside("/api/v1/environments/a/b/@restart").unwrap(), "/api/v1/environments/a/b/%40restart");
        assert_eq!(inside("/api/v1/environments/a/@b:restart").unwrap(), "/api/v1/environments/a/%40b/@restart");
    }
}

//! Validators (RFC 9110, section 8.8) and the conditions that callers make with them.
//!
//! A tag names two things: what is asked for (`<uid>.<generation>`), and the whole of what is shown, which changes with the
//! status as well (`….<resource version>`). `If-None-Match` of a GET compares the whole. `If-Match` compares what is asked
//! for alone: who changes an environment must know the newest wish, and may not know the newest status.

use super::problem::{Code, Problem};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use kube::ResourceExt;

/// The most tags of one field that are looked at.
const MOST_TAGS: usize = 64;

/// The tag of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    wish: String,
    whole: String,
}

impl Tag {
    /// That of an object of the cluster.
    pub(super) fn of<K: ResourceExt>(object: &K) -> Self {
        let (uid, generation) = (object.uid().unwrap_or_default(), object.meta().generation.unwrap_or_default());
        let wish = format!("{}.{generation}", uid.split('-').next().unwrap_or_default());
        Self { whole: format!("{wish}.{}", object.resource_version().unwrap_or_default()), wish }
    }

    /// As it stands in a field.
    pub(super) fn field(&self) -> Option<(axum::http::HeaderName, HeaderValue)> {
        Some((ETAG, HeaderValue::from_str(&format!("\"{}\"", self.whole)).ok()?))
    }

    /// Whether `tag`, without its quotes, is of the same wish.
    fn is_wish(&self, tag: &str) -> bool {
        tag.rsplit_once('.').is_some_and(|(wish, _)| wish == self.wish)
    }
}

/// What a caller made a change depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// `If-Match`.
    matches: Option<Tags>,
    /// `If-None-Match`.
    none: Option<Tags>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    /// Without their quotes; weak ones are told apart.
    These(Vec<(bool, String)>),
    /// No tags at all: what is meant is not known, so nothing is changed by it.
    Unreadable,
}

impl Conditions {
    /// Those of a request.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self { matches: tags(headers, &IF_MATCH), none: tags(headers, &IF_NONE_MATCH) }
    }

    /// Whether a change may be made to what is there.
    pub(super) fn check(&self, there: Option<&Tag>) -> Result<(), Problem> {
        let refused = |said: &str| Err(Problem::new(Code::PreconditionFailed, said));
        match (&self.matches, there) {
            (Some(Tags::Unreadable), _) => {
                return refused("If-Match is no list of entity tags, and not *; nothing was changed");
            }
            (Some(_), None) => {
                return refused("If-Match asks for something that is there, and nothing is; nothing was changed");
            }
            // A weak tag never matches here (RFC 9110, section 13.1.1).
            (Some(Tags::These(tags)), Some(tag)) if !tags.iter().any(|(weak, text)| !weak && tag.is_wish(text)) => {
                return refused(
                    "it was changed since the ETag of If-Match was read; read it again; nothing was changed",
                );
            }
            (Some(Tags::Any | Tags::These(_)), Some(_)) | (None, _) => {}
        }
        match (&self.none, there) {
            (Some(Tags::Unreadable), _) => {
                refused("If-None-Match is no list of entity tags, and not *; nothing was changed")
            }
            (Some(Tags::Any), Some(_)) => {
                refused("it is there already, and If-None-Match: * asks that it is not; nothing was changed")
            }
            (Some(Tags::These(tags)), Some(tag)) if tags.iter().any(|(_, text)| *text == tag.whole) => {
                refused("it still is what If-None-Match names; nothing was changed")
            }
            (Some(Tags::Any | Tags::These(_)) | None, _) => Ok(()),
        }
    }

    /// Whether a reader has what is shown already.
    fn is_known(&self, tag: &Tag) -> bool {
        match &self.none {
            None | Some(Tags::Unreadable) => false,
            Some(Tags::Any) => true,
            Some(Tags::These(tags)) => tags.iter().any(|(_, text)| *text == tag.whole),
        }
    }

    /// `body` with its tag, or 304 for a reader who has it.
    pub(super) fn answer(&self, tag: &Tag, body: impl IntoResponse) -> Response {
        if self.is_known(tag) {
            return tagged(tag, StatusCode::NOT_MODIFIED);
        }
        tagged(tag, body)
    }
}

/// A response with its tag.
pub(super) fn tagged(tag: &Tag, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    response.headers_mut().extend(tag.field());
    response
}

/// The tags of a field. An empty one is no list.
fn tags(headers: &HeaderMap, field: &axum::http::HeaderName) -> Option<Tags> {
    let mut values = headers.get_all(field).iter().peekable();
    values.peek()?;
    let mut found = Vec::new();
    for value in values {
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Some(Tags::Any);
        }
        match list(text) {
            Some(tags) if found.len() + tags.len() <= MOST_TAGS => found.extend(tags),
            Some(_) | None => return Some(Tags::Unreadable),
        }
    }
    Some(Tags::These(found))
}

fn list(text: &str) -> Option<Vec<(bool, String)>> {
    let (mut found, mut rest) = (Vec::new(), text);
    loop {
        let weak = rest.starts_with("W/");
        let (tag, after) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        found.push((weak, tag.to_owned()));
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(found);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(field: &'static str, value: &'static str) -> Conditions {
        let mut headers = HeaderMap::new();
        headers.insert(field, HeaderValue::from_static(value));
        Conditions::of(&headers)
    }

    fn tag() -> Tag {
        Tag { wish: "u.3".to_owned(), whole: "u.3.77".to_owned() }
    }

    #[test]
    fn a_change_depends_on_the_wish_and_not_on_the_status() {
        for (value, passes) in [
            ("\"u.3.77\"", true),
            ("\"u.3.12\"", true),
            ("\"u.2.77\"", false),
            ("*", true),
            ("W/\"u.3.77\"", false),
            ("\"a\", \"u.3.1\"", true),
        ] {
            assert_eq!(conditions("if-match", value).check(Some(&tag())).is_ok(), passes, "{value}");
        }
        assert_eq!(conditions("if-match", "*").check(None).unwrap_err().status, 412);
        assert!(conditions("if-none-match", "*").check(None).is_ok());
        assert_eq!(conditions("if-none-match", "*").check(Some(&tag())).unwrap_err().status, 412);
    }

    #[test]
    fn a_reader_is_told_of_every_change() {
        assert!(conditions("if-none-match", "W/\"u.3.77\"").is_known(&tag()));
        assert!(!conditions("if-none-match", "\"u.3.76\"").is_known(&tag()));
        assert!(!Conditions::default().is_known(&tag()));
    }

    #[test]
    fn what_is_no_tag_is_told() {
        for bad in ["", "u.3", "\"a", "\"a\" \"b\"", "W/a"] {
            assert_eq!(conditions("if-match", bad).check(Some(&tag())).unwrap_err().status, 412, "{bad}");
            assert_eq!(conditions("if-none-match", bad).check(None).unwrap_err().status, 412, "{bad}");
            assert!(!conditions("if-none-match", bad).is_known(&tag()), "{bad}");
        }
    }
}

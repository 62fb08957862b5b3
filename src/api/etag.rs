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
}

impl Conditions {
    /// Those of a request.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self { matches: tags(headers, &IF_MATCH)?, none: tags(headers, &IF_NONE_MATCH)? })
    }

    /// Whether a change may be made to what is there.
    pub(super) fn check(&self, there: Option<&Tag>) -> Result<(), Problem> {
        let refused = |said: &str| Err(Problem::new(Code::PreconditionFailed, said));
        match (&self.matches, there) {
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
            None => false,
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

fn tags(headers: &HeaderMap, field: &axum::http::HeaderName) -> Result<Option<Tags>, Problem> {
    let mut found = Vec::new();
    let mut given = false;
    for value in headers.get_all(field) {
        given = true;
        let unreadable = || {
            let said = format!("{field} is no list of entity tags, like \"a\", and not *");
            Problem::new(Code::Malformed, said)
        };
        let mut rest = value.to_str().map_err(|_| unreadable())?.trim();
        if rest == "*" {
            return Ok(Some(Tags::Any));
        }
        if rest.is_empty() {
            return Err(unreadable());
        }
        while !rest.is_empty() {
            let weak = rest.starts_with("W/");
            let text = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"').ok_or_else(unreadable)?;
            let (tag, after) = text.split_once('"').ok_or_else(unreadable)?;
            found.push((weak, tag.to_owned()));
            rest = after.trim_start();
            if let Some(more) = rest.strip_prefix(',') {
                rest = more.trim_start();
            } else if !rest.is_empty() {
                return Err(unreadable());
            }
            if found.len() > MOST_TAGS {
                return Err(Problem::new(Code::Malformed, format!("{field} has more than {MOST_TAGS} tags")));
            }
        }
    }
    Ok(given.then_some(Tags::These(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(field: &'static str, value: &'static str) -> Result<Conditions, Problem> {
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
            assert_eq!(conditions("if-match", value).unwrap().check(Some(&tag())).is_ok(), passes, "{value}");
        }
        assert_eq!(conditions("if-match", "*").unwrap().check(None).unwrap_err().status, 412);
        assert!(conditions("if-none-match", "*").unwrap().check(None).is_ok());
        assert_eq!(conditions("if-none-match", "*").unwrap().check(Some(&tag())).unwrap_err().status, 412);
    }

    #[test]
    fn a_reader_is_told_of_every_change() {
        assert!(conditions("if-none-match", "W/\"u.3.77\"").unwrap().is_known(&tag()));
        assert!(!conditions("if-none-match", "\"u.3.76\"").unwrap().is_known(&tag()));
        assert!(!Conditions::default().is_known(&tag()));
    }

    #[test]
    fn what_is_no_tag_is_told() {
        for bad in ["", "u.3", "\"a", "\"a\" \"b\"", "W/a"] {
            assert_eq!(conditions("if-match", bad).unwrap_err().status, 400, "{bad}");
        }
    }
}

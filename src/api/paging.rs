//! Pages of lists: `limit` and `cursor` in, `next` and a `Link` out (RFC 8288). A cursor names the last item of its page, so
//! that what comes and goes elsewhere in the list neither repeats nor hides an item.

use super::input::Query;
use super::problem::{FieldError, Problem};
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

/// How many items a page has when nothing is said.
pub const DEFAULT_LIMIT: usize = 50;
/// The most items of a page.
pub const MAX_LIMIT: usize = 500;
/// The longest cursor that is read.
const MOST_CURSOR: usize = 1024;

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<P> {
    /// The most items.
    pub limit: usize,
    /// The last item of the page before.
    pub after: Option<P>,
    /// What the list is of: a cursor of another one does not fit.
    list: String,
}

/// A page's request as it stands in the query, not checked yet.
#[derive(Debug)]
pub(super) struct Asked {
    limit: Option<usize>,
    cursor: Option<String>,
}

impl Asked {
    /// Takes `limit` and `cursor` out of a query.
    pub(super) fn take(query: &mut Query) -> Self {
        let wanted = "a number from 1 to 500";
        let limit = query.take_checked("limit", wanted, |limit: &usize| (1..=MAX_LIMIT).contains(limit));
        Self { limit, cursor: query.take("cursor", "a cursor") }
    }

    /// Checks it. `list` names the list with its filters and its order.
    pub(super) fn check<P: DeserializeOwned>(self, list: impl Into<String>) -> Result<PageRequest<P>, Problem> {
        let list = list.into();
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        let Some(cursor) = self.cursor else { return Ok(PageRequest { limit, after: None, list }) };
        let wrong = || {
            let said = "the cursor is not one of this list; take it from next of the page before, and keep the filters and the order";
            Problem::invalid(vec![FieldError::new("?cursor", said)])
        };
        let after = read(&cursor, &list).ok_or_else(wrong)?;
        Ok(PageRequest { limit, after: Some(after), list })
    }
}

impl<P: Serialize> PageRequest<P> {
    /// The cursor of the page that follows the one which ends with `last`.
    pub fn next(&self, last: &P) -> Option<String> {
        let place = serde_json::to_vec(last).ok()?;
        let bytes = [&mark(&self.list, &place)[..], &place].concat();
        Some(URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// Says in a `Link` where the next page is.
pub(super) fn link(response: &mut Response, uri: &Uri, next: Option<&str>) {
    let Some(next) = next else { return };
    let kept =
        uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query = kept.map(str::to_owned).chain([format!("cursor={next}")]).collect::<Vec<_>>().join("&");
    // Inside, the path begins behind the prefix that all calls have.
    let path = format!("/api/v1{}", uri.path().trim_start_matches("/api/v1"));
    if let Ok(value) = HeaderValue::from_str(&format!("<{path}?{query}>; rel=\"next\"")) {
        response.headers_mut().append(LINK, value);
    }
}

fn read<P: DeserializeOwned>(cursor: &str, list: &str) -> Option<P> {
    if cursor.len() > MOST_CURSOR {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (marked, place) = bytes.split_at_checked(MARK_BYTES)?;
    (marked == mark(list, place)).then(|| serde_json::from_slice(place).ok()).flatten()
}

const MARK_BYTES: usize = 8;

/// Ties a place to its list. It guards against slips, not against forgery: whoever may read the list may begin anywhere.
fn mark(list: &str, place: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update((list.len() as u64).to_be_bytes());
    hash.update(list);
    hash.update(place);
    hash.finalize().iter().take(MARK_BYTES).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(list: &str, cursor: Option<&str>) -> Result<PageRequest<(i64, String)>, Problem> {
        Asked { limit: None, cursor: cursor.map(str::to_owned) }.check(list)
    }

    #[test]
    fn a_cursor_is_read_back_in_its_own_list_alone() {
        let first = request("a", None).ok().unwrap();
        assert_eq!((first.limit, &first.after), (DEFAULT_LIMIT, &None));
        let cursor = first.next(&(7, "x".to_owned())).unwrap();
        assert_eq!(request("a", Some(&cursor)).ok().unwrap().after, Some((7, "x".to_owned())));
        for (list, cursor) in [("b", &cursor[..]), ("a", "x"), ("a", ""), ("a", &cursor[1..]), ("a", &"a".repeat(5000))]
        {
            let problem = request(list, Some(cursor)).err().unwrap();
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, "?cursor"), "{list} {cursor}");
        }
    }

    #[test]
    fn the_link_keeps_the_rest_of_the_query() {
        let mut response = Response::new(axum::body::Body::empty());
        link(&mut response, &"/api/v1/environments?limit=2&cursor=old&user=a".parse().unwrap(), Some("new"));
        assert_eq!(response.headers()[LINK], "</api/v1/environments?limit=2&user=a&cursor=new>; rel=\"next\"");
    }
}

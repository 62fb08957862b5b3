//! Pages of lists: `sort`, `limit` and `cursor` in, `next` and a `Link` out (RFC 8288). A cursor names the last item of its page,
//! so that what comes and goes elsewhere in the list neither repeats nor hides an item.

use super::input::Query;
use super::problem::{FieldError, Problem};
use crate::store::Order;
use axum::Json;
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};
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

/// An order that a list may be asked for.
pub(super) struct By<T> {
    /// What `sort` calls it; a minus before it turns it round.
    pub(super) word: &'static str,
    /// Where an item stands in it. No two items of a list have the same place.
    pub(super) place: fn(&T) -> Place,
}

/// The orders of a list.
pub(super) struct Orders<T: 'static> {
    /// The one that is taken where none is named.
    pub(super) first: By<T>,
    /// Whether that one is turned round then.
    pub(super) down: bool,
    /// The others.
    pub(super) more: &'static [By<T>],
}

/// A place in a list: by a number, and then by a text.
pub(super) type Place = (i64, String);

/// How a list that is whole in memory is asked for, not checked yet.
pub(super) struct Whole<T: 'static> {
    order: &'static By<T>,
    down: bool,
    asked: Asked,
}

/// A page of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Vec<T>,
    /// The cursor of the page that follows.
    pub(super) next: Option<String>,
}

impl<T: 'static> Whole<T> {
    /// Takes `sort`, `limit` and `cursor` out of a query.
    pub(super) fn take(query: &mut Query, orders: &'static Orders<T>) -> Self {
        let Orders { first, more, down } = orders;
        let orders = || std::iter::once(first).chain(*more);
        let words: Vec<String> = orders().flat_map(|by| [by.word.to_owned(), format!("-{}", by.word)]).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let sort = query.choice("sort", &words, |text| {
            let (word, down) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
            Some((orders().find(|by| by.word == word)?, down))
        });
        let (order, down) = sort.unwrap_or((first, *down));
        Self { order, down, asked: Asked::take(query) }
    }

    /// Cuts the page out of `items`. `list` names the list with its filters.
    pub(super) fn cut(self, list: &str, items: Vec<T>) -> Result<Page<T>, Problem> {
        let Self { order, down, asked } = self;
        let page = asked.check::<Place>(format!("{list} by {} {down}", order.word))?;
        let is_behind = |place: &Place| match &page.after {
            None => true,
            Some(after) if down => place < after,
            Some(after) => place > after,
        };
        let placed = items.into_iter().map(|item| ((order.place)(&item), item));
        let mut placed: Vec<(Place, T)> = placed.filter(|(place, _)| is_behind(place)).collect();
        placed.sort_by(|(a, _), (b, _)| if down { b.cmp(a) } else { a.cmp(b) });
        let more = placed.len() > page.limit;
        placed.truncate(page.limit);
        let next = placed.last().filter(|_| more).and_then(|(place, _)| page.next(place));
        Ok(Page { items: placed.into_iter().map(|(_, item)| item).collect(), next })
    }
}

/// Takes the `sort` of a list that the store tells by time: `at`, or `-at` for the newest first.
pub(super) fn by_time(query: &mut Query) -> Option<Order> {
    query.choice("sort", &["at", "-at"], |text| match text {
        "at" => Some(Order::Oldest),
        "-at" => Some(Order::Newest),
        _ => None,
    })
}

/// A page as it is answered: as JSON, with a `Link` where there is a next one.
pub(super) fn answer(list: impl Serialize, next: Option<&str>, uri: &Uri) -> Response {
    let mut response = Json(list).into_response();
    link(&mut response, uri, next);
    response
}

/// Says in a `Link` where the next page is.
fn link(response: &mut Response, uri: &Uri, next: Option<&str>) {
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

    static ORDERS: Orders<(&str, i64)> = Orders {
        first: By { word: "name", place: |(name, _)| (0, (*name).to_owned()) },
        down: false,
        more: &[By { word: "size", place: |(name, size)| (*size, (*name).to_owned()) }],
    };

    /// All pages of two items, one after the other.
    fn pages(sort: &str) -> String {
        let mut told = String::new();
        let mut cursor = String::new();
        loop {
            let mut query = Query::parse(&format!("limit=2&sort={sort}{cursor}"));
            let asked = Whole::take(&mut query, &ORDERS);
            query.done().unwrap();
            let page = asked.cut("sizes", vec![("c", 1), ("a", 2), ("d", 1), ("b", 3), ("e", 2)]).unwrap();
            told.extend(page.items.iter().map(|(name, _)| *name).chain(["|"]));
            let Some(next) = page.next else { return told };
            cursor = format!("&cursor={next}");
        }
    }

    #[test]
    fn a_list_is_cut_into_pages_in_each_of_its_orders() {
        assert_eq!(["name", "-name", "size", "-size"].map(pages), ["ab|cd|e|", "ed|cb|a|", "cd|ae|b|", "be|ad|c|"]);
    }

    #[test]
    fn a_wrong_order_is_told_with_all_that_there_are_and_the_nearest() {
        let mut query = Query::parse("sort=-sice&limit=0");
        let _asked = Whole::take(&mut query, &ORDERS);
        let said: Vec<String> = query.done().unwrap_err().errors.into_iter().map(|error| error.detail).collect();
        let wanted = "sort is \"-sice\"; it has to be name, -name, size or -size; did you mean \"-size\"?";
        assert_eq!(said, [wanted, "limit is \"0\"; it has to be a number from 1 to 500"]);
        let mut query = Query::parse("sort=size");
        let first = Whole::take(&mut query, &ORDERS).cut("sizes", vec![("a", 1); 51]).unwrap();
        let mut query = Query::parse(&format!("sort=-size&cursor={}", first.next.unwrap()));
        let problem = Whole::take(&mut query, &ORDERS).cut("sizes", vec![("a", 1)]).unwrap_err();
        assert_eq!(problem.errors[0].pointer, "?cursor", "a cursor of another order");
    }

    #[test]
    fn the_link_keeps_the_rest_of_the_query() {
        let mut response = Response::new(axum::body::Body::empty());
        link(&mut response, &"/api/v1/environments?limit=2&cursor=old&user=a".parse().unwrap(), Some("new"));
        assert_eq!(response.headers()[LINK], "</api/v1/environments?limit=2&user=a&cursor=new>; rel=\"next\"");
    }
}

//! What a rule does to a request before it goes on, and to the response on its way back. Compiled when the rule is made.
//!
//! The proxy runs filters on requests, and `explain` runs the same ones on a copy: both see the same answer.

mod cors;
mod fields;
mod path;
mod redirect;
#[cfg(test)]
mod tests;

pub use cors::Cors;
pub use fields::{FieldChanges, is_changeable};
pub use path::PathChange;
pub use redirect::{Redirect, RedirectStatus, Target};

use super::{RequestView, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use ipnet::IpNet;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// One step of a rule. A request passes them in their order, its response in the opposite one.
#[derive(Debug, Clone)]
pub enum Filter {
    /// Only clients in these ranges pass.
    AllowClients {
        /// The ranges.
        ranges: Box<[IpNet]>,
        /// What the others get.
        status: StatusCode,
    },
    /// Nobody passes.
    Refuse {
        /// What everybody gets.
        status: StatusCode,
        /// Why, in a sentence for people.
        reason: Box<str>,
    },
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// Changes to the request's fields.
    RequestFields(FieldChanges),
    /// Changes to the response's fields.
    ResponseFields(FieldChanges),
    /// A change of the path.
    Path(PathChange),
    /// The Host field that the backend gets.
    Host(HeaderValue),
    /// Cross-origin requests by the Fetch standard.
    Cors(Cors),
}

/// A request on its way through filters.
#[derive(Debug, Clone)]
pub struct Passage<'r> {
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
    /// How it came.
    pub scheme: Scheme,
    /// Its method.
    pub method: &'r Method,
    /// Its Host field: a name, and a port if the client gave one.
    pub host: Cow<'r, str>,
    /// Its path.
    pub path: Cow<'r, str>,
    /// Its query.
    pub query: Option<&'r str>,
}

/// What a client gets from a filter in the place of a backend's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is sent elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: StatusCode,
        /// Where to.
        location: HeaderValue,
    },
    /// It is refused.
    Refuse {
        /// The status.
        status: StatusCode,
        /// Why, in a sentence for people.
        reason: Cow<'static, str>,
    },
    /// It asked what it may ask (a preflight).
    Preflight(HeaderMap),
}

/// The prefix that was taken from the path.
pub static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
/// The path before it was replaced.
static X_REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

impl Filter {
    /// Whether it may answer a request itself. A rule without backends needs one that does.
    pub fn may_answer(&self) -> bool {
        match self {
            Self::Refuse { .. } | Self::Redirect(_) => true,
            Self::AllowClients { .. }
            | Self::RequestFields(_)
            | Self::ResponseFields(_)
            | Self::Path(_)
            | Self::Host(_)
            | Self::Cors(_) => false,
        }
    }

    fn request(&self, passage: &mut Passage<'_>, headers: &mut HeaderMap) -> Result<(), Answer> {
        match self {
            Self::AllowClients { ranges, status } => allow(ranges, *status, passage.client),
            Self::Refuse { status, reason } => {
                Err(Answer::Refuse { status: *status, reason: Cow::Owned(reason.to_string()) })
            }
            Self::Redirect(redirect) => redirect.answer(passage).map_or(Ok(()), Err),
            Self::RequestFields(changes) => {
                changes.apply(headers);
                Ok(())
            }
            Self::Path(change) => change.apply(passage, headers),
            Self::Host(host) => {
                passage.host = Cow::Owned(String::from_utf8_lossy(host.as_bytes()).into_owned());
                headers.insert(http::header::HOST, host.clone());
                Ok(())
            }
            Self::Cors(cors) => {
                cors.preflight(passage.method, headers).map_or(Ok(()), |told| Err(Answer::Preflight(told)))
            }
            Self::ResponseFields(_) => Ok(()),
        }
    }
}

impl<'r> Passage<'r> {
    /// `request` before its first filter; `host` is its Host field.
    pub fn new(request: &RequestView<'r>, host: &'r str) -> Self {
        Self {
            client: request.client,
            scheme: request.scheme,
            method: request.method,
            host: Cow::Borrowed(host),
            path: Cow::Borrowed(request.path),
            query: request.query,
        }
    }

    /// Leads a request through `filters`. An answer means that it goes no further.
    pub fn through(&mut self, filters: &[Filter], headers: &mut HeaderMap) -> Result<(), Answer> {
        filters.iter().try_for_each(|filter| filter.request(self, headers))
    }
}

/// Leads a response's fields back through `filters`; `origin` is the request's Origin field.
pub fn respond(filters: &[Filter], origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    for filter in filters.iter().rev() {
        match filter {
            Filter::ResponseFields(changes) => changes.apply(headers),
            Filter::Cors(cors) => cors.respond(origin, headers),
            Filter::AllowClients { .. }
            | Filter::Refuse { .. }
            | Filter::Redirect(_)
            | Filter::RequestFields(_)
            | Filter::Path(_)
            | Filter::Host(_) => {}
        }
    }
}

/// Fails closed: a client whose address is not known is in no range.
fn allow(ranges: &[IpNet], status: StatusCode, client: Option<IpAddr>) -> Result<(), Answer> {
    if client.is_some_and(|client| contains(ranges, client)) {
        return Ok(());
    }
    Err(Answer::Refuse { status, reason: Cow::Borrowed("Clients with this address are not allowed here.") })
}

/// Whether one of `ranges` has `client`. An IPv4 address that comes in IPv6's form is what it means.
pub(super) fn contains(ranges: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    ranges.iter().any(|range| range.contains(&client))
}

/// `a, b, c`.
pub(super) fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllowClients { ranges, status } => {
                write!(f, "allow clients in {}; {} for others", list(ranges.iter()), status.as_u16())
            }
            Self::Refuse { status, reason } => write!(f, "refuse with {}: {reason}", status.as_u16()),
            Self::Redirect(redirect) => write!(f, "{redirect}"),
            Self::RequestFields(changes) => write!(f, "request fields: {changes}"),
            Self::ResponseFields(changes) => write!(f, "response fields: {changes}"),
            Self::Path(change) => write!(f, "{change}"),
            Self::Host(host) => write!(f, "host becomes {}", String::from_utf8_lossy(host.as_bytes())),
            Self::Cors(cors) => write!(f, "{cors}"),
        }
    }
}

//! Conditions beyond the Gateway API's own: alternatives, negations, the scheme, the client, the host's form.

use super::filter::{contains, list};
use super::matcher::{ParsedQuery, field};
use super::{Matcher, PathMatch, RequestView, Scheme, ValueMatch};
use http::{HeaderName, Method};
use ipnet::IpNet;
use std::fmt;

/// One more thing that a rule wants of a request. Conditions nest; [`MAX_DEPTH`] bounds how deep.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Its scheme.
    Scheme(Scheme),
    /// Its host, canonical.
    Host(ValueMatch),
    /// Its path.
    Path(PathMatch),
    /// Its method.
    Method(Method),
    /// A field.
    Header(HeaderName, ValueMatch),
    /// A query parameter.
    Query(Box<str>, ValueMatch),
    /// The client's address. A client whose address is not known is in no range.
    Client(Box<[IpNet]>),
    /// Each of them.
    All(Box<[Condition]>),
    /// At least one of them.
    Any(Box<[Condition]>),
    /// Not this.
    Not(Box<Condition>),
}

/// How deep conditions may nest: nobody writes more, and a judgement needs stack for each level.
pub const MAX_DEPTH: usize = 32;

impl Condition {
    /// Whether `request` is so.
    pub(super) fn takes(&self, request: &RequestView<'_>, query: &ParsedQuery<'_>) -> bool {
        match self {
            Self::Scheme(scheme) => *scheme == request.scheme,
            Self::Host(wanted) => wanted.takes(request.host),
            Self::Path(wanted) => wanted.takes(request.path),
            Self::Method(method) => method == request.method,
            Self::Header(name, wanted) => field(request, name).is_some_and(|value| wanted.takes(&value)),
            Self::Query(name, wanted) => query.first(name).is_some_and(|value| wanted.takes(value)),
            Self::Client(ranges) => request.client.is_some_and(|client| contains(ranges, client)),
            Self::All(all) => all.iter().all(|condition| condition.takes(request, query)),
            Self::Any(any) => any.iter().any(|condition| condition.takes(request, query)),
            Self::Not(condition) => !condition.takes(request, query),
        }
    }

    /// All that `matcher` wants, as one condition.
    pub fn of(matcher: Matcher) -> Self {
        let mut all = Vec::new();
        match matcher.path {
            PathMatch::Prefix(prefix) if prefix.is_empty() => {}
            path => all.push(Self::Path(path)),
        }
        all.extend(matcher.method.map(Self::Method));
        all.extend(matcher.headers.into_iter().map(|(name, wanted)| Self::Header(name, wanted)));
        all.extend(matcher.query.into_iter().map(|(name, wanted)| Self::Query(name, wanted)));
        all.extend(matcher.conditions);
        match <[Self; 1]>::try_from(all) {
            Ok([only]) => only,
            Err(all) => Self::All(all.into()),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |f: &mut fmt::Formatter<'_>, word: &str, conditions: &[Self]| {
            let told: Vec<String> = conditions.iter().map(ToString::to_string).collect();
            write!(f, "({})", told.join(word))
        };
        match self {
            Self::Scheme(scheme) => write!(f, "scheme {}", scheme.as_str()),
            Self::Host(wanted) => write!(f, "host {wanted}"),
            Self::Path(wanted) => write!(f, "{wanted}"),
            Self::Method(method) => write!(f, "method {method}"),
            Self::Header(name, wanted) => write!(f, "field {name} {wanted}"),
            Self::Query(name, wanted) => write!(f, "query {name} {wanted}"),
            Self::Client(ranges) => write!(f, "client in {}", list(ranges.iter())),
            Self::All(all) if all.is_empty() => f.write_str("anything"),
            Self::All(all) => several(f, " and ", all),
            Self::Any(any) if any.is_empty() => f.write_str("nothing"),
            Self::Any(any) => several(f, " or ", any),
            Self::Not(condition) => write!(f, "not {condition}"),
        }
    }
}

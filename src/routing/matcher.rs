//! What one rule wants of a request: compiled once, asked often.

use super::RequestView;
use http::{HeaderName, Method};
use regex::Regex;
use std::borrow::Cow;
use std::fmt;

/// How a path must look.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The whole path, to the byte.
    Exact(Box<str>),
    /// A prefix of whole segments: `/foo` takes `/foo`, `/foo/` and `/foo/bar`, not `/foobar`. Kept without a trailing slash.
    Prefix(Box<str>),
    /// A regular expression for the whole path.
    Regex(Regex),
}

/// How a value must look.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// To the byte.
    Exact(Box<str>),
    /// A regular expression for the whole value.
    Regex(Regex),
}

/// All that a rule wants of a request beside its host.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// Of its path.
    pub path: PathMatch,
    /// Of its method, if it matters.
    pub method: Option<Method>,
    /// Of its fields. Several lines of one field count as one, joined by a comma (RFC 9110, section 5.3).
    pub headers: Box<[(HeaderName, ValueMatch)]>,
    /// Of its query: the first value of the name counts.
    pub query: Box<[(Box<str>, ValueMatch)]>,
}

/// The part of a request that a rule did not like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// Its path.
    Path,
    /// Its method.
    Method,
    /// The field of that name.
    Header(HeaderName),
    /// The query parameter of that name.
    Query(Box<str>),
}

/// An expression that takes whole texts: a bare alternative would escape the anchors, so a group is put around it.
pub fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // Compiled alone first: a pattern such as `a)(b` would only be well-formed inside the group.
    regex::Regex::new(pattern)?;
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

impl PathMatch {
    /// A prefix by segments.
    pub fn prefix(path: &str) -> Self {
        Self::Prefix(path.trim_end_matches('/').into())
    }

    fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == &**exact,
            Self::Prefix(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Regex(regex) => regex.is_match(path),
        }
    }

    /// Exact before regular expressions before prefixes, longer before shorter. The Gateway API leaves the place of regular
    /// expressions open; between the two, as they may be as narrow as the one and as wide as the other.
    pub(super) fn rank(&self) -> (u8, usize) {
        match self {
            Self::Exact(path) => (2, path.len()),
            Self::Regex(regex) => (1, regex.as_str().len()),
            Self::Prefix(path) => (0, path.len()),
        }
    }
}

impl ValueMatch {
    fn takes(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == &**exact,
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

impl Matcher {
    /// Takes every request.
    pub fn any() -> Self {
        Self { path: PathMatch::prefix("/"), method: None, headers: [].into(), query: [].into() }
    }

    /// The first part of the request that it does not like.
    pub fn mismatch(&self, request: &RequestView<'_>) -> Option<Mismatch> {
        if !self.path.takes(request.path) {
            return Some(Mismatch::Path);
        }
        if self.method.as_ref().is_some_and(|method| method != request.method) {
            return Some(Mismatch::Method);
        }
        for (name, wanted) in &self.headers {
            if !field(request, name).is_some_and(|value| wanted.takes(&value)) {
                return Some(Mismatch::Header(name.clone()));
            }
        }
        for (name, wanted) in &self.query {
            if !parameter(request.query.unwrap_or_default(), name).is_some_and(|value| wanted.takes(&value)) {
                return Some(Mismatch::Query(name.clone()));
            }
        }
        None
    }
}

/// The value of a field, its lines joined; `None` where it is absent or not text.
fn field<'r>(request: &RequestView<'r>, name: &HeaderName) -> Option<Cow<'r, str>> {
    let mut lines = request.headers.get_all(name).iter().map(|line| line.to_str());
    let first = lines.next()?.ok()?;
    let mut joined = Cow::Borrowed(first);
    for line in lines {
        let joined = joined.to_mut();
        joined.push(',');
        joined.push_str(line.ok()?);
    }
    Some(joined)
}

/// The first value of a query parameter, decoded.
fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, str>> {
    let decode = |text: &'q str| {
        if text.contains('+') {
            let spaced = text.replace('+', " ");
            Cow::Owned(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
        } else {
            percent_encoding::percent_decode_str(text).decode_utf8_lossy()
        }
    };
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).find_map(|(key, value)| {
        // Most names need no decoding, and most pairs are not the one.
        (key == name || decode(key) == name).then(|| decode(value))
    })
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "path = {path}"),
            Self::Prefix(path) if path.is_empty() => f.write_str("path under /"),
            Self::Prefix(path) => write!(f, "path under {path}"),
            Self::Regex(regex) => write!(f, "path matches {}", regex.as_str()),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(method) = &self.method {
            write!(f, ", method {method}")?;
        }
        for (name, value) in &self.headers {
            write!(f, ", field {name} {value}")?;
        }
        for (name, value) in &self.query {
            write!(f, ", query {name} {value}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(value) => write!(f, "= {}", crate::model::shown(value)),
            Self::Regex(regex) => write!(f, "matches {}", regex.as_str()),
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the path does not match"),
            Self::Method => f.write_str("the method does not match"),
            Self::Header(name) => write!(f, "the field {name} is absent or does not match"),
            Self::Query(name) => {
                write!(f, "the query parameter {} is absent or does not match", crate::model::shown(name))
            }
        }
    }
}

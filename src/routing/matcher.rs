//! What one rule wants of a request: compiled once, asked often.

use super::{Condition, RequestView};
use http::{HeaderName, Method};
use regex::Regex;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

/// How a path must look.
#[derive(Debug, Clone)]
pub enum PathMatch {
    /// The whole path, to the byte.
    Exact(Box<str>),
    /// A prefix to the byte: `/foo` takes `/foobar` too.
    Begins(Box<str>),
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
    /// What else must be so, all of it.
    pub conditions: Box<[Condition]>,
}

/// The part of a request that a rule did not like. It borrows from the rule: most rules asked are not the one, and saying
/// no must not allocate.
#[derive(Debug, Clone, Copy)]
pub enum Mismatch<'m> {
    /// Its path.
    Path,
    /// Its method.
    Method,
    /// The field of that name.
    Header(&'m HeaderName),
    /// The query parameter of that name.
    Query(&'m str),
    /// Another condition.
    Condition(&'m Condition),
}

/// What makes two matchers the same, whatever the order of their fields and parameters: kind and text of the path, the
/// method, then name, kind and text of each, then the other conditions in Debug's form, which quotes every text. A tuple,
/// because joined or shortened texts would make strangers equal.
pub(super) type Identity<'m> =
    ((u8, &'m str), Option<&'m Method>, Vec<(&'m str, bool, &'m str)>, Vec<(&'m str, bool, &'m str)>, Vec<String>);

/// An expression that takes whole texts: a bare alternative would escape the anchors, so a group is put around it.
pub fn whole(pattern: &str) -> Result<Regex, regex::Error> {
    // Compiled alone first: a pattern such as `a)(b` would only be well-formed inside the group.
    regex::Regex::new(pattern)?;
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build()
}

/// An expression that is looked for anywhere in a text.
pub fn anywhere(pattern: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build()
}

/// The expression without what [`whole`] put around it.
fn as_written(regex: &Regex) -> &str {
    let text = regex.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap_or(text)
}

impl PathMatch {
    /// A prefix by segments.
    pub fn prefix(path: &str) -> Self {
        Self::Prefix(path.trim_end_matches('/').into())
    }

    pub(super) fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == &**exact,
            Self::Begins(prefix) => path.starts_with(&**prefix),
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
            Self::Prefix(path) | Self::Begins(path) => (0, path.len()),
        }
    }
}

impl ValueMatch {
    pub(super) fn takes(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == &**exact,
            Self::Regex(regex) => regex.is_match(value),
        }
    }

    fn identity<'m>(&'m self, name: &'m str) -> (&'m str, bool, &'m str) {
        match self {
            Self::Exact(value) => (name, false, value),
            Self::Regex(regex) => (name, true, regex.as_str()),
        }
    }
}

impl Default for Matcher {
    /// Takes every request.
    fn default() -> Self {
        Self::any()
    }
}

impl Matcher {
    /// Takes every request.
    pub fn any() -> Self {
        Self { path: PathMatch::prefix("/"), method: None, headers: [].into(), query: [].into(), conditions: [].into() }
    }

    /// The first part of the request that it does not like.
    pub fn mismatch(&self, request: &RequestView<'_>) -> Option<Mismatch<'_>> {
        self.judge(request, &ParsedQuery::of(request))
    }

    /// The same, for a request that is shown to several rules: its query is parsed once, and only if one asks for it.
    pub(super) fn judge(&self, request: &RequestView<'_>, query: &ParsedQuery<'_>) -> Option<Mismatch<'_>> {
        if !self.path.takes(request.path) {
            return Some(Mismatch::Path);
        }
        if self.method.as_ref().is_some_and(|method| method != request.method) {
            return Some(Mismatch::Method);
        }
        for (name, wanted) in &self.headers {
            if !field(request, name).is_some_and(|value| wanted.takes(&value)) {
                return Some(Mismatch::Header(name));
            }
        }
        for (name, wanted) in &self.query {
            if !query.first(name).is_some_and(|value| wanted.takes(value)) {
                return Some(Mismatch::Query(name));
            }
        }
        self.conditions.iter().find(|condition| !condition.takes(request, query)).map(Mismatch::Condition)
    }

    /// What it is compared with others by.
    pub(super) fn identity(&self) -> Identity<'_> {
        let path = match &self.path {
            PathMatch::Exact(path) => (0, &**path),
            PathMatch::Prefix(path) => (1, &**path),
            PathMatch::Regex(regex) => (2, regex.as_str()),
            PathMatch::Begins(path) => (3, &**path),
        };
        let mut headers: Vec<_> = self.headers.iter().map(|(name, value)| value.identity(name.as_str())).collect();
        let mut query: Vec<_> = self.query.iter().map(|(name, value)| value.identity(name)).collect();
        headers.sort_unstable();
        query.sort_unstable();
        let mut conditions: Vec<_> = self.conditions.iter().map(|condition| format!("{condition:?}")).collect();
        conditions.sort_unstable();
        (path, self.method.as_ref(), headers, query, conditions)
    }
}

/// The value of a field, its lines joined; `None` where it is absent or not text.
pub(super) fn field<'r>(request: &RequestView<'r>, name: &HeaderName) -> Option<Cow<'r, str>> {
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

/// Decoded names and values, in the order of the query.
type Pairs<'q> = Vec<(Cow<'q, str>, Cow<'q, str>)>;

/// The query of one request, parsed when the first rule asks for it.
#[derive(Debug)]
pub(super) struct ParsedQuery<'q> {
    text: &'q str,
    pairs: OnceCell<Pairs<'q>>,
}

impl<'q> ParsedQuery<'q> {
    /// The query of `request`, not parsed yet.
    pub(super) fn of(request: &RequestView<'q>) -> Self {
        Self { text: request.query.unwrap_or_default(), pairs: OnceCell::new() }
    }

    /// The first value of a parameter, decoded.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let pairs = self.pairs.get_or_init(|| {
            let parts = self.text.split('&').filter(|part| !part.is_empty());
            parts
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(key, value)| (decoded(key), decoded(value)))
                .collect()
        });
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        Cow::Owned(percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
    } else {
        percent_encoding::percent_decode_str(text).decode_utf8_lossy()
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => write!(f, "path = {path}"),
            Self::Begins(path) => write!(f, "path begins with {path}"),
            Self::Prefix(path) if path.is_empty() => f.write_str("path under /"),
            Self::Prefix(path) => write!(f, "path under {path}"),
            Self::Regex(regex) => write!(f, "path matches {}", as_written(regex)),
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
        for condition in &self.conditions {
            write!(f, ", {condition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(value) => write!(f, "= {}", crate::model::shown(value)),
            Self::Regex(regex) => write!(f, "matches {}", as_written(regex)),
        }
    }
}

impl fmt::Display for Mismatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path => f.write_str("the path does not match"),
            Self::Method => f.write_str("the method does not match"),
            Self::Header(name) => write!(f, "the field {name} is absent or does not match"),
            Self::Query(name) => {
                write!(f, "the query parameter {} is absent or does not match", crate::model::shown(name))
            }
            Self::Condition(condition) => write!(f, "it is not so: {condition}"),
        }
    }
}

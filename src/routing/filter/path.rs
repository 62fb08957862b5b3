//! Changes of the path. What comes out is checked: a prefix taken away must not leave a way up.

use super::{Answer, Passage, X_FORWARDED_PREFIX, X_REPLACED_PATH, list};
use crate::routing::has_dot_segments;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use regex::Regex;
use std::borrow::Cow;
use std::fmt;

/// How a path is changed.
#[derive(Debug, Clone)]
pub enum PathChange {
    /// It becomes this one. The backend learns the old one by `X-Replaced-Path`.
    Replace(Box<str>),
    /// What a regular expression finds in it is replaced. The backend learns the old one by `X-Replaced-Path`.
    ReplaceRegex {
        /// What is looked for, anywhere in the path.
        regex: Regex,
        /// What takes its place; `$1` and `${name}` stand for groups.
        replacement: Box<str>,
    },
    /// The first of these that it begins with, to the byte, is taken away. The backend learns it by `X-Forwarded-Prefix`.
    StripPrefix(Box<[Box<str>]>),
    /// The same for what the first of these finds at its beginning.
    StripPrefixRegex(Box<[Regex]>),
    /// This is put before it.
    AddPrefix(Box<str>),
}

impl PathChange {
    pub(super) fn apply(&self, passage: &mut Passage<'_>, headers: &mut HeaderMap) -> Result<(), Answer> {
        let old: &str = &passage.path;
        let (new, told) = match self {
            Self::Replace(path) => (path.to_string(), Some((&X_REPLACED_PATH, old))),
            Self::ReplaceRegex { regex, replacement } => match regex.replace_all(old, &**replacement) {
                // Nothing was found.
                Cow::Borrowed(_) => return Ok(()),
                Cow::Owned(new) => (new, Some((&X_REPLACED_PATH, old))),
            },
            Self::StripPrefix(prefixes) => match prefixes.iter().find(|prefix| old.starts_with(&***prefix)) {
                Some(prefix) => (stripped(old, prefix), Some((&X_FORWARDED_PREFIX, &**prefix))),
                None => return Ok(()),
            },
            Self::StripPrefixRegex(expressions) => {
                let found = |regex: &Regex| Some(regex.find(old)?.as_str()).filter(|found| !found.is_empty());
                match expressions.iter().find_map(found).filter(|found| old.starts_with(found)) {
                    Some(prefix) => (stripped(old, prefix), Some((&X_FORWARDED_PREFIX, prefix))),
                    None => return Ok(()),
                }
            }
            Self::AddPrefix(prefix) => (format!("{prefix}{old}"), None),
        };
        let new = with_slash(new);
        if !is_sound(&new) {
            return Err(Answer::Refuse {
                status: StatusCode::BAD_REQUEST,
                reason: Cow::Borrowed("With the rule's filters applied, this path would lead out of itself."),
            });
        }
        tell(headers, told);
        passage.path = Cow::Owned(new);
        Ok(())
    }
}

/// Tells the backend what was. A client's own field of that name is never left.
fn tell(headers: &mut HeaderMap, told: Option<(&HeaderName, &str)>) {
    if let Some((name, value)) = told {
        match HeaderValue::from_str(value) {
            Ok(value) => headers.insert(name, value),
            Err(_) => headers.remove(name),
        };
    }
}

fn stripped(path: &str, prefix: &str) -> String {
    path.strip_prefix(prefix).unwrap_or(path).to_owned()
}

fn with_slash(path: String) -> String {
    if path.starts_with('/') { path } else { format!("/{path}") }
}

/// Whether a changed path means what it says: no dot segments, in whatever spelling, and no second slash at its
/// beginning, which a backend may take for an authority.
fn is_sound(path: &str) -> bool {
    !path.starts_with("//") && !has_dot_segments(path) && path.parse::<http::uri::PathAndQuery>().is_ok()
}

impl fmt::Display for PathChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replace(path) => write!(f, "path becomes {path}"),
            Self::ReplaceRegex { regex, replacement } => write!(f, "path: {regex} becomes {replacement}"),
            Self::StripPrefix(prefixes) => write!(f, "path loses the prefix {}", list(prefixes.iter())),
            Self::StripPrefixRegex(expressions) => write!(f, "path loses the prefix {}", list(expressions.iter())),
            Self::AddPrefix(prefix) => write!(f, "path gets the prefix {prefix}"),
        }
    }
}

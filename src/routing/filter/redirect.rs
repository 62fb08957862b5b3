//! Sends a client elsewhere.

use super::{Answer, Passage};
use crate::routing::Scheme;
use http::{HeaderValue, Method, StatusCode};
use regex::Regex;
use std::borrow::Cow;
use std::fmt;

/// A redirection. A request that is where it should be already passes.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Where to.
    pub target: Target,
    /// How.
    pub status: RedirectStatus,
}

/// Where a client is sent.
#[derive(Debug, Clone)]
pub enum Target {
    /// To the same URL with other parts.
    Parts {
        /// Another scheme. The port of the request is dropped then.
        scheme: Option<Scheme>,
        /// Another host.
        host: Option<Box<str>>,
        /// Another port; the scheme's own is not written.
        port: Option<u16>,
        /// Another path. The query stays.
        path: Option<Box<str>>,
    },
    /// To what becomes of the whole URL, `http://host/path?query`.
    Regex {
        /// What is looked for, anywhere in the URL. Without it the request passes.
        regex: Regex,
        /// What takes its place; `$1` and `${name}` stand for groups.
        replacement: Box<str>,
    },
}

/// The status of a redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectStatus {
    /// Always this one.
    Fixed(StatusCode),
    /// 302 to GET, 307 to other methods, so that they stay what they are.
    Temporary,
    /// 301 to GET, 308 to other methods.
    Permanent,
}

impl RedirectStatus {
    fn of(self, method: &Method) -> StatusCode {
        match (self, method == Method::GET) {
            (Self::Fixed(status), _) => status,
            (Self::Temporary, true) => StatusCode::FOUND,
            (Self::Temporary, false) => StatusCode::TEMPORARY_REDIRECT,
            (Self::Permanent, true) => StatusCode::MOVED_PERMANENTLY,
            (Self::Permanent, false) => StatusCode::PERMANENT_REDIRECT,
        }
    }
}

impl Redirect {
    /// Where the request has to go, unless it is there.
    pub(super) fn answer(&self, passage: &Passage<'_>) -> Option<Answer> {
        let (name, port) = split(&passage.host);
        let port = port.filter(|port| *port != passage.scheme.port());
        let query = passage.query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = |scheme: Scheme, host: &str, port: Option<u16>, path: &str| match port {
            Some(port) => format!("{}://{host}:{port}{path}{query}", scheme.as_str()),
            None => format!("{}://{host}{path}{query}", scheme.as_str()),
        };
        let old = url(passage.scheme, name, port, &passage.path);
        let new = match &self.target {
            Target::Parts { scheme, host, port: wanted, path } => {
                let changed = scheme.is_some_and(|scheme| scheme != passage.scheme) || host.is_some();
                let scheme = scheme.unwrap_or(passage.scheme);
                let port = wanted.or(port.filter(|_| !changed)).filter(|port| *port != scheme.port());
                url(scheme, host.as_deref().unwrap_or(name), port, path.as_deref().unwrap_or(&passage.path))
            }
            Target::Regex { regex, replacement } => match regex.replace_all(&old, &**replacement) {
                Cow::Borrowed(_) => return None,
                Cow::Owned(new) => new,
            },
        };
        if new == old {
            return None;
        }
        Some(match HeaderValue::from_str(&new) {
            Ok(location) => Answer::Redirect { status: self.status.of(passage.method), location },
            Err(_) => Answer::Refuse {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                reason: Cow::Borrowed("What the rule's redirection makes of this URL is none."),
            },
        })
    }
}

/// A Host field's name and port.
fn split(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        Some(_) | None => (host, None),
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Parts { scheme, host, port, path } => {
                f.write_str("redirect to")?;
                if let Some(scheme) = scheme {
                    write!(f, " scheme {}", scheme.as_str())?;
                }
                if let Some(host) = host {
                    write!(f, " host {host}")?;
                }
                if let Some(port) = port {
                    write!(f, " port {port}")?;
                }
                if let Some(path) = path {
                    write!(f, " path {path}")?;
                }
            }
            Target::Regex { regex, replacement } => write!(f, "redirect {regex} to {replacement}")?,
        }
        match self.status {
            RedirectStatus::Fixed(status) => write!(f, " ({})", status.as_u16()),
            RedirectStatus::Temporary => f.write_str(" (302, or 307 for other methods than GET)"),
            RedirectStatus::Permanent => f.write_str(" (301, or 308 for other methods than GET)"),
        }
    }
}

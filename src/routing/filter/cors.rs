//! Cross-origin requests (the Fetch standard, section 3.2): preflights are answered, responses are marked.

use super::list;
use http::{HeaderMap, HeaderValue, Method, header};
use regex::Regex;
use std::fmt;

/// Which cross-origin requests are allowed.
#[derive(Debug, Clone, Default)]
pub struct Cors {
    /// Origins, to the byte; `*` is any.
    pub origins: Box<[Box<str>]>,
    /// Origins by regular expressions, found anywhere.
    pub origins_regex: Box<[Regex]>,
    /// Methods; `*` is any.
    pub methods: Box<[Box<str>]>,
    /// Request fields; `*` is any.
    pub headers: Box<[Box<str>]>,
    /// Response fields that scripts may read.
    pub expose: Box<[Box<str>]>,
    /// Whether credentials may be sent.
    pub credentials: bool,
    /// How long a preflight's answer holds, in seconds.
    pub max_age_seconds: Option<u64>,
    /// Whether caches are told that the answer depends on the origin.
    pub vary: bool,
}

impl Cors {
    /// The fields of a preflight's answer; `None` if it is none.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        let origin = request.get(header::ORIGIN)?;
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS {
            return None;
        }
        let mut told = HeaderMap::new();
        self.tell_origin(origin, &mut told);
        let fields = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
        put(&mut told, header::ACCESS_CONTROL_ALLOW_METHODS, self.allowed(&self.methods, Some(asked)));
        put(&mut told, header::ACCESS_CONTROL_ALLOW_HEADERS, self.allowed(&self.headers, fields));
        put(&mut told, header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed());
        put(&mut told, header::ACCESS_CONTROL_MAX_AGE, self.max_age_seconds.map(HeaderValue::from));
        Some(told)
    }

    /// Marks a response.
    pub(super) fn respond(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        if let Some(origin) = origin {
            self.tell_origin(origin, response);
        }
        put(response, header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed());
        if self.vary {
            response.append(header::VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn tell_origin(&self, origin: &HeaderValue, told: &mut HeaderMap) {
        let Some(allowed) = self.matching(origin) else { return };
        told.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        if self.credentials {
            told.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn matching(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        let text = origin.to_str().ok()?;
        let listed = self.origins.iter().find(|known| ***known == *text || &***known == "*");
        match listed.map(|known| &**known) {
            // With credentials a browser takes no asterisk.
            Some("*") if !self.credentials => Some(HeaderValue::from_static("*")),
            Some(_) => Some(origin.clone()),
            None => self.origins_regex.iter().any(|regex| regex.is_match(text)).then(|| origin.clone()),
        }
    }

    /// The list; or what was asked for, where it holds an asterisk that credentials forbid to send.
    fn allowed(&self, list: &[Box<str>], asked: Option<&HeaderValue>) -> Option<HeaderValue> {
        if self.credentials && list.iter().any(|item| &**item == "*") { asked.cloned() } else { joined(list) }
    }

    fn exposed(&self) -> Option<HeaderValue> {
        let any = self.expose.iter().any(|item| &**item == "*");
        if any && self.credentials { None } else { joined(&self.expose) }
    }
}

fn joined(list: &[Box<str>]) -> Option<HeaderValue> {
    (!list.is_empty()).then(|| HeaderValue::try_from(list.join(",")).ok()).flatten()
}

fn put(headers: &mut HeaderMap, name: http::HeaderName, value: Option<HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value);
    }
}

impl fmt::Display for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.origins.iter().map(ToString::to_string);
        let expressions = self.origins_regex.iter().map(ToString::to_string);
        write!(f, "cross-origin requests from {}", list(origins.chain(expressions)))?;
        if self.credentials { f.write_str(", with credentials") } else { Ok(()) }
    }
}

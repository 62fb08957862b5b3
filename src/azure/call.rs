//! One call of ARM and its answer, as plain data.

use super::path::ResourcePath;
use super::redact;
use super::service::Service;
use http::HeaderMap;
use serde_json::Value;
use std::fmt;

/// The methods that ARM knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Asks whether it is there.
    Head,
    /// Creates or replaces.
    Put,
    /// Changes.
    Patch,
    /// Acts.
    Post,
    /// Removes.
    Delete,
}

impl Method {
    /// Every method.
    pub const ALL: [Self; 6] = [Self::Get, Self::Head, Self::Put, Self::Patch, Self::Post, Self::Delete];

    /// Whether it changes nothing (RFC 9110, section 9.2.1), so that it may be repeated freely.
    pub fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head => true,
            Self::Put | Self::Patch | Self::Post | Self::Delete => false,
        }
    }

    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// An entity tag, as the service gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Etag(pub String);

impl Etag {
    /// The `etag` of a resource's body.
    pub fn of(resource: &Value) -> Option<Self> {
        resource.get("etag").and_then(Value::as_str).filter(|etag| !etag.is_empty()).map(|etag| Self(etag.to_owned()))
    }
}

/// Under which condition a write is done; the service compares, not we.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// Only if nothing is there (`If-None-Match: *`).
    Absent,
    /// Only if it is as it was read (`If-Match`).
    Unchanged(Etag),
}

/// Where a call goes.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A resource, with the api-version of its service.
    Resource(ResourcePath),
    /// A URL that the service gave, followed as it is: its query is signed.
    Verbatim { url: String, subscription: String },
}

/// One call.
#[derive(Clone)]
pub struct Call {
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) condition: Condition,
    pub(super) body: Option<Value>,
    pub(super) query: Vec<(&'static str, String)>,
}

impl Call {
    /// A call of a resource.
    pub fn new(service: Service, method: Method, path: ResourcePath) -> Self {
        Self {
            service,
            method,
            target: Target::Resource(path),
            condition: Condition::Always,
            body: None,
            query: Vec::new(),
        }
    }

    /// A GET of a URL that the service gave in an answer to a call of `subscription`.
    pub(super) fn follow(service: Service, url: &str, subscription: &str) -> Self {
        Self {
            service,
            method: Method::Get,
            target: Target::Verbatim { url: url.to_owned(), subscription: subscription.to_owned() },
            condition: Condition::Always,
            body: None,
            query: Vec::new(),
        }
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Under a condition.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }

    /// With one more part of the query, like `$top`.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// The subscription whose budgets it takes from.
    pub(super) fn subscription(&self) -> &str {
        match &self.target {
            Target::Resource(path) => path.subscription(),
            Target::Verbatim { subscription, .. } => subscription,
        }
    }

    /// A GET of the same resource.
    pub(super) fn look(&self) -> Self {
        Self { method: Method::Get, condition: Condition::Always, body: None, query: Vec::new(), ..self.clone() }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Resource(path) => write!(f, "{} {path}", self.method.as_str()),
            Target::Verbatim { url, .. } => write!(f, "{} {}", self.method.as_str(), redact::url(url)),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} if {:?}", self.condition)
    }
}

/// A success.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body; null when there was none.
    pub body: Value,
}

impl Answer {
    /// A header field that is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty())
    }
}

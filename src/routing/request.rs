//! What the table needs to know of a request.

use http::{HeaderMap, Method};
use std::net::IpAddr;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// The scheme of a request that came with TLS or without.
    pub fn of_tls(tls: bool) -> Self {
        if tls { Self::Https } else { Self::Http }
    }

    /// As URLs spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Its own port.
    pub fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A request as the table looks at it. The host is canonical: lower case, no port, no trailing dot.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'r> {
    /// How it came.
    pub scheme: Scheme,
    /// The client's address, if it is known.
    pub client: Option<IpAddr>,
    /// The host name, canonical.
    pub host: &'r str,
    /// The path as it will be forwarded, begun with a slash.
    pub path: &'r str,
    /// The query without its question mark.
    pub query: Option<&'r str>,
    /// The method.
    pub method: &'r Method,
    /// The fields.
    pub headers: &'r HeaderMap,
}

impl<'r> RequestView<'r> {
    /// A request for `path` of `host` without query, over plain HTTP, from nobody in particular.
    pub fn new(host: &'r str, path: &'r str, method: &'r Method, headers: &'r HeaderMap) -> Self {
        Self { scheme: Scheme::Http, client: None, host, path, query: None, method, headers }
    }
}

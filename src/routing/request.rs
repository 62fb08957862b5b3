//! What the table needs to know of a request.

use http::{HeaderMap, Method};

/// A request as the table looks at it. The host is canonical: lower case, no port, no trailing dot.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'r> {
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

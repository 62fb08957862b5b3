//! The path of a resource, built from segments that are each escaped: no value from outside can leave its place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// Everything but what RFC 3986 leaves unreserved, and `*` and `@`, which are names in a zone.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'*').remove(b'@');

/// A path below ARM's endpoint, like `/subscriptions/…/resourceGroups/…`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourcePath {
    path: String,
    subscription: String,
}

/// Why a segment cannot be part of a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot be part of a resource's path: it is empty, `.` or `..`", crate::model::shown(.0))]
pub struct UnsafeSegment(pub String);

impl ResourcePath {
    /// `/subscriptions/{subscription}`.
    pub fn of_subscription(subscription: &str) -> Result<Self, UnsafeSegment> {
        let root = Self { path: String::new(), subscription: subscription.to_owned() };
        root.child("subscriptions", subscription)
    }

    /// `…/resourceGroups/{group}`.
    pub fn group(self, group: &str) -> Result<Self, UnsafeSegment> {
        self.child("resourceGroups", group)
    }

    /// `…/providers/{namespace}`.
    pub fn provider(self, namespace: &str) -> Result<Self, UnsafeSegment> {
        self.child("providers", namespace)
    }

    /// `…/{kind}/{name}`.
    pub fn child(self, kind: &str, name: &str) -> Result<Self, UnsafeSegment> {
        self.segment(kind)?.segment(name)
    }

    /// `…/{segment}`.
    pub fn segment(mut self, segment: &str) -> Result<Self, UnsafeSegment> {
        if matches!(segment, "" | "." | "..") {
            return Err(UnsafeSegment(segment.to_owned()));
        }
        self.path.push('/');
        self.path.extend(utf8_percent_encode(segment, ESCAPED));
        Ok(self)
    }

    /// The escaped path, beginning with a slash.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The subscription that it is part of: budgets are per subscription.
    pub fn subscription(&self) -> &str {
        &self.subscription
    }
}

impl fmt::Display for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for ResourcePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_escaped_and_cannot_leave_their_place() {
        let path = ResourcePath::of_subscription("s").unwrap().group("a/../b?c=d#e").unwrap();
        assert_eq!(path.as_str(), "/subscriptions/s/resourceGroups/a%2F..%2Fb%3Fc%3Dd%23e");
        let path = path.child("A", "*.x-1").unwrap();
        assert!(path.as_str().ends_with("/A/*.x-1"), "{path}");
        for bad in ["", ".", ".."] {
            assert_eq!(path.clone().segment(bad), Err(UnsafeSegment(bad.to_owned())));
        }
        assert_eq!(path.subscription(), "s");
    }
}

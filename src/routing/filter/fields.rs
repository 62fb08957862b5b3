//! Changes to fields: removed first, then set, then added.

use super::list;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::fmt;

/// What happens to the fields of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldChanges {
    /// These go away.
    pub remove: Box<[HeaderName]>,
    /// These get this value and no other.
    pub set: Box<[(HeaderName, HeaderValue)]>,
    /// These get one more line.
    pub add: Box<[(HeaderName, HeaderValue)]>,
}

/// Whether a filter may change this field: not what frames a message or is for one hop alone, and Host has a filter of
/// its own.
pub fn is_changeable(name: &HeaderName) -> bool {
    const KEPT: [HeaderName; 7] = [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    // A field with an underscore is refused from clients, so none is made here.
    !KEPT.contains(name) && !["keep-alive", "proxy-connection"].contains(&name.as_str()) && !name.as_str().contains('_')
}

impl FieldChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}

impl fmt::Display for FieldChanges {
    /// Names alone: a value may be a secret, like a token for the backend.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            ("remove", list(&self.remove)),
            ("set", list(self.set.iter().map(|(name, _)| name))),
            ("add", list(self.add.iter().map(|(name, _)| name))),
        ];
        let told = named.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| format!("{what} {names}"));
        f.write_str(&told.collect::<Vec<_>>().join("; "))
    }
}

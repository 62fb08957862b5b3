//! What is said about a thing that has no counterpart: one line each.

use serde::Serialize;
use std::fmt;

/// What a remark means for who migrates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Nothing is lost, but something is to be known or done.
    Note,
    /// It has no counterpart and is left out.
    NoCounterpart,
    /// It has no counterpart, and without it a route would be open: the route refuses.
    Refused,
    /// It cannot be read.
    Mistake,
}

/// One remark, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remark {
    /// What it means.
    pub severity: Severity,
    /// The file.
    pub file: String,
    /// Kind, namespace and name of the object; empty for the file as a whole.
    pub object: String,
    /// The field.
    pub field: String,
    /// What is so, and what to do.
    pub message: String,
}

impl Severity {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::NoCounterpart => "no counterpart",
            Self::Refused => "no counterpart, so the route refuses",
            Self::Mistake => "mistake",
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = [&self.file, &self.object, &self.field].map(String::as_str);
        let place = place.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ");
        write!(f, "{place}: {}: {}", self.severity.as_str(), self.message)
    }
}

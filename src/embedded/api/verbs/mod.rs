//! What can be done with objects, one verb per file.

pub(crate) mod binding;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod logs;
pub(crate) mod read;
pub(crate) mod scale;
mod strategy;
pub(crate) mod update;
pub(crate) mod watch;

pub(crate) use strategy::stamp_new;

use super::failure::{Failure, Outcome};
use super::kinds::Kind;
use super::request::{FieldValidation, WriteOptions};
use super::store::NotWritten;
use serde_json::Value;

/// Which part of an object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but the status.
    Main,
    /// The status alone.
    Status,
    /// `spec.replicas` alone.
    Scale,
}

impl Part {
    /// Its name in `managedFields`.
    pub(crate) fn subresource(self) -> &'static str {
        match self {
            Self::Main => "",
            Self::Status => "status",
            Self::Scale => "scale",
        }
    }
}

/// The current time as objects have it: RFC 3339, whole seconds, UTC.
pub(crate) fn now() -> String {
    timestamp(jiff::Timestamp::now())
}

pub(crate) fn timestamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A refusal by the database, told to the one who asked.
pub(crate) fn refused(not_written: NotWritten) -> Failure {
    match not_written {
        NotWritten::Stale => Failure::internal("the object kept changing"),
        NotWritten::Refused(why) => Failure::internal(why),
    }
}

/// Deals with fields that the schema does not know: refused, warned of or dropped.
fn unknown_fields(kind: &Kind, object: &mut Value, options: &WriteOptions) -> Outcome<Vec<String>> {
    let unknown: Vec<String> = match options.validation {
        FieldValidation::Ignore => Vec::new(),
        FieldValidation::Strict | FieldValidation::Warn => {
            kind.schema.unknown_fields(object).into_iter().map(|path| format!("unknown field \"{path}\"")).collect()
        }
    };
    if options.validation == FieldValidation::Strict && !unknown.is_empty() {
        let (kind, version) = (&kind.info.kind, &kind.info.version);
        return Err(Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {}",
            unknown.join(", ")
        )));
    }
    kind.schema.prune(object);
    Ok(unknown)
}

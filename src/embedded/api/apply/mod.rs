//! Server-side apply: who owns which field, and what an apply changes.

use super::patch::merge_patch;
use super::schema::KindSchema;
use serde_json::Value;

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, as `.spec.template.spec.containers[name="front"].image`.
    pub field: String,
    /// Its owner.
    pub manager: String,
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own what it would change; `force` takes it from them.
    #[error("Apply failed with {} conflict{}", .0.len(), if .0.len() == 1 { "" } else { "s" })]
    Conflicts(Vec<Conflict>),
    /// The applied object does not fit its schema.
    #[error("{0}")]
    Invalid(String),
}

/// The object after `manager` applied `applied` to `live`. `now` is an RFC 3339 time in seconds, `subresource` empty for the object itself.
#[expect(clippy::too_many_arguments, reason = "an apply has this many sides")]
pub fn apply(
    _kind: &KindSchema,
    live: Option<&Value>,
    applied: &Value,
    _manager: &str,
    _force: bool,
    _subresource: &str,
    _now: &str,
) -> Result<Value, ApplyError> {
    Ok(live.map_or_else(|| applied.clone(), |live| merge_patch(live, applied)))
}

/// Keeps `metadata.managedFields` of `after` right after a create, update or patch by `manager`.
pub fn track(
    _kind: &KindSchema,
    _before: Option<&Value>,
    _after: &mut Value,
    _manager: &str,
    _subresource: &str,
    _now: &str,
) {
}

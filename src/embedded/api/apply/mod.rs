//! Server-side apply and field ownership: who owns which field, what an apply changes, and what another write takes over.

mod fields;
mod owners;
#[cfg(test)]
mod tests;
mod walk;

use super::schema::KindSchema;
use super::schema::depth::{DEEPEST, is_too_deep};
use fields::FieldSet;
use owners::{Operation, Owners, Writer, take};
use serde_json::{Map, Value};

/// A field that another manager owns with another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The field, as `.spec.template.spec.containers[name="front"].image`.
    pub field: String,
    /// Its owner.
    pub manager: String,
    /// Its owner as messages name it: `"kubectl-edit" using apps/v1`.
    pub owner: String,
}

impl Conflict {
    /// The message of this conflict's cause in a `Status`; the cause's reason is `FieldManagerConflict`.
    pub fn cause(&self) -> String {
        format!("conflict with {}", self.owner)
    }
}

/// Why an apply was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own what it would change; `force` takes it from them. Not empty.
    #[error("{}", conflict_message(.0))]
    Conflicts(Vec<Conflict>),
    /// The applied object cannot be applied: the sentence says what is wrong with it.
    #[error("{0}")]
    Invalid(String),
}

/// As a Kubernetes API server words it: one conflict on one line, several by manager.
fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", conflict.cause(), conflict.field);
    }
    let mut lines = Vec::new();
    let mut owners: Vec<&str> = conflicts.iter().map(|conflict| conflict.owner.as_str()).collect();
    owners.sort_unstable();
    owners.dedup();
    for owner in owners {
        lines.push(format!("conflicts with {owner}:"));
        let fields = conflicts.iter().filter(|conflict| conflict.owner == owner);
        lines.extend(fields.map(|conflict| format!("- {}", conflict.field)));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// The object after `manager` applied `applied` to `live`. An apply that changes nothing gives back `live` as it is.
///
/// `subresource` is empty for the object itself; `now` is an RFC 3339 time in seconds. Fields that the manager owned
/// alone and does not apply any more are removed.
#[expect(clippy::too_many_arguments, reason = "an apply has this many sides")]
pub fn apply(
    kind: &KindSchema,
    live: Option<&Value>,
    applied: &Value,
    manager: &str,
    force: bool,
    subresource: &str,
    now: &str,
) -> Result<Value, ApplyError> {
    let config = configuration(kind, applied, subresource)?;
    let api_version = config.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let writer = Writer { manager, operation: Operation::Apply, api_version, subresource };
    let mut wanted = walk::field_set(kind.root(), &config).map_err(|fault| ApplyError::Invalid(fault.to_string()))?;
    strip(&mut wanted);

    let mut base = live.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    take(&mut base);
    let before = live.map(Owners::of).unwrap_or_default();
    let mut owners = before.clone();
    let last = std::mem::replace(&mut owners.entry(writer).fields, wanted.clone());
    let mut merged = walk::merge(kind.root(), &base, &config);
    if !last.is_empty() {
        walk::remove(kind.root(), &mut merged, &last, Some(&owners.union()));
    }
    take_over(kind, &base, &merged, &mut owners, writer, force)?;

    let own = owners.entry(writer);
    own.api_version = api_version.to_owned();
    own.fields = wanted;
    owners.tidy();
    if let Some(live) = live
        && walk::equal(&merged, &base)
        && owners == before
    {
        return Ok(live.clone());
    }
    let own = owners.entry(writer);
    own.time = Some(now.to_owned());
    owners.tidy();
    owners.write(&mut merged);
    Ok(merged)
}

/// What of an applied object counts: known fields without nulls, and of a subresource its own part alone.
fn configuration(kind: &KindSchema, applied: &Value, subresource: &str) -> Result<Value, ApplyError> {
    let Value::Object(fields) = applied else {
        return Err(ApplyError::Invalid("an applied configuration is an object".to_owned()));
    };
    if is_too_deep(applied) {
        return Err(ApplyError::Invalid(format!("the configuration nests deeper than {DEEPEST} levels")));
    }
    if applied
        .pointer("/metadata/managedFields")
        .is_some_and(|entries| entries.as_array().is_none_or(|e| !e.is_empty()))
    {
        return Err(ApplyError::Invalid("metadata.managedFields must be nil".to_owned()));
    }
    let mut fields = fields.clone();
    match subresource {
        "" if kind.has_status() => {
            fields.remove("status");
        }
        "status" => fields.retain(|name, _| matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status")),
        _ => {}
    }
    if subresource == "status"
        && let Some(Value::Object(metadata)) = fields.get_mut("metadata")
    {
        metadata.retain(|name, _| matches!(name.as_str(), "name" | "namespace" | "uid" | "resourceVersion"));
    }
    let mut config = Value::Object(fields);
    take(&mut config);
    kind.prune(&mut config);
    Ok(config)
}

/// Finds who else owns what changes, and takes it from them when `force` says so. What is gone nobody owns.
fn take_over(
    kind: &KindSchema,
    base: &Value,
    merged: &Value,
    owners: &mut Owners,
    writer: Writer<'_>,
    force: bool,
) -> Result<(), ApplyError> {
    let difference = walk::compare(kind.root(), base, merged);
    let mut conflicts = Vec::new();
    for other in owners.others(writer) {
        let contested = other.fields.intersection(&difference.changed);
        let (manager, owner) = (other.manager.clone(), other.to_string());
        conflicts.extend(contested.paths().into_iter().map(|field| Conflict {
            field,
            manager: manager.clone(),
            owner: owner.clone(),
        }));
        other.fields.subtract(&contested);
        other.fields.subtract(&difference.removed);
    }
    if conflicts.is_empty() || force { Ok(()) } else { Err(ApplyError::Conflicts(conflicts)) }
}

/// Keeps `metadata.managedFields` of `after` right after a create, update or patch by `manager`.
///
/// Changed fields move to this manager, unchanged ones keep their owners. A list of one empty entry (`[{}]`) resets all
/// ownership; an absent or empty list means that the client does not care, and nothing is lost.
pub fn track(
    kind: &KindSchema,
    before: Option<&Value>,
    after: &mut Value,
    manager: &str,
    subresource: &str,
    now: &str,
) {
    let supplied = take(after);
    let mut base = before.cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let held = take(&mut base);
    let known = known_owners(before, supplied.as_ref());
    let mut owners = known.clone();

    let mut difference = walk::compare(kind.root(), &base, after);
    strip(&mut difference.changed);
    if kind.is_typed() {
        // Typed objects always have them, so that nobody adds them.
        difference.changed.forget_member("spec");
        difference.changed.forget_member("status");
    }
    let api_version = after.get("apiVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
    let writer = Writer { manager, operation: Operation::Update, api_version: &api_version, subresource };
    for other in owners.others(writer) {
        other.fields.subtract(&difference.changed);
        other.fields.subtract(&difference.removed);
    }
    let own = owners.entry(writer);
    own.fields.subtract(&difference.removed);
    if !difference.changed.is_empty() {
        own.fields.extend(difference.changed);
        own.time = Some(now.to_owned());
    }
    owners.tidy();
    match (held, after.get_mut("metadata").and_then(Value::as_object_mut)) {
        (Some(held), Some(metadata)) if before.is_some_and(|before| Owners::of(before) == owners) => {
            metadata.insert("managedFields".to_owned(), held);
        }
        _ => owners.write(after),
    }
}

/// The owners that a write starts from: those that the client sent, else those that there were.
fn known_owners(before: Option<&Value>, supplied: Option<&Value>) -> Owners {
    let held = || before.map(Owners::of).unwrap_or_default();
    let Some(supplied) = supplied else { return held() };
    let is_reset = matches!(supplied, Value::Array(entries) if matches!(entries.as_slice(), [Value::Object(entry)] if entry.is_empty()));
    if is_reset {
        return Owners::default();
    }
    let sent = Owners::of(&serde_json::json!({"metadata": {"managedFields": supplied}}));
    if sent.is_empty() { held() } else { sent }
}

/// Nobody owns what names an object or what the API itself keeps.
fn strip(set: &mut FieldSet) {
    const KEPT_BY_THE_API: [&str; 9] = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
        "clusterName",
    ];
    set.forget(&["apiVersion"]);
    set.forget(&["kind"]);
    for name in KEPT_BY_THE_API {
        set.forget(&["metadata", name]);
    }
    set.forget_member("metadata");
}

//! What an object becomes on its way in: which fields a caller may not set, defaults, checks, ownership of fields.

use super::super::defaults;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::kinds::{Kind, Subresource};
use super::super::request::WriteOptions;
use super::super::schema::{FieldError, FieldErrorReason};
use super::super::service::Api;
use super::super::store::Change;
use super::super::validation;
use super::super::{apply, events};
use super::{Part, now, unknown_fields};
use serde_json::{Value, json};

/// Metadata that only this server writes.
const SERVER_OWNED: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"];

/// The object of a body: of the right kind, version and namespace.
pub(super) fn addressed(kind: &Kind, namespace: Option<&str>, mut object: Value) -> Outcome<Value> {
    let info = &kind.info;
    let told = |pointer: &str| json::text(&object, pointer).to_owned();
    let (api_version, named) = (told("/apiVersion"), told("/kind"));
    if !api_version.is_empty() && api_version != info.api_version() {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            info.api_version()
        )));
    }
    if !named.is_empty() && named != info.kind {
        let (version, kind) = (&info.version, &info.kind);
        return Err(Failure::bad_request(format!(
            "{named} in version \"{version}\" cannot be handled as a {kind}: no kind \"{named}\" is served at this path"
        )));
    }
    let given = told("/metadata/namespace");
    if let Some(namespace) = namespace {
        if !given.is_empty() && given != namespace {
            return Err(Failure::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request: \"{given}\" \
                 is not \"{namespace}\""
            )));
        }
        json::set(&mut object, &["metadata", "namespace"], namespace);
    } else {
        json::remove(&mut object, &["metadata", "namespace"]);
    }
    json::set(&mut object, &["apiVersion"], info.api_version());
    json::set(&mut object, &["kind"], info.kind.clone());
    if events::is_new_group(kind) {
        object = events::to_core(&object);
    }
    Ok(object)
}

/// An object that is to be made: without what only the server knows, with what it adds.
pub(super) fn for_create(
    api: &Api,
    kind: &Kind,
    mut object: Value,
    options: &WriteOptions,
    tracked: bool,
) -> Outcome<(Value, Vec<String>)> {
    let warnings = unknown_fields(kind, &mut object, options)?;
    stamp_new(kind, &mut object);
    // A node tells its status when it registers itself.
    if kind.info.has(Subresource::Status) && kind.info.kind != "Node" && !kind.is_definition() {
        json::remove(&mut object, &["status"]);
    }
    kind.schema.default(&mut object);
    defaults::fill(api, kind, &mut object, None)?;
    check(api, kind, &object, None)?;
    if tracked {
        apply::track(&kind.schema, None, &mut object, &options.manager, "", &now());
    }
    Ok((object, warnings))
}

/// Gives a new object what only this server gives.
pub(crate) fn stamp_new(kind: &Kind, object: &mut Value) {
    for field in SERVER_OWNED.into_iter().chain(["resourceVersion"]) {
        json::remove(object, &["metadata", field]);
    }
    json::set(object, &["metadata", "uid"], uid());
    json::set(object, &["metadata", "creationTimestamp"], now());
    if has_generation(kind) {
        json::set(object, &["metadata", "generation"], 1);
    }
}

/// What an object becomes when `candidate` is to take the place of `old`.
pub(super) struct Updated {
    /// `None` where nothing would change.
    pub(super) change: Option<Change>,
    pub(super) object: Value,
    pub(super) warnings: Vec<String>,
}

/// How a candidate came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Sent whole or patched: who owns which field is to be worked out.
    Written,
    /// Server-side apply: ownership was worked out with it.
    Applied,
}

pub(super) fn for_update(
    api: &Api,
    kind: &Kind,
    old: &Value,
    candidate: Value,
    (part, origin, options): (Part, Origin, &WriteOptions),
) -> Outcome<Updated> {
    let mut candidate = candidate;
    let warnings = unknown_fields(kind, &mut candidate, options)?;
    precondition(kind, old, &candidate)?;
    let mut new = merged(kind, old, candidate, part);
    new_finalizers(kind, old, &new)?;
    kind.schema.default(&mut new);
    defaults::fill(api, kind, &mut new, Some(old))?;
    if has_generation(kind) && part != Part::Status && spec_differs(old, &new) {
        let generation = json::integer(old, "/metadata/generation").unwrap_or_default() + 1;
        json::set(&mut new, &["metadata", "generation"], generation);
    }
    check(api, kind, &new, Some(old))?;
    if origin == Origin::Written {
        apply::track(&kind.schema, Some(old), &mut new, &options.manager, part.subresource(), &now());
    }
    if same(old, &new) {
        return Ok(Updated { change: None, object: old.clone(), warnings });
    }
    let change = if is_gone(&new) { Change::Remove(new.clone()) } else { Change::Put(new.clone()) };
    Ok(Updated { change: Some(change), object: new, warnings })
}

/// The caller may say which version of which object it means.
fn precondition(kind: &Kind, old: &Value, candidate: &Value) -> Outcome<()> {
    let name = json::text(old, "/metadata/name");
    let (wanted, uid) = (json::text(candidate, "/metadata/uid"), json::text(old, "/metadata/uid"));
    if !wanted.is_empty() && wanted != uid {
        let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}");
        return Err(Failure::conflict(&kind.info, name, &why));
    }
    let wanted = json::text(candidate, "/metadata/resourceVersion");
    if !wanted.is_empty() && wanted != "0" && wanted != json::text(old, "/metadata/resourceVersion") {
        return Err(Failure::modified(&kind.info, name));
    }
    Ok(())
}

/// The candidate's fields where they may be written, the old ones elsewhere.
fn merged(kind: &Kind, old: &Value, mut candidate: Value, part: Part) -> Value {
    let take = |from: &Value, to: &mut Value, path: &[&str]| match from.pointer(&format!("/{}", path.join("/"))) {
        Some(value) => json::set(to, path, value.clone()),
        None => drop(json::remove(to, path)),
    };
    match part {
        Part::Status => {
            let mut new = old.clone();
            take(&candidate, &mut new, &["status"]);
            take(&candidate, &mut new, &["metadata", "managedFields"]);
            new
        }
        Part::Scale => {
            let mut new = old.clone();
            take(&candidate, &mut new, &["spec", "replicas"]);
            take(&candidate, &mut new, &["metadata", "managedFields"]);
            new
        }
        Part::Main => {
            for field in SERVER_OWNED.into_iter().chain(["name", "namespace", "generateName", "resourceVersion"]) {
                take(old, &mut candidate, &["metadata", field]);
            }
            take(old, &mut candidate, &["apiVersion"]);
            take(old, &mut candidate, &["kind"]);
            if kind.info.has(Subresource::Status) {
                take(old, &mut candidate, &["status"]);
            }
            if kind.is_definition() {
                take(old, &mut candidate, &["spec"]);
            }
            candidate
        }
    }
}

fn new_finalizers(kind: &Kind, old: &Value, new: &Value) -> Outcome<()> {
    if old.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let before = json::items(old, "/metadata/finalizers");
    let added: Vec<String> = json::items(new, "/metadata/finalizers")
        .iter()
        .filter(|finalizer| !before.contains(finalizer))
        .map(|finalizer| format!("\"{}\"", finalizer.as_str().unwrap_or_default()))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers [{}]",
        added.join(", ")
    );
    let error = FieldError { path: "metadata.finalizers".to_owned(), reason: FieldErrorReason::Forbidden, message };
    Err(Failure::invalid(&kind.info, json::text(old, "/metadata/name"), &[error]))
}

fn check(api: &Api, kind: &Kind, object: &Value, old: Option<&Value>) -> Outcome<()> {
    let mut errors = validation::validate(api, kind, object, old);
    for error in kind.schema.validate(object, old) {
        if errors.iter().all(|known| known.path != error.path) {
            errors.push(error);
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(&kind.info, json::text(object, "/metadata/name"), &errors))
}

/// Whether nothing keeps a deleted object: no finalizer, and no pod that is still to end.
pub(super) fn is_gone(object: &Value) -> bool {
    let deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    let namespace = object.get("kind").and_then(Value::as_str) == Some("Namespace");
    deleted
        && !namespace
        && json::items(object, "/metadata/finalizers").is_empty()
        && json::integer(object, "/metadata/deletionGracePeriodSeconds").unwrap_or_default() == 0
}

fn spec_differs(old: &Value, new: &Value) -> bool {
    let but_these = |value: &Value| {
        let mut value = value.clone();
        for field in ["metadata", "status"] {
            json::remove(&mut value, &[field]);
        }
        value
    };
    but_these(old) != but_these(new)
}

fn has_generation(kind: &Kind) -> bool {
    kind.is_custom()
        || matches!(
            kind.info.kind.as_str(),
            "Deployment" | "ReplicaSet" | "Pod" | "EndpointSlice" | "CustomResourceDefinition"
        )
}

/// Whether two versions are the same but for when their fields were written.
fn same(old: &Value, new: &Value) -> bool {
    let timeless = |value: &Value| {
        let mut value = value.clone();
        for entry in json::items_mut(&mut value, "/metadata/managedFields") {
            json::remove(entry, &["time"]);
        }
        json::remove(&mut value, &["metadata", "resourceVersion"]);
        value
    };
    timeless(old) == timeless(new)
}

/// A version 4 UUID.
pub(super) fn uid() -> String {
    let random = fastrand::u128(..);
    let version = (random & !(0xf << 76)) | (0x4 << 76);
    let variant = (version & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{variant:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// `Status` of a deletion that is done.
pub(super) fn success(kind: &Kind, object: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": json::text(object, "/metadata/name"), "group": kind.info.group, "kind": kind.info.plural,
            "uid": json::text(object, "/metadata/uid"),
        },
    })
}

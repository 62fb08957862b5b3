//! Update and patch, of an object and of its status.

use super::super::apply::{self, ApplyError, Conflict};
use super::super::events;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::patch::{self, PatchError};
use super::super::present;
use super::super::request::{self, Call, WriteOptions};
use super::super::response::{self, Body};
use super::super::service::{Api, Target, created};
use super::super::store::{NotWritten, Object};
use super::strategy::{self, Origin, Updated};
use super::{Part, create, now, read, refused};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// How often a change is computed again when the object changed meanwhile.
const TRIES: usize = 16;

/// Puts the body in the object's place.
pub(crate) async fn update(api: &Api, call: &Call, target: &Target, part: Part) -> Outcome<Response<Body>> {
    let form = read::form(call)?;
    let options = call.write_options("UpdateOptions")?;
    let body = named(target, strategy::addressed(&target.kind, target.namespace.as_deref(), call.object()?)?)?;
    if target.kind.is_custom() && json::text(&body, "/metadata/resourceVersion").is_empty() {
        let error = super::super::validation::invalid(
            "metadata.resourceVersion",
            "Invalid value: 0: must be specified for an update",
        );
        return Err(Failure::invalid(&target.kind.info, target.name(), &[error]));
    }
    let compute = |_: &Value| Ok((body.clone(), Origin::Written));
    let (object, warnings) = change(api, target, part, &options, compute).await?;
    let answer = response::wire(StatusCode::OK, present::value(&target.kind, form, &object));
    Ok(response::warn(answer, &warnings))
}

fn named(target: &Target, mut body: Value) -> Outcome<Value> {
    let name = json::text(&body, "/metadata/name");
    if !name.is_empty() && name != target.name() {
        return Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name()
        )));
    }
    json::set(&mut body, &["metadata", "name"], target.name());
    Ok(body)
}

/// Computes a change from the object as it is, until it could be written on that very object.
pub(super) async fn change(
    api: &Api,
    target: &Target,
    part: Part,
    options: &WriteOptions,
    compute: impl Fn(&Value) -> Outcome<(Value, Origin)>,
) -> Outcome<(Value, Vec<String>)> {
    let key = target.key();
    for _ in 0..TRIES {
        let old: Arc<Object> = api
            .store
            .object(target.kind.storage, &key)
            .ok_or_else(|| Failure::not_found(&target.kind.info, target.name()))?;
        let (candidate, origin) = compute(&old.value)?;
        let Updated { change, object, warnings } =
            strategy::for_update(api, &target.kind, &old.value, candidate, (part, origin, options))?;
        let Some(change) = change.filter(|_| !options.dry_run) else { return Ok((object, warnings)) };
        match api.store.write(target.kind.storage, key.clone(), Some(old.revision), change).await {
            Ok(written) => return Ok((written.value.clone(), warnings)),
            Err(NotWritten::Stale) => {}
            Err(other) => return Err(refused(other)),
        }
    }
    Err(Failure::modified(&target.kind.info, target.name()))
}

const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Changes an object by a patch of any of the four types.
pub(crate) async fn patch(api: &Api, call: &Call, target: &Target, part: Part) -> Outcome<Response<Body>> {
    let form = read::form(call)?;
    let options = call.write_options("PatchOptions")?;
    let (object, warnings, made) = match call.content_type() {
        "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
            apply_patch(api, call, target, part, &options).await?
        }
        media => {
            let patch = request::parse(&call.body)?;
            let compute = |old: &Value| Ok((patched(target, media, old, &patch)?, Origin::Written));
            let (object, warnings) = change(api, target, part, &options, compute).await?;
            (object, warnings, false)
        }
    };
    let answer = response::wire(created(made), present::value(&target.kind, form, &object));
    Ok(response::warn(answer, &warnings))
}

/// An object with a JSON patch, a merge patch or a strategic merge patch on it.
pub(super) fn patched(target: &Target, media: &str, old: &Value, patch: &Value) -> Outcome<Value> {
    if events::is_new_group(&target.kind) {
        let patched = patched_plain(target, media, &events::to_new_group(old), patch)?;
        return Ok(events::to_core(&patched));
    }
    patched_plain(target, media, old, patch)
}

fn patched_plain(target: &Target, media: &str, old: &Value, patch: &Value) -> Outcome<Value> {
    let kind = &target.kind;
    let unusable = |error: PatchError| match error {
        PatchError::Malformed(_) => Failure::bad_request(error.to_string()),
        PatchError::DoesNotApply(_) => Failure::unprocessable(error.to_string()),
    };
    match media {
        "application/json-patch+json" => patch::json_patch(old, patch).map_err(unusable),
        "application/merge-patch+json" => Ok(patch::merge_patch(old, patch)),
        "application/strategic-merge-patch+json" if !kind.is_custom() => {
            patch::strategic_merge_patch(&kind.schema, old, patch).map_err(unusable)
        }
        _ => {
            let served = PATCHES.iter().filter(|media| !kind.is_custom() || !media.contains("strategic"));
            Err(Failure::unsupported_media_type(&served.copied().collect::<Vec<_>>()))
        }
    }
}

/// Server-side apply: makes the object where it is not there.
async fn apply_patch(
    api: &Api,
    call: &Call,
    target: &Target,
    part: Part,
    options: &WriteOptions,
) -> Outcome<(Value, Vec<String>, bool)> {
    if !options.manager_named {
        return Err(Failure::invalid_options(
            "PatchOptions",
            "fieldManager",
            "Required value: is required for apply patch",
        ));
    }
    let sent = request::parse(&call.body)?;
    if ["/apiVersion", "/kind"].iter().any(|field| json::text(&sent, field).is_empty()) {
        return Err(Failure::bad_request("apiVersion and kind must be set in an apply patch"));
    }
    if !json::items(&sent, "/metadata/managedFields").is_empty() {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let mut applied = named(target, strategy::addressed(&target.kind, target.namespace.as_deref(), sent)?)?;
    let warnings = super::unknown_fields(&target.kind, &mut applied, options)?;
    for _ in 0..TRIES {
        let live = api.store.object(target.kind.storage, &target.key());
        if live.is_some() {
            let compute = |old: &Value| {
                let merged = merged(target, Some(old), &applied, part, options)?;
                Ok((merged, Origin::Applied))
            };
            let (object, _) = change(api, target, part, options, compute).await?;
            return Ok((object, warnings, false));
        }
        if part != Part::Main {
            return Err(Failure::not_found(&target.kind.info, target.name()));
        }
        if !json::text(&applied, "/metadata/uid").is_empty() {
            let why = "Precondition failed: the object to apply to is not there";
            return Err(Failure::conflict(&target.kind.info, target.name(), why));
        }
        let object = merged(target, None, &applied, part, options)?;
        match create::make(api, target, object, options, false).await {
            Ok((object, _)) => return Ok((object, warnings, true)),
            // Somebody made it first: then this is an apply to what is there.
            Err(failure) if failure.reason == "AlreadyExists" => {}
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::modified(&target.kind.info, target.name()))
}

fn merged(
    target: &Target,
    live: Option<&Value>,
    applied: &Value,
    part: Part,
    options: &WriteOptions,
) -> Outcome<Value> {
    let schema = &target.kind.schema;
    let result = apply::apply(schema, live, applied, &options.manager, options.force, part.subresource(), &now());
    result.map_err(|error| match error {
        ApplyError::Invalid(why) => Failure::bad_request(why),
        ApplyError::Conflicts(ref conflicts) => {
            let cause = |conflict: &Conflict| json!({"reason": "FieldManagerConflict", "message": conflict.cause(), "field": conflict.field});
            let causes: Vec<Value> = conflicts.iter().map(cause).collect();
            Failure::apply_conflict(&causes, error.to_string())
        }
    })
}

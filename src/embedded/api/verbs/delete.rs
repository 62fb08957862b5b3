//! Delete, of one object and of all that a selector chooses.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::kinds::Kind;
use super::super::namespaces;
use super::super::present;
use super::super::request::{Call, DeleteOptions, Propagation};
use super::super::response::{self, Body};
use super::super::selector::Selector;
use super::super::service::{Api, Target};
use super::super::store::{Change, NotWritten, Object, ObjectKey};
use super::{now, read, refused, strategy, timestamp};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// How often a deletion is computed again when the object changed meanwhile.
const TRIES: usize = 16;
/// The finalizer by which an owner waits for what it owns.
const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer by which what an owner owns is set free first.
const ORPHAN: &str = "orphan";

/// What a deletion came to.
enum Deleted {
    /// The object is gone.
    Gone(Value),
    /// It is marked and goes when finalizers and the node let it.
    Marked(Value),
}

/// Deletes one object.
pub(crate) async fn delete(api: &Arc<Api>, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let form = read::form(call)?;
    let options = DeleteOptions::read(call)?;
    let value = match remove(api, &target.kind, &target.key(), &options).await? {
        Deleted::Gone(last) => strategy::success(&target.kind, &last),
        Deleted::Marked(object) => {
            return Ok(response::wire(StatusCode::OK, present::value(&target.kind, form, &object)));
        }
    };
    Ok(response::json(StatusCode::OK, &value))
}

/// Deletes what a selector chooses.
pub(crate) async fn delete_collection(api: &Arc<Api>, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    if target.kind.info.namespaced && target.namespace.is_none() {
        return Err(Failure::method_not_allowed());
    }
    let options = DeleteOptions::read(call)?;
    let selector = Selector::read(&target.kind.info, target.namespace.as_deref(), None, &call.query)?;
    let (revision, objects) = api.store.snapshot(target.kind.storage);
    let mut deleted = Vec::new();
    for (key, object) in &objects {
        if !selector.key_matches(key) || !selector.content_matches(&object.value) {
            continue;
        }
        match remove(api, &target.kind, key, &options).await {
            Ok(Deleted::Gone(value) | Deleted::Marked(value)) => deleted.push(value),
            Err(failure) if failure.code == StatusCode::NOT_FOUND => {}
            Err(failure) => return Err(failure),
        }
    }
    let info = &target.kind.info;
    let list = json!({
        "kind": format!("{}List", info.kind), "apiVersion": info.api_version(),
        "metadata": {"resourceVersion": revision.to_string()}, "items": deleted,
    });
    Ok(response::json(StatusCode::OK, &list))
}

/// Deletes an object for the server itself.
pub(crate) async fn remove_for_namespace(api: &Arc<Api>, kind: &Kind, key: &ObjectKey) -> Outcome<()> {
    let options = DeleteOptions { policy: Some(Propagation::Background), ..DeleteOptions::default() };
    match remove(api, kind, key, &options).await {
        Ok(_) => Ok(()),
        Err(failure) if failure.code == StatusCode::NOT_FOUND => Ok(()),
        Err(failure) => Err(failure),
    }
}

async fn remove(api: &Arc<Api>, kind: &Kind, key: &ObjectKey, options: &DeleteOptions) -> Outcome<Deleted> {
    for _ in 0..TRIES {
        let old = api.store.object(kind.storage, key).ok_or_else(|| Failure::not_found(&kind.info, &key.name))?;
        permitted(kind, &old, options)?;
        let marked = marked(kind, &old.value, options);
        let gone = strategy::is_gone(&marked);
        if options.dry_run || (!gone && marked == old.value) {
            return Ok(if gone { Deleted::Gone(marked) } else { Deleted::Marked(marked) });
        }
        let change = if gone { Change::Remove(marked) } else { Change::Put(marked) };
        match api.store.write(kind.storage, key.clone(), Some(old.revision), change).await {
            Ok(written) if gone => return Ok(Deleted::Gone(written.value.clone())),
            Ok(written) => {
                if kind.info.is("", "Namespace") {
                    namespaces::empty(api, &key.name);
                }
                return Ok(Deleted::Marked(written.value.clone()));
            }
            Err(NotWritten::Stale) => {}
            Err(other) => return Err(refused(other)),
        }
    }
    Err(Failure::modified(&kind.info, &key.name))
}

fn permitted(kind: &Kind, old: &Object, options: &DeleteOptions) -> Outcome<()> {
    let name = json::text(&old.value, "/metadata/name");
    if kind.info.is("", "Namespace") && namespaces::ALWAYS.contains(&name) {
        return Err(Failure::forbidden(&kind.info, name, "this namespace may not be deleted"));
    }
    if kind.is_definition() {
        let why = "the embedded cluster serves this kind as long as it runs";
        return Err(Failure::forbidden(&kind.info, name, why));
    }
    let failed = |what: &str, wanted: &str, found: &str| {
        let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
        Err(Failure::conflict(&kind.info, name, &why))
    };
    let uid = json::text(&old.value, "/metadata/uid");
    match (&options.uid, &options.resource_version) {
        (Some(wanted), _) if wanted != uid => failed("UID", wanted, uid),
        (_, Some(wanted)) if *wanted != old.revision.to_string() => {
            failed("ResourceVersion", wanted, &old.revision.to_string())
        }
        _ => Ok(()),
    }
}

/// The object as the deletion leaves it, to be kept or taken away.
fn marked(kind: &Kind, old: &Value, options: &DeleteOptions) -> Value {
    let mut new = old.clone();
    finalizers(&mut new, options.policy);
    let grace = if kind.info.is("", "Pod") { pod_grace(old, options.grace) } else { 0 };
    let before = json::integer(old, "/metadata/deletionGracePeriodSeconds");
    if old.pointer("/metadata/deletionTimestamp").is_some() && before.is_some_and(|before| before <= grace) {
        return new;
    }
    let requested = json::text(old, "/metadata/deletionTimestamp").parse::<jiff::Timestamp>().ok();
    let requested = match (requested, before) {
        // A shorter grace counts from when the deletion was asked for.
        (Some(until), Some(before)) => until - jiff::SignedDuration::from_secs(before),
        _ => jiff::Timestamp::now(),
    };
    let until = requested.checked_add(jiff::SignedDuration::from_secs(grace)).map_or_else(|_| now(), timestamp);
    json::set(&mut new, &["metadata", "deletionTimestamp"], until);
    json::set(&mut new, &["metadata", "deletionGracePeriodSeconds"], grace);
    if let Some(generation) = json::integer(&new, "/metadata/generation") {
        json::set(&mut new, &["metadata", "generation"], generation + 1);
    }
    if kind.info.is("", "Namespace") {
        json::set(&mut new, &["status", "phase"], "Terminating");
    }
    new
}

/// A pod that no node runs has nothing to wait for.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let over = matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed");
    if json::text(pod, "/spec/nodeName").is_empty() || over {
        return 0;
    }
    let own = json::integer(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    asked.unwrap_or(own).max(0)
}

fn finalizers(object: &mut Value, policy: Option<Propagation>) {
    let Some(policy) = policy else { return };
    let mut kept: Vec<Value> = json::items(object, "/metadata/finalizers")
        .iter()
        .filter(|finalizer| !matches!(finalizer.as_str(), Some(FOREGROUND | ORPHAN)))
        .cloned()
        .collect();
    match policy {
        Propagation::Background => {}
        Propagation::Foreground => kept.push(Value::from(FOREGROUND)),
        Propagation::Orphan => kept.push(Value::from(ORPHAN)),
    }
    if kept.is_empty() {
        json::remove(object, &["metadata", "finalizers"]);
    } else {
        json::set(object, &["metadata", "finalizers"], kept);
    }
}

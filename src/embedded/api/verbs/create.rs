//! Create.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::present;
use super::super::request::{Call, WriteOptions};
use super::super::response::{self, Body};
use super::super::service::{Api, Target};
use super::super::store::{Change, NotWritten, ObjectKey};
use super::{read, refused, strategy};
use http::{Response, StatusCode};
use serde_json::Value;

/// Characters of generated names, without those that make words or look alike.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How often a generated name is tried again when it is taken.
const TRIES: usize = 8;

/// Makes the object of the body.
pub(crate) async fn create(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let form = read::form(call)?;
    let options = call.write_options("CreateOptions")?;
    let object = strategy::addressed(&target.kind, target.namespace.as_deref(), call.object()?)?;
    if !json::text(&object, "/metadata/resourceVersion").is_empty() {
        return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let (object, warnings) = make(api, target, object, &options, true).await?;
    let answer = response::wire(StatusCode::CREATED, present::value(&target.kind, form, &object));
    Ok(response::warn(answer, &warnings))
}

/// Makes an object, by its own name or by one that is generated for it.
pub(super) async fn make(
    api: &Api,
    target: &Target,
    object: Value,
    options: &WriteOptions,
    tracked: bool,
) -> Outcome<(Value, Vec<String>)> {
    namespace_takes(api, target, &object)?;
    let prefix = json::text(&object, "/metadata/generateName").to_owned();
    let generate = json::text(&object, "/metadata/name").is_empty() && !prefix.is_empty();
    let mut tries = if generate { TRIES } else { 1 };
    loop {
        let mut object = object.clone();
        if generate {
            json::set(&mut object, &["metadata", "name"], generated(&prefix));
        }
        let (object, warnings) = strategy::for_create(api, &target.kind, object, options, tracked)?;
        let name = json::text(&object, "/metadata/name").to_owned();
        let key = ObjectKey { namespace: target.namespace.clone().unwrap_or_default(), name: name.clone() };
        let taken = || Failure::already_exists(&target.kind.info, &name);
        tries -= 1;
        if api.store.object(target.kind.storage, &key).is_some() {
            if tries == 0 { return Err(taken()) } else { continue }
        }
        if options.dry_run {
            return Ok((object, warnings));
        }
        match api.store.write(target.kind.storage, key, None, Change::Put(object)).await {
            Ok(written) => return Ok((written.value.clone(), warnings)),
            Err(NotWritten::Stale) if tries > 0 => {}
            Err(NotWritten::Stale) => return Err(taken()),
            Err(other) => return Err(refused(other)),
        }
    }
}

fn generated(prefix: &str) -> String {
    let room: String = prefix.chars().take(58).collect();
    let letter = || ALPHABET.get(fastrand::usize(..ALPHABET.len())).copied().map_or('x', char::from);
    room.chars().chain((0..5).map(|_| letter())).collect()
}

/// Objects are made only in a namespace that is there and stays.
fn namespace_takes(api: &Api, target: &Target, object: &Value) -> Outcome<()> {
    let Some(name) = &target.namespace else { return Ok(()) };
    let Some(kind) = api.registry.by_kind("", "Namespace") else { return Ok(()) };
    let key = ObjectKey { namespace: String::new(), name: name.clone() };
    let found = api.store.object(kind.storage, &key).ok_or_else(|| Failure::not_found(&kind.info, name))?;
    if found.value.pointer("/metadata/deletionTimestamp").is_none() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {name} because it is being terminated");
    Err(Failure::forbidden(&target.kind.info, json::text(object, "/metadata/name"), &why))
}

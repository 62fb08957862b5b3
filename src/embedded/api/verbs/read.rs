//! Get and list.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::present;
use super::super::request::{Call, Form, Include};
use super::super::response::{self, Body};
use super::super::selector::Selector;
use super::super::service::{Api, Target};
use super::super::store::{Object, ObjectKey, Objects};
use super::super::table::Table;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::ops::Bound;
use std::sync::Arc;

/// The form of an answer, with what of the objects goes along with a table.
pub(crate) fn form(call: &Call) -> Outcome<Form> {
    Ok(match call.form()? {
        Form::Table(_) => Form::Table(Include::of(&call.query)?),
        form @ (Form::Object | Form::Metadata) => form,
    })
}

/// One object.
pub(crate) fn get(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let form = form(call)?;
    newer_than(api, call.query.text("resourceVersion"))?;
    let found = api.store.object(target.kind.storage, &target.key());
    let found = found.ok_or_else(|| Failure::not_found(&target.kind.info, target.name()))?;
    Ok(response::wire(StatusCode::OK, present::object(&target.kind, form, &found)))
}

/// A page of objects, by default all of them.
pub(crate) fn list(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let form = form(call)?;
    let selector = Selector::read(&target.kind.info, target.namespace.as_deref(), None, &call.query)?;
    let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
    let page = Page::find(api, call, target)?;
    let mut chosen: Vec<(&ObjectKey, &Arc<Object>)> = Vec::new();
    let mut more = false;
    for (key, object) in page.rest(selector.namespace.as_deref()) {
        if selector.namespace.as_ref().is_some_and(|namespace| *namespace != key.namespace) {
            break;
        }
        if !selector.key_matches(key) || !selector.content_matches(&object.value) {
            continue;
        }
        if limit.is_some_and(|limit| u64::try_from(chosen.len()).unwrap_or(u64::MAX) >= limit) {
            more = true;
            break;
        }
        chosen.push((key, object));
    }
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if more && let Some((last, _)) = chosen.last() {
        api.store.keep_page(target.kind.storage, page.revision, page.objects.clone());
        let next = Continue { revision: Some(page.revision), after: (*last).clone() };
        json::set(&mut metadata, &["continue"], next.encode());
        if !selector.by_content() && selector.name.is_none() {
            let left = page.objects.range((Bound::Excluded((*last).clone()), Bound::Unbounded));
            let left = left.filter(|(key, _)| selector.key_matches(key)).count();
            json::set(&mut metadata, &["remainingItemCount"], left);
        }
    }
    Ok(response::wire(StatusCode::OK, write(target, form, &chosen, &metadata)))
}

fn write(target: &Target, form: Form, chosen: &[(&ObjectKey, &Arc<Object>)], metadata: &Value) -> bytes::Bytes {
    let info = &target.kind.info;
    let (kind, api_version) = match form {
        Form::Object => (format!("{}List", info.kind), info.api_version()),
        Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        Form::Table(include) => {
            let mut table = Table::new(&target.kind, include);
            chosen.iter().for_each(|(_, object)| table.row(&object.value));
            let revision = json::text(metadata, "/resourceVersion");
            let next = metadata.get("continue").and_then(Value::as_str);
            let left = metadata.get("remainingItemCount").and_then(Value::as_u64);
            return bytes::Bytes::from(table.finish(revision, next, left).to_string());
        }
    };
    let head = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata}).to_string();
    let mut out = Vec::with_capacity(chosen.len() * 1024 + 256);
    out.extend_from_slice(head.trim_end_matches('}').as_bytes());
    // `metadata` was the last field and is a map itself: its brace was trimmed too.
    out.extend_from_slice(b"},\"items\":[");
    for (index, (_, object)) in chosen.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&present::object(&target.kind, form, object));
    }
    out.extend_from_slice(b"]}");
    bytes::Bytes::from(out)
}

/// The contents that a list reads from, and where it goes on.
struct Page {
    revision: u64,
    objects: Objects,
    after: Option<ObjectKey>,
}

impl Page {
    fn find(api: &Api, call: &Call, target: &Target) -> Outcome<Self> {
        let storage = target.kind.storage;
        let (revision, objects) = api.store.snapshot(storage);
        let token = call.query.text("continue");
        if !token.is_empty() {
            let token = Continue::decode(token)
                .ok_or_else(|| Failure::bad_request("continue key is not valid: it was not given by this server"))?;
            return match token.revision {
                // The client knows that what follows is not of one moment.
                None => Ok(Self { revision, objects, after: Some(token.after) }),
                Some(begun) => match api.store.page(storage, begun) {
                    Some(objects) => Ok(Self { revision: begun, objects, after: Some(token.after) }),
                    None => Err(page_gone(&token)),
                },
            };
        }
        let asked = call.query.text("resourceVersion");
        newer_than(api, asked)?;
        match call.query.text("resourceVersionMatch") {
            "" | "NotOlderThan" => Ok(Self { revision, objects, after: None }),
            "Exact" if asked == revision.to_string() => Ok(Self { revision, objects, after: None }),
            "Exact" => {
                let kept = asked.parse().ok().and_then(|asked| Some((asked, api.store.page(storage, asked)?)));
                let gone =
                    || Failure::expired(format!("The resourceVersion for the provided list is too old: {asked}"));
                kept.map(|(revision, objects)| Self { revision, objects, after: None }).ok_or_else(gone)
            }
            other => Err(Failure::bad_request(format!("resourceVersionMatch: Unsupported value: \"{other}\""))),
        }
    }

    fn rest(&self, namespace: Option<&str>) -> impl Iterator<Item = (&ObjectKey, &Arc<Object>)> {
        let first = ObjectKey { namespace: namespace.unwrap_or_default().to_owned(), name: String::new() };
        let start = match &self.after {
            Some(after) if *after > first => Bound::Excluded(after.clone()),
            _ => Bound::Included(first),
        };
        self.objects.range((start, Bound::Unbounded))
    }
}

fn page_gone(token: &Continue) -> Failure {
    let next = Continue { revision: None, after: token.after.clone() }.encode();
    let mut failure = Failure::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    );
    failure.next = Some(next);
    failure
}

/// Refuses a resource version that this server has not reached.
pub(crate) fn newer_than(api: &Api, asked: &str) -> Outcome<Option<u64>> {
    if asked.is_empty() {
        return Ok(None);
    }
    let number: u64 = asked.parse().map_err(|_| {
        Failure::bad_request(format!("resourceVersion: Invalid value: \"{asked}\": a resource version is a number"))
    })?;
    let current = api.store.revision();
    if number > current {
        return Err(Failure::too_large_revision(number, current));
    }
    Ok(Some(number))
}

/// Where a list goes on: what it began on (`None`: never mind) and the last key that was told.
struct Continue {
    revision: Option<u64>,
    after: ObjectKey,
}

impl Continue {
    fn encode(&self) -> String {
        let token = json!({"rv": self.revision, "namespace": self.after.namespace, "name": self.after.name});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn decode(token: &str) -> Option<Self> {
        let token: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let part = |name: &str| Some(token.get(name)?.as_str()?.to_owned());
        let after = ObjectKey { namespace: part("namespace")?, name: part("name")? };
        Some(Self { revision: token.get("rv")?.as_u64(), after })
    }
}

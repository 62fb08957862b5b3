//! Defaults of built-in kinds that clients and controllers rely on, and the addresses of Services.

mod pod;
mod service;

pub(crate) use service::ServiceAddresses;

use super::failure::Outcome;
use super::json;
use super::kinds::Kind;
use super::service::Api;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Fills what was not given; `old` is what the object replaces.
pub(crate) fn fill(api: &Api, kind: &Kind, object: &mut Value, old: Option<&Value>) -> Outcome<()> {
    if kind.is_custom() {
        return Ok(());
    }
    match (kind.info.group.as_str(), kind.info.kind.as_str()) {
        ("", "Pod") => pod::pod(object, old.is_none()),
        ("", "Namespace") => namespace(object, old.is_none()),
        ("", "Service") => return service::fill(api, kind, object, old),
        ("", "Secret") => secret(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") => {
            json::set_default(object, &["spec", "replicas"], 1);
            template(object);
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            for port in json::items_mut(object, "/ports") {
                json::set_default(port, &["name"], "");
                json::set_default(port, &["protocol"], "TCP");
            }
        }
        _ => {}
    }
    Ok(())
}

fn deployment(object: &mut Value) {
    json::set_default(object, &["spec", "replicas"], 1);
    json::set_default(object, &["spec", "revisionHistoryLimit"], 10);
    json::set_default(object, &["spec", "progressDeadlineSeconds"], 600);
    json::set_default(object, &["spec", "strategy", "type"], "RollingUpdate");
    if json::text(object, "/spec/strategy/type") == "RollingUpdate" {
        json::set_default(object, &["spec", "strategy", "rollingUpdate", "maxSurge"], "25%");
        json::set_default(object, &["spec", "strategy", "rollingUpdate", "maxUnavailable"], "25%");
    }
    template(object);
}

fn template(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec") {
        pod::spec(spec);
    }
}

fn namespace(object: &mut Value, new: bool) {
    let name = json::text(object, "/metadata/name").to_owned();
    json::set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], name);
    if new {
        json::set_default(object, &["spec", "finalizers"], json!(["kubernetes"]));
        json::set(object, &["status", "phase"], "Active");
    }
}

/// `stringData` is for writing only.
fn secret(object: &mut Value) {
    json::set_default(object, &["type"], "Opaque");
    let Some(Value::Object(plain)) = json::remove(object, &["stringData"]) else { return };
    for (name, value) in plain {
        let encoded = STANDARD.encode(value.as_str().unwrap_or_default());
        json::set(object, &["data", name.as_str()], encoded);
    }
}

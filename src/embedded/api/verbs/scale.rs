//! Scale: the number of replicas, read and written as `autoscaling/v1`.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::request::{self, Call};
use super::super::response::{self, Body};
use super::super::service::{Api, Target};
use super::strategy::Origin;
use super::{Part, update};
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

/// The scale of an object.
pub(crate) fn get(api: &Api, _: &Call, target: &Target) -> Outcome<Response<Body>> {
    let found = api.store.object(target.kind.storage, &target.key());
    let found = found.ok_or_else(|| Failure::not_found(&target.kind.info, target.name()))?;
    Ok(response::json(StatusCode::OK, &scale(&found.value)))
}

/// Changes the number of replicas, by a whole Scale or a patch of one.
pub(crate) async fn change(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let options = call.write_options("UpdateOptions")?;
    let sent = request::parse(&call.body)?;
    let compute = |old: &Value| {
        let before = scale(old);
        let wanted = match (&call.method, call.content_type()) {
            (&Method::PUT, _) => sent.clone(),
            (_, "application/strategic-merge-patch+json" | "application/apply-patch+yaml") => {
                super::super::patch::merge_patch(&before, &sent)
            }
            (_, media) => update::patched(target, media, &before, &sent)?,
        };
        let revision = json::text(&wanted, "/metadata/resourceVersion");
        if !revision.is_empty() && revision != json::text(old, "/metadata/resourceVersion") {
            return Err(Failure::modified(&target.kind.info, target.name()));
        }
        let replicas = json::integer(&wanted, "/spec/replicas").unwrap_or_default();
        if replicas < 0 {
            let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            let error = super::super::validation::invalid("spec.replicas", &message);
            return Err(Failure::invalid(&target.kind.info, target.name(), &[error]));
        }
        let mut new = old.clone();
        json::set(&mut new, &["spec", "replicas"], replicas);
        Ok((new, Origin::Written))
    };
    let (object, _) = update::change(api, target, Part::Scale, &options, compute).await?;
    Ok(response::json(StatusCode::OK, &scale(&object)))
}

fn scale(object: &Value) -> Value {
    let metadata = |field: &str| object.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default();
    let selector = json::map(object, "/spec/selector/matchLabels");
    let selector: Vec<String> = selector
        .into_iter()
        .flatten()
        .map(|(label, value)| format!("{label}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata("name"), "namespace": metadata("namespace"), "uid": metadata("uid"),
            "resourceVersion": metadata("resourceVersion"), "creationTimestamp": metadata("creationTimestamp"),
        },
        "spec": {"replicas": json::integer(object, "/spec/replicas").unwrap_or_default()},
        "status": {
            "replicas": json::integer(object, "/status/replicas").unwrap_or_default(),
            "selector": selector.join(","),
        },
    })
}

//! Binding: a pod is given its node.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::request::Call;
use super::super::response::{self, Body};
use super::super::service::{Api, Target};
use super::strategy::Origin;
use super::{Part, now, update};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// Sets `spec.nodeName` of a pod that has none.
pub(crate) async fn bind(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let options = call.write_options("CreateOptions")?;
    let node = json::text(&call.object()?, "/target/name").to_owned();
    if node.is_empty() {
        return Err(Failure::bad_request("target.name: Required value: the node that the pod goes to"));
    }
    let compute = |pod: &Value| {
        let taken = json::text(pod, "/spec/nodeName");
        if !taken.is_empty() {
            let why = format!("pod {} is already assigned to node \"{taken}\"", target.name());
            return Err(Failure::conflict(&target.kind.info, target.name(), &why));
        }
        let mut bound = pod.clone();
        json::set(&mut bound, &["spec", "nodeName"], node.clone());
        Ok((bound, Origin::Written))
    };
    update::change(api, target, Part::Main, &options, compute).await?;
    let scheduled = |pod: &Value| {
        let mut scheduled = pod.clone();
        let mut conditions = json::items(pod, "/status/conditions").to_vec();
        conditions.retain(|condition| json::text(condition, "/type") != "PodScheduled");
        conditions.push(json!({"type": "PodScheduled", "status": "True", "lastTransitionTime": now()}));
        json::set(&mut scheduled, &["status", "conditions"], conditions);
        Ok((scheduled, Origin::Written))
    };
    update::change(api, target, Part::Status, &options, scheduled).await?;
    let done = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    Ok(response::json(StatusCode::CREATED, &done))
}

//! Logs of a pod's container, as its node streams them.

use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::node_backend::{LogError, LogOptions};
use super::super::request::Call;
use super::super::response::{self, Body};
use super::super::service::{Api, Target};
use futures::StreamExt;
use http::Response;
use serde_json::Value;

/// Answers with the log as plain text.
pub(crate) async fn logs(api: &Api, call: &Call, target: &Target) -> Outcome<Response<Body>> {
    let found = api.store.object(target.kind.storage, &target.key());
    let found = found.ok_or_else(|| Failure::not_found(&target.kind.info, target.name()))?;
    let container = container(call.query.text("container"), target, &found.value)?;
    let options = LogOptions::read(Some(container), &call.query)?;
    let pod = json::text(&found.value, "/metadata/name");
    if json::text(&found.value, "/spec/nodeName").is_empty() {
        return Err(Failure::bad_request(format!("pod {pod} does not have a host assigned")));
    }
    let node = api.node().ok_or_else(|| Failure::unavailable("no node runs pods at the moment"))?;
    let opened = node.logs(target.namespace.as_deref().unwrap_or_default(), pod, options).await;
    let lines = opened.map_err(|error| match error {
        LogError::NoSuchPod(_) => Failure::not_found(&target.kind.info, pod),
        LogError::NoSuchContainer { .. } | LogError::NotStarted { .. } | LogError::NoPrevious { .. } => {
            Failure::bad_request(error.to_string())
        }
        LogError::Unreadable(_) => Failure::internal(error),
    })?;
    Ok(response::stream("text/plain", lines.take_until(api.closing.clone().cancelled_owned())))
}

/// The container that is meant: the one that is named, or the only one.
fn container(named: &str, target: &Target, pod: &Value) -> Outcome<String> {
    let containers = json::items(pod, "/spec/containers");
    let all = containers.iter().chain(json::items(pod, "/spec/initContainers"));
    let names: Vec<&str> = all.map(|container| json::text(container, "/name")).collect();
    match (named, containers) {
        ("", [_]) => Ok(names.first().copied().unwrap_or_default().to_owned()),
        ("", _) => Err(Failure::bad_request(format!(
            "a container name must be specified for pod {}, choose one of: [{}]",
            target.name(),
            names.join(" ")
        ))),
        (named, _) if names.contains(&named) => Ok(named.to_owned()),
        (named, _) => Err(Failure::bad_request(format!("container {named} is not valid for pod {}", target.name()))),
    }
}

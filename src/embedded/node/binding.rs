//! Binds pods that have no node yet to this one: the scheduler of a cluster with one node.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

use super::{Shared, register};

/// A binding is tried so often, with growing pauses: together about a minute.
const ATTEMPTS: u32 = 10;

/// Binds every unbound pod, until dropped.
pub(super) async fn bind_all(node: Arc<Shared>) {
    let api: Api<Pod> = Api::all(node.client.clone());
    let config = watcher::Config::default().fields("spec.nodeName=");
    let mut events = Box::pin(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) if wants_node(&pod) => {
                tokio::spawn(bind(Arc::clone(&node), pod));
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "unbound pods cannot be watched"),
        }
    }
}

fn wants_node(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let scheduler = spec.scheduler_name.as_deref().unwrap_or("default-scheduler");
    spec.node_name.as_deref().unwrap_or_default().is_empty()
        && pod.metadata.deletion_timestamp.is_none()
        && scheduler == "default-scheduler"
        && spec.scheduling_gates.iter().flatten().next().is_none()
}

async fn bind(node: Arc<Shared>, pod: Pod) {
    let events = node.events.of(&pod);
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let labels = register::labels(&node.config.name);
    let wanted = pod.spec.iter().flat_map(|spec| spec.node_selector.iter().flatten());
    if let Some((key, value)) = wanted.into_iter().find(|(key, value)| labels.get(*key) != Some(value)) {
        let message =
            format!("0/1 nodes are available: the node does not have the label {key}={value} that the pod selects");
        return events.warn(None, "FailedScheduling", &message);
    }
    let mut pause = Duration::from_millis(20);
    for _ in 0..ATTEMPTS {
        match try_to_bind(&node, &pod, &namespace, &name).await {
            Ok(()) => {
                let message = format!("Successfully assigned {namespace}/{name} to {}", node.config.name);
                return events.tell(None, "Scheduled", &message);
            }
            // Gone, or bound by someone else.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
            Err(error) => tracing::warn!(pod = %name, %error, "the pod could not be bound"),
        }
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(Duration::from_secs(10));
    }
}

async fn try_to_bind(node: &Shared, pod: &Pod, namespace: &str, name: &str) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::namespaced(node.client.clone(), namespace);
    let target = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.config.name.clone()),
        ..ObjectReference::default()
    };
    let metadata = ObjectMeta { name: Some(name.to_owned()), uid: pod.uid(), ..ObjectMeta::default() };
    let binding = Binding { metadata, target };
    let bound: Result<serde_json::Value, _> =
        api.create_subresource("binding", name, &PostParams::default(), &binding).await;
    match bound {
        // A pod that is not there gives 404 as well; then the patch does, too.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 405) => {
            let patch = json!({"metadata": {"uid": pod.uid()}, "spec": {"nodeName": node.config.name}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
        }
        result => result.map(drop),
    }
}

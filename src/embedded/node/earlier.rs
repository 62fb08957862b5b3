//! What an earlier run of the node said of its pods, taken back: it died before it could, and its processes with it.

use std::net::IpAddr;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::{pod, pods};

/// How many statuses are written at the same time.
const WRITES: usize = 16;

/// Writes of every pod of the node that none of its containers runs. What cannot be written now is written when the pod
/// is run again, so an error is told and no more.
pub(super) async fn take_back(client: &Client, node: &str, host_address: IpAddr) {
    let mine = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let listed = match Api::<Pod>::all(client.clone()).list(&mine).await {
        Ok(listed) => listed.items,
        Err(error) => return tracing::warn!(%error, "the pods of an earlier run cannot be read"),
    };
    let claims = listed.into_iter().filter(claims_to_run);
    stream::iter(claims).for_each_concurrent(WRITES, |pod| write(client, pod, host_address)).await;
}

fn claims_to_run(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    let is_over = matches!(status.and_then(|status| status.phase.as_deref()), Some("Succeeded" | "Failed"));
    let runs = |state: &k8s_openapi::api::core::v1::ContainerState| state.running.is_some();
    !is_over && containers.iter().any(|container| container.ready || container.state.as_ref().is_some_and(runs))
}

async fn write(client: &Client, pod: Pod, host_address: IpAddr) {
    let (Some((uid, namespace, name)), Some(before)) = (pod::identity(&pod), &pod.status) else { return };
    let address = pods::address(&pod).unwrap_or(host_address);
    let conditions = before.conditions.clone().unwrap_or_default();
    let status = pod::first_view(&pod, address, host_address).status(&pod, &conditions);
    let patch = json!({"metadata": {"uid": uid}, "status": status});
    let api: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    if let Err(error) = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        tracing::warn!(pod = %pod.name_any(), %error, "what an earlier run said of the pod cannot be taken back");
    }
}

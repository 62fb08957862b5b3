//! A kubelet that runs nothing: each pod is bound and said to be ready as soon as it is seen.

use crate::support::objects::address;
use futures::StreamExt;
use k8s_openapi::api::core::v1::{Binding, Node, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

const NODE: &str = "bench";
/// How often it is tried to tell of a pod.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// How often the node is said to be alive. One that was not heard of for 50 s loses its pods' readiness.
const BEAT: Duration = Duration::from_secs(5);

/// Serves all pods for ever.
pub async fn run(client: Client) {
    let node: Node = serde_json::from_value(json!({"metadata": {"name": NODE}})).unwrap();
    Api::<Node>::all(client.clone()).create(&PostParams::default(), &node).await.unwrap();
    futures::future::join(beat(client.clone()), serve_all(client)).await;
}

/// Says that the node is alive, for ever.
async fn beat(client: Client) {
    let nodes = Api::<Node>::all(client);
    loop {
        let ready = json!({"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "it runs nothing",
            "lastHeartbeatTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = Patch::Strategic(json!({"status": {"conditions": [ready]}}));
        if let Err(error) = nodes.patch_status(NODE, &PatchParams::default(), &status).await {
            eprintln!("the node could not be said to be alive: {error}");
        }
        tokio::time::sleep(BEAT).await;
    }
}

async fn serve_all(client: Client) {
    let pods: Api<Pod> = Api::all(client.clone());
    let mut events = pin!(watcher::watcher(pods, watcher::Config::default()).default_backoff().applied_objects());
    let mut known = HashSet::new();
    while let Some(event) = events.next().await {
        let Ok(pod) = event else { continue };
        if pod.metadata.deletion_timestamp.is_none() && known.insert(pod.uid().unwrap_or_default()) {
            tokio::spawn(serve(client.clone(), pod, known.len()));
        }
    }
}

async fn serve(client: Client, pod: Pod, number: usize) {
    let (name, namespace) = (pod.name_any(), pod.namespace().unwrap_or_default());
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    let target = json!({"metadata": {"name": name}, "target": {"apiVersion": "v1", "kind": "Node", "name": NODE}});
    let binding: Binding = serde_json::from_value(target).unwrap();
    let bound: Result<Value, _> = pods.create_subresource("binding", &name, &PostParams::default(), &binding).await;
    if let Err(error) = bound {
        eprintln!("pod {name} could not be bound: {error}");
    }
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses: Vec<Value> = containers
        .map(|container| {
            json!({"name": container.name, "ready": true, "started": true, "restartCount": 0, "image": "none", "imageID": "none",
                   "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
        })
        .collect();
    let address = address(number).to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    let status = json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "containerStatuses": statuses,
        "conditions": conditions,
    }});
    let mut said = String::new();
    for _ in 0..TRIES {
        match pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(&status)).await {
            Ok(_) => return,
            // It has gone again.
            Err(kube::Error::Api(answer)) if answer.code == 404 => return,
            Err(error) => said = error.to_string(),
        }
        tokio::time::sleep(PAUSE).await;
    }
    eprintln!("pod {name} could not be said to be ready: {said}");
}

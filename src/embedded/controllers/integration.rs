//! All controllers on the embedded API, with a node that makes pods run at once and lets them end when they are deleted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::embedded::api::{ApiConfig, ApiServer};
use crate::tls::Authority;

struct Cluster {
    server: ApiServer,
    client: Client,
    shutdown: CancellationToken,
    controllers: JoinHandle<()>,
    node: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

async fn cluster() -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::load_or_create(folder.path()).unwrap();
    let config = ApiConfig { data_dir: folder.path().to_owned(), listen: None, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    let client = server.client();
    let shutdown = CancellationToken::new();
    let controllers = tokio::spawn(super::run(client.clone(), shutdown.clone()));
    let node = tokio::spawn(node(client.clone()));
    Cluster { server, client, shutdown, controllers, node, _folder: folder }
}

/// Binds every pod, makes it ready, and lets it go when it is told to.
async fn node(client: Client) {
    let all: Api<Pod> = Api::all(client.clone());
    let pods = watcher(all, watcher::Config::default()).default_backoff().applied_objects();
    let run = |pod: Pod| {
        let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap());
        async move {
            if pod.metadata.deletion_timestamp.is_some() {
                let _ = api.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
            } else if pod.status.as_ref().is_none_or(|status| status.pod_ip.is_none()) {
                let binding = json!({
                    "apiVersion": "v1", "kind": "Binding",
                    "metadata": { "name": pod.name_any() }, "target": { "kind": "Node", "name": "here" },
                });
                let _: Result<Value, _> =
                    api.create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding).await;
                let now = jiff::Timestamp::now().to_string();
                let now = format!("{}Z", now.split('.').next().unwrap().trim_end_matches('Z'));
                let status = json!({ "status": {
                    "phase": "Running", "podIP": "127.0.0.9",
                    "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": now }],
                }});
                let _ = api.patch_status(&pod.name_any(), &PatchParams::default(), &Patch::Merge(status)).await;
            }
        }
    };
    pods.filter_map(|pod| async { pod.ok() }).for_each_concurrent(64, run).await;
}

impl Cluster {
    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn create<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + serde::Serialize
            + std::fmt::Debug,
    {
        let object: K = serde_json::from_value(object).unwrap();
        self.api().create(&PostParams::default(), &object).await.unwrap()
    }

    async fn list<K>(&self) -> Vec<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug,
    {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(5), self.controllers).await.expect("the controllers end").unwrap();
        self.node.abort();
        self.server.shutdown(Duration::from_secs(1)).await;
    }
}

/// Waits until `condition` holds, and says what was last seen where it does not.
async fn until<F: Future<Output = Result<(), String>>>(condition: impl Fn() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(seen) = condition().await {
        assert!(Instant::now() < deadline, "it does not happen: {seen}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn deployment(name: &str, replicas: i32, image: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "c", "image": image, "ports": [{ "name": "web", "containerPort": 3000 }] }] },
            },
        },
    })
}

async fn rolled_out(cluster: &Cluster, name: &str) -> Result<(), String> {
    let deployment: Deployment = cluster.api().get(name).await.unwrap();
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().unwrap().replicas;
    let done = status.observed_generation == deployment.metadata.generation
        && [status.replicas, status.updated_replicas, status.available_replicas] == [wanted; 3]
        && status.unavailable_replicas.is_none()
        && status.conditions.iter().flatten().any(|c| c.reason.as_deref() == Some("NewReplicaSetAvailable"));
    if done { Ok(()) } else { Err(format!("{status:?}")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_comes_up_rolls_and_rolls_back_without_losing_an_endpoint() {
    let cluster = cluster().await;
    let ports = json!([{ "name": "http", "port": 80, "targetPort": "web" }]);
    let spec = json!({ "selector": { "app": "web" }, "ports": ports });
    let _: Service = cluster.create(json!({ "metadata": { "name": "web" }, "spec": spec })).await;
    let begin = Instant::now();
    let _: Deployment = cluster.create(deployment("web", 2, "v1")).await;
    until(|| rolled_out(&cluster, "web")).await;
    eprintln!("two replicas are available after {:?}", begin.elapsed());
    let ready = || async {
        let slices: Vec<EndpointSlice> = cluster.list().await;
        let endpoints = slices.iter().flat_map(|slice| slice.endpoints.clone().unwrap_or_default());
        endpoints.filter(|endpoint| endpoint.conditions.as_ref().unwrap().ready == Some(true)).count()
    };
    until(|| async { if ready().await == 2 { Ok(()) } else { Err("endpoints are missing".to_owned()) } }).await;
    // From here on there are always two.
    let least = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(usize::MAX));
    let slices: Api<EndpointSlice> = cluster.api();
    let watched = std::sync::Arc::clone(&least);
    let watch = tokio::spawn(async move {
        let mut changes = std::pin::pin!(watcher(slices, watcher::Config::default()).applied_objects());
        while let Ok(Some(slice)) = changes.try_next().await {
            let ready = slice.endpoints.iter().flatten().filter(|e| e.conditions.as_ref().unwrap().ready == Some(true));
            watched.fetch_min(ready.count(), std::sync::atomic::Ordering::SeqCst);
        }
    });
    for (image, revision) in [("v2", "2"), ("v1", "3")] {
        let spec = json!({ "spec": deployment("web", 2, image)["spec"] });
        let api: Api<Deployment> = cluster.api();
        api.patch("web", &PatchParams::default(), &Patch::Merge(spec)).await.unwrap();
        until(|| rolled_out(&cluster, "web")).await;
        let told = api.get("web").await.unwrap();
        assert_eq!(told.annotations()["deployment.kubernetes.io/revision"], revision);
    }
    let sets: Vec<ReplicaSet> = cluster.list().await;
    assert_eq!(sets.len(), 2, "going back uses the old set again");
    until(|| async { if cluster.list::<Pod>().await.len() == 2 { Ok(()) } else { Err("pods are left".to_owned()) } })
        .await;
    watch.abort();
    assert!(least.load(std::sync::atomic::Ordering::SeqCst) >= 2, "an endpoint went before another was ready");
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_deployments_at_once_come_up_with_one_pod_each_and_go_with_all_they_own() {
    let cluster = cluster().await;
    let begin = Instant::now();
    let names: Vec<String> = (0..100).map(|number| format!("e{number}")).collect();
    futures::future::join_all(names.iter().map(|name| cluster.create::<Deployment>(deployment(name, 1, "v1")))).await;
    until(|| async {
        let open = cluster.list::<Deployment>().await.into_iter();
        let open = open.filter(|d| d.status.as_ref().and_then(|status| status.available_replicas) != Some(1)).count();
        if open == 0 { Ok(()) } else { Err(format!("{open} are not up")) }
    })
    .await;
    eprintln!("a hundred are up after {:?}", begin.elapsed());
    let pods: Vec<Pod> = cluster.list().await;
    let owners: BTreeSet<String> = pods.iter().map(|pod| pod.owner_references()[0].uid.clone()).collect();
    assert_eq!((pods.len(), owners.len()), (100, 100), "a pod was made twice");
    let api: Api<Deployment> = cluster.api();
    let parameters = DeleteParams::default();
    futures::future::join_all(names.iter().map(|name| api.delete(name, &parameters))).await;
    until(|| async {
        let left = (cluster.list::<ReplicaSet>().await.len(), cluster.list::<Pod>().await.len());
        if left == (0, 0) { Ok(()) } else { Err(format!("{left:?} are left")) }
    })
    .await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreground_deletion_waits_for_the_pods_and_an_orphaning_one_leaves_them() {
    let cluster = cluster().await;
    for name in ["front", "orphaned"] {
        let _: Deployment = cluster.create(deployment(name, 1, "v1")).await;
        until(|| rolled_out(&cluster, name)).await;
    }
    let api: Api<Deployment> = cluster.api();
    api.delete("front", &DeleteParams::foreground()).await.unwrap();
    until(|| async {
        if api.get_opt("front").await.unwrap().is_some() {
            return Err("it is there".to_owned());
        }
        let mut left = cluster.list::<Pod>().await.into_iter().filter(|pod| pod.labels()["app"] == "front");
        assert!(left.next().is_none(), "the owner went before its pods");
        Ok(())
    })
    .await;
    api.delete("orphaned", &DeleteParams::orphan()).await.unwrap();
    until(|| async {
        if api.get_opt("orphaned").await.unwrap().is_none() { Ok(()) } else { Err("it is there".to_owned()) }
    })
    .await;
    let sets: Vec<ReplicaSet> = cluster.list().await;
    assert_eq!(sets.len(), 1);
    assert!(sets[0].owner_references().is_empty());
    // The same Deployment again takes its set back.
    let _: Deployment = cluster.create(deployment("orphaned", 1, "v1")).await;
    until(|| rolled_out(&cluster, "orphaned")).await;
    assert_eq!(cluster.list::<ReplicaSet>().await[0].uid(), sets[0].uid());
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_an_owner_that_never_was_goes() {
    let cluster = cluster().await;
    let owner = json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "00000000-0000-0000-0000-000000000000" });
    let _: ConfigMap = cluster.create(json!({ "metadata": { "name": "child", "ownerReferences": [owner] } })).await;
    let api: Api<ConfigMap> = cluster.api();
    until(|| async {
        if api.get_opt("child").await.unwrap().is_none() { Ok(()) } else { Err("it is there".to_owned()) }
    })
    .await;
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_pod_and_an_edited_slice_are_put_right() {
    let cluster = cluster().await;
    let spec = json!({ "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 3000 }] });
    let _: Service = cluster.create(json!({ "metadata": { "name": "web" }, "spec": spec })).await;
    let _: Deployment = cluster.create(deployment("web", 1, "v1")).await;
    until(|| rolled_out(&cluster, "web")).await;
    let before = cluster.list::<Pod>().await[0].name_any();
    cluster.api::<Pod>().delete(&before, &DeleteParams::default()).await.unwrap();
    let whole = || async {
        let pods = cluster.list::<Pod>().await;
        let slices = cluster.list::<EndpointSlice>().await;
        let targets: Vec<String> = slices
            .iter()
            .flat_map(|slice| slice.endpoints.iter().flatten())
            .filter_map(|endpoint| endpoint.target_ref.clone()?.name)
            .collect();
        let names: Vec<String> = pods.iter().map(ResourceExt::name_any).collect();
        let right = names.len() == 1 && names[0] != before && targets == names;
        if right { Ok(()) } else { Err(format!("pods {names:?}, endpoints {targets:?}")) }
    };
    until(whole).await;
    let slice = cluster.list::<EndpointSlice>().await[0].name_any();
    let api: Api<EndpointSlice> = cluster.api();
    api.patch(&slice, &PatchParams::default(), &Patch::Merge(json!({ "endpoints": [] }))).await.unwrap();
    until(whole).await;
    api.delete(&slice, &DeleteParams::default()).await.unwrap();
    until(whole).await;
    cluster.end().await;
}

//! The API over a client in this process, and its port.

mod node;
mod objects;
mod port;
mod storage;
mod watches;

use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api as KubeApi;
use serde_json::{Value, json};

pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    folder: tempfile::TempDir,
}

pub(crate) async fn cluster() -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let server = open(folder.path()).await;
    Cluster { server, folder }
}

async fn open(folder: &Path) -> ApiServer {
    let authority = Authority::load_or_create(folder).unwrap();
    let listen = Some("127.0.0.1:0".parse().unwrap());
    let config = ApiConfig { data_dir: folder.to_owned(), listen, allow_loopback_endpoints: true };
    let server = ApiServer::open(config, &authority).await.unwrap();
    server.serve();
    server
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

/// Objects of any kind in the default namespace, as JSON.
fn dynamic(server: &ApiServer, group: &str, version: &str, kind: &str) -> KubeApi<kube::api::DynamicObject> {
    let resource = kube::api::ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk(group, version, kind));
    KubeApi::default_namespaced_with(server.client(), &resource)
}

fn object(value: Value) -> kube::api::DynamicObject {
    serde_json::from_value(value).unwrap()
}

/// The refusal of a call that had to be refused.
fn status<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("not refused by the API: {other:?}"),
    }
}

fn deployment() -> kube::api::DynamicObject {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "front", "image": "front:1"}]},
            },
        },
    }))
}

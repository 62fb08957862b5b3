//! The API over a client in this process.

use super::*;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Api as KubeApi;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;

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
    ApiServer::open(config, &authority).await.unwrap()
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_new_start() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let made = maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();
    let Cluster { server, folder } = cluster;
    // Nothing is closed: this is what the end of the process leaves.
    std::mem::forget(server);
    let server = open(folder.path()).await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(server.client());
    assert_eq!(maps.get("kept").await.unwrap(), made);
    let next = maps.create(&PostParams::default(), &config_map("next")).await.unwrap();
    let number = |map: &ConfigMap| map.metadata.resource_version.clone().unwrap().parse::<u64>().unwrap();
    assert!(number(&next) > number(&made));
    server.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_page_is_of_one_moment() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    for index in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("m{index}"))).await.unwrap();
    }
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    maps.delete("m3", &DeleteParams::default()).await.unwrap();
    let next = ListParams::default().limit(10).continue_token(&first.metadata.continue_.unwrap());
    let rest = maps.list(&next).await.unwrap();
    let names: Vec<_> = rest.items.iter().map(|map| map.metadata.name.clone().unwrap()).collect();
    assert_eq!(names, ["m2", "m3", "m4"]);
    cluster.server.api.store.compact(0);
    let gone = maps.list(&next).await.unwrap_err();
    assert!(matches!(gone, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"));
}

#[tokio::test]
async fn a_namespace_takes_what_is_in_it_along() {
    let cluster = cluster().await;
    let namespaces: KubeApi<Namespace> = KubeApi::all(cluster.server.client());
    let team = serde_json::from_value(json!({"metadata": {"name": "team"}})).unwrap();
    namespaces.create(&PostParams::default(), &team).await.unwrap();
    let maps: KubeApi<ConfigMap> = KubeApi::namespaced(cluster.server.client(), "team");
    maps.create(&PostParams::default(), &config_map("inside")).await.unwrap();
    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    let gone = async {
        while namespaces.get_opt("team").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
    assert!(maps.get_opt("inside").await.unwrap().is_none());
    let refused = maps.create(&PostParams::default(), &config_map("late")).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.message == "namespaces \"team\" not found"));
}

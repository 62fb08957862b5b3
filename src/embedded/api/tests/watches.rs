//! Watches: order, selectors, bookmarks, and versions that are too old.

use super::*;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};

/// The next `count` events of a watch: type, name and the whole object.
async fn events(server: &ApiServer, query: &str, count: usize) -> Vec<(String, String, Value)> {
    let uri = format!("/api/v1/namespaces/default/configmaps?watch=true&{query}");
    let request = http::Request::get(uri).body(Vec::new()).unwrap();
    let lines = server.client().request_stream(request).await.unwrap().lines();
    let told = lines.take(count).map_ok(|line| {
        let event: Value = serde_json::from_str(&line).unwrap();
        let name = json::text(&event, "/object/metadata/name").to_owned();
        (event["type"].as_str().unwrap().to_owned(), name, event["object"].clone())
    });
    tokio::time::timeout(Duration::from_secs(5), told.try_collect()).await.unwrap().unwrap()
}

fn told(events: &[(String, String, Value)]) -> Vec<(&str, &str)> {
    events.iter().map(|(kind, name, _)| (kind.as_str(), name.as_str())).collect()
}

#[tokio::test]
async fn an_object_that_enters_or_leaves_a_selector_comes_and_goes() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let first = maps.create(&PostParams::default(), &config_map("m")).await.unwrap();
    let label = |value: Value| Patch::Merge(json!({"metadata": {"labels": {"l": value}}}));
    for value in [json!("x"), json!("x"), json!("y"), json!("x")] {
        maps.patch("m", &PatchParams::default(), &label(value)).await.unwrap();
    }
    maps.patch("m", &PatchParams::default(), &Patch::Merge(json!({"data": {"b": "2"}}))).await.unwrap();
    maps.delete("m", &DeleteParams::default()).await.unwrap();
    let since = first.metadata.resource_version.unwrap();
    let events = events(&cluster.server, &format!("labelSelector=l%3Dx&resourceVersion={since}"), 5).await;
    assert_eq!(told(&events), [("ADDED", "m"), ("DELETED", "m"), ("ADDED", "m"), ("MODIFIED", "m"), ("DELETED", "m")]);
    let versions: Vec<u64> =
        events.iter().map(|e| json::text(&e.2, "/metadata/resourceVersion").parse().unwrap()).collect();
    assert!(versions.is_sorted(), "{versions:?}");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_answered_with_410() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    let first = maps.create(&PostParams::default(), &config_map("a")).await.unwrap();
    maps.create(&PostParams::default(), &config_map("b")).await.unwrap();
    cluster.server.api.store.compact(0);
    let since = first.metadata.resource_version.unwrap();
    let events = events(&cluster.server, &format!("resourceVersion={since}"), 1).await;
    assert_eq!(events[0].0, "ERROR");
    assert_eq!((&events[0].2["code"], &events[0].2["reason"]), (&json!(410), &json!("Expired")));
}

#[tokio::test]
async fn a_streamed_list_ends_with_a_bookmark_that_says_so() {
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &config_map(name)).await.unwrap();
    }
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let events = events(&cluster.server, query, 3).await;
    assert_eq!(told(&events), [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]);
    assert_eq!(events[2].2["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
}

#[tokio::test]
async fn a_watch_that_times_out_ends_with_a_bookmark() {
    let cluster = cluster().await;
    let since = cluster.server.api.store.revision();
    let query = format!("timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={since}");
    let events = events(&cluster.server, &query, 10).await;
    assert_eq!(told(&events), [("BOOKMARK", "")]);
}

#[tokio::test]
async fn the_watcher_of_kube_sees_every_object_in_either_way_of_listing() {
    use kube::runtime::watcher;
    let cluster = cluster().await;
    let maps: KubeApi<ConfigMap> = KubeApi::default_namespaced(cluster.server.client());
    maps.create(&PostParams::default(), &config_map("before")).await.unwrap();
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut seen = Box::pin(watcher(maps.clone(), config));
        let mut names = Vec::new();
        let look = async {
            while let Some(event) = seen.next().await {
                match event.unwrap() {
                    watcher::Event::InitApply(map) => names.push(map.metadata.name.unwrap()),
                    watcher::Event::InitDone => {
                        maps.create(&PostParams::default(), &config_map("after")).await.unwrap();
                    }
                    watcher::Event::Apply(map) => {
                        names.push(map.metadata.name.unwrap());
                        break;
                    }
                    watcher::Event::Init | watcher::Event::Delete(_) => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), look).await.unwrap();
        assert_eq!(names, ["before", "after"]);
        maps.delete("after", &DeleteParams::default()).await.unwrap();
    }
}

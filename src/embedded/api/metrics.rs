//! `metrics.k8s.io/v1beta1`: what pods and nodes use, told by the node.

use super::failure::{Failure, Outcome};
use super::json;
use super::kinds::KindInfo;
use super::node_backend::PodUsage;
use super::request::Call;
use super::response::{self, Body};
use super::selector::Selector;
use super::service::Api;
use super::store::ObjectKey;
use super::verbs::timestamp;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const API_VERSION: &str = "metrics.k8s.io/v1beta1";

/// Answers below `/apis/metrics.k8s.io/v1beta1`.
pub(crate) async fn answer(api: &Api, call: &Call, rest: &[&str]) -> Outcome<Response<Body>> {
    if call.method != Method::GET {
        return Err(Failure::method_not_allowed());
    }
    let usage = match api.node() {
        Some(node) => node.usage().await,
        None => Vec::new(),
    };
    let value = match rest {
        ["pods"] => pods(api, call, None, &usage)?,
        ["namespaces", namespace, "pods"] => pods(api, call, Some(namespace), &usage)?,
        ["namespaces", namespace, "pods", name] => {
            let of_pod = |usage: &&PodUsage| usage.namespace == *namespace && usage.pod == *name;
            let found: Vec<&PodUsage> = usage.iter().filter(of_pod).collect();
            pod(api, &found).ok_or_else(|| missing(api, "Pod", "PodMetrics", name))?
        }
        ["nodes"] => json!({
            "kind": "NodeMetricsList", "apiVersion": API_VERSION, "metadata": {},
            "items": nodes(api, &usage),
        }),
        ["nodes", name] => {
            let found = nodes(api, &usage).into_iter().find(|node| json::text(node, "/metadata/name") == *name);
            found.ok_or_else(|| missing(api, "Node", "NodeMetrics", name))?
        }
        _ => return Err(Failure::no_such_path()),
    };
    Ok(response::json(StatusCode::OK, &value))
}

fn missing(api: &Api, kind: &str, metrics_kind: &str, name: &str) -> Failure {
    let Some(kind) = api.registry.by_kind("", kind) else { return Failure::no_such_path() };
    let info = KindInfo { group: "metrics.k8s.io".to_owned(), kind: metrics_kind.to_owned(), ..kind.info.clone() };
    Failure::not_found(&info, name)
}

fn pods(api: &Api, call: &Call, namespace: Option<&str>, usage: &[PodUsage]) -> Outcome<Value> {
    let kind = api.registry.by_kind("", "Pod").ok_or_else(Failure::no_such_path)?;
    let selector = Selector::read(&kind.info, namespace, None, &call.query)?;
    let mut by_pod: BTreeMap<(&str, &str), Vec<&PodUsage>> = BTreeMap::new();
    for usage in usage {
        by_pod.entry((&usage.namespace, &usage.pod)).or_default().push(usage);
    }
    let chosen = by_pod.into_iter().filter(|((namespace, name), _)| {
        let key = ObjectKey { namespace: (*namespace).to_owned(), name: (*name).to_owned() };
        let object = api.store.object(kind.storage, &key);
        selector.key_matches(&key) && object.is_some_and(|object| selector.content_matches(&object.value))
    });
    let items: Vec<Value> = chosen.filter_map(|(_, usage)| pod(api, &usage)).collect();
    Ok(json!({"kind": "PodMetricsList", "apiVersion": API_VERSION, "metadata": {}, "items": items}))
}

/// The metrics of a pod from those of its containers.
fn pod(api: &Api, usage: &[&PodUsage]) -> Option<Value> {
    let first = usage.first()?;
    let kind = api.registry.by_kind("", "Pod")?;
    let key = ObjectKey { namespace: first.namespace.clone(), name: first.pod.clone() };
    let object = api.store.object(kind.storage, &key)?;
    let containers: Vec<Value> = usage
        .iter()
        .map(|usage| json!({"name": usage.container, "usage": amounts(usage.cpu_nanocores, usage.memory_bytes)}))
        .collect();
    Some(json!({
        "kind": "PodMetrics", "apiVersion": API_VERSION,
        "metadata": {
            "name": first.pod, "namespace": first.namespace,
            "labels": object.value.pointer("/metadata/labels"),
            "creationTimestamp": timestamp(first.at),
        },
        "timestamp": timestamp(first.at), "window": window(first), "containers": containers,
    }))
}

/// All pods run on the one node there is; what they use is what it uses.
fn nodes(api: &Api, usage: &[PodUsage]) -> Vec<Value> {
    let Some(kind) = api.registry.by_kind("", "Node") else { return Vec::new() };
    let cpu = usage.iter().map(|usage| usage.cpu_nanocores).sum();
    let memory = usage.iter().map(|usage| usage.memory_bytes).sum();
    let at = usage.iter().map(|usage| usage.at).max().unwrap_or_else(jiff::Timestamp::now);
    let window = usage.first().map_or_else(|| "10s".to_owned(), window);
    let (_, objects) = api.store.snapshot(kind.storage);
    let node = |name: &str| {
        json!({
            "kind": "NodeMetrics", "apiVersion": API_VERSION,
            "metadata": {"name": name, "creationTimestamp": timestamp(at)},
            "timestamp": timestamp(at), "window": window, "usage": amounts(cpu, memory),
        })
    };
    objects.keys().map(|key| node(&key.name)).collect()
}

fn amounts(cpu_nanocores: u64, memory_bytes: u64) -> Value {
    json!({"cpu": format!("{cpu_nanocores}n"), "memory": format!("{}Ki", memory_bytes / 1024)})
}

fn window(usage: &PodUsage) -> String {
    format!("{}ms", usage.window.as_millis())
}

//! `GET /environments/{user}/{class}/pods`.

use super::input::{EnvironmentPath, Query};
use super::paging::{self, By, Orders, Page, Whole};
use super::pod_resources::{self, PodResources};
use super::pod_status::{LastExit, PodStatus};
use super::problem::Problem;
use super::{ApiState, Shared, cluster, environments, quantity};
use crate::cluster::rights;
use crate::model::EnvironmentKey;
use crate::resources::labels::{CLASS, USER};
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A pod, as people look at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodView {
    /// Its name.
    pub name: String,
    /// The node it runs on.
    pub node: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its state in a word, as kubectl prints it.
    #[schema(example = "CrashLoopBackOff")]
    pub status: String,
    /// Whether its container ends again and again, or cannot be started.
    pub failing: bool,
    /// Containers that are ready.
    pub ready_containers: usize,
    /// All containers.
    pub containers: usize,
    /// How often a container was started again.
    pub restarts: i32,
    /// How a container ended last.
    #[schema(example = "exit code 1")]
    pub last_exit: Option<String>,
    /// With which code it ended.
    #[serde(default)]
    #[schema(example = 1)]
    pub last_exit_code: Option<i32>,
    /// When it ended (RFC 3339).
    #[serde(default)]
    #[schema(example = "2026-11-25T08:00:00Z")]
    pub last_exit_at: Option<String>,
    /// When it was made (RFC 3339).
    pub created_at: Option<String>,
    /// CPU in use, in cores.
    pub cpu_cores: Option<f64>,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// What its containers ask for together.
    #[serde(default)]
    pub requests: PodResources,
    /// What its containers may take together; nothing is stated where one of them has no limit.
    #[serde(default)]
    pub limits: PodResources,
}

/// Where the figures of CPU and memory come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsView {
    /// Whether the cluster gave figures.
    pub available: bool,
    /// Why it gave none.
    pub reason: Option<String>,
}

/// A page of the pods of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PodList {
    /// The pods.
    pub items: Vec<PodView>,
    /// Whether there are figures of CPU and memory.
    pub metrics: MetricsView,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

static ORDERS: Orders<PodView> = Orders {
    first: By { word: "name", place: |pod| (0, pod.name.clone()) },
    down: false,
    more: &[
        By { word: "created", place: |pod| (0, format!("{}\0{}", pod.created_at.as_deref().unwrap_or("~"), pod.name)) },
        By { word: "restarts", place: |pod| (i64::from(pod.restarts), pod.name.clone()) },
    ],
};

/// The pods of an environment, with what they use.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/pods", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("sort" = Option<String>, Query, pattern = "^-?(name|created|restarts)$", description = "the order: by name, by age, or by how often a container was started again; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same order"),
), responses(
    (status = 200, body = PodList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    environments::find(&state, &key).await?;
    let (pods, usage) = futures::future::join(of_environment(&state, &key), usage(&state, &key)).await;
    let (usage, reason) = match usage {
        Ok(usage) => (usage, None),
        Err(reason) => (BTreeMap::new(), Some(reason)),
    };
    let all = pods?.iter().map(|pod| PodView::of(pod, &usage)).collect();
    let Page { items, next } = asked.cut(&format!("pods {key}"), all)?;
    let metrics = MetricsView { available: reason.is_none(), reason };
    Ok(paging::answer(PodList { items, metrics, next: next.clone() }, next.as_deref(), &uri))
}

pub(super) fn api(state: &ApiState) -> Api<Pod> {
    Api::namespaced(state.client.clone(), &state.namespace)
}

/// Selects the pods of an environment by their labels.
pub(super) fn selector(key: &EnvironmentKey) -> String {
    format!("{USER}={},{CLASS}={}", key.user, key.class)
}

/// The pods of an environment, by name.
pub(super) async fn of_environment(state: &ApiState, key: &EnvironmentKey) -> Result<Vec<Pod>, Problem> {
    let selected = ListParams::default().labels(&selector(key));
    let mut pods = api(state).list(&selected).await.map_err(|error| cluster::problem(&error))?.items;
    pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    Ok(pods)
}

/// Cores and bytes.
type Usage = (f64, f64);

/// What each pod uses by `metrics.k8s.io`, or why that is not known.
async fn usage(state: &ApiState, key: &EnvironmentKey) -> Result<BTreeMap<String, Usage>, String> {
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let resource = ApiResource::from_gvk_with_plural(&kind, "pods");
    let api: Api<DynamicObject> = Api::namespaced_with(state.client.clone(), &state.namespace, &resource);
    match api.list(&ListParams::default().labels(&selector(key))).await {
        Ok(list) => {
            Ok(list.items.into_iter().filter_map(|item| Some((item.metadata.name?, sum(&item.data)))).collect())
        }
        Err(error) => Err(why_unknown(&error)),
    }
}

/// A cluster without the API, one whose metrics server does not answer, and a right that is missing are told apart.
fn why_unknown(error: &kube::Error) -> String {
    let refused = match error {
        kube::Error::Api(status) if status.code == 404 => {
            return "the cluster serves no metrics.k8s.io; install its metrics server".to_owned();
        }
        kube::Error::Api(status) if status.code == 503 => {
            return "the cluster's metrics server does not answer".to_owned();
        }
        kube::Error::Api(status) if status.code == 403 => rights::refused(&status.message),
        _ => None,
    };
    refused.unwrap_or_else(|| {
        tracing::warn!(%error, "the figures of pods cannot be read");
        "the cluster did not answer for metrics.k8s.io".to_owned()
    })
}

fn sum(metrics: &Value) -> Usage {
    let containers = metrics.get("containers").and_then(Value::as_array).into_iter().flatten();
    let figure = |container: &Value, name: &str| {
        let text = container.get("usage").and_then(|usage| usage.get(name)).and_then(Value::as_str);
        text.and_then(quantity::number).unwrap_or_default()
    };
    containers.fold((0.0, 0.0), |(cpu, memory), container| {
        (cpu + figure(container, "cpu"), memory + figure(container, "memory"))
    })
}

impl PodView {
    fn of(pod: &Pod, usage: &BTreeMap<String, Usage>) -> Self {
        let status = PodStatus::of(pod);
        let name = pod.metadata.name.clone().unwrap_or_default();
        let used = usage.get(&name);
        Self {
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            address: pod.status.as_ref().and_then(|status| status.pod_ip.clone()),
            failing: status.failing(),
            status: status.word,
            ready_containers: status.ready,
            containers: status.containers,
            restarts: status.restarts,
            last_exit: status.last_exit.as_ref().map(LastExit::to_string),
            last_exit_code: status.last_exit.as_ref().map(|exit| exit.code),
            last_exit_at: status.last_exit.and_then(|exit| exit.at).map(|at| at.to_string()),
            created_at: pod.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
            cpu_cores: used.map(|(cores, _)| *cores),
            memory_bytes: used.map(|(_, bytes)| pod_resources::whole(*bytes)),
            requests: pod_resources::requests(pod),
            limits: pod_resources::limits(pod),
            name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::why_unknown;
    use kube::core::Status;

    #[test]
    fn why_there_are_no_figures_is_told_apart() {
        let said = |code: u16, message: &str| {
            why_unknown(&kube::Error::Api(Status::failure(message, "").with_code(code).boxed()))
        };
        assert!(said(404, "the server could not find the requested resource").contains("serves no metrics.k8s.io"));
        assert!(said(503, "service unavailable").contains("does not answer"));
        let refused = "pods.metrics.k8s.io is forbidden: User \"u\" cannot list resource \"pods\" in API group \"metrics.k8s.io\" in the namespace \"team\"";
        assert!(
            said(403, refused).starts_with("the ServiceAccount may not list pods.metrics.k8s.io in the namespace team")
        );
    }
}

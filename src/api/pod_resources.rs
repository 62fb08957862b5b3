//! What the containers of a pod ask for and what they may take at most, in cores and bytes.

use super::quantity;
use k8s_openapi::api::core::v1::{Container, Pod, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An amount of CPU and memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodResources {
    /// CPU, in cores; none where it is not stated.
    pub cpu_cores: Option<f64>,
    /// Memory, in bytes; none where it is not stated.
    pub memory_bytes: Option<u64>,
}

/// What the containers of a pod ask for together; a container that asks for nothing adds nothing.
pub(super) fn requests(pod: &Pod) -> PodResources {
    let sum = |name: &str| {
        let stated: Vec<f64> = lasting(pod).filter_map(|container| of(container, requested, name)).collect();
        (!stated.is_empty()).then(|| stated.into_iter().sum())
    };
    PodResources { cpu_cores: sum("cpu"), memory_bytes: sum("memory").map(whole) }
}

/// What the containers of a pod may take together: none as soon as one of them has no limit.
pub(super) fn limits(pod: &Pod) -> PodResources {
    let sum = |name: &str| {
        let stated: Option<Vec<f64>> = lasting(pod).map(|container| of(container, limited, name)).collect();
        stated.filter(|stated| !stated.is_empty()).map(|stated| stated.into_iter().sum())
    };
    PodResources { cpu_cores: sum("cpu"), memory_bytes: sum("memory").map(whole) }
}

/// The containers that run as long as the pod does: init containers count where they are restarted always (sidecars).
fn lasting(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.as_ref();
    let sidecars = spec.and_then(|spec| spec.init_containers.as_ref()).into_iter().flatten();
    let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
    spec.into_iter().flat_map(|spec| &spec.containers).chain(sidecars)
}

type Amounts = BTreeMap<String, Quantity>;

fn requested(resources: &ResourceRequirements) -> Option<&Amounts> {
    resources.requests.as_ref()
}

fn limited(resources: &ResourceRequirements) -> Option<&Amounts> {
    resources.limits.as_ref()
}

fn of(container: &Container, kind: fn(&ResourceRequirements) -> Option<&Amounts>, name: &str) -> Option<f64> {
    quantity::number(&kind(container.resources.as_ref()?)?.get(name)?.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float's cast saturates")]
pub(super) fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(containers: &Value, inits: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "spec": {"containers": containers, "initContainers": inits}}))
            .unwrap()
    }

    #[test]
    fn requests_are_summed_and_a_container_without_a_limit_leaves_the_pod_without_one() {
        let bounded = json!({"name": "a", "resources": {
            "requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}});
        let free = json!({"name": "b", "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}}});
        let both = pod(&json!([bounded, free]), &json!([]));
        assert_eq!(requests(&both), PodResources { cpu_cores: Some(0.25), memory_bytes: Some(80 << 20) });
        assert_eq!(limits(&both), PodResources { cpu_cores: None, memory_bytes: Some(160 << 20) });
        let nothing = pod(&json!([{"name": "a"}]), &json!([]));
        assert_eq!((requests(&nothing), limits(&nothing)), Default::default());
    }

    #[test]
    fn an_init_container_counts_where_it_stays() {
        let init =
            |policy: &Value| json!([{"name": "i", "restartPolicy": policy, "resources": {"requests": {"cpu": "1"}}}]);
        let asks = |policy: &Value| requests(&pod(&json!([{"name": "a"}]), &init(policy))).cpu_cores;
        assert_eq!((asks(&json!("Always")), asks(&Value::Null)), (Some(1.0), None));
    }

    #[test]
    fn what_is_no_quantity_is_not_stated() {
        let odd = pod(&json!([{"name": "a", "resources": {"requests": {"cpu": "much"}}}]), &json!([]));
        assert_eq!(requests(&odd).cpu_cores, None);
    }
}

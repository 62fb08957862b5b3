//! What controllers read from a pod.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use kube::ResourceExt;

use super::ownership::owner_index;

/// Groups pods by their controller, and by each of their labels.
pub fn index(pod: &Pod) -> Vec<String> {
    let namespace = pod.namespace().unwrap_or_default();
    let labels = pod.labels().iter().map(|(name, value)| labelled(&namespace, name, value));
    owner_index(pod).into_iter().chain(labels).collect()
}

/// The group of the pods in a namespace with this label.
pub fn labelled(namespace: &str, name: &str, value: &str) -> String {
    format!("{namespace}/{name}={value}")
}

/// The phase; a pod that nobody has looked at yet is pending.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Pending")
}

/// Whether all its containers have ended for good.
pub fn is_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether it counts as a replica: neither finished nor on its way out.
pub fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && !is_terminating(pod)
}

/// Whether it is on its way out.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn ready_condition(pod: &Pod) -> Option<&PodCondition> {
    pod.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")
}

/// Whether its condition `Ready` holds.
pub fn is_ready(pod: &Pod) -> bool {
    ready_condition(pod).is_some_and(|condition| condition.status == "True")
}

/// Since when it is ready.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let condition = ready_condition(pod).filter(|condition| condition.status == "True")?;
    condition.last_transition_time.as_ref().map(|time| time.0)
}

/// How a ready pod stands with the time for which it has to be ready to count as available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It counts.
    Available,
    /// It will count after this time, if it stays ready.
    In(Duration),
    /// It is not ready.
    NotReady,
}

/// Whether it has been ready for `min_ready_seconds`.
pub fn availability(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Availability {
    if !is_ready(pod) {
        return Availability::NotReady;
    }
    let needed = Duration::from_secs(u64::try_from(min_ready_seconds).unwrap_or(0));
    let Some(since) = ready_since(pod) else {
        return if needed.is_zero() { Availability::Available } else { Availability::NotReady };
    };
    // A clock that was set back makes the time negative: then nothing of the waiting is over.
    let been = Duration::try_from(now.duration_since(since)).unwrap_or(Duration::ZERO);
    if been >= needed { Availability::Available } else { Availability::In(needed - been) }
}

/// How often its containers were restarted.
pub fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    statuses.map(|status| status.restart_count).max().unwrap_or(0)
}

/// What it costs to delete this pod rather than another, by its annotation.
pub fn deletion_cost(pod: &Pod) -> i32 {
    pod.annotations().get("controller.kubernetes.io/pod-deletion-cost").and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    #[test]
    fn a_pod_is_available_when_it_was_ready_for_long_enough() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let condition = PodCondition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(Time(Timestamp::from_second(999_990).unwrap())),
            ..PodCondition::default()
        };
        let status = PodStatus { conditions: Some(vec![condition]), ..PodStatus::default() };
        let pod = Pod { status: Some(status), ..Pod::default() };
        assert_eq!(availability(&pod, 0, now), Availability::Available);
        assert_eq!(availability(&pod, 10, now), Availability::Available);
        assert_eq!(availability(&pod, 30, now), Availability::In(Duration::from_secs(20)));
        assert_eq!(availability(&Pod::default(), 0, now), Availability::NotReady);
    }
}

//! What a ReplicaSet decides: which pods go first, and what its status says.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::soonest;
use crate::embedded::controllers::pods::{
    Availability, availability, deletion_cost, is_ready, phase, ready_since, restarts,
};

/// The pods to delete first: without a node, then pending, unknown, not ready, cheap by annotation, ready for the shortest
/// time, often restarted, young.
pub fn victims(active: &[Arc<Pod>], count: usize) -> Vec<Arc<Pod>> {
    let mut pods = active.to_vec();
    pods.sort_by_cached_key(|pod| {
        let assigned =
            pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(|node| !node.is_empty());
        let phase = match phase(pod) {
            "Pending" => 0,
            "Running" => 2,
            _ => 1,
        };
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let times = (Reverse(ready_since(pod)), Reverse(restarts(pod)), Reverse(created), Reverse(pod.name_any()));
        (assigned, phase, is_ready(pod), deletion_cost(pod), times)
    });
    pods.truncate(count);
    pods
}

/// The status for these pods, and after which time it will be another without any event.
pub fn status(
    set: &ReplicaSet,
    active: &[Arc<Pod>],
    failure: Option<String>,
    now: Timestamp,
) -> (ReplicaSetStatus, Option<Duration>) {
    let spec = set.spec.as_ref();
    let min_ready_seconds = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
    let labels = spec.and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.clone()).unwrap_or_default();
    let (mut labelled, mut ready, mut available, mut next) = (0, 0, 0, None);
    for pod in active {
        labelled += i32::from(labels.iter().all(|(name, value)| pod.labels().get(name) == Some(value)));
        match availability(pod, min_ready_seconds, now) {
            Availability::NotReady => {}
            Availability::Available => (ready, available) = (ready + 1, available + 1),
            Availability::In(pause) => {
                ready += 1;
                next = soonest(next, Some(pause));
            }
        }
    }
    let before = set.status.as_ref();
    let status = ReplicaSetStatus {
        replicas: i32::try_from(active.len()).unwrap_or(i32::MAX),
        fully_labeled_replicas: some_unless_zero(labelled),
        ready_replicas: some_unless_zero(ready),
        available_replicas: some_unless_zero(available),
        observed_generation: set.metadata.generation,
        conditions: conditions(before, failure, now),
        terminating_replicas: None,
    };
    (status, next)
}

fn some_unless_zero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// Other conditions as they are; `ReplicaFailure` while pods cannot be made or removed.
fn conditions(
    before: Option<&ReplicaSetStatus>,
    failure: Option<String>,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    const KIND: &str = "ReplicaFailure";
    let mut conditions = before.and_then(|status| status.conditions.clone()).unwrap_or_default();
    let failing = conditions.iter().any(|condition| condition.type_ == KIND);
    match failure {
        None => conditions.retain(|condition| condition.type_ != KIND),
        // The first failure stays, so that each try does not write another status.
        Some(_) if failing => {}
        Some(message) => conditions.push(ReplicaSetCondition {
            type_: KIND.to_owned(),
            status: "True".to_owned(),
            reason: Some("FailedCreate".to_owned()),
            message: Some(message),
            last_transition_time: Some(Time(now)),
        }),
    }
    (!conditions.is_empty()).then_some(conditions)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PodCondition, PodSpec, PodStatus};

    use super::*;

    fn pod(name: &str, node: Option<&str>, phase: &str, ready_at: Option<i64>) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.spec = Some(PodSpec { node_name: node.map(str::to_owned), ..PodSpec::default() });
        let ready = ready_at.map(|second| PodCondition {
            type_: "Ready".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(Time(Timestamp::from_second(second).unwrap())),
            ..PodCondition::default()
        });
        pod.status = Some(PodStatus {
            phase: Some(phase.to_owned()),
            conditions: Some(ready.into_iter().collect()),
            ..PodStatus::default()
        });
        Arc::new(pod)
    }

    #[test]
    fn the_least_useful_pods_go_first() {
        let pods = [
            pod("old", Some("n"), "Running", Some(10)),
            pod("young", Some("n"), "Running", Some(20)),
            pod("not-ready", Some("n"), "Running", None),
            pod("pending", Some("n"), "Pending", None),
            pod("unassigned", None, "Pending", None),
        ];
        let names: Vec<String> = victims(&pods, 5).iter().map(|pod| pod.name_any()).collect();
        assert_eq!(names, ["unassigned", "pending", "not-ready", "young", "old"]);
        assert_eq!(victims(&pods, 1).len(), 1);
    }

    #[test]
    fn the_status_counts_and_tells_when_it_changes_by_itself() {
        let mut set = ReplicaSet::default();
        set.spec.get_or_insert_default().min_ready_seconds = Some(30);
        let now = Timestamp::from_second(1000).unwrap();
        let pods = [pod("a", Some("n"), "Running", Some(900)), pod("b", Some("n"), "Running", Some(990))];
        let (told, next) = status(&set, &pods, None, now);
        assert_eq!((told.replicas, told.ready_replicas, told.available_replicas), (2, Some(2), Some(1)));
        assert_eq!(next, Some(Duration::from_secs(20)));
        let (failed, _) = status(&set, &[], Some("refused".to_owned()), now);
        set.status = Some(failed.clone());
        let later = Timestamp::from_second(2000).unwrap();
        assert_eq!(status(&set, &[], Some("refused again".to_owned()), later).0, failed);
        assert_eq!(status(&set, &[], None, later).0.conditions, None);
    }
}

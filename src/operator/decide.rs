//! What is to be said of an environment: a pure function of what was seen.
//!
//! The rule behind it: `Ready` is true only while the current generation is rolled out whole and a request to the host is
//! answered by it. Nothing here looks at a clock, so that the same sight gives the same words.

use super::plan::Refusal;
use super::pods::{PodTrouble, trouble};
use crate::model::reasons;
use crate::resources::labels;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was seen of an environment whose objects are written.
#[derive(Debug)]
pub struct Sight<'a> {
    /// Hash of the pod template that should run.
    pub revision: &'a str,
    /// The revisions' numbers by hash.
    pub numbers: &'a BTreeMap<String, i64>,
    /// Pods that are wanted.
    pub replicas: i32,
    /// The Deployment, as far as it is there.
    pub deployment: Option<&'a Deployment>,
    /// All pods of the environment.
    pub pods: &'a [Arc<Pod>],
    /// What the gateway would do with a request to the host.
    pub route: Route,
    /// Why it is to sleep, if it is.
    pub asleep: Option<&'a str>,
}

/// What the gateway would do with a request to the host of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The table does not lead there yet, or knows no ready endpoint.
    Missing,
    /// Somebody else's rule takes it; the rule's name.
    Foreign(String),
    /// It leads to the pods, but not every gateway of another process is known to; who, in a sentence.
    Behind(String),
    /// It leads to these pods. An endpoint whose pod nobody told is `None`.
    To(Vec<Option<String>>),
}

/// The three conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// A request succeeds, and the current generation answers it.
    pub ready: bool,
    /// On the way there.
    pub progressing: bool,
    /// Nothing will get better unless somebody changes something; for which reason.
    pub stalled: Option<Cow<'static, str>>,
    /// The reason of `Ready`.
    pub reason: Cow<'static, str>,
    /// The message of `Ready`.
    pub message: String,
    /// Only the route table is waited for.
    pub waits_for_table: bool,
}

impl Decision {
    fn on_the_way(reason: impl Into<Cow<'static, str>>, message: String) -> Self {
        let reason = reason.into();
        Self { ready: false, progressing: true, stalled: None, reason, message, waits_for_table: false }
    }

    /// What is said of an environment that cannot be brought up as it is written. `still` tells what runs on.
    pub fn refused(refusal: &Refusal, still: Option<&str>) -> Self {
        let message = match still {
            Some(still) => format!("{}; {still}", refusal.message),
            None => refusal.message.clone(),
        };
        let stalled = Some(refusal.reason.into());
        Self { progressing: false, stalled, ..Self::on_the_way(refusal.reason, message) }
    }

    /// Adds to what is said.
    pub fn and(mut self, more: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(more);
        self
    }

    /// What is said while objects of an earlier Environment of this name are still there.
    pub fn waiting_for_removal() -> Self {
        Self::on_the_way(
            reasons::CREATING,
            "the objects of the Environment that was here before are still being removed".into(),
        )
    }
}

/// Decides what is to be said.
pub fn decide(sight: &Sight<'_>) -> Decision {
    let rollout = Rollout::of(sight);
    let stalled = rollout.deadline_exceeded.then_some(Cow::Borrowed(reasons::PROGRESS_DEADLINE_EXCEEDED));
    let decision = not_yet(sight, &rollout).unwrap_or_else(|| by_route(sight));
    match stalled {
        Some(reason) if !decision.ready && sight.asleep.is_none() => {
            Decision { progressing: false, stalled: Some(reason), ..decision }
        }
        _ => decision,
    }
}

/// Why the rollout is not whole, if it is not.
fn not_yet(sight: &Sight<'_>, rollout: &Rollout<'_>) -> Option<Decision> {
    if let Some(why) = sight.asleep {
        let progressing = !rollout.observed || rollout.pods_left > 0;
        return Some(Decision { progressing, ..Decision::on_the_way(reasons::ASLEEP, why.to_owned()) });
    }
    let Some(deployment) = sight.deployment else {
        return Some(Decision::on_the_way(reasons::CREATING, "the Deployment is being made".to_owned()));
    };
    if !rollout.observed {
        return Some(Decision::on_the_way(reasons::CREATING, "the Deployment is not taken up yet".to_owned()));
    }
    if sight.replicas == 0 && rollout.pods_left == 0 {
        let message = "the class has no replicas, so nothing answers".to_owned();
        return Some(Decision { progressing: false, ..Decision::on_the_way(reasons::SCALED_TO_ZERO, message) });
    }
    let worst = current(sight).filter_map(|pod| trouble(pod)).min();
    let still = rollout.still_answers(sight);
    if let Some(PodTrouble::Failing(reason, message)) = worst {
        return Some(Decision::on_the_way(reason, message + &still));
    }
    if let Some(failure) = condition(deployment, "ReplicaFailure").filter(|c| c.status == "True") {
        let why = failure.message.clone().unwrap_or_default();
        return Some(Decision::on_the_way(reasons::REPLICA_FAILURE, format!("no pod can be made: {why}{still}")));
    }
    if rollout.deadline_exceeded {
        let what = worst.map_or_else(|| "no pod of it became ready".to_owned(), said);
        let message = format!("the rollout took longer than its deadline: {what}{still}");
        return Some(Decision::on_the_way(reasons::PROGRESS_DEADLINE_EXCEEDED, message));
    }
    if !still.is_empty() {
        return Some(Decision::on_the_way(
            reasons::ROLLING_OUT,
            format!("{} is starting{still}", revision_name(sight, sight.revision)),
        ));
    }
    match worst {
        Some(PodTrouble::NotReady(message)) => Some(Decision::on_the_way(reasons::NOT_READY, message)),
        Some(PodTrouble::Starting(message)) => Some(Decision::on_the_way(reasons::STARTING, message)),
        Some(PodTrouble::Failing(..)) | None if rollout.whole => None,
        Some(PodTrouble::Failing(..)) | None if rollout.pods_left == 0 => {
            Some(Decision::on_the_way(reasons::CREATING, "the pod is being made".to_owned()))
        }
        Some(PodTrouble::Failing(..)) | None => Some(Decision::on_the_way(
            reasons::STARTING,
            "the pods are ready, and the rollout is being finished".to_owned(),
        )),
    }
}

/// The rollout is whole; would a request succeed?
fn by_route(sight: &Sight<'_>) -> Decision {
    let wait = |message: &str| Decision {
        waits_for_table: true,
        ..Decision::on_the_way(reasons::STARTING, message.to_owned())
    };
    match &sight.route {
        Route::Missing => wait("the pods are ready; the gateway does not route to them yet"),
        Route::Foreign(rule) => {
            let message = format!("the host is routed by {rule}, not to this environment");
            let stalled = Some(reasons::HOST_CONFLICT.into());
            let decision = Decision::on_the_way(reasons::HOST_CONFLICT, message);
            Decision { progressing: false, stalled, waits_for_table: true, ..decision }
        }
        Route::Behind(who) => wait(&format!("the pods are ready; {who}")),
        Route::To(pods) if pods.is_empty() => wait("the pods are ready; the gateway knows no endpoint of them yet"),
        Route::To(pods) => {
            let is_current = |name: &Option<String>| {
                name.as_ref().is_some_and(|name| current(sight).any(|pod| pod.name_any() == *name))
            };
            if !pods.iter().all(is_current) {
                return wait("the pods are ready; the gateway still routes to pods of an earlier revision");
            }
            let message = match sight.replicas {
                1 => format!("{} serves", revision_name(sight, sight.revision)),
                count => format!("{} serves with {count} pods", revision_name(sight, sight.revision)),
            };
            Decision { ready: true, progressing: false, ..Decision::on_the_way(reasons::SERVING, message) }
        }
    }
}

/// How far the Deployment is.
struct Rollout<'a> {
    /// Its controller has seen what we wrote last.
    observed: bool,
    /// All pods are of the current template and available, and none is left of another.
    whole: bool,
    /// Pods of any revision that are not going away.
    pods_left: usize,
    deadline_exceeded: bool,
    /// Hashes of earlier revisions with a ready pod.
    earlier: Vec<&'a str>,
}

impl<'a> Rollout<'a> {
    fn of(sight: &Sight<'a>) -> Self {
        let status = sight.deployment.and_then(|d| d.status.as_ref());
        let count =
            |of: fn(&k8s_openapi::api::apps::v1::DeploymentStatus) -> Option<i32>| status.and_then(of).unwrap_or(0);
        let total = count(|s| s.replicas);
        let observed = sight.deployment.is_some_and(|d| {
            let current =
                d.metadata.generation.is_some() && status.and_then(|s| s.observed_generation) >= d.metadata.generation;
            current && d.labels().get(labels::REVISION).is_some_and(|hash| hash == sight.revision)
        });
        let whole = count(|s| s.updated_replicas) == sight.replicas
            && total == sight.replicas
            && count(|s| s.available_replicas) == sight.replicas;
        let deadline_exceeded = observed
            && sight
                .deployment
                .and_then(|d| condition(d, "Progressing"))
                .is_some_and(|c| c.status == "False" && c.reason.as_deref() == Some("ProgressDeadlineExceeded"));
        let staying = || sight.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let hash = |pod: &'a Arc<Pod>| pod.labels().get(labels::REVISION).map(String::as_str);
        let mut earlier: Vec<&str> = staying()
            .filter(|pod| trouble(pod).is_none())
            .filter_map(hash)
            .filter(|hash| *hash != sight.revision)
            .collect();
        earlier.sort_unstable();
        earlier.dedup();
        Self { observed, whole, pods_left: staying().count(), deadline_exceeded, earlier }
    }

    /// The end of a sentence: `; revision 2 still answers`. Empty when nothing earlier does.
    fn still_answers(&self, sight: &Sight<'_>) -> String {
        match self.earlier.as_slice() {
            [] => String::new(),
            [one, ..] => format!("; {} still answers", revision_name(sight, one)),
        }
    }
}

/// The pods of the current revision that are not going away.
fn current<'s>(sight: &'s Sight<'_>) -> impl Iterator<Item = &'s Arc<Pod>> {
    sight.pods.iter().filter(|pod| {
        let hash = pod.labels().get(labels::REVISION);
        pod.metadata.deletion_timestamp.is_none() && hash.is_some_and(|hash| hash == sight.revision)
    })
}

fn revision_name(sight: &Sight<'_>, hash: &str) -> String {
    sight.numbers.get(hash).map_or_else(|| format!("revision {hash}"), |number| format!("revision {number}"))
}

fn condition<'d>(deployment: &'d Deployment, kind: &str) -> Option<&'d DeploymentCondition> {
    deployment.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn said(trouble: PodTrouble) -> String {
    match trouble {
        PodTrouble::Failing(_, message) | PodTrouble::NotReady(message) | PodTrouble::Starting(message) => message,
    }
}

#[cfg(test)]
mod tests;

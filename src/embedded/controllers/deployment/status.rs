//! What a Deployment's status says of its ReplicaSets.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::rollout::Wish;
use super::sets::{available, wanted};

const AVAILABLE: &str = "Available";
const PROGRESSING: &str = "Progressing";
const FAILURE: &str = "ReplicaFailure";
const NEW_AVAILABLE: &str = "NewReplicaSetAvailable";
const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
const PAUSED: &str = "DeploymentPaused";
const DEFAULT_DEADLINE_SECONDS: i32 = 600;

/// What happened to the new set in this look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Nothing that a condition tells.
    Nothing,
    /// It was made.
    Created(String),
    /// It could not be made.
    NotCreated(String),
}

/// Everything that a status follows from.
pub struct Seen<'s> {
    /// The Deployment with the status before.
    pub deployment: &'s Deployment,
    /// Its wish.
    pub wish: Wish,
    /// The set of its template.
    pub new: Option<&'s Arc<ReplicaSet>>,
    /// The others.
    pub old: &'s [Arc<ReplicaSet>],
    /// What was done just now.
    pub happened: Happened,
    /// The time.
    pub now: Timestamp,
}

/// The status, and after which time it will be another without any event.
pub fn status(seen: &Seen<'_>) -> (DeploymentStatus, Option<Duration>) {
    let before = seen.deployment.status.clone().unwrap_or_default();
    let mut status = counts(seen, &before);
    let mut conditions = before.conditions.clone().unwrap_or_default();
    let enough = status.available_replicas.unwrap_or(0) >= seen.wish.min_available();
    let told = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    put(&mut conditions, AVAILABLE, (told.0, told.1, told.2.to_owned()), seen.now);
    progress(seen, &before, &status, &mut conditions);
    failure(seen, &mut conditions);
    let next = deadline(seen, &status, &conditions);
    status.conditions = Some(conditions);
    (status, next)
}

/// Whether the rollout is done: all pods are of the new set, and all of them available.
pub fn is_complete(desired: i32, status: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or(0);
    count(status.updated_replicas) == desired
        && count(status.replicas) == desired
        && count(status.available_replicas) == desired
}

fn counts(seen: &Seen<'_>, before: &DeploymentStatus) -> DeploymentStatus {
    let all = || seen.old.iter().chain(seen.new);
    let sum = |count: fn(&ReplicaSet) -> i32| all().map(|set| count(set)).sum::<i32>();
    let present = |set: &ReplicaSet| set.status.as_ref().map_or(0, |status| status.replicas);
    let available = sum(available);
    let some = |count: i32| (count > 0).then_some(count);
    DeploymentStatus {
        available_replicas: some(available),
        collision_count: before.collision_count,
        conditions: None,
        observed_generation: seen.deployment.metadata.generation,
        ready_replicas: some(sum(|set| set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0))),
        replicas: some(sum(present)),
        terminating_replicas: None,
        unavailable_replicas: some(sum(wanted) - available),
        updated_replicas: some(seen.new.map_or(0, |set| present(set))),
    }
}

/// The condition `Progressing`, where the Deployment has a deadline for it.
fn progress(
    seen: &Seen<'_>,
    before: &DeploymentStatus,
    status: &DeploymentStatus,
    conditions: &mut Vec<DeploymentCondition>,
) {
    let Some(spec) = seen.deployment.spec.as_ref().filter(|_| progress_deadline(seen.deployment).is_some()) else {
        conditions.retain(|condition| condition.type_ != PROGRESSING);
        return;
    };
    let name = seen.deployment.name_any();
    let subject =
        seen.new.map_or_else(|| format!("Deployment \"{name}\""), |set| format!("ReplicaSet \"{}\"", set.name_any()));
    match &seen.happened {
        Happened::Created(set) => {
            let message = format!("Created new replica set \"{set}\"");
            return put(conditions, PROGRESSING, ("True", "NewReplicaSetCreated", message), seen.now);
        }
        Happened::NotCreated(message) => {
            return put(conditions, PROGRESSING, ("False", "ReplicaSetCreateError", message.clone()), seen.now);
        }
        Happened::Nothing => {}
    }
    let reason = reason_of(conditions).unwrap_or_default().to_owned();
    let done_before = reason == NEW_AVAILABLE && before.replicas == before.updated_replicas;
    if spec.paused == Some(true) {
        if reason != DEADLINE_EXCEEDED {
            put(conditions, PROGRESSING, ("Unknown", PAUSED, "Deployment is paused".to_owned()), seen.now);
        }
    } else if reason == PAUSED {
        put(conditions, PROGRESSING, ("Unknown", "DeploymentResumed", "Deployment is resumed".to_owned()), seen.now);
    } else if is_complete(seen.wish.desired, status) {
        let message = format!("{subject} has successfully progressed.");
        put(conditions, PROGRESSING, ("True", NEW_AVAILABLE, message), seen.now);
    } else if done_before && status.replicas == status.updated_replicas {
        // A finished rollout whose pods come and go is no rollout.
    } else if progressed(before, status) {
        // Each step starts the deadline anew.
        let since = transition(conditions, "True");
        conditions.retain(|condition| condition.type_ != PROGRESSING);
        put(conditions, PROGRESSING, ("True", "ReplicaSetUpdated", format!("{subject} is progressing.")), seen.now);
        if let (Some(since), Some(condition)) = (since, conditions.iter_mut().find(|c| c.type_ == PROGRESSING)) {
            condition.last_transition_time = Some(since);
        }
    } else if reason.is_empty() {
        if seen.new.is_some() {
            put(
                conditions,
                PROGRESSING,
                ("True", "FoundNewReplicaSet", format!("Found new replica set {subject}")),
                seen.now,
            );
        }
    } else if reason != NEW_AVAILABLE && time_left(seen, conditions).is_some_and(|left| left.is_zero()) {
        // The time of a rollout that is done says nothing of the next one.
        let message = format!("{subject} has timed out progressing.");
        put(conditions, PROGRESSING, ("False", DEADLINE_EXCEEDED, message), seen.now);
    }
}

fn progressed(before: &DeploymentStatus, now: &DeploymentStatus) -> bool {
    let count = |count: Option<i32>| count.unwrap_or(0);
    let old = |status: &DeploymentStatus| count(status.replicas) - count(status.updated_replicas);
    count(now.updated_replicas) > count(before.updated_replicas)
        || old(now) < old(before)
        || count(now.ready_replicas) > count(before.ready_replicas)
        || count(now.available_replicas) > count(before.available_replicas)
}

fn reason_of(conditions: &[DeploymentCondition]) -> Option<&str> {
    conditions.iter().find(|condition| condition.type_ == PROGRESSING)?.reason.as_deref()
}

fn transition(conditions: &[DeploymentCondition], status: &str) -> Option<Time> {
    let same = |condition: &&DeploymentCondition| condition.type_ == PROGRESSING && condition.status == status;
    conditions.iter().find(same)?.last_transition_time.clone()
}

/// How long a rollout may go without progress; none where the largest number there is says for ever.
fn progress_deadline(deployment: &Deployment) -> Option<Duration> {
    let given = deployment.spec.as_ref()?.progress_deadline_seconds.unwrap_or(DEFAULT_DEADLINE_SECONDS);
    (given != i32::MAX).then(|| Duration::from_secs(u64::try_from(given).unwrap_or(0)))
}

/// How long the rollout may still go without progress.
fn time_left(seen: &Seen<'_>, conditions: &[DeploymentCondition]) -> Option<Duration> {
    let deadline = progress_deadline(seen.deployment)?;
    let condition = conditions.iter().find(|condition| condition.type_ == PROGRESSING)?;
    let since = condition.last_update_time.as_ref()?.0;
    let passed = Duration::try_from(seen.now.duration_since(since)).unwrap_or(Duration::ZERO);
    Some(deadline.saturating_sub(passed))
}

/// When to look again for the deadline.
fn deadline(seen: &Seen<'_>, status: &DeploymentStatus, conditions: &[DeploymentCondition]) -> Option<Duration> {
    let over = matches!(reason_of(conditions), Some(NEW_AVAILABLE | DEADLINE_EXCEEDED | PAUSED) | None);
    if over || is_complete(seen.wish.desired, status) {
        return None;
    }
    time_left(seen, conditions).map(|left| left + Duration::from_millis(10))
}

/// Carries over that a set cannot make its pods.
fn failure(seen: &Seen<'_>, conditions: &mut Vec<DeploymentCondition>) {
    let failing = |set: &Arc<ReplicaSet>| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|condition| condition.type_ == FAILURE && condition.status == "True").cloned()
    };
    match seen.new.into_iter().chain(seen.old).find_map(failing) {
        Some(found) => {
            let reason = found.reason.unwrap_or_default();
            put(conditions, FAILURE, ("True", &reason, found.message.unwrap_or_default()), seen.now);
        }
        None => conditions.retain(|condition| condition.type_ != FAILURE),
    }
}

/// Sets a condition. One with the same status and reason stays as it is, so that the same state twice is one status.
fn put(conditions: &mut Vec<DeploymentCondition>, kind: &str, told: (&str, &str, String), now: Timestamp) {
    let (status, reason, message) = told;
    let before = conditions.iter().find(|condition| condition.type_ == kind);
    if before.is_some_and(|before| before.status == status && before.reason.as_deref() == Some(reason)) {
        return;
    }
    let since = before.filter(|before| before.status == status).and_then(|before| before.last_transition_time.clone());
    let condition = DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_transition_time: Some(since.unwrap_or(Time(now))),
        last_update_time: Some(Time(now)),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == kind) {
        Some(place) => *place = condition,
        None => conditions.push(condition),
    }
}

//! What a look at a Deployment and its ReplicaSets decides: one next write to the sets, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kube::ResourceExt;

use super::rollout::{Wish, next_new, next_old, proportional};
use super::sets::{
    DESIRED, annotated, annotation_changes, available, new_set, numbers, revision, scale_annotations, wanted,
};
use super::status::is_complete;

/// One write to a ReplicaSet.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The set of the Deployment's template is not there.
    Create(Box<ReplicaSet>),
    /// Another size, annotations, or time to be ready.
    Change {
        /// Which.
        set: Arc<ReplicaSet>,
        /// Its new size.
        replicas: i32,
        /// Annotations that are new or different.
        annotations: BTreeMap<String, String>,
    },
    /// An old set beyond the history's limit.
    Delete(Arc<ReplicaSet>),
}

/// A Deployment with its sets.
pub struct Sets<'s> {
    /// The Deployment.
    pub deployment: &'s Deployment,
    /// What it wants.
    pub wish: Wish,
    /// The set of its template, if it is there.
    pub new: Option<&'s Arc<ReplicaSet>>,
    /// The others, from old to young.
    pub old: &'s [Arc<ReplicaSet>],
    /// Whether pods of the others still run.
    pub old_pods_run: bool,
}

/// What the Deployment wants, by its spec.
pub fn wish(deployment: &Deployment) -> Wish {
    let Some(spec) = &deployment.spec else { return Wish { desired: 0, max_surge: 0, max_unavailable: 0 } };
    let desired = spec.replicas.unwrap_or(1);
    if recreates(deployment) {
        return Wish { desired, max_surge: 0, max_unavailable: desired };
    }
    let rolling = spec.strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    Wish::new(
        desired,
        rolling.and_then(|rolling| rolling.max_surge.as_ref()),
        rolling.and_then(|rolling| rolling.max_unavailable.as_ref()),
    )
}

fn recreates(deployment: &Deployment) -> bool {
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
    strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("Recreate")
}

/// The next writes. After them the Deployment is looked at again, by the events that they cause.
pub fn plan(sets: &Sets<'_>) -> Vec<Step> {
    let paused = sets.deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false);
    if paused || was_scaled(sets) {
        let steps = scale(sets);
        if paused || !steps.is_empty() {
            return steps;
        }
    }
    let mut steps = if recreates(sets.deployment) { recreate(sets) } else { roll(sets) };
    if steps.is_empty() {
        steps = clean_up(sets);
    }
    steps
}

/// The revision of the new set: one more than any other has.
pub fn next_revision(sets: &Sets<'_>) -> i64 {
    let highest = sets.old.iter().map(|set| revision(&**set)).max().unwrap_or(0) + 1;
    highest.max(sets.new.map_or(0, |set| revision(&**set)))
}

fn resized(set: &Arc<ReplicaSet>, replicas: i32, sets: &Sets<'_>) -> Option<Step> {
    let mut annotations: BTreeMap<String, String> = scale_annotations(sets.wish).into();
    annotations.retain(|name, value| set.annotations().get(name) != Some(value));
    let same = wanted(set) == replicas && (annotations.is_empty() || replicas == 0);
    (!same).then(|| Step::Change { set: Arc::clone(set), replicas, annotations })
}

/// The new set as it should be with this size, made or changed.
fn new_with(replicas: impl Fn(&ReplicaSet) -> i32, at_first: i32, sets: &Sets<'_>) -> Option<Step> {
    let number = next_revision(sets);
    let Some(set) = sets.new else {
        return Some(Step::Create(Box::new(new_set(sets.deployment, at_first, number, sets.wish))));
    };
    let replicas = replicas(set);
    let mut annotations = annotation_changes(sets.deployment, set, number);
    annotations.extend(scale_annotations(sets.wish));
    annotations.retain(|name, value| set.annotations().get(name) != Some(value));
    let seconds = |seconds: Option<i32>| seconds.unwrap_or(0);
    let same_seconds = seconds(set.spec.as_ref().and_then(|spec| spec.min_ready_seconds))
        == seconds(sets.deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds));
    let same = wanted(set) == replicas && annotations.is_empty() && same_seconds;
    (!same).then(|| Step::Change { set: Arc::clone(set), replicas, annotations })
}

fn roll(sets: &Sets<'_>) -> Vec<Step> {
    let old: Vec<_> = sets.old.iter().map(|set| numbers(set)).collect();
    let none = super::rollout::Numbers { wanted: 0, available: 0, annotated_max: None };
    let at_first = next_new(sets.wish, none, &old);
    if let Some(step) = new_with(|set| next_new(sets.wish, numbers(set), &old), at_first, sets) {
        // The old sets wait until the new size is seen, so that both decisions rest on the same numbers.
        return vec![step];
    }
    let new = sets.new.map_or(none, |set| numbers(set));
    let sizes = next_old(sets.wish, new, &old);
    let changed = sets.old.iter().zip(sizes).filter(|(set, size)| wanted(set) != *size);
    changed.filter_map(|(set, size)| resized(set, size, sets)).collect()
}

fn recreate(sets: &Sets<'_>) -> Vec<Step> {
    let running = sets.old.iter().filter(|set| wanted(set) > 0);
    let steps: Vec<Step> = running.filter_map(|set| resized(set, 0, sets)).collect();
    if !steps.is_empty() || sets.old_pods_run {
        return steps;
    }
    new_with(|_| sets.wish.desired, sets.wish.desired, sets).into_iter().collect()
}

/// Whether the Deployment's size is another than when its sets were last scaled.
fn was_scaled(sets: &Sets<'_>) -> bool {
    let mut active = sets.old.iter().chain(sets.new).filter(|set| wanted(set) > 0);
    active.any(|set| annotated(set, DESIRED).is_some_and(|desired| desired != sets.wish.desired))
}

/// Follows a new size without rolling on.
fn scale(sets: &Sets<'_>) -> Vec<Step> {
    let all: Vec<&Arc<ReplicaSet>> = sets.old.iter().chain(sets.new).collect();
    let active: Vec<&Arc<ReplicaSet>> = all.iter().copied().filter(|set| wanted(set) > 0).collect();
    let only = match active.as_slice() {
        [] => sets.new.or(sets.old.last()),
        [one] => Some(*one),
        _ => None,
    };
    if let Some(only) = only {
        return resized(only, sets.wish.desired, sets).into_iter().collect();
    }
    if let Some(new) = sets.new.filter(|new| is_saturated(new, sets.wish.desired)) {
        let old = active.iter().filter(|set| set.name_any() != new.name_any());
        return old.filter_map(|set| resized(set, 0, sets)).collect();
    }
    if recreates(sets.deployment) {
        return Vec::new();
    }
    let numbers: Vec<_> = active.iter().map(|set| numbers(set)).collect();
    let status_replicas = sets.deployment.status.as_ref().and_then(|status| status.replicas).unwrap_or(0);
    let sizes = proportional(sets.wish, status_replicas, &numbers);
    active.iter().zip(sizes).filter_map(|(set, size)| resized(set, size, sets)).collect()
}

fn is_saturated(set: &ReplicaSet, desired: i32) -> bool {
    wanted(set) == desired && annotated(set, DESIRED) == Some(desired) && available(set) == desired
}

/// The empty old sets beyond the history's limit, once the rollout is done.
fn clean_up(sets: &Sets<'_>) -> Vec<Step> {
    let limit = sets.deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(10);
    let status = sets.deployment.status.clone().unwrap_or_default();
    if !is_complete(sets.wish.desired, &status) {
        return Vec::new();
    }
    let empty = |set: &&Arc<ReplicaSet>| {
        let present = set.status.as_ref().map_or(0, |status| status.replicas);
        wanted(set) == 0 && present == 0 && set.metadata.deletion_timestamp.is_none()
    };
    let going = sets.old.iter().filter(|set| set.metadata.deletion_timestamp.is_none()).count();
    let mut removable: Vec<&Arc<ReplicaSet>> = sets.old.iter().filter(empty).collect();
    removable.sort_by_key(|set| revision(&***set));
    let surplus = going.saturating_sub(usize::try_from(limit).unwrap_or(0));
    removable.into_iter().take(surplus).map(|set| Step::Delete(Arc::clone(set))).collect()
}

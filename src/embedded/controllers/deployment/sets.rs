//! The ReplicaSets of a Deployment: which is the new one, how one is made, what its annotations say.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use sha2::{Digest, Sha256};

use super::rollout::{Numbers, Wish};
use crate::embedded::controllers::ownership::controlled_by;

/// Label of a set and its pods: the hash of their template.
pub const TEMPLATE_HASH: &str = "pod-template-hash";
/// Annotation: which revision of the Deployment this is.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// Annotation: how many replicas the Deployment wanted when the set was last scaled.
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// Annotation: how many there could be at most then.
pub const MAX: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How many replicas a set is told to have.
pub fn wanted(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

/// How many of its pods are available.
pub fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

/// The numbers that a rollout looks at.
pub fn numbers(set: &ReplicaSet) -> Numbers {
    Numbers { wanted: wanted(set), available: available(set), annotated_max: annotated(set, MAX) }
}

/// A number in an annotation.
pub fn annotated(set: &ReplicaSet, name: &str) -> Option<i32> {
    set.annotations().get(name)?.parse().ok()
}

/// The revision in the annotations of a set or a Deployment; 0 if there is none.
pub fn revision(object: &impl ResourceExt) -> i64 {
    object.annotations().get(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or(0)
}

/// The set whose template is the Deployment's, and all others; each list from old to young.
pub fn divide(
    deployment: &Deployment,
    mut sets: Vec<Arc<ReplicaSet>>,
) -> (Option<Arc<ReplicaSet>>, Vec<Arc<ReplicaSet>>) {
    sets.sort_by_cached_key(|set| (set.metadata.creation_timestamp.as_ref().map(|time| time.0), set.name_any()));
    let wanted = deployment.spec.as_ref().map(|spec| without_hash(&spec.template));
    let same = |set: &Arc<ReplicaSet>| {
        let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
        template.map(without_hash) == wanted
    };
    let new = sets.iter().position(same).map(|index| sets.remove(index));
    (new, sets)
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        if let Some(labels) = &mut metadata.labels {
            labels.remove(TEMPLATE_HASH);
        }
        metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
        metadata.annotations = metadata.annotations.take().filter(|annotations| !annotations.is_empty());
        metadata.creation_timestamp = None;
    }
    template
}

/// The hash of the Deployment's template, as ten letters that are safe in names.
fn template_hash(deployment: &Deployment) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let template = deployment.spec.as_ref().map(|spec| without_hash(&spec.template)).unwrap_or_default();
    let collisions = deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or(0);
    let text = serde_json::to_string(&template).unwrap_or_default();
    let digest = Sha256::digest(format!("{collisions}\n{text}"));
    let letter = |byte: &u8| LETTERS.get(usize::from(*byte) % LETTERS.len()).map_or('x', |letter| char::from(*letter));
    digest.iter().take(10).map(letter).collect()
}

/// The set for the Deployment's template, which does not exist yet.
pub fn new_set(deployment: &Deployment, replicas: i32, revision: i64, wish: Wish) -> ReplicaSet {
    let hash = template_hash(deployment);
    let spec = deployment.spec.clone().unwrap_or_default();
    let mut template = spec.template;
    let metadata = template.metadata.get_or_insert_default();
    metadata.labels.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let labels = metadata.labels.clone();
    let mut selector = spec.selector;
    selector.match_labels.get_or_insert_default().insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut annotations = copied(deployment);
    annotations.insert(REVISION.to_owned(), revision.to_string());
    annotations.extend(scale_annotations(wish));
    ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", deployment.name_any())),
            namespace: deployment.namespace(),
            labels,
            annotations: Some(annotations),
            owner_references: Some(vec![controlled_by(deployment)]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            min_ready_seconds: spec.min_ready_seconds,
            replicas: Some(replicas),
            selector,
            template: Some(template),
        }),
        status: None,
    }
}

/// The annotations of the Deployment that its sets have too.
fn copied(deployment: &Deployment) -> BTreeMap<String, String> {
    let own = [REVISION, REVISION_HISTORY, DESIRED, MAX, LAST_APPLIED, "deprecated.deployment.rollback.to"];
    let annotations = deployment.annotations().iter().filter(|(name, _)| !own.contains(&name.as_str()));
    annotations.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What a set remembers of the Deployment's size.
pub fn scale_annotations(wish: Wish) -> [(String, String); 2] {
    [(DESIRED.to_owned(), wish.desired.to_string()), (MAX.to_owned(), wish.max_total().to_string())]
}

/// The annotations that the new set lacks: its revision, with those it had before, and the Deployment's own.
pub fn annotation_changes(deployment: &Deployment, set: &ReplicaSet, number: i64) -> BTreeMap<String, String> {
    let mut wanted = copied(deployment);
    let before = revision(set);
    if before < number {
        wanted.insert(REVISION.to_owned(), number.to_string());
        if before > 0 {
            let history = set.annotations().get(REVISION_HISTORY).filter(|history| !history.is_empty());
            let history = history.map_or_else(|| before.to_string(), |history| format!("{history},{before}"));
            wanted.insert(REVISION_HISTORY.to_owned(), history);
        }
    }
    wanted.retain(|name, value| set.annotations().get(name) != Some(value));
    wanted
}

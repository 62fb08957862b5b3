//! Deployment: a template, rolled out through ReplicaSets.

mod plan;
mod rollout;
mod sets;
mod status;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::SelectorExt;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::plan::{Sets, Step};
use self::status::{Happened, Seen};
use super::claim::{claim, selector};
use super::informer::{Change, Key, key_of};
use super::ownership::{controller_named, controller_of, orphans};
use super::queue::{Outcome, Queue};
use super::{ControllerError, FIELD_MANAGER, Informers, pods};

const CONCURRENCY: usize = 32;

/// Subscribes to what it has to know and starts the work.
pub fn start(client: &Client, informers: &Informers, shutdown: &CancellationToken, tasks: &mut JoinSet<&'static str>) {
    let queue: Arc<Queue<Key>> = Arc::new(Queue::new());
    subscribe(informers, &queue);
    let (client, informers, shutdown) = (client.clone(), informers.clone(), shutdown.clone());
    tasks.spawn(async move {
        informers.deployments.synced().await;
        informers.replica_sets.synced().await;
        informers.pods.synced().await;
        queue.work(CONCURRENCY, shutdown, |key| look(client.clone(), informers.clone(), key)).await;
        "deployments"
    });
}

fn subscribe(informers: &Informers, queue: &Arc<Queue<Key>>) {
    let told = Arc::clone(queue);
    informers.deployments.subscribe(move |change| match change {
        Change::Applied { after, .. } => told.add(key_of(*after)),
        Change::Deleted(_) => {}
    });
    let (told, deployments) = (Arc::clone(queue), Arc::clone(&informers.deployments));
    informers.replica_sets.subscribe(move |change| {
        let owner = |set: &ReplicaSet| {
            let name = controller_named(&set.metadata, "Deployment")?;
            Some((set.namespace().unwrap_or_default(), name.to_owned()))
        };
        let (before, now) = match change {
            Change::Applied { before, after } => (*before, *after),
            Change::Deleted(gone) => (None, *gone),
        };
        before.and_then(owner).into_iter().chain(owner(now)).for_each(|key| told.add(key));
        let orphaned = matches!(change, Change::Applied { .. }) && controller_of(&now.metadata).is_none();
        if orphaned {
            selecting(&deployments.all(), now).for_each(|key| told.add(key));
        }
    });
    // Only `Recreate` waits for pods themselves: for the last one of the old template to be gone.
    let (told, replica_sets) = (Arc::clone(queue), Arc::clone(&informers.replica_sets));
    informers.pods.subscribe(move |change| {
        let gone = match change {
            Change::Deleted(gone) => *gone,
            Change::Applied { after, .. } if pods::is_finished(after) => *after,
            Change::Applied { .. } => return,
        };
        let namespace = gone.namespace().unwrap_or_default();
        let set = controller_named(&gone.metadata, "ReplicaSet").map(|name| (namespace.clone(), name.to_owned()));
        let set = set.and_then(|key| replica_sets.object(&key));
        if let Some(name) = set.as_deref().and_then(|set| controller_named(&set.metadata, "Deployment")) {
            told.add((namespace, name.to_owned()));
        }
    });
}

/// The Deployments that may adopt a set.
fn selecting(deployments: &[Arc<Deployment>], set: &ReplicaSet) -> impl Iterator<Item = Key> {
    deployments
        .iter()
        .filter(|deployment| {
            let spec = deployment.spec.as_ref().filter(|_| deployment.namespace() == set.namespace());
            spec.is_some_and(|spec| {
                selector(&spec.selector, "")
                    .is_ok_and(|selector| !selector.selects_all() && selector.matches(set.labels()))
            })
        })
        .map(|deployment| key_of(&**deployment))
}

async fn look(client: Client, informers: Informers, key: Key) -> Outcome {
    let Some(deployment) = informers.deployments.object(&key) else { return Ok(None) };
    let Some(spec) = &deployment.spec else { return Ok(None) };
    let selector = selector(&spec.selector, &format!("Deployment {}", key.1))?;
    if selector.selects_all() {
        return Ok(None);
    }
    let mut candidates = informers.replica_sets.group(&deployment.uid().unwrap_or_default());
    candidates.extend(informers.replica_sets.group(&orphans(&key.0)));
    candidates.retain(|set| set.namespace() == deployment.namespace());
    let mine = claim(&client, &*deployment, &selector, candidates).await?;
    let (new, old) = sets::divide(&deployment, mine);
    let wish = plan::wish(&deployment);
    let old_pods_run = old.iter().any(|set| runs_pods(&informers, set));
    let sets = Sets { deployment: &deployment, wish, new: new.as_ref(), old: &old, old_pods_run };
    let steps = match deployment.metadata.deletion_timestamp {
        None => plan::plan(&sets),
        Some(_) => Vec::new(),
    };
    let revision = plan::next_revision(&sets);
    let api = Api::namespaced(client.clone(), &key.0);
    let (happened, outcome) = Box::pin(carry_out(&client, &deployment, &api, steps)).await;
    let now = jiff::Timestamp::now();
    let seen = Seen { deployment: &deployment, wish, new: new.as_ref(), old: &old, happened, now };
    let (status, next) = status::status(&seen);
    let exists = new.is_some() || matches!(seen.happened, Happened::Created(_));
    let current = write_revision(&client, &deployment, revision, exists).await?;
    write_status(&client, current.as_ref().unwrap_or(&deployment), status).await?;
    outcome?;
    Ok(next)
}

fn runs_pods(informers: &Informers, set: &ReplicaSet) -> bool {
    let pods: Vec<Arc<Pod>> = informers.pods.group(&set.uid().unwrap_or_default());
    // The set's own count is asked too: it may be ahead of the pods that the cache has.
    sets::wanted(set) > 0
        || set.status.as_ref().is_some_and(|status| status.replicas > 0)
        || pods.iter().any(|pod| !pods::is_finished(pod))
}

/// Does the writes in their order, up to the first that fails.
async fn carry_out(
    client: &Client,
    deployment: &Deployment,
    api: &Api<ReplicaSet>,
    steps: Vec<Step>,
) -> (Happened, Result<(), ControllerError>) {
    let mut happened = Happened::Nothing;
    for step in steps {
        let outcome = match step {
            Step::Create(set) => match Box::pin(create(client, deployment, api, &set)).await {
                Ok(()) => {
                    happened = Happened::Created(set.name_any());
                    Ok(())
                }
                Err(error) if error.is_passing() => Err(error),
                Err(error) => {
                    happened = Happened::NotCreated(error.to_string());
                    Err(error)
                }
            },
            Step::Change { set, replicas, annotations } => change(deployment, api, &set, replicas, &annotations).await,
            Step::Delete(set) => delete(api, &set).await,
        };
        if outcome.is_err() {
            return (happened, outcome);
        }
    }
    (happened, Ok(()))
}

async fn create(
    client: &Client,
    deployment: &Deployment,
    api: &Api<ReplicaSet>,
    set: &ReplicaSet,
) -> Result<(), ControllerError> {
    let what = || format!("ReplicaSet {}", set.name_any());
    match api.create(&post_parameters(), set).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let there = api.get_opt(&set.name_any()).await.map_err(ControllerError::api(what()))?;
            let ours = there.as_ref().is_none_or(|there| {
                let owner = controller_of(&there.metadata).map(|owner| owner.uid.clone());
                owner == deployment.uid() && sets::divide(deployment, vec![Arc::new(there.clone())]).0.is_some()
            });
            if !ours {
                // Another template has the same hash, or someone took the name: the count goes into the next hash.
                let mut status = deployment.status.clone().unwrap_or_default();
                status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
                write_status(client, deployment, status).await?;
            }
            Err(ControllerError::NotSeenYet { what: what() })
        }
        Err(error) => Err(ControllerError::api(what())(error)),
    }
}

async fn change(
    deployment: &Deployment,
    api: &Api<ReplicaSet>,
    set: &ReplicaSet,
    replicas: i32,
    annotations: &std::collections::BTreeMap<String, String>,
) -> Result<(), ControllerError> {
    let min_ready_seconds = deployment.spec.as_ref().and_then(|spec| spec.min_ready_seconds);
    let patch = json!({
        "metadata": { "resourceVersion": set.resource_version(), "annotations": annotations },
        "spec": { "replicas": replicas, "minReadySeconds": min_ready_seconds },
    });
    let answer = api.patch(&set.name_any(), &patch_parameters(), &Patch::Merge(patch)).await;
    answer.map(|_| ()).map_err(ControllerError::api(format!("ReplicaSet {}", set.name_any())))
}

async fn delete(api: &Api<ReplicaSet>, set: &ReplicaSet) -> Result<(), ControllerError> {
    let same = Preconditions { uid: set.uid(), resource_version: set.resource_version() };
    match api.delete(&set.name_any(), &DeleteParams::background().preconditions(same)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(ControllerError::api(format!("deletion of ReplicaSet {}", set.name_any()))(error)),
    }
}

/// Tells the Deployment the revision of its new set. Gives the Deployment as it is then, if it was written.
async fn write_revision(
    client: &Client,
    deployment: &Deployment,
    revision: i64,
    exists: bool,
) -> Result<Option<Deployment>, ControllerError> {
    if !exists || sets::revision(deployment) == revision || deployment.metadata.deletion_timestamp.is_some() {
        return Ok(None);
    }
    let api: Api<Deployment> = Api::namespaced(client.clone(), &deployment.namespace().unwrap_or_default());
    let patch = json!({ "metadata": {
        "resourceVersion": deployment.resource_version(), "annotations": { sets::REVISION: revision.to_string() },
    }});
    let answer = api.patch(&deployment.name_any(), &patch_parameters(), &Patch::Merge(patch)).await;
    answer.map(Some).map_err(ControllerError::api(format!("revision of Deployment {}", deployment.name_any())))
}

async fn write_status(
    client: &Client,
    deployment: &Deployment,
    status: DeploymentStatus,
) -> Result<(), ControllerError> {
    if deployment.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let mut written = deployment.clone();
    written.status = Some(status);
    written.metadata.managed_fields = None;
    let api: Api<Deployment> = Api::namespaced(client.clone(), &deployment.namespace().unwrap_or_default());
    match api.replace_status(&deployment.name_any(), &post_parameters(), &written).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(ControllerError::api(format!("status of Deployment {}", deployment.name_any()))(error)),
    }
}

fn post_parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn patch_parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

//! ReplicaSet: as many pods as it says.

mod plan;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::claim::{claim, selector};
use super::expectations::Expectations;
use super::informer::{Change, Key, key_of};
use super::ownership::{controlled_by, controller_named, orphans};
use super::queue::{Outcome, Queue};
use super::{ControllerError, FIELD_MANAGER, Informers, pods};

/// How many ReplicaSets are looked at at a time.
const CONCURRENCY: usize = 32;
/// No more pods than this are created or deleted in one look.
const BURST: usize = 500;
const SUFFIX_LENGTH: usize = 5;

/// What a look needs.
struct Context {
    client: Client,
    informers: Informers,
    expectations: Expectations,
}

/// Subscribes to what it has to know and starts the work.
pub fn start(client: &Client, informers: &Informers, shutdown: &CancellationToken, tasks: &mut JoinSet<&'static str>) {
    let queue: Arc<Queue<Key>> = Arc::new(Queue::new());
    let context = Arc::new(Context {
        client: client.clone(),
        informers: informers.clone(),
        expectations: Expectations::default(),
    });
    subscribe(&context, &queue);
    let shutdown = shutdown.clone();
    tasks.spawn(async move {
        context.informers.replica_sets.synced().await;
        context.informers.pods.synced().await;
        let look = |key: Key| look(Arc::clone(&context), key);
        queue.work(CONCURRENCY, shutdown, look).await;
        "replica sets"
    });
}

fn subscribe(context: &Arc<Context>, queue: &Arc<Queue<Key>>) {
    let (told, forgetful) = (Arc::clone(queue), Arc::downgrade(context));
    context.informers.replica_sets.subscribe(move |change| match change {
        Change::Applied { after, .. } => told.add(key_of(*after)),
        Change::Deleted(gone) => {
            if let Some(context) = forgetful.upgrade() {
                context.expectations.forget(&key_of(*gone));
            }
            told.add(key_of(*gone));
        }
    });
    let (told, watching) = (Arc::clone(queue), Arc::downgrade(context));
    context.informers.pods.subscribe(move |change| {
        if let Some(context) = watching.upgrade() {
            pod_changed(&context, &told, change);
        }
    });
}

fn pod_changed(context: &Context, queue: &Queue<Key>, change: &Change<'_, Pod>) {
    let owner = |pod: &Pod| {
        controller_named(&pod.metadata, "ReplicaSet").map(|name| (pod.namespace().unwrap_or_default(), name.to_owned()))
    };
    match change {
        Change::Applied { before, after } => {
            let (was, is) = (before.and_then(owner), owner(after));
            if let Some(key) = &is {
                context.expectations.created(key, &after.name_any());
                if pods::is_terminating(after) {
                    context.expectations.deleted(key, &after.name_any());
                }
            }
            if was != is {
                was.into_iter().for_each(|key| queue.add(key));
            }
            match is {
                Some(key) => queue.add(key),
                None => orphan_changed(context, queue, after),
            }
        }
        Change::Deleted(gone) => {
            if let Some(key) = owner(gone) {
                context.expectations.deleted(&key, &gone.name_any());
                queue.add(key);
            }
        }
    }
}

/// A pod that nobody controls: every ReplicaSet that selects it may adopt it.
fn orphan_changed(context: &Context, queue: &Queue<Key>, pod: &Pod) {
    use kube::core::SelectorExt;
    if pods::is_terminating(pod) {
        return;
    }
    for set in context.informers.replica_sets.all() {
        let spec = set.spec.as_ref().filter(|_| set.namespace() == pod.namespace());
        let selected = spec.is_some_and(|spec| {
            selector(&spec.selector, "").is_ok_and(|selector| !selector.selects_all() && selector.matches(pod.labels()))
        });
        if selected {
            queue.add(key_of(&*set));
        }
    }
}

async fn look(context: Arc<Context>, key: Key) -> Outcome {
    let Some(set) = context.informers.replica_sets.object(&key) else { return Ok(None) };
    let Some(spec) = &set.spec else { return Ok(None) };
    let selector = selector(&spec.selector, &format!("ReplicaSet {}", key.1))?;
    let mut candidates = context.informers.pods.group(&set.uid().unwrap_or_default());
    candidates.extend(context.informers.pods.group(&orphans(&key.0)));
    candidates.retain(|pod| pod.namespace() == set.namespace() && !pods::is_finished(pod));
    let mine = claim(&context.client, &*set, &selector, candidates).await?;
    let active: Vec<Arc<Pod>> = mine.into_iter().filter(|pod| pods::is_active(pod)).collect();
    let waiting = context.expectations.wait(&key);
    let changed = match waiting {
        None if set.metadata.deletion_timestamp.is_none() => change_count(&context, &key, &set, &active).await,
        None | Some(_) => Ok(()),
    };
    let now = jiff::Timestamp::now();
    let (status, next) = plan::status(&set, &active, changed.as_ref().err().map(ToString::to_string), now);
    write_status(&context, &set, status).await?;
    changed?;
    Ok([waiting, next].into_iter().flatten().min())
}

async fn write_status(
    context: &Context,
    set: &ReplicaSet,
    status: k8s_openapi::api::apps::v1::ReplicaSetStatus,
) -> Result<(), ControllerError> {
    if set.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let mut set = set.clone();
    set.status = Some(status);
    set.metadata.managed_fields = None;
    let api: Api<ReplicaSet> = Api::namespaced(context.client.clone(), &set.namespace().unwrap_or_default());
    match api.replace_status(&set.name_any(), &post_parameters(), &set).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(ControllerError::api(format!("status of ReplicaSet {}", set.name_any()))(error)),
    }
}

/// Creates what is missing, or deletes what is too much.
async fn change_count(
    context: &Context,
    key: &Key,
    set: &ReplicaSet,
    active: &[Arc<Pod>],
) -> Result<(), ControllerError> {
    let wanted = usize::try_from(set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)).unwrap_or(0);
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &key.0);
    if active.len() == wanted {
        return Ok(());
    }
    if active.len() < wanted {
        create(context, &api, key, set, (wanted - active.len()).min(BURST)).await
    } else {
        let victims = plan::victims(active, (active.len() - wanted).min(BURST));
        delete(context, &api, key, &victims).await
    }
}

/// Creates pods in batches that double, so that a refusal that hits all of them is met by one request and not by many.
async fn create(
    context: &Context,
    api: &Api<Pod>,
    key: &Key,
    set: &ReplicaSet,
    count: usize,
) -> Result<(), ControllerError> {
    let mut left = count;
    let mut batch = 1;
    while left > 0 {
        let pods: Vec<Pod> = (0..batch.min(left)).map(|_| new_pod(set)).collect();
        left -= pods.len();
        batch = pods.len() * 2;
        context.expectations.expect_creations(key, pods.iter().map(ResourceExt::name_any));
        let parameters = post_parameters();
        let answers = join_all(pods.iter().map(|pod| api.create(&parameters, pod))).await;
        let mut failure = None;
        for (pod, answer) in pods.iter().zip(answers) {
            if let Err(error) = answer {
                context.expectations.deleted(key, &pod.name_any());
                failure = Some(ControllerError::api(format!("pod of ReplicaSet {}", key.1))(error));
            }
        }
        failure.map_or(Ok(()), Err)?;
    }
    Ok(())
}

async fn delete(context: &Context, api: &Api<Pod>, key: &Key, victims: &[Arc<Pod>]) -> Result<(), ControllerError> {
    context.expectations.expect_deletions(key, victims.iter().map(|pod| pod.name_any()));
    let deletions = victims.iter().map(|pod| async move {
        let same = Preconditions { uid: pod.uid(), resource_version: None };
        (pod, api.delete(&pod.name_any(), &DeleteParams::default().preconditions(same)).await)
    });
    let mut failure = None;
    for (pod, answer) in join_all(deletions).await {
        let Err(error) = answer else { continue };
        context.expectations.deleted(key, &pod.name_any());
        if !matches!(&error, kube::Error::Api(status) if status.is_not_found()) {
            failure = Some(ControllerError::api(format!("deletion of pod {}", pod.name_any()))(error));
        }
    }
    failure.map_or(Ok(()), Err)
}

/// A pod by the template, under a name of its own.
fn new_pod(set: &ReplicaSet) -> Pod {
    // No vowels and no digits that look like letters, so that no word comes out.
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let template = set.spec.as_ref().and_then(|spec| spec.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    let suffix: String = std::iter::repeat_with(|| fastrand::choice(LETTERS).map_or('x', |letter| char::from(*letter)))
        .take(SUFFIX_LENGTH)
        .collect();
    let base = set.name_any();
    // A pod's name is its host name too, which has 63 characters at most.
    let base: String = base.chars().take(63 - 1 - SUFFIX_LENGTH).collect();
    Pod {
        metadata: ObjectMeta {
            name: Some(format!("{base}-{suffix}")),
            generate_name: Some(format!("{base}-")),
            namespace: set.namespace(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![controlled_by(set)]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

fn post_parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

/// The soonest of two pauses.
fn soonest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    [one, other].into_iter().flatten().min()
}

//! Garbage collection: what nobody owns any more goes; foreground and orphaning deletions are carried through.

mod graph;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use kube::api::{ApiResource, DeleteParams, DynamicObject, PartialObjectMeta, Patch, PatchParams, Preconditions};
use kube::discovery::{Discovery, Scope, verbs};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as feed};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::watch as flag;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::graph::{Graph, Node, Owner, TypeName, Uid, Verdict};
use super::queue::{Outcome, Queue};
use super::{ControllerError, FIELD_MANAGER};

const CONCURRENCY: usize = 32;
const DISCOVERY_PAUSE: Duration = Duration::from_millis(200);
/// A kind that cannot be listed does not hold back all others for longer: owners that were not seen are asked for anyway.
const SYNC_PATIENCE: Duration = Duration::from_secs(10);

struct Context {
    client: Client,
    graph: Mutex<Graph>,
    queue: Queue<Uid>,
    kinds: HashMap<TypeName, (ApiResource, Scope)>,
}

/// Starts the watches of all kinds and the work.
pub fn start(client: &Client, shutdown: &CancellationToken, tasks: &mut JoinSet<&'static str>) {
    let (client, shutdown) = (client.clone(), shutdown.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = collect(client, shutdown.clone()) => {}
            () = shutdown.cancelled() => {}
        }
        "garbage collector"
    });
}

async fn collect(client: Client, shutdown: CancellationToken) {
    let kinds = kinds(&client).await;
    let context = Arc::new(Context { client, graph: Mutex::default(), queue: Queue::new(), kinds });
    let mut watches = JoinSet::new();
    let mut synced = Vec::new();
    for (name, (resource, _)) in &context.kinds {
        let (sender, receiver) = flag::channel(false);
        synced.push(receiver);
        watches.spawn(watch(Arc::clone(&context), name.clone(), resource.clone(), sender));
    }
    let all = join_all(synced.iter_mut().map(|synced| async move { synced.wait_for(|synced| *synced).await.is_ok() }));
    if tokio::time::timeout(SYNC_PATIENCE, all).await.is_err() {
        tracing::warn!("not all kinds could be listed; garbage collection begins with those that could");
    }
    let look = |uid: Uid| look(Arc::clone(&context), uid);
    tokio::select! {
        () = context.queue.work(CONCURRENCY, shutdown, look) => {}
        ended = watches.join_next() => {
            tracing::error!(error = ?ended.and_then(Result::err), "a watch of the garbage collector ended by itself");
        }
    }
}

/// All kinds that can be listed, watched and deleted. Events are left out: they end by themselves.
async fn kinds(client: &Client) -> HashMap<TypeName, (ApiResource, Scope)> {
    let discovery = loop {
        match Discovery::new(client.clone()).run().await {
            Ok(discovery) => break discovery,
            Err(error) => tracing::warn!(%error, "the kinds of the API cannot be read; trying again"),
        }
        tokio::time::sleep(DISCOVERY_PAUSE).await;
    };
    let resources = discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources);
    resources
        .filter(|(resource, abilities)| {
            let needed = [verbs::LIST, verbs::WATCH, verbs::DELETE];
            resource.kind != "Event" && needed.iter().all(|verb| abilities.supports_operation(verb))
        })
        .map(|(resource, abilities)| {
            ((resource.api_version.clone(), resource.kind.clone()), (resource, abilities.scope))
        })
        .collect()
}

async fn watch(context: Arc<Context>, kind: TypeName, resource: ApiResource, synced: flag::Sender<bool>) {
    let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(context.client.clone(), &resource);
    let mut events = std::pin::pin!(feed(api, watcher::Config::default()).default_backoff());
    let mut listed: HashSet<Uid> = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.extend(object.uid());
                context.applied(&kind, &object);
            }
            Ok(Event::Apply(object)) => context.applied(&kind, &object),
            Ok(Event::Delete(object)) => context.removed(&object.uid().unwrap_or_default()),
            Ok(Event::InitDone) => {
                let known = context.graph().of_kind(&kind);
                known.iter().filter(|uid| !listed.contains(*uid)).for_each(|uid| context.removed(uid));
                listed.clear();
                synced.send_replace(true);
            }
            Err(error) => tracing::warn!(kind = kind.1, %error, "watching failed; trying again"),
        }
    }
}

impl Context {
    fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn applied(&self, kind: &TypeName, object: &PartialObjectMeta<DynamicObject>) {
        let Some(uid) = object.uid() else { return };
        let node = Node {
            kind: kind.clone(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid,
            owners: object.owner_references().iter().map(Owner::from).collect(),
            finalizers: object.finalizers().to_vec(),
            deleting: object.metadata.deletion_timestamp.is_some(),
        };
        let concerned = self.graph().apply(node);
        concerned.into_iter().for_each(|uid| self.queue.add(uid));
    }

    fn removed(&self, uid: &str) {
        let concerned = self.graph().remove(uid);
        concerned.into_iter().for_each(|uid| self.queue.add(uid));
    }

    /// Access to the objects of one kind; none if the API does not serve it.
    fn api(&self, kind: &TypeName, namespace: &str) -> Option<Api<DynamicObject>> {
        let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
        let (resource, scope) = self.kinds.get(kind).or_else(|| {
            // A reference may name an older version of the kind.
            let same = |other: &TypeName| other.1 == kind.1 && group(&other.0) == group(&kind.0);
            self.kinds.iter().find(|(other, _)| same(other)).map(|(_, found)| found)
        })?;
        Some(match scope {
            Scope::Namespaced => Api::namespaced_with(self.client.clone(), namespace, resource),
            Scope::Cluster => Api::all_with(self.client.clone(), resource),
        })
    }

    fn known(&self, uid: &str) -> Option<(Node, Api<DynamicObject>)> {
        let node = self.graph().node(uid).cloned()?;
        let api = self.api(&node.kind, &node.namespace)?;
        Some((node, api))
    }
}

async fn look(context: Arc<Context>, uid: Uid) -> Outcome {
    let mut confirmed = HashSet::new();
    loop {
        let verdict = context.graph().verdict(&uid, &confirmed);
        let Some((node, api)) = context.known(&uid) else { return Ok(None) };
        match verdict {
            Verdict::Keep => {}
            Verdict::Ask(owners) => {
                for owner in owners {
                    if exists(&context, &node, &owner).await? {
                        confirmed.insert(owner.uid);
                    } else {
                        context.graph().is_absent(&owner.uid);
                    }
                }
                continue;
            }
            Verdict::Delete { foreground } => delete(&api, &node, foreground).await?,
            Verdict::Disown(owners) => disown(&api, &node, &owners).await?,
            Verdict::Finish(finalizer) => finish(&api, &node, finalizer).await?,
            Verdict::Push(owned) => owned.into_iter().for_each(|uid| context.queue.add(uid)),
            Verdict::Release(owned) => {
                for (owned, api) in owned.iter().filter_map(|uid| context.known(uid)) {
                    disown(&api, &owned, std::slice::from_ref(&uid)).await?;
                }
            }
        }
        return Ok(None);
    }
}

/// Asks whether an owner that was not seen is there under the same identity.
async fn exists(context: &Context, node: &Node, owner: &Owner) -> Result<bool, ControllerError> {
    let Some(api) = context.api(&owner.kind, &node.namespace) else {
        // What cannot be asked for is not deleted for.
        tracing::warn!(kind = owner.kind.1, owned = node.name, "an owner is of a kind that the API does not serve");
        return Ok(true);
    };
    let found = api.get_metadata_opt(&owner.name).await;
    let found = found.map_err(ControllerError::api(format!("owner {} {}", owner.kind.1, owner.name)))?;
    Ok(found.is_some_and(|found| found.uid().as_ref() == Some(&owner.uid)))
}

async fn delete(api: &Api<DynamicObject>, node: &Node, foreground: bool) -> Result<(), ControllerError> {
    let parameters = if foreground { DeleteParams::foreground() } else { DeleteParams::background() };
    let same = Preconditions { uid: Some(node.uid.clone()), resource_version: None };
    tracing::debug!(kind = node.kind.1, namespace = node.namespace, name = node.name, "nobody owns it any more");
    settled(api.delete(&node.name, &parameters.preconditions(same)).await, node)
}

async fn disown(api: &Api<DynamicObject>, node: &Node, owners: &[Uid]) -> Result<(), ControllerError> {
    let Some(current) = current(api, node).await? else { return Ok(()) };
    let kept: Vec<_> = current.owner_references().iter().filter(|owner| !owners.contains(&owner.uid)).collect();
    let patch = json!({ "metadata": { "resourceVersion": current.resource_version(), "ownerReferences": kept } });
    settled(api.patch_metadata(&node.name, &parameters(), &Patch::Merge(patch)).await, node)
}

async fn finish(api: &Api<DynamicObject>, node: &Node, finalizer: &str) -> Result<(), ControllerError> {
    let Some(current) = current(api, node).await? else { return Ok(()) };
    let kept: Vec<_> = current.finalizers().iter().filter(|name| *name != finalizer).collect();
    let patch = json!({ "metadata": { "resourceVersion": current.resource_version(), "finalizers": kept } });
    settled(api.patch_metadata(&node.name, &parameters(), &Patch::Merge(patch)).await, node)
}

/// The object as it is now, if it is still the same.
async fn current(
    api: &Api<DynamicObject>,
    node: &Node,
) -> Result<Option<PartialObjectMeta<DynamicObject>>, ControllerError> {
    let found = api.get_metadata_opt(&node.name).await.map_err(ControllerError::api(described(node)))?;
    Ok(found.filter(|found| found.uid().as_ref() == Some(&node.uid)))
}

/// An object that is gone, or another under its name, needs nothing more.
fn settled<T>(answer: kube::Result<T>, node: &Node) -> Result<(), ControllerError> {
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(ControllerError::api(described(node))(error)),
    }
}

fn described(node: &Node) -> String {
    format!("{} {}/{}", node.kind.1, node.namespace, node.name)
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

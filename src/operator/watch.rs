//! Watches: what the cluster tells goes into the caches, and names what has to be looked at.

use super::Namespaces;
use super::classes::ClassBook;
use super::reconcile::{Reconciler, selector};
use super::revisions::Revision;
use super::world::{EnvironmentId, Index, World};
use crate::cluster::shared::{self, Feeder, Kept, Packed, plain};
use crate::cluster::{Shared, Subscription, Told};
use crate::gateways::Gateways;
use crate::resources::{Environment, EnvironmentClass};
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many kinds are watched. Nothing is written before each has been listed once: what is not listed yet would be
/// taken for missing.
pub const KINDS: usize = 6;

/// How often environments that are ready are compared with a table that changes.
const SWEEP: Duration = Duration::from_secs(1);

/// Starts a task for every kind. Those that others in this process want to know of as well are heard from the one watch
/// that there is of each; Deployments and revisions are watched for as long as this operator acts.
pub fn start(reconciler: &Arc<Reconciler>, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) {
    let namespace = match &reconciler.namespaces {
        Namespaces::All => None,
        Namespaces::One(namespace) => Some(namespace.as_str()),
    };
    let shared = &reconciler.shared;
    let mut spawn = |task: BoxFuture<'static, ()>| {
        tasks.spawn(shutdown.clone().run_until_cancelled_owned(task).map(drop));
    };
    let environments = shared.environments.subscribe(namespace);
    spawn(take(reconciler, environments, |world| &world.environments, EnvironmentId::of_environment));
    let services = shared.services.subscribe(namespace);
    spawn(take(reconciler, services, |world| &world.services, EnvironmentId::of_packed));
    spawn(take(reconciler, shared.pods.subscribe(namespace), |world| &world.pods, EnvironmentId::of_packed));
    let (deployments, watched) = watch(reconciler, namespace, |object| Packed::of(&plain(object)));
    spawn(watched);
    spawn(take(reconciler, deployments, |world| &world.deployments, EnvironmentId::of_packed));
    let (revisions, watched) = watch(reconciler, namespace, |object| Some(Revision::of(&object)));
    spawn(watched);
    spawn(take(reconciler, revisions, |world| &world.revisions, Revision::id));
    spawn(classes(reconciler.clone(), shared.classes.subscribe(None)).boxed());
    tasks.spawn(table(reconciler.clone(), shutdown.clone()));
}

/// A watch of the operator's own, of what belongs to environments.
fn watch<K, V>(
    reconciler: &Reconciler,
    namespace: Option<&str>,
    keep: fn(K) -> Option<V>,
) -> (Subscription<V>, BoxFuture<'static, ()>)
where
    V: Kept + Send + Sync + 'static,
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    let client = reconciler.client.clone();
    let api: Api<K> = match namespace {
        None => Api::all(client),
        Some(namespace) => Api::namespaced(client, namespace),
    };
    let shared = Shared::new();
    let config = watcher::Config::default().labels(&selector());
    (shared.subscribe(None), shared::watch(Feeder::new(&shared, keep), api, config).boxed())
}

/// Takes what is told of one namespaced kind.
fn take<K>(
    reconciler: &Arc<Reconciler>,
    mut subscription: Subscription<K>,
    index: fn(&World) -> &Index<K>,
    identify: fn(&K) -> Option<EnvironmentId>,
) -> BoxFuture<'static, ()>
where
    K: Kept + Send + Sync + 'static,
{
    let reconciler = reconciler.clone();
    let take = async move {
        let index = index(&reconciler.world);
        let mut complete_once = false;
        while let Some(told) = subscription.next().await {
            match told {
                Told::All(objects) => {
                    let listed = objects.into_iter().filter_map(|object| Some((identify(&object)?, object))).collect();
                    index.replace(listed).into_iter().for_each(|id| reconciler.queue.push(id));
                    if !std::mem::replace(&mut complete_once, true) {
                        reconciler.listed();
                    }
                }
                Told::Put(object) => {
                    // One whose labels were changed is missed by the environment that they named before; so is one that
                    // lost them.
                    let missed = match identify(&object) {
                        Some(id) => index.insert(&id, object).into_iter().chain([id]).collect(),
                        None => Vec::from_iter(index.lost(&object)),
                    };
                    missed.into_iter().for_each(|id| reconciler.queue.push(id));
                }
                Told::Gone(object) => {
                    let missed = match identify(&object) {
                        Some(id) => index.remove(&object).into_iter().chain([id]).collect(),
                        None => Vec::from_iter(index.lost(&object)),
                    };
                    missed.into_iter().for_each(|id| reconciler.queue.push(id));
                }
            }
        }
    };
    take.boxed()
}

/// Takes what is told of the classes, and judges them anew with every change.
async fn classes(reconciler: Arc<Reconciler>, mut subscription: Subscription<EnvironmentClass>) {
    let mut known: BTreeMap<String, Arc<EnvironmentClass>> = BTreeMap::new();
    let mut complete_once = false;
    while let Some(told) = subscription.next().await {
        match told {
            Told::All(classes) => known = classes.into_iter().map(|class| (class.name_any(), class)).collect(),
            Told::Put(class) => drop(known.insert(class.name_any(), class)),
            Told::Gone(class) => drop(known.remove(&class.name_any())),
        }
        publish(&reconciler, ClassBook::judge(known.values().cloned().collect(), &reconciler.domain));
        if !std::mem::replace(&mut complete_once, true) {
            reconciler.listed();
        }
    }
}

/// Makes `book` the current one, and wakes the environments for which that changes something.
fn publish(reconciler: &Reconciler, book: ClassBook) {
    let book = Arc::new(book);
    let before = reconciler.classes.send_replace(book.clone());
    let mut changed: BTreeMap<String, bool> = BTreeMap::new();
    for id in reconciler.world.environments.ids() {
        let Some(environment) = reconciler.world.environments.one(&id, &id.name) else { continue };
        let class = environment.spec.class.clone();
        // An unknown class is always looked at: which name is nearest may have changed.
        if *changed
            .entry(class)
            .or_insert_with_key(|class| book.changed_since(&before, class) || book.class(class).is_err())
        {
            reconciler.queue.push(id);
        }
    }
}

/// Follows the route table: what waits for it is woken at once, what is ready is compared with it now and then.
async fn table(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let mut changes = reconciler.changes.clone();
    let mut confirmed = reconciler.gateways.as_ref().map(Gateways::confirmed);
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut unswept = false;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                let waiting = reconciler.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
                waiting.into_iter().for_each(|id| reconciler.queue.push(id));
                unswept = true;
            }
            () = next(&mut confirmed) => {
                let waiting = reconciler.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
                waiting.into_iter().for_each(|id| reconciler.queue.push(id));
            }
            _ = sweep.tick(), if unswept => {
                unswept = false;
                reconciler.wake_unrouted();
            }
        }
    }
}

/// Waits for the next news of the gateways; for ever where there are none.
async fn next(confirmed: &mut Option<tokio::sync::watch::Receiver<u64>>) {
    let told = match confirmed {
        Some(confirmed) => confirmed.changed().await.is_ok(),
        None => false,
    };
    if !told {
        std::future::pending::<()>().await;
    }
}

/// Hands every event to `take` until `shutdown`. Errors are logged; the watcher itself waits and begins anew.
pub(super) async fn follow<K>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    shutdown: &CancellationToken,
    mut take: impl FnMut(Event<K>),
) where
    K: Resource<DynamicType = ()>,
{
    let mut stream = std::pin::pin!(stream);
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => return,
            event = stream.next() => event,
        };
        match event {
            Some(Ok(event)) => take(event),
            Some(Err(error)) => tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; it begins anew"),
            None => return,
        }
    }
}

impl Reconciler {
    /// Looks again at environments that are said to be ready while the table does not lead to them.
    fn wake_unrouted(&self) {
        for id in self.world.environments.ids() {
            let Some(environment) = self.world.environments.one(&id, &id.name) else { continue };
            if is_ready(&environment) && !self.is_routed(&id, &environment) {
                self.queue.push(id);
            }
        }
    }
}

fn is_ready(environment: &Environment) -> bool {
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

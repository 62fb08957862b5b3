//! Watches: what the cluster tells goes into the caches, and names what has to be looked at.

use super::Namespaces;
use super::classes::ClassBook;
use super::reconcile::{Reconciler, selector};
use super::world::{EnvironmentId, Index, World};
use crate::gateways::Gateways;
use crate::resources::{Environment, EnvironmentClass};
use futures::{Stream, StreamExt};
use kube::api::Api;
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
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

/// Starts a task for every watch.
pub fn start(reconciler: &Arc<Reconciler>, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) {
    fn owned<K>(
        reconciler: &Arc<Reconciler>,
        shutdown: &CancellationToken,
        tasks: &mut JoinSet<()>,
        index: fn(&World) -> &Index<K>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let config = watcher::Config::default().labels(&selector());
        let identify = EnvironmentId::of_labelled::<K>;
        let task = environments_or_owned(reconciler.clone(), shutdown.clone(), config, index, identify);
        tasks.spawn(task);
    }
    owned(reconciler, shutdown, tasks, |world| &world.deployments);
    owned(reconciler, shutdown, tasks, |world| &world.services);
    owned(reconciler, shutdown, tasks, |world| &world.pods);
    owned(reconciler, shutdown, tasks, |world| &world.revisions);
    tasks.spawn(environments_or_owned(
        reconciler.clone(),
        shutdown.clone(),
        watcher::Config::default(),
        |world| &world.environments,
        EnvironmentId::of_environment,
    ));
    tasks.spawn(classes(reconciler.clone(), shutdown.clone()));
    tasks.spawn(table(reconciler.clone(), shutdown.clone()));
}

/// Follows one namespaced kind.
async fn environments_or_owned<K>(
    reconciler: Arc<Reconciler>,
    shutdown: CancellationToken,
    config: watcher::Config,
    index: fn(&World) -> &Index<K>,
    identify: fn(&K) -> Option<EnvironmentId>,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let api: Api<K> = match &reconciler.namespaces {
        Namespaces::All => Api::all(reconciler.client.clone()),
        Namespaces::One(namespace) => Api::namespaced(reconciler.client.clone(), namespace),
    };
    let stream = watcher(api, config).default_backoff();
    let index = index(&reconciler.world);
    let mut listed = Vec::new();
    let mut complete_once = false;
    follow(stream, &shutdown, |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => listed.extend(identify(&object).map(|id| (id, Arc::new(slim(object))))),
        Event::InitDone => {
            index.replace(std::mem::take(&mut listed)).into_iter().for_each(|id| reconciler.queue.push(id));
            if !std::mem::replace(&mut complete_once, true) {
                reconciler.listed();
            }
        }
        Event::Apply(object) => {
            if let Some(id) = identify(&object) {
                // One whose labels were changed is missed by the environment that they named before.
                let missed = index.insert(&id, Arc::new(slim(object)));
                missed.into_iter().chain([id]).for_each(|id| reconciler.queue.push(id));
            }
        }
        // Also of one that lost its labels: it is no more among those that the watch is for.
        Event::Delete(object) => {
            let missed = index.remove(&object);
            missed.into_iter().chain(identify(&object)).for_each(|id| reconciler.queue.push(id));
        }
    })
    .await;
}

/// Follows the classes, and judges them anew with every change.
async fn classes(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let stream = watcher(Api::<EnvironmentClass>::all(reconciler.client.clone()), watcher::Config::default());
    let mut known: BTreeMap<String, Arc<EnvironmentClass>> = BTreeMap::new();
    let mut listing = false;
    let mut complete_once = false;
    follow(stream.default_backoff(), &shutdown, |event| {
        match event {
            Event::Init => {
                known.clear();
                listing = true;
            }
            Event::InitApply(class) | Event::Apply(class) => {
                known.insert(class.name_any(), Arc::new(slim(class)));
            }
            Event::Delete(class) => {
                known.remove(&class.name_any());
            }
            Event::InitDone => listing = false,
        }
        if !listing {
            publish(&reconciler, ClassBook::judge(known.values().cloned().collect(), &reconciler.domain));
            if !std::mem::replace(&mut complete_once, true) {
                reconciler.listed();
            }
        }
    })
    .await;
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

/// Without what nobody here reads.
fn slim<K: ResourceExt>(mut object: K) -> K {
    object.managed_fields_mut().clear();
    object
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

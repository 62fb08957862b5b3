//! What the cluster holds, as far as records depend on it, followed as it changes.

use super::wanted::{SharedService, Sight, Wanted, wanted};
use super::{Desk, Scope};
use crate::resources::{Environment, EnvironmentClass};
use futures::stream::{BoxStream, StreamExt as _, select_all};
use k8s_openapi::api::core::v1::Service;
use kube::api::Api;
use kube::core::{NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Changes that come this close together are looked at once.
const GATHER: Duration = Duration::from_millis(100);
/// How many kinds are followed.
const KINDS: usize = 3;

type Place = (String, String);

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) classes: BTreeMap<String, Arc<EnvironmentClass>>,
    pub(super) environments: BTreeMap<Place, Arc<Environment>>,
    pub(super) services: BTreeMap<Place, SharedService>,
}

impl Seen {
    /// What should be in the zones by it.
    pub(super) fn wanted(&self, desk: &Desk) -> Wanted {
        let sight = Sight {
            classes: self.classes.values().map(|class| &**class).collect(),
            environments: self.environments.values().map(|environment| &**environment).collect(),
            services: self.services.values().collect(),
        };
        wanted(desk.settings(), desk.domain(), &sight)
    }
}

enum Change {
    Class(Event<EnvironmentClass>),
    Environment(Event<Environment>),
    Service(Event<PartialObjectMeta<Service>>),
}

/// Follows it, and publishes each state once everything has been listed. Ends when nobody listens any more.
pub(super) async fn follow(client: Client, scope: Scope, seen: watch::Sender<Option<Arc<Seen>>>) {
    let mut changes = changes(&client, &scope);
    let mut now = Seen::default();
    let mut fresh = Seen::default();
    let mut unlisted = KINDS;
    let mut due: Option<Instant> = None;
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                seen.send_replace(Some(Arc::new(now.clone())));
                continue;
            }
        };
        let Some(change) = change else { return };
        let is_listed = match change {
            Change::Class(event) => take(event, &mut now.classes, &mut fresh.classes, |class| {
                Some((class.name_any(), Arc::new(slim(class))))
            }),
            Change::Environment(event) => take(event, &mut now.environments, &mut fresh.environments, |environment| {
                Some((place(&environment)?, Arc::new(slim(environment))))
            }),
            Change::Service(event) => take(event, &mut now.services, &mut fresh.services, |service| {
                Some((place(&service)?, SharedService::of(&service)?))
            }),
        };
        unlisted = unlisted.saturating_sub(usize::from(is_listed));
        // Before each kind is listed once, what is not there yet would be taken for gone.
        if unlisted == 0 && due.is_none() {
            due = Some(Instant::now() + GATHER);
        }
    }
}

fn changes(client: &Client, scope: &Scope) -> BoxStream<'static, Change> {
    fn api<K>(client: &Client, namespace: Option<&String>) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
    }
    let config = watcher::Config::default;
    let classes = watcher(Api::<EnvironmentClass>::all(client.clone()), config()).default_backoff();
    let environments = watcher(api::<Environment>(client, scope.environments.as_ref()), config()).default_backoff();
    let services =
        watcher(api::<PartialObjectMeta<Service>>(client, scope.watched.as_ref()), config()).default_backoff();
    let streams = [
        classes.filter_map(async |event| told(event).map(Change::Class)).boxed(),
        environments.filter_map(async |event| told(event).map(Change::Environment)).boxed(),
        services.filter_map(async |event| told(event).map(Change::Service)).boxed(),
    ];
    select_all(streams).boxed()
}

/// A watch that breaks begins anew by itself.
fn told<E>(event: watcher::Result<E>) -> Option<E> {
    event.inspect_err(|error| tracing::warn!(%error, "a watch for DNS broke; it begins anew")).ok()
}

/// Takes an event into `now`, a list by way of `fresh`. Gives whether a list has become complete for the first time.
fn take<K, N: Ord, V>(
    event: Event<K>,
    now: &mut BTreeMap<N, V>,
    fresh: &mut BTreeMap<N, V>,
    read: impl Fn(K) -> Option<(N, V)>,
) -> bool
where
    K: ResourceExt + Named<N>,
{
    match event {
        Event::Init => fresh.clear(),
        Event::InitApply(object) => fresh.extend(read(object)),
        Event::InitDone => {
            *now = std::mem::take(fresh);
            return true;
        }
        Event::Apply(object) => {
            let key = object.key();
            match read(object) {
                Some((key, value)) => drop(now.insert(key, value)),
                // It was one of ours, and is none any more.
                None => drop(key.and_then(|key| now.remove(&key))),
            }
        }
        Event::Delete(object) => drop(object.key().and_then(|key| now.remove(&key))),
    }
    false
}

/// The key under which an object is known.
trait Named<N> {
    fn key(&self) -> Option<N>;
}

impl Named<String> for EnvironmentClass {
    fn key(&self) -> Option<String> {
        self.metadata.name.clone()
    }
}

impl Named<Place> for Environment {
    fn key(&self) -> Option<Place> {
        place(self)
    }
}

impl Named<Place> for PartialObjectMeta<Service> {
    fn key(&self) -> Option<Place> {
        place(self)
    }
}

pub(super) fn place(object: &impl ResourceExt) -> Option<Place> {
    Some((object.namespace()?, object.name_any()))
}

/// Without what nobody here reads.
fn slim<K: ResourceExt>(mut object: K) -> K {
    object.managed_fields_mut().clear();
    object
}

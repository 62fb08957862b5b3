//! What the cluster holds, as far as records depend on it, followed as it changes.

use super::wanted::{SharedService, Sight, Wanted, wanted};
use super::{Desk, Scope};
use crate::cluster::shared::{Kept, Packed};
use crate::cluster::{SharedKinds, Told};
use crate::resources::{Environment, EnvironmentClass};
use k8s_openapi::api::core::v1::Service;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Changes that come this close together are looked at once.
const GATHER: Duration = Duration::from_millis(100);

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

/// Follows it, and publishes each state once everything has been listed. Ends when nothing is told any more.
pub(super) async fn follow(kinds: SharedKinds, scope: Scope, seen: watch::Sender<Option<Arc<Seen>>>) {
    let mut classes = kinds.classes.subscribe(None);
    let mut environments = kinds.environments.subscribe(scope.environments.as_deref());
    let mut services = kinds.services.subscribe(scope.watched.as_deref());
    let mut now = Seen::default();
    // Before each kind is listed once, what is not there yet would be taken for gone.
    let mut listed = [false; 3];
    let mut due: Option<Instant> = None;
    loop {
        let [of_classes, of_environments, of_services] = &mut listed;
        let is_open = tokio::select! {
            told = classes.next() => take(told, &mut now.classes, of_classes, name, known),
            told = environments.next() => take(told, &mut now.environments, of_environments, place, known),
            told = services.next() => {
                take(told, &mut now.services, of_services, place, shared_service)
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                seen.send_replace(Some(Arc::new(now.clone())));
                continue;
            }
        };
        if !is_open {
            return;
        }
        if listed == [true; 3] && due.is_none() {
            due = Some(Instant::now() + GATHER);
        }
    }
}

fn shared_service(service: &Arc<Packed<Service>>) -> Option<SharedService> {
    SharedService::of(&service.unpack()?)
}

/// An object as it is.
fn known<K>(object: &Arc<K>) -> Option<Arc<K>> {
    Some(object.clone())
}

/// Takes what is told into `now`: what `read` makes of each object, under its key. Gives whether more may follow.
fn take<K, N: Ord, V>(
    told: Option<Told<K>>,
    now: &mut BTreeMap<N, V>,
    is_listed: &mut bool,
    key: impl Fn(&K) -> N,
    read: impl Fn(&Arc<K>) -> Option<V>,
) -> bool {
    match told {
        None => return false,
        Some(Told::All(objects)) => {
            *now = objects.iter().filter_map(|object| Some((key(object), read(object)?))).collect();
            *is_listed = true;
        }
        Some(Told::Put(object)) => match read(&object) {
            Some(value) => drop(now.insert(key(&object), value)),
            // It was one of ours, and is none any more.
            None => drop(now.remove(&key(&object))),
        },
        Some(Told::Gone(object)) => drop(now.remove(&key(&object))),
    }
    true
}

fn name<K: Kept>(object: &K) -> String {
    object.name().to_owned()
}

pub(super) fn place<K: Kept>(object: &K) -> Place {
    (object.namespace().to_owned(), object.name().to_owned())
}

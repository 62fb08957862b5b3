//! What gateways noted of the use of environments, gathered from all of them.

use super::Namespaces;
use super::reconcile::Reconciler;
use super::watch::follow;
use super::world::EnvironmentId;
use crate::model::between;
use crate::resources::EnvironmentUse;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// When no gateway was heard for so long, nobody knows how environments are used, and want of use means nothing.
const HEARD: Duration = Duration::from_secs(900);
/// What a gateway noted that was not heard for so long is removed.
const GONE: Duration = Duration::from_secs(86_400);
/// How often that is looked for.
const TIDY: Duration = Duration::from_secs(3600);

/// The use of environments.
#[derive(Debug, Default)]
pub struct Uses(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    used: HashMap<EnvironmentId, Timestamp>,
    wanted: HashMap<EnvironmentId, Timestamp>,
    /// When a gateway was heard last, by this process's own clock.
    heard: Option<Instant>,
    /// The objects, with the time that they tell.
    objects: HashMap<(String, String), Timestamp>,
}

impl Uses {
    /// Whether some gateway tells how environments are used.
    pub fn is_known(&self) -> bool {
        self.lock().heard.is_some_and(|heard| heard.elapsed() < HEARD)
    }

    /// When an environment was used last.
    pub fn used(&self, id: &EnvironmentId) -> Option<Timestamp> {
        self.lock().used.get(id).copied()
    }

    /// When a request was refused last as it slept.
    pub fn wanted(&self, id: &EnvironmentId) -> Option<Timestamp> {
        self.lock().wanted.get(id).copied()
    }

    /// Forgets an environment that is gone.
    pub fn forget(&self, id: &EnvironmentId) {
        let mut state = self.lock();
        state.used.remove(id);
        state.wanted.remove(id);
    }

    /// Takes what a gateway noted. Returns the environments of which it tells news.
    fn take(&self, object: &EnvironmentUse) -> Vec<EnvironmentId> {
        let Some(namespace) = object.namespace() else { return Vec::new() };
        let mut state = self.lock();
        state.heard = Some(Instant::now());
        state.objects.insert((namespace.clone(), object.name_any()), object.spec.seen_at.0);
        let mut news = Vec::new();
        for (name, seen) in &object.spec.environments {
            let id = EnvironmentId::new(&namespace, name);
            let used = raise(&mut state.used, &id, seen.last_used_at.as_ref().map(|time| time.0));
            let wanted = raise(&mut state.wanted, &id, seen.wanted_at.as_ref().map(|time| time.0));
            if used || wanted {
                news.push(id);
            }
        }
        news
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the later time. Returns whether it is news.
fn raise(times: &mut HashMap<EnvironmentId, Timestamp>, id: &EnvironmentId, time: Option<Timestamp>) -> bool {
    let Some(time) = time else { return false };
    match times.get_mut(id) {
        Some(known) if *known >= time => false,
        Some(known) => {
            *known = time;
            true
        }
        None => {
            times.insert(id.clone(), time);
            true
        }
    }
}

/// Follows what gateways note. It is no kind that anything else waits for: a cluster without it, or without the right to
/// read it, is one in which it is not known how environments are used.
pub async fn keep(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let api: Api<EnvironmentUse> = match &reconciler.namespaces {
        Namespaces::All => Api::all(reconciler.client.clone()),
        Namespaces::One(namespace) => Api::namespaced(reconciler.client.clone(), namespace),
    };
    let stream = watcher(api, watcher::Config::default()).default_backoff();
    follow(stream, &shutdown, |event| match event {
        Event::Init | Event::InitDone => {}
        Event::InitApply(object) | Event::Apply(object) => {
            for id in reconciler.uses.take(&object) {
                if reconciler.is_moved_by_use(&id) {
                    reconciler.queue.push(id);
                }
            }
        }
        Event::Delete(object) => {
            let key = (object.namespace().unwrap_or_default(), object.name_any());
            reconciler.uses.lock().objects.remove(&key);
        }
    })
    .await;
}

/// Removes what gateways noted that are gone.
pub async fn tidy(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(TIDY) => {}
        }
        let now = reconciler.clock.now();
        let gone: Vec<(String, String)> = {
            let state = reconciler.uses.lock();
            let old = state.objects.iter().filter(|(_, seen)| between(**seen, now) > GONE);
            old.map(|(key, _)| key.clone()).collect()
        };
        for (namespace, name) in gone {
            let api: Api<EnvironmentUse> = Api::namespaced(reconciler.client.clone(), &namespace);
            if let Err(error) = api.delete(&name, &DeleteParams::default()).await {
                tracing::debug!(namespace, name, %error, "what a gateway noted could not be removed");
            }
        }
    }
}

impl Reconciler {
    /// Whether use changes now what is said of an environment: one that is on the way to its end, or sleeps.
    fn is_moved_by_use(&self, id: &EnvironmentId) -> bool {
        let environment = self.world.environments.one(id, &id.name);
        let life = environment.as_ref().and_then(|environment| environment.status.as_ref()?.life.as_ref());
        life.is_some_and(|life| life.phase != crate::resources::LifePhase::Active || life.asleep_since.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(gateway: &str, used: &str) -> EnvironmentUse {
        serde_json::from_value(json!({
            "apiVersion": "doorstep.dev/v1alpha1", "kind": "EnvironmentUse",
            "metadata": {"name": gateway, "namespace": "default"},
            "spec": {"gateway": gateway, "seenAt": used, "environments": {"a-x": {"lastUsedAt": used}}},
        }))
        .unwrap()
    }

    #[test]
    fn the_latest_use_that_any_gateway_saw_counts() {
        let (uses, id) = (Uses::default(), EnvironmentId::new("default", "a-x"));
        assert!(!uses.is_known());
        assert_eq!(uses.take(&object("one", "2026-03-02T10:00:00Z")), std::slice::from_ref(&id));
        assert_eq!(uses.take(&object("two", "2026-03-02T09:00:00Z")), []);
        assert!(uses.is_known());
        assert_eq!(uses.used(&id), Some("2026-03-02T10:00:00Z".parse().unwrap()));
        uses.forget(&id);
        assert_eq!(uses.used(&id), None);
    }
}

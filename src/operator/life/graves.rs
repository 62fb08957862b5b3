//! Environments that have expired stand in the status of their class for a while: their hosts say so.
//!
//! They are bounded by number and by time. Each is one key of a map, so that writing one leaves the others alone.

use crate::model::{between, later};
use crate::operator::reconcile::Reconciler;
use crate::operator::world::EnvironmentId;
use crate::resources::{Class, Environment, EnvironmentClass, Expired};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The most of one class. Those that expired longest ago are forgotten first.
const MAX_PER_CLASS: usize = 256;
/// How often it is looked for those to be forgotten.
const TIDY: Duration = Duration::from_secs(60);

/// One that expired just now may still be there, as it is written down before it is deleted.
const SETTLED: Duration = Duration::from_secs(60);

/// The key of an environment in the map.
fn key(id: &EnvironmentId) -> String {
    format!("{}/{}", id.namespace, id.name)
}

impl Reconciler {
    /// Writes down that an environment has expired.
    pub(super) async fn bury(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        class: &Class,
        why: &str,
        now: Timestamp,
    ) -> Result<(), kube::Error> {
        let expired = Expired {
            user: environment.spec.user.clone(),
            created_at: environment.metadata.creation_timestamp.clone(),
            expired_at: Time(now),
            message: why.to_owned(),
            forget_at: Time(later(now, class.life.remember)),
        };
        self.write_graves(class.name.as_str(), &Map::from_iter([(key(id), json!(expired))])).await
    }

    /// Takes that back.
    pub(super) async fn dig_up(&self, id: &EnvironmentId, class: &Class) -> Result<(), kube::Error> {
        self.write_graves(class.name.as_str(), &Map::from_iter([(key(id), Value::Null)])).await
    }

    async fn write_graves(&self, class: &str, changes: &Map<String, Value>) -> Result<(), kube::Error> {
        let api: Api<EnvironmentClass> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({ "status": { "expired": changes } }));
        api.patch_status(class, &PatchParams::default(), &patch).await.map(drop)
    }
}

/// Forgets those whose time is over, those that are too many, and those that were made anew.
pub(in crate::operator) async fn tidy(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let set = Arc::new(Notify::new());
    let setter = set.clone();
    reconciler.clock.on_set(move || setter.notify_one());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = set.notified() => {}
            () = tokio::time::sleep(TIDY) => {}
        }
        if !reconciler.is_all_listed() {
            continue;
        }
        let book = reconciler.classes.borrow().clone();
        for class in book.wires() {
            let changes = forgotten(class, reconciler.clock.now(), |id| lives(&reconciler, id));
            if changes.is_empty() {
                continue;
            }
            let name = class.name_any();
            if let Err(error) = reconciler.write_graves(&name, &changes).await {
                tracing::debug!(class = name, %error, "expired environments could not be forgotten");
            }
        }
    }
}

/// Whether the environment is there again.
fn lives(reconciler: &Reconciler, id: &EnvironmentId) -> bool {
    let environment = reconciler.world.environments.one(id, &id.name);
    environment.is_some_and(|environment| environment.metadata.deletion_timestamp.is_none())
}

/// What is to be taken out of the map of a class, as a merge patch.
fn forgotten(class: &EnvironmentClass, now: Timestamp, lives: impl Fn(&EnvironmentId) -> bool) -> Map<String, Value> {
    let Some(status) = &class.status else { return Map::new() };
    let is_over = |key: &str, expired: &Expired| {
        let id = key.split_once('/').map(|(namespace, name)| EnvironmentId::new(namespace, name));
        let settled = between(expired.expired_at.0, now) > SETTLED;
        expired.forget_at.0 <= now || id.is_none_or(|id| settled && lives(&id))
    };
    let (over, mut rest): (Vec<_>, Vec<_>) = status.expired.iter().partition(|(key, expired)| is_over(key, expired));
    rest.sort_by_key(|(_, expired)| expired.expired_at.0);
    let surplus = rest.len().saturating_sub(MAX_PER_CLASS);
    let gone = over.into_iter().chain(rest.into_iter().take(surplus));
    gone.map(|(key, _)| (key.clone(), Value::Null)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::shipped::{SHIPPED, parse};
    use crate::resources::EnvironmentClassStatus;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn the_old_the_many_and_the_living_are_forgotten() {
        let mut class = parse(SHIPPED[0].1).unwrap();
        let expired = |second: i64| Expired {
            user: "haimaz".into(),
            created_at: None,
            expired_at: Time(at(second)),
            message: "old".into(),
            forget_at: Time(at(second + 1000)),
        };
        let mut status = EnvironmentClassStatus::default();
        let name = |second: i64| format!("default/u{second:03}-integration");
        status.expired.extend((0..300).map(|second| (name(second), expired(second))));
        class.status = Some(status);
        let gone = forgotten(&class, at(1009), |id| &*id.name == "u299-integration");
        // Ten are over, one lives, and of the 289 that are left the oldest 33 are too many.
        assert_eq!(gone.len(), 10 + 1 + 33);
        for second in [0, 9, 10, 42, 299] {
            assert!(gone.contains_key(&name(second)), "{second}");
        }
        assert!(!gone.contains_key(&name(43)) && gone.values().all(Value::is_null));
    }
}

//! What happens to environments, into the outbox of webhooks: what is seen of them, compared with what was told last.

use crate::cluster::{self, Subscription};
use crate::model::{Clock, EnvironmentKey};
use crate::resources::{Environment, EnvironmentClass, LifePhase};
use crate::store::Store;
use crate::webhooks::{Seen, Told, publish};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Api;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long it is until a store that does not answer is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// What following needs.
pub(super) struct Follow {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) environments: Subscription<Environment>,
    /// Whose statuses tell of environments that have expired.
    pub(super) classes: Api<EnvironmentClass>,
    /// Counts up whenever there is something in the outbox.
    pub(super) news: watch::Sender<u64>,
}

impl Follow {
    /// Follows until `end`.
    pub(super) async fn run(self, end: CancellationToken) {
        let _until = end.run_until_cancelled(Box::pin(self.forever())).await;
    }

    async fn forever(mut self) {
        let mut told = loop {
            match Told::load(&self.store).await {
                Ok(told) => break told,
                Err(error) => self.wait(&error).await,
            }
        };
        while let Some(news) = self.environments.next().await {
            match news {
                cluster::Told::All(objects) => {
                    let mut there = BTreeSet::new();
                    for object in &objects {
                        there.extend(key(object));
                        self.tell(&mut told, object, false).await;
                    }
                    // What is not among all that there are is gone.
                    for key in told.keys().into_iter().filter(|key| !there.contains(key)) {
                        if let Some(last) = self.expired_unseen(&told, &key).await {
                            self.told(&mut told, &key, Some(&last)).await;
                        }
                        self.told(&mut told, &key, None).await;
                    }
                }
                cluster::Told::Put(object) => self.tell(&mut told, &object, false).await,
                cluster::Told::Gone(object) => self.tell(&mut told, &object, true).await,
            }
        }
    }

    async fn tell(&self, told: &mut Told, object: &Environment, gone: bool) {
        let Some(key) = key(object) else { return };
        let seen = seen(object);
        // Of one that is gone, what it came to comes first.
        let is_known = told.seen(&key).is_some_and(|was| was.uid == seen.uid);
        if !gone || (seen.expired && is_known) {
            self.told(told, &key, Some(&seen)).await;
        }
        if gone {
            self.told(told, &key, None).await;
        }
    }

    /// How one that is gone looked last, where it expired while nobody looked: its class tells of it.
    async fn expired_unseen(&self, told: &Told, key: &EnvironmentKey) -> Option<Seen> {
        let was = told.seen(key).filter(|was| !was.expired)?;
        // Nobody expires unwarned, and one of the same name may have expired long before.
        let warned = was.warned_at?;
        let class = match self.classes.get_opt(key.class.as_str()).await {
            Ok(class) => class?,
            Err(error) => {
                tracing::warn!(environment = %key, %error, "whether it has expired cannot be read; it is told as deleted");
                return None;
            }
        };
        let name = key.object_name();
        let is_its = |place: &str| place.rsplit_once('/').is_some_and(|(_, it)| it == name);
        let (_, expired) = class.status?.expired.into_iter().find(|(place, _)| is_its(place))?;
        (expired.expired_at.0 >= warned).then_some(Seen { expired: true, message: expired.message, ..was })
    }

    /// Tells until the store has it: an event that was seen is not lost.
    async fn told(&self, told: &mut Told, key: &EnvironmentKey, seen: Option<&Seen>) {
        loop {
            match publish(&self.store, told, key, seen, self.clock.now()).await {
                Ok(0) => return,
                Ok(_) => return self.news.send_modify(|count| *count += 1),
                Err(error) => self.wait(&error).await,
            }
        }
    }

    async fn wait(&self, error: &crate::store::StoreError) {
        tracing::warn!(%error, "what happens to environments waits for the store");
        tokio::time::sleep(PAUSE).await;
    }
}

fn key(object: &Environment) -> Option<EnvironmentKey> {
    Some(EnvironmentKey::new(object.spec.user.parse().ok()?, object.spec.class.parse().ok()?))
}

/// What of an environment matters to those who are told.
fn seen(object: &Environment) -> Seen {
    let status = object.status.clone().unwrap_or_default();
    let current = status.observed_generation == object.metadata.generation;
    let condition = |name: &str| status.conditions.iter().find(|condition| condition.type_ == name);
    let is = |name: &str| condition(name).is_some_and(|condition| condition.status == "True");
    let life = status.life.clone().unwrap_or_default();
    let digest = |what: serde_json::Value| {
        Sha256::digest(what.to_string().as_bytes())
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    // One that will expire soon may sleep as well.
    let asleep = life.asleep_since.is_some();
    let of_ready = condition("Ready").map(|condition: &Condition| condition.message.clone()).unwrap_or_default();
    Seen {
        uid: object.metadata.uid.clone().unwrap_or_default(),
        parameters: digest(serde_json::json!(object.spec.parameters)),
        pods: digest(serde_json::json!([object.spec.parameters, object.spec.restarted_at])),
        revision: status.revision,
        settled: current,
        ready: is("Ready") && current && !asleep,
        failed: is("Stalled") && current,
        asleep,
        expired: life.phase == LifePhase::Expired,
        warned_at: life.warned_at.map(|time| time.0),
        expires_at: life.expires_at.map(|time| time.0),
        url: status.url,
        message: if life.message.is_empty() { of_ready } else { life.message },
    }
}

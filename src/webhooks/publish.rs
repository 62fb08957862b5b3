//! Who is told of what: the step from a look at an environment into the outbox.

use super::{Message, Seen, changes};
use crate::model::{EnvironmentKey, HappeningKind};
use crate::store::{Outcoming, Store, StoreError, Webhook};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Whether a webhook wants to be told.
pub trait Subscriber {
    /// Whether it wants to be told that `kind` happened to `key`.
    fn wants(&self, kind: HappeningKind, key: &EnvironmentKey) -> bool;
}

impl Subscriber for Webhook {
    fn wants(&self, kind: HappeningKind, key: &EnvironmentKey) -> bool {
        self.enabled
            && (self.events.is_empty() || self.events.iter().any(|event| event == kind.as_str()))
            && self.user.as_deref().is_none_or(|user| user == key.user.as_str())
            && self.class.as_deref().is_none_or(|class| class == key.class.as_str())
    }
}

/// What was last told of each environment, as the store has it.
#[derive(Debug, Default)]
pub struct Told(BTreeMap<EnvironmentKey, String>);

impl Told {
    /// Reads it from the store.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let all = store.webhooks().told().await?.into_iter().filter_map(|(user, class, state)| {
            Some((EnvironmentKey::new(user.parse().ok()?, class.parse().ok()?), state))
        });
        Ok(Self(all.collect()))
    }

    /// The environments of which something was told.
    pub fn keys(&self) -> Vec<EnvironmentKey> {
        self.0.keys().cloned().collect()
    }

    /// How an environment looked when something was told of it last.
    pub fn seen(&self, key: &EnvironmentKey) -> Option<Seen> {
        self.0.get(key).and_then(|state| serde_json::from_str(state).ok())
    }
}

/// Puts into the outbox what happened to `key` since it was told of last, now that it looks like `now`. Tells how many events there
/// were. When another manager was faster, `told` is read anew and it is tried once more.
pub async fn publish(
    store: &Store,
    told: &mut Told,
    key: &EnvironmentKey,
    now: Option<&Seen>,
    at: Timestamp,
) -> Result<usize, StoreError> {
    for _ in 0..2 {
        let was = told.seen(key);
        let now = now.map(|now| now.clone().after(was.as_ref()));
        let now = now.as_ref();
        let happened = changes(was.as_ref(), now);
        let state = now.map(|now| serde_json::to_string(now).unwrap_or_default());
        // Each note is a write that waits for the disk: what is only told along is not worth one.
        let same = match (&was, now) {
            (Some(was), Some(now)) => now.same(was),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return Ok(0);
        }
        let webhooks = if happened.is_empty() { Vec::new() } else { store.webhooks().list().await? };
        let mut out = Vec::new();
        for kind in &happened {
            // Of one that is gone, what was last seen of it is told.
            let looked = now.or(was.as_ref()).cloned().unwrap_or_default();
            let message = Message::new(*kind, key, &looked, at);
            let body = serde_json::to_string(&message).unwrap_or_default();
            for webhook in webhooks.iter().filter(|webhook| webhook.wants(*kind, key)) {
                out.push(Outcoming {
                    webhook: webhook.id.clone(),
                    event: message.id.clone(),
                    kind: kind.as_str().to_owned(),
                    at,
                    body: body.clone(),
                });
            }
        }
        let names = (key.user.as_str(), key.class.as_str());
        let before = told.0.get(key).map(String::as_str);
        if store.webhooks().tell(names, before, state.as_deref(), &out).await? {
            match state {
                Some(state) => drop(told.0.insert(key.clone(), state)),
                None => drop(told.0.remove(key)),
            }
            return Ok(happened.len());
        }
        *told = Told::load(store).await?;
    }
    Ok(0)
}

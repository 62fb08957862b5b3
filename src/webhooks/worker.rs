//! The way out of the outbox.

use super::schedule::Schedule;
use super::secret::Secret;
use super::send::{Sender, Tried};
use crate::model::Clock;
use crate::store::{DeliveryState, Due, Store, StoreError};
use crate::telemetry::metrics;
use futures::future::join_all;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How many messages are tried at the same time.
const AT_ONCE: u32 = 16;
/// How long a try may take before it is another one's turn; longer than any try takes.
const LEASE: Duration = Duration::from_secs(60);

/// What a worker needs.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The store.
    pub store: Store,
    /// Who sends.
    pub sender: Sender,
    /// How often and when a message is tried.
    pub schedule: Schedule,
    /// What time it is.
    pub clock: Clock,
    /// How often the outbox is looked at, when nobody says that there is something in it.
    pub pause: Duration,
}

/// Sends what is in the outbox. Several managers may each have one.
pub struct Worker {
    config: WorkerConfig,
    news: watch::Receiver<u64>,
}

impl Worker {
    /// A worker that looks into the outbox at once whenever `news` changes.
    pub fn new(config: WorkerConfig, news: watch::Receiver<u64>) -> Self {
        Self { config, news }
    }

    /// Works until `end`.
    pub async fn run(mut self, end: CancellationToken) {
        loop {
            let more = match self.round().await {
                Ok(tried) => tried > 0,
                Err(error) => {
                    tracing::warn!(%error, "the outbox of webhooks cannot be read");
                    false
                }
            };
            if more {
                continue;
            }
            let pause = tokio::time::sleep(self.config.pause);
            tokio::select! {
                () = end.cancelled() => return,
                () = pause => {}
                changed = self.news.changed() => if changed.is_err() {
                    // Nobody will say so any more; the pause does.
                    tokio::select! { () = end.cancelled() => return, () = tokio::time::sleep(self.config.pause) => {} }
                }
            }
        }
    }

    /// Tries what is due; tells how many.
    async fn round(&self) -> Result<usize, StoreError> {
        let WorkerConfig { store, clock, .. } = &self.config;
        let due = store.webhooks().due(clock.now(), LEASE, AT_ONCE).await?;
        let count = due.len();
        let outcomes = join_all(due.iter().map(|due| self.one(due))).await;
        outcomes.into_iter().collect::<Result<(), _>>()?;
        let (waiting, dead) = store.webhooks().backlog().await?;
        metrics::webhook_backlog(waiting, dead);
        Ok(count)
    }

    async fn one(&self, due: &Due) -> Result<(), StoreError> {
        let WorkerConfig { store, sender, schedule, clock, .. } = &self.config;
        let delivery = &due.delivery;
        let webhook = store.webhooks().find(&delivery.sent.webhook).await?;
        let tried = match webhook.as_ref().map(|webhook| (Secret::read(&webhook.secret), webhook)) {
            Some((Ok(secret), webhook)) => sender.send(&webhook.url, &secret, delivery, clock.now()).await,
            Some((Err(error), _)) => Tried::Never(error.to_string()),
            None => Tried::Never("the webhook is gone".to_owned()),
        };
        let now = clock.now();
        let attempts = u32::try_from(delivery.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let (state, next, said) = match tried {
            Tried::Taken(said) => (DeliveryState::Delivered, now, said),
            Tried::Never(said) => (DeliveryState::Dead, now, said),
            Tried::Later(said, wish) => match schedule.next(now, attempts, wish) {
                Some(next) => (DeliveryState::Waiting, next, said),
                None => (DeliveryState::Dead, now, said),
            },
        };
        metrics::webhook_tried(state.as_str());
        if state == DeliveryState::Dead {
            let (webhook, event) = (&delivery.sent.webhook, &delivery.sent.event);
            tracing::warn!(webhook, event, attempts, said, "a webhook's message was given up");
        }
        store.webhooks().tried(due, state, next, now, &said).await
    }
}

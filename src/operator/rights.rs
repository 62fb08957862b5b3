//! A right that is missing is told on the objects that it keeps from coming up.

use super::decide::Decision;
use super::look::Look;
use super::plan::Refusal;
use super::reconcile::Reconciler;
use crate::model::reasons;
use crate::resources::Environment;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often environments are told of it that nobody looks at, as not every kind can be listed.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps telling until `shutdown`.
pub async fn keep(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let mut rights = reconciler.rights.clone();
    loop {
        let blocked = rights.borrow_and_update().blocking().is_some();
        let waits = blocked && !reconciler.is_all_listed();
        if waits {
            tell_all(&reconciler).await;
        } else {
            // A right that came or went: whatever is not ready is judged anew.
            reconciler.world.environments.ids().into_iter().for_each(|id| reconciler.queue.push(id));
        }
        let changed = async {
            // Where nobody asks for rights, as in the embedded cluster, none is ever missing.
            if rights.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(RETRY), if waits => {}
        }
    }
}

/// Tells every environment that is not ready. One that is stays so: its pods serve on, and nothing is known against it.
async fn tell_all(reconciler: &Reconciler) {
    let Some(refusal) = reconciler.missing_right() else { return };
    let decision = Decision::refused(&refusal, None);
    for id in reconciler.world.environments.ids() {
        let Some(environment) = reconciler.world.environments.one(&id, &id.name) else { continue };
        if is_ready(&environment) {
            continue;
        }
        if let Err(error) = reconciler.conclude(&id, &environment, &decision, &Look::default()).await {
            tracing::debug!(environment = %id, %error, "a missing right could not be told");
        }
    }
}

fn is_ready(environment: &Environment) -> bool {
    let Some(status) = &environment.status else { return false };
    let current = status.observed_generation == environment.metadata.generation;
    current && status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

impl Reconciler {
    /// What is to be said in the place of `decision`, as long as rights are missing without which nothing comes up.
    pub fn blocked(&self, decision: &Decision) -> Option<Decision> {
        let refusal = self.missing_right().filter(|_| !decision.ready)?;
        Some(Decision::refused(&refusal, None))
    }

    /// The rights that are missing, as the reason why environments and classes cannot be used.
    pub fn missing_right(&self) -> Option<Refusal> {
        let message = self.rights.borrow().blocking()?;
        Some(Refusal { reason: reasons::MISSING_RIGHT, message })
    }
}

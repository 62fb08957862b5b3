//! What the route table refuses is told on the object that it refused.

use super::reconcile::Reconciler;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Keeps the reports until `shutdown`.
pub async fn keep(_reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    shutdown.cancelled().await;
}

//! The look at the rights of a role, and what `/readyz?verbose` tells of them.

use crate::cluster::Connected;
use crate::cluster::rights::{self, Held, Role, Scope};
use crate::telemetry::health::Readiness;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Starts looking; what is missing is in the channel until `end`.
pub(super) fn start(connected: &Connected, role: Role, scope: Scope, end: &CancellationToken) -> watch::Receiver<Held> {
    let (sender, receiver) = watch::channel(Held::default());
    let keep = rights::keep(connected.client.clone(), (role, scope), sender, connected.forbidden.clone());
    tokio::spawn(end.clone().run_until_cancelled_owned(keep));
    receiver
}

/// Those of a cluster in which nothing is ever refused.
pub(super) fn all() -> watch::Receiver<Held> {
    watch::channel(Held::default()).1
}

/// A line for each right that is missing.
pub(super) fn lines(held: &watch::Receiver<Held>) -> Vec<String> {
    held.borrow().missing.iter().map(|missing| format!("missing right: {missing}")).collect()
}

/// `readiness` with more lines.
pub(super) fn told(readiness: Readiness, more: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Readiness {
    Arc::new(move || {
        let mut report = readiness();
        report.parts.extend(more());
        report
    })
}

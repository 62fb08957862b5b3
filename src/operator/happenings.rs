//! What happens to environments, told to whoever in this process wants to hear it.

use super::world::EnvironmentId;
use crate::model::{EnvironmentKey, Happening, HappeningKind};
use jiff::Timestamp;
use tokio::sync::broadcast;

/// How many are held for a listener that is slow. One that misses some is told how many.
const HELD: usize = 1024;

/// Where the operator tells what happens. Clones tell the same listeners.
#[derive(Debug, Clone)]
pub struct Happenings(broadcast::Sender<Happening>);

impl Default for Happenings {
    fn default() -> Self {
        Self(broadcast::Sender::new(HELD))
    }
}

impl Happenings {
    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Happening> {
        self.0.subscribe()
    }

    /// Tells what happened to the environment `id`.
    pub(super) fn tell(
        &self,
        id: &EnvironmentId,
        kind: HappeningKind,
        at: Timestamp,
        message: &str,
        expires_at: Option<Timestamp>,
    ) {
        let Some(environment) = EnvironmentKey::from_object_name(&id.name) else { return };
        let namespace = id.namespace.as_ref().into();
        // Nobody may be listening; then nobody is told.
        let _heard =
            self.0.send(Happening { kind, at, namespace, environment, message: message.to_owned(), expires_at });
    }
}

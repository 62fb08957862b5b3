//! Leadership on the embedded Kubernetes API, and credentials before a server that refuses the old ones.

mod credentials;
mod election;

use std::time::Duration;
use tokio::time::Instant;

/// How long anything may take before a test gives up. It bounds a hang; it measures nothing.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until `condition` gives a value.
async fn wait_for<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

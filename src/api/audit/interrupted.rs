//! The end of calls whose process died: what is seen now is what came of them.

use super::observe::observed;
use crate::store::{Ended, Outcome, Store, StoreError};
use jiff::Timestamp;

/// Ends the calls that dead processes left open. Tells how many there were.
pub async fn close_interrupted(
    store: &Store,
    client: &kube::Client,
    namespace: &str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let calls = store.audit().interrupted().await?;
    for call in &calls {
        let after = observed(client, namespace, &call.begun.target).await.and_then(|seen| seen.wish());
        let said = Some("the manager ended before the call did; this is what was seen afterwards".to_owned());
        let ended = Ended { at: now, result: Outcome::Interrupted, status: None, after, said };
        store.audit().end(call, ended).await?;
    }
    if !calls.is_empty() {
        tracing::warn!(calls = calls.len(), "calls that a dead manager had begun were ended in the audit");
    }
    Ok(calls.len())
}

//! Errors of the store as problems. What a caller reads says nothing of where the store is; the log says all.

use super::problem::{Code, Problem};
use crate::store::StoreError;

/// The problem that an error of the store is for the caller.
pub(super) fn problem(error: &StoreError) -> Problem {
    let said = match error {
        StoreError::Unavailable { .. } => "the store does not answer; nothing was changed; try again in a moment",
        StoreError::Locked { .. } => "the store is locked; nothing was changed; try again in a moment",
        StoreError::Full { .. } => "the store is full; nothing was changed; an administrator has to make room",
        StoreError::ReadOnly { .. } => {
            "the store cannot be written; nothing was changed; an administrator has to mend it"
        }
        StoreError::Corrupt { .. } => "the store is damaged; an administrator has to restore a backup",
        StoreError::Url(_)
        | StoreError::UrlFile { .. }
        | StoreError::InUse { .. }
        | StoreError::Denied { .. }
        | StoreError::Untrusted { .. }
        | StoreError::Missing { .. }
        | StoreError::NewerSchema { .. }
        | StoreError::OlderSchema { .. }
        | StoreError::Foreign { .. }
        | StoreError::Backup { .. }
        | StoreError::Failed { .. } => "the store failed; nothing was changed; the log has the reason",
    };
    if error.passes() {
        tracing::warn!(%error, "the store did not do what a call needs");
    } else {
        tracing::error!(%error, "the store did not do what a call needs");
    }
    Problem::new(Code::StoreUnavailable, said)
}

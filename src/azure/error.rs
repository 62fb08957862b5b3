//! Why a call of Azure had no good end, told by what can be done about it.

use super::service_error::ServiceError;
use std::time::Duration;

/// Why a call had no good end. `what` is the method and the path, without the query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AzureError {
    /// The settings cannot be used.
    #[error("the Azure settings cannot be used: {0}")]
    Settings(String),
    /// No token could be had.
    #[error("no Azure token could be had by {credential}: {reason}")]
    Credential {
        /// How it was tried.
        credential: &'static str,
        /// What the identity library said, cleaned.
        reason: String,
    },
    /// The service could not be reached, or a read got no answer, however often it was tried.
    #[error("{what} got no answer after {attempts} attempts: {reason}")]
    Unavailable {
        /// Method and path.
        what: String,
        /// How often it was tried.
        attempts: u32,
        /// What happened at the last attempt.
        reason: String,
    },
    /// A write was sent and got no answer: whether it took effect is not known.
    #[error("{what} was sent and got no answer, so whether it took effect is not known: {reason}")]
    Lost {
        /// Method and path.
        what: String,
        /// What happened.
        reason: String,
    },
    /// The budget of calls is used up, or the service said so.
    #[error("{what} has to wait {} s: the budget of calls is used up", after.as_secs())]
    Throttled {
        /// Method and path.
        what: String,
        /// How long to wait before it is tried again.
        after: Duration,
    },
    /// It was not sent, as another process may write by now.
    #[error("{what} was not sent: another manager leads, or may lead by now")]
    Fenced {
        /// Method and path.
        what: String,
    },
    /// The resource is not as the call's condition says: somebody else was there first.
    #[error("{what} was not done: the resource has changed since it was read, or is there already")]
    Precondition {
        /// Method and path.
        what: String,
    },
    /// There is no such resource.
    #[error("{what}: there is no such resource")]
    Absent {
        /// Method and path.
        what: String,
        /// What the service said.
        error: ServiceError,
    },
    /// The service refused.
    #[error("{what} was refused with status {status}: {error}")]
    Refused {
        /// Method and path.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the service said.
        error: ServiceError,
    },
    /// The service answered something that cannot be read.
    #[error("{what} got an answer that cannot be read: {reason}")]
    Malformed {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A long-running operation ended without success.
    #[error("{what} was begun and then {}: {error}", if *canceled { "cancelled" } else { "failed" })]
    Failed {
        /// Method and path.
        what: String,
        /// Whether somebody cancelled it.
        canceled: bool,
        /// What the service said.
        error: ServiceError,
    },
}

impl AzureError {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Lost { .. }
            | Self::Throttled { .. }
            | Self::Credential { .. }
            | Self::Fenced { .. } => true,
            Self::Settings(_)
            | Self::Precondition { .. }
            | Self::Absent { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::Failed { .. } => false,
        }
    }
}

//! Why a caller may not do something.

use super::{Action, Role, Scope};
use crate::model::EnvironmentKey;

/// Why a caller may not do something. Each sentence says what would be needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role is too small.
    #[error("the role {has} may not {}; it takes the role {needs}", action.phrase())]
    Role {
        /// What was asked for.
        action: Action,
        /// The least role that may.
        needs: Role,
        /// The caller's.
        has: Role,
    },
    /// The credential is for other things.
    #[error("this token may not {}; it takes one with the scope {needs}", action.phrase())]
    Scope {
        /// What was asked for.
        action: Action,
        /// The scope that it lacks.
        needs: Scope,
    },
    /// The environment is somebody else's. Whether there is one is not told.
    #[error("{} is of the user {}, and {reach}", .key, .key.user)]
    NotYours {
        /// Which environment.
        key: EnvironmentKey,
        /// Whose environments are within reach, as a sentence.
        reach: String,
    },
    /// The call is about one environment, and none was named. Only a mistake in the program leads here.
    #[error("no environment is named, and without one nobody may {}", action.phrase())]
    NoEnvironmentNamed {
        /// What was asked for.
        action: Action,
    },
}

//! Who calls, and what they may do.
//!
//! A [`Caller`] is made of what a request presents and says over whose environments somebody has power; [`Caller::may`]
//! is the one place that decides. An [`Action`] is a kind of call; which call is which stands in the API.

mod action;
mod authenticate;
mod caller;
mod denied;
mod role;
mod scope;
mod team;

pub use action::{Action, Concerns};
pub use authenticate::{Identity, MAX_TOKEN_BYTES, Refused, Source};
pub use caller::{Caller, Reach, Through};
pub use denied::Denied;
pub use role::{Role, UnknownRole};
pub use scope::{Scope, Scopes, UnknownScope};
pub use team::{InvalidTeamName, TeamName};

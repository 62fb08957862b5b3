//! Who calls, and what they may do.
//!
//! A [`Caller`] is made of what a request presents and says over whose environments somebody has power; [`Caller::may`]
//! is the one place that decides. An [`Action`] is a kind of call; which call is which stands in the API.

mod access;
mod action;
mod algorithm;
mod authenticate;
mod caller;
mod certificate;
mod claims;
mod denied;
mod endpoints;
mod fetch;
mod grants;
mod issuer;
mod json;
mod jwt;
mod key_cache;
mod keys;
mod kubernetes;
mod own_tokens;
mod random;
mod role;
mod scope;
mod settings;
mod team;

pub use access::{Access, CurrentAccess, Login};
pub use action::{Action, Concerns};
pub use algorithm::{SignatureAlgorithm, UnknownAlgorithm};
pub use authenticate::{Identity, MAX_TOKEN_BYTES, Refused, Source};
pub use caller::{Caller, Reach, Through};
pub use certificate::Certificates;
pub use claims::Expected;
pub use denied::Denied;
pub use endpoints::Endpoints;
pub use fetch::{FetchError, callable_url};
pub use grants::{Condition, Grant, Rules, Teams, UserRule, Wanted, whole_pattern};
pub use issuer::{IssuerSettings, Issuers, LoginSettings, Presents};
pub use kubernetes::Kubernetes;
pub use own_tokens::{Minted, NotMinted, OwnTokens, PREFIX, Wish, mint};
pub use random::{NoEntropy, random_text};
pub use role::{Role, UnknownRole};
pub use scope::{Scope, Scopes, UnknownScope};
pub use settings::{KubernetesSettings, LimitSettings, Settings, TokenSettings};
pub use team::{InvalidTeamName, TeamName};

#[cfg(test)]
mod tests;

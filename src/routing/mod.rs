//! The route table: pure and synchronous.
//!
//! [`Routes`] is the index that one writer keeps: `apply`, `remove`, `set_slice`, `publish`. [`Table`] is where every
//! reader finds the newest [`Snapshot`]. A request asks [`Snapshot::find`], a person asks [`Snapshot::explain`].

mod condition;
mod contribution;
mod endpoints;
mod explain;
mod filter;
mod host;
mod index;
mod load;
mod locality;
mod matcher;
mod path;
mod ports;
mod problem;
mod queue;
mod request;
mod rule;
mod services;
mod table;
#[cfg(test)]
mod tests;
mod uses;

pub use condition::{Condition, MAX_DEPTH};
pub use contribution::{
    BackendSpec, CHALLENGE_PATH, Claims, Contribution, HostClaim, HostGroup, KnownService, RuleSpec, ServiceKey,
    ServicePort, Slice, SliceAddress, SliceKey, Tier,
};
pub use endpoints::{Cluster, ClusterName, Endpoint, EndpointSet, EndpointState, PortName, Protocol};
pub use explain::{ExplainedAnswer, ExplainedBackend, ExplainedEndpoint, ExplainedRule, Explanation, Loser};
pub use filter::{
    Answer, Cors, FieldChanges, Filter, Passage, PathChange, Redirect, RedirectStatus, Target, is_changeable, respond,
};
pub use host::HostRoutes;
pub use index::{ClassHosts, Routes};
pub use load::{Load, LoadGuard, RetryBudget, RetryGuard};
pub use locality::{Hints, Locality};
pub use matcher::{Matcher, Mismatch, PathMatch, ValueMatch, anywhere, whole};
pub use path::has_dot_segments;
pub use problem::{Problem, ProblemReason};
pub use queue::{Ticket, WaitQueue};
pub use request::{RequestView, Scheme};
pub use rule::{BackendRef, MOST_WAIT, Rule, RuleName, SourceKey, SourceKind, Timeouts};
pub use table::{EnvironmentNote, ExpiredNote, Match, PersonalHosts, Snapshot, Table};
pub use uses::{Seen, UsedEnvironment, Uses};

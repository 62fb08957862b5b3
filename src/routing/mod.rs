//! The route table: pure and synchronous.
//!
//! [`Routes`] is the index that one writer keeps: `apply`, `remove`, `set_endpoints`, `publish`. [`Table`] is where every
//! reader finds the newest [`Snapshot`]. A request asks [`Snapshot::find`], a person asks [`Snapshot::explain`].

mod endpoints;
mod request;
mod rule;
mod table;

pub use endpoints::{Cluster, ClusterName, Endpoint, EndpointSet, EndpointState, Load, LoadGuard, PortName};
pub use request::RequestView;
pub use rule::{BackendRef, Rule, RuleName, SourceKey, SourceKind, Timeouts};
pub use table::{EnvironmentNote, Match, Snapshot, Table};

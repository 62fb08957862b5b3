//! One compiled rule: what it wants of a request, and where it leads.

use super::{Cluster, Filter, Matcher, Tier};
use crate::model::EnvironmentKey;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The kinds of object that contribute routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    /// A Service: a personal one by its labels, a shared one by its annotation.
    Service,
    /// An EndpointSlice.
    EndpointSlice,
    /// An EnvironmentClass.
    Class,
    /// An Environment.
    Environment,
    /// An Ingress.
    Ingress,
    /// An IngressClass.
    IngressClass,
    /// A Secret that holds a certificate.
    Secret,
    /// A file of routes.
    File,
}

impl SourceKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Service,
        Self::EndpointSlice,
        Self::Class,
        Self::Environment,
        Self::Ingress,
        Self::IngressClass,
        Self::Secret,
        Self::File,
    ];
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Class => "EnvironmentClass",
            Self::Environment => "Environment",
            Self::Ingress => "Ingress",
            Self::IngressClass => "IngressClass",
            Self::Secret => "Secret",
            Self::File => "file",
        })
    }
}

/// The object that a contribution comes from: a triple, never a joined text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey {
    /// Its kind.
    pub kind: SourceKind,
    /// Its namespace; empty where there is none.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl fmt::Display for SourceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

/// The name of a rule: its source and its place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleName {
    /// The object that it comes from.
    pub source: SourceKey,
    /// Its place in that object, from 0.
    pub index: usize,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.source)?;
        if self.index == 0 { Ok(()) } else { write!(f, " rule {}", self.index) }
    }
}

/// A cluster with its share of the requests.
#[derive(Debug, Clone)]
pub struct BackendRef {
    /// Where requests go.
    pub cluster: Arc<Cluster>,
    /// The share, in relation to the other backends of the rule; 0 gets none.
    pub weight: u32,
    /// Why it leads nowhere, where the Service or its port is not there. Its cluster is empty then.
    pub unresolved: Option<Box<str>>,
}

/// The longest time that a request may be told to wait for an endpoint.
pub const MOST_WAIT: Duration = Duration::from_secs(60);

/// Deadlines of a rule. `None` means the gateway's own default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the head of the response is there.
    pub response_head: Option<Duration>,
    /// Until a request that may be repeated goes to another endpoint than the one that sends no head; `None`: only where that one is silent for everybody.
    pub attempt: Option<Duration>,
    /// Until a stream on which nothing moves is given up.
    pub idle: Option<Duration>,
    /// How long a request without content may wait for an endpoint; zero: not at all.
    pub wait: Option<Duration>,
}

/// A rule as a request meets it.
#[derive(Debug)]
pub struct Rule {
    /// Where it comes from.
    pub name: RuleName,
    /// When it is asked, beside other rules of the host.
    pub tier: Tier,
    /// What it wants of a request beside its host.
    pub matcher: Matcher,
    /// What goes before the order by specificity; higher ones first.
    pub priority: i64,
    /// What happens to a request on its way, and to its response.
    pub filters: Box<[Filter]>,
    /// Where it leads. Empty only where a filter answers.
    pub backends: Box<[BackendRef]>,
    /// Its deadlines.
    pub timeouts: Timeouts,
    /// The environment it belongs to, if it is a personal one.
    pub environment: Option<EnvironmentKey>,
}

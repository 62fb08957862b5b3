//! What a source says, in plain values: the form in which the cluster's objects and files reach the index.

use super::{ClusterName, EndpointState, Filter, Matcher, Protocol, SourceKey, Timeouts};
use crate::model::{EnvironmentKey, Hostname};
use std::fmt;
use std::net::SocketAddr;

/// A host that a source claims.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostClaim {
    /// This name alone.
    Exact(Hostname),
    /// Every name below this one, with any number of labels more, as the Gateway API has it for `*.parent`.
    Wildcard(Hostname),
}

impl HostClaim {
    /// Reads a host name or `*.parent`.
    pub fn parse(text: &str) -> Result<Self, crate::model::InvalidHostname> {
        match text.strip_prefix("*.") {
            Some(parent) => parent.parse().map(Self::Wildcard),
            None => text.parse().map(Self::Exact),
        }
    }

    /// Whether it takes any name that lies in `zone`, or the zone itself.
    pub(super) fn touches(&self, zone: &Hostname) -> bool {
        let below =
            |name: &str, zone: &str| name == zone || name.strip_suffix(zone).is_some_and(|front| front.ends_with('.'));
        match self {
            Self::Exact(host) => below(host.as_str(), zone.as_str()),
            Self::Wildcard(parent) => below(parent.as_str(), zone.as_str()) || below(zone.as_str(), parent.as_str()),
        }
    }
}

impl fmt::Display for HostClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Which hosts a contribution is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claims {
    /// The host that the class's pattern gives to this user, and no other.
    Personal(EnvironmentKey),
    /// Hosts that were asked for by name.
    Named(Vec<HostClaim>),
}

/// Where a rule leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendSpec {
    /// To a port of a Service.
    Service {
        /// Which one.
        cluster: ClusterName,
        /// The port's name in the Service's EndpointSlices; empty for a port without a name.
        slice_port: Box<str>,
        /// What the endpoints speak.
        protocol: Protocol,
        /// Its share.
        weight: u32,
    },
    /// To one fixed address.
    Address {
        /// Which one.
        address: SocketAddr,
        /// What it speaks.
        protocol: Protocol,
        /// Its share.
        weight: u32,
    },
}

/// One rule as a source gives it.
#[derive(Debug, Clone, Default)]
pub struct RuleSpec {
    /// What it wants of a request.
    pub matcher: Matcher,
    /// Goes before all else that decides between rules of one host; higher ones first. Only an operator's own file may
    /// give one: from an object it would let anybody go before everybody.
    pub priority: i64,
    /// What happens to a request on its way, and to its response.
    pub filters: Vec<Filter>,
    /// Where it leads.
    pub backends: Vec<BackendSpec>,
    /// Its deadlines.
    pub timeouts: Timeouts,
}

/// All that one source says.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// The source.
    pub source: SourceKey,
    /// When the source was made, in seconds since 1970: the older of two that claim the same wins.
    pub created: i64,
    /// The hosts it is for.
    pub claims: Claims,
    /// Its rules.
    pub rules: Vec<RuleSpec>,
}

/// The identity of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SliceKey {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// An EndpointSlice: some addresses, all with the same ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// The Service that it belongs to, in the slice's namespace.
    pub service: Box<str>,
    /// Port names and numbers.
    pub ports: Vec<(Box<str>, u16)>,
    /// The addresses.
    pub addresses: Vec<SliceAddress>,
}

/// One address of a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceAddress {
    /// The address.
    pub ip: std::net::IpAddr,
    /// The pod behind it.
    pub pod: Option<Box<str>>,
    /// What the cluster says of it.
    pub state: EndpointState,
}

//! What a source says, in plain values: the form in which the cluster's objects and files reach the index.

use super::{ClusterName, EndpointState, Filter, Hints, Matcher, PortName, Protocol, SourceKey, Timeouts};
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
    /// Every name with just one label before this one, as Ingress has it for `*.parent`.
    OneLabel(Hostname),
    /// Every name that nobody else has and that lies in no zone of a class.
    Any,
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
    ///
    /// `*.example.com` of one label takes no name in `int.example.com`, but that name itself: who looks a host up leaves
    /// the zones' own names out there. [`HostClaim::Any`] gives way to zones by its nature.
    pub(super) fn touches(&self, zone: &Hostname) -> bool {
        match self {
            Self::Exact(host) => is_within(host.as_str(), zone.as_str()),
            Self::Wildcard(parent) => {
                is_within(parent.as_str(), zone.as_str()) || is_within(zone.as_str(), parent.as_str())
            }
            Self::OneLabel(parent) => is_within(parent.as_str(), zone.as_str()),
            Self::Any => false,
        }
    }

    /// Whether it takes the canonical name `host`.
    pub fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == host,
            Self::Wildcard(parent) => host != parent.as_str() && is_within(host, parent.as_str()),
            Self::OneLabel(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent.as_str()),
            Self::Any => true,
        }
    }
}

/// Whether `name` is `zone` or lies in it.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

impl fmt::Display for HostClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Wildcard(parent) | Self::OneLabel(parent) => write!(f, "*.{parent}"),
            Self::Any => f.write_str("*"),
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
    /// Hosts at which somebody proves to a certificate authority that they are his (ACME, RFC 8555, section 8.3). Such
    /// rules take exact paths under [`CHALLENGE_PATH`] alone, go before all others there, and decide nothing else about
    /// the host.
    Challenge {
        /// The hosts.
        hosts: Vec<Hostname>,
        /// Whether hosts of people may be among them: the source is trusted to ask for their certificates.
        personal: bool,
    },
}

/// Where the answers to ACME challenges are.
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";

/// Which rules of a host are asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// Answers to ACME challenges.
    Challenge,
    /// What was said for this host.
    #[default]
    Host,
    /// What the same source said for all hosts.
    AllHosts,
    /// What the source leads everything else to.
    Default,
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
    /// To a port of a Service, found among the ports that the Service has now. While it is not there, the rule keeps its
    /// place and answers that nothing is behind it.
    ServicePort {
        /// Which Service.
        service: ServiceKey,
        /// Which port of it.
        port: PortName,
        /// What the endpoints speak; as the Service's port says when not given.
        protocol: Option<Protocol>,
        /// Its share.
        weight: u32,
    },
    /// Nowhere: what the source names cannot be a backend. The rule keeps its place, so that its requests do not fall to a
    /// wider one that was not meant for them, and answers that nothing is behind it.
    Nowhere {
        /// What is wrong, with its place.
        why: Box<str>,
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

/// Some hosts, and the rules for them.
#[derive(Debug, Clone)]
pub struct HostGroup {
    /// The hosts.
    pub claims: Claims,
    /// The rules.
    pub rules: Vec<RuleSpec>,
    /// When these rules are asked, beside others for the same host.
    pub tier: Tier,
}

/// All that one source says.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// The source.
    pub source: SourceKey,
    /// When the source was made, in seconds since 1970: the older of two that claim the same wins.
    pub created: i64,
    /// Its hosts and rules.
    pub groups: Vec<HostGroup>,
}

impl Contribution {
    /// A source that says the same for all of its hosts.
    pub fn of_one_group(source: SourceKey, created: i64, claims: Claims, rules: Vec<RuleSpec>) -> Self {
        Self { source, created, groups: vec![HostGroup { claims, rules, tier: Tier::default() }] }
    }
}

/// The identity of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the cluster says of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownService {
    /// Its ports.
    Ports(Box<[ServicePort]>),
    /// It is of type `ExternalName`: no request may be sent there.
    ExternalName,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, which is also its name in the Service's EndpointSlices; empty for the only one without a name.
    pub name: Box<str>,
    /// Its number.
    pub number: u16,
    /// What `appProtocol` says that the endpoints speak.
    pub protocol: Protocol,
    /// The `appProtocol` of endpoints that speak nothing that the gateway does, TLS for example.
    pub unspoken: Option<Box<str>>,
    /// How long a request may wait for an endpoint, if the Service says so.
    pub wait: Option<std::time::Duration>,
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
    /// For whom it is meant.
    pub hints: Hints,
}

#[cfg(test)]
mod tests;

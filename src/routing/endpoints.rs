//! Where requests go: the endpoints of one port of one Service.

use super::{Load, RetryBudget, WaitQueue};
use arc_swap::{ArcSwap, Guard};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The most requests that wait for an endpoint of one cluster.
const MOST_WAITING: usize = 1024;
/// How many of those that wait are called at once for each endpoint that is there. Each of them calls two more when it is
/// answered, so that an endpoint that has just begun is not run over.
const CALLED_AT_ONCE: usize = 16;

/// A port of a Service, by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PortName {
    /// By the Service's port number.
    Number(u16),
    /// By the Service port's name.
    Name(Box<str>),
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The identity of a cluster of endpoints: a triple, never a joined text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName {
    /// The Service's namespace.
    pub namespace: Box<str>,
    /// The Service's name.
    pub service: Box<str>,
    /// The Service's port.
    pub port: PortName,
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.namespace {
            "" => write!(f, "{}:{}", self.service, self.port),
            namespace => write!(f, "{namespace}/{}:{}", self.service, self.port),
        }
    }
}

/// What endpoints speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge (`appProtocol: kubernetes.io/h2c`).
    H2c,
}

/// The endpoints of one Service port, shared by all rules that lead there. New endpoints touch no rule.
#[derive(Debug)]
pub struct Cluster {
    /// Which Service port it is.
    pub name: ClusterName,
    /// What its endpoints speak.
    pub protocol: Protocol,
    endpoints: ArcSwap<EndpointSet>,
    /// Requests for which no endpoint is there, or none has room.
    pub waiting: Arc<WaitQueue>,
    /// How many requests may be sent again at once.
    pub budget: Arc<RetryBudget>,
}

impl Cluster {
    /// A cluster with no endpoint yet.
    pub fn new(name: ClusterName, protocol: Protocol) -> Self {
        Self {
            name,
            protocol,
            endpoints: ArcSwap::from_pointee(EndpointSet::default()),
            waiting: WaitQueue::new(MOST_WAITING),
            budget: Arc::default(),
        }
    }

    /// The endpoints as they are now.
    pub fn endpoints(&self) -> Guard<Arc<EndpointSet>> {
        self.endpoints.load()
    }

    /// Replaces the endpoints, and calls those that wait for one. An address that stays, with the same pod, keeps what was
    /// seen of it; one that becomes ready is given another chance: its probes have seen it later than we did.
    pub fn replace(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let before = self.endpoints.load();
        let known: HashMap<SocketAddr, &Arc<Endpoint>> = before.all().map(|known| (known.address, known)).collect();
        let kept = endpoints.into_iter().map(|mut endpoint| {
            if let Some(known) = known.get(&endpoint.address).filter(|known| known.pod == endpoint.pod) {
                endpoint.load = Arc::clone(&known.load);
                if known.state != EndpointState::Ready && endpoint.state == EndpointState::Ready {
                    endpoint.load.pardon();
                }
            }
            Arc::new(endpoint)
        });
        let set = EndpointSet::new(kept);
        let usable = set.usable().len();
        self.endpoints.store(Arc::new(set));
        // After the set is there: who joins the queue looks at the set once more, so nobody is forgotten.
        self.waiting.call(usable.saturating_mul(CALLED_AT_ONCE));
    }

    /// Requests under way to all endpoints.
    pub fn active(&self) -> u32 {
        self.endpoints().all().map(|endpoint| endpoint.load.active()).fold(0, u32::saturating_add)
    }
}

/// What the cluster says of an endpoint (EndpointSlice conditions `ready`, `serving`, `terminating`); better ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointState {
    /// It gets requests.
    Ready,
    /// It terminates but still serves: it gets requests only when nothing is ready.
    Draining,
    /// It gets none.
    NotReady,
}

impl EndpointState {
    /// The state in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::NotReady => "not ready",
        }
    }
}

/// One address of a cluster.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// The pod behind it, if the cluster told.
    pub pod: Option<Box<str>>,
    /// What the cluster says of it.
    pub state: EndpointState,
    /// Whether it is meant for this gateway by its hints; true for all where there are none.
    pub near: bool,
    /// What the gateway saw of it. Shared by all versions of the same address and pod.
    pub load: Arc<Load>,
}

impl Endpoint {
    /// A ready endpoint of which nothing more is known.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, pod: None, state: EndpointState::Ready, near: true, load: Arc::default() }
    }
}

/// All endpoints of a cluster at one moment, by state.
#[derive(Debug, Default)]
pub struct EndpointSet {
    /// Those near first.
    ready: Box<[Arc<Endpoint>]>,
    /// How many of the ready ones get requests before the others: those near, or all if none is.
    near: usize,
    draining: Box<[Arc<Endpoint>]>,
    not_ready: Box<[Arc<Endpoint>]>,
}

impl EndpointSet {
    /// Sorts `endpoints` by state.
    pub fn new(endpoints: impl IntoIterator<Item = Arc<Endpoint>>) -> Self {
        let (mut ready, mut draining, mut not_ready) = (Vec::new(), Vec::new(), Vec::new());
        for endpoint in endpoints {
            match endpoint.state {
                EndpointState::Ready => ready.push(endpoint),
                EndpointState::Draining => draining.push(endpoint),
                EndpointState::NotReady => not_ready.push(endpoint),
            }
        }
        ready.sort_by_key(|endpoint| !endpoint.near);
        let near = match ready.iter().filter(|endpoint| endpoint.near).count() {
            0 => ready.len(),
            near => near,
        };
        Self { ready: ready.into(), near, draining: draining.into(), not_ready: not_ready.into() }
    }

    /// Those that may get a request now: the ready ones that are near, or the draining ones while none is ready.
    pub fn usable(&self) -> &[Arc<Endpoint>] {
        if self.ready.is_empty() { &self.draining } else { self.ready.get(..self.near).unwrap_or(&self.ready) }
    }

    /// The ready ones alone, near or far.
    pub fn ready(&self) -> &[Arc<Endpoint>] {
        &self.ready
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.ready.iter().chain(self.draining.iter()).chain(self.not_ready.iter())
    }
}

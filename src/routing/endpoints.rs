//! Where requests go: the endpoints of one port of one Service.

use arc_swap::{ArcSwap, Guard};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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
}

impl Cluster {
    /// A cluster with no endpoint yet.
    pub fn new(name: ClusterName, protocol: Protocol) -> Self {
        Self { name, protocol, endpoints: ArcSwap::from_pointee(EndpointSet::default()) }
    }

    /// The endpoints as they are now.
    pub fn endpoints(&self) -> Guard<Arc<EndpointSet>> {
        self.endpoints.load()
    }

    /// Replaces the endpoints. An address that stays keeps its load counters.
    pub fn replace(&self, endpoints: impl IntoIterator<Item = Endpoint>) {
        let before = self.endpoints.load();
        let known: HashMap<SocketAddr, &Arc<Load>> = before.all().map(|known| (known.address, &known.load)).collect();
        let kept = endpoints.into_iter().map(|mut endpoint| {
            if let Some(load) = known.get(&endpoint.address) {
                endpoint.load = Arc::clone(load);
            }
            Arc::new(endpoint)
        });
        self.endpoints.store(Arc::new(EndpointSet::new(kept)));
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
    /// What the gateway saw of it. Shared by all versions of the same address.
    pub load: Arc<Load>,
}

/// What the gateway saw of an endpoint.
#[derive(Debug, Default)]
pub struct Load {
    /// Requests under way.
    active: AtomicU32,
}

impl Load {
    /// Counts one request until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> LoadGuard {
        self.active.fetch_add(1, Ordering::Relaxed);
        LoadGuard(self.clone())
    }

    /// Requests under way.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }
}

/// Counts a request down when it ends, however it ends.
#[derive(Debug)]
pub struct LoadGuard(Arc<Load>);

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All endpoints of a cluster at one moment, by state.
#[derive(Debug, Default)]
pub struct EndpointSet {
    ready: Box<[Arc<Endpoint>]>,
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
        Self { ready: ready.into(), draining: draining.into(), not_ready: not_ready.into() }
    }

    /// Those that may get a request now: the ready ones, or the draining ones while none is ready.
    pub fn usable(&self) -> &[Arc<Endpoint>] {
        if self.ready.is_empty() { &self.draining } else { &self.ready }
    }

    /// The ready ones alone.
    pub fn ready(&self) -> &[Arc<Endpoint>] {
        &self.ready
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.ready.iter().chain(self.draining.iter()).chain(self.not_ready.iter())
    }
}

//! One worker's connections to endpoints.
//!
//! A connection is taken out for one request and put back only after both messages have ended cleanly. The newest comes
//! out first, so that a burst's surplus ages and is closed.

use super::ConnectError;
use super::connect::connect;
use crate::routing::{Cluster, Endpoint, LoadGuard};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Bounds of a worker's pools.
#[derive(Debug, Clone, Copy)]
pub struct PoolSettings {
    /// Until a connection must stand.
    pub connect: Duration,
    /// Until an idle connection is closed.
    pub idle: Duration,
    /// The most idle connections per endpoint.
    pub idle_per_endpoint: usize,
    /// The most bytes of a response's head, and of the buffer it is read into.
    pub head_bytes: usize,
}

/// The idle connections of one worker, by endpoint.
#[derive(Debug)]
pub struct Pools<B> {
    settings: PoolSettings,
    slots: RefCell<HashMap<SocketAddr, Slot<B>>>,
}

/// The idle connections to one endpoint, and the cluster to ask whether it still exists.
#[derive(Debug)]
struct Slot<B> {
    cluster: Arc<Cluster>,
    idle: Vec<Idle<B>>,
}

#[derive(Debug)]
struct Idle<B> {
    sender: http1::SendRequest<B>,
    since: Instant,
}

/// A connection for one request, fresh or from the pool.
#[derive(Debug)]
pub struct Taken<B> {
    lease: Lease<B>,
    /// Whether it was used before: then it may have died unnoticed.
    pub reused: bool,
}

/// The right to give a connection back. Dropped without that, the connection closes.
#[derive(Debug)]
pub struct Lease<B> {
    pools: Rc<Pools<B>>,
    cluster: Arc<Cluster>,
    endpoint: Arc<Endpoint>,
    sender: http1::SendRequest<B>,
    _load: LoadGuard,
}

/// Why a request got no response on a connection.
#[derive(Debug)]
pub struct SendFailure<B> {
    /// The request, if nothing of it was sent.
    pub unsent: Option<Request<B>>,
    /// What hyper said.
    pub error: hyper::Error,
}

impl<B> Pools<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Empty pools.
    pub fn new(settings: PoolSettings) -> Rc<Self> {
        Rc::new(Self { settings, slots: RefCell::default() })
    }

    /// A connection to `endpoint` that waits in the pool.
    pub fn take(self: &Rc<Self>, cluster: &Arc<Cluster>, endpoint: &Arc<Endpoint>) -> Option<Taken<B>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&endpoint.address)?;
        while let Some(idle) = slot.idle.pop() {
            if idle.sender.is_ready() && idle.since.elapsed() < self.settings.idle {
                drop(slots);
                return Some(Taken { lease: self.lease(cluster, endpoint, idle.sender), reused: true });
            }
        }
        None
    }

    /// A new connection to `endpoint`.
    pub async fn connect(
        self: &Rc<Self>,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
    ) -> Result<Taken<B>, ConnectError> {
        let address = endpoint.address;
        let stream = connect(address, self.settings.connect).await?;
        let handshake =
            http1::Builder::new().max_buf_size(self.settings.head_bytes).handshake(TokioIo::new(stream)).await;
        let (sender, connection) =
            handshake.map_err(|error| ConnectError::Refused { address, source: std::io::Error::other(error) })?;
        drop(tokio::task::spawn_local(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%address, %error, "a connection to an endpoint ended");
            }
        }));
        Ok(Taken { lease: self.lease(cluster, endpoint, sender), reused: false })
    }

    /// Closes the idle connections to `address`: one of them was found dead.
    pub fn discard(&self, address: SocketAddr) {
        drop(self.slots.borrow_mut().remove(&address));
    }

    /// Closes what idled too long, and what leads to endpoints that are no more.
    pub fn sweep(&self) {
        let (now, idle) = (Instant::now(), self.settings.idle);
        self.slots.borrow_mut().retain(|address, slot| {
            let set = slot.cluster.endpoints();
            if !set.all().any(|endpoint| endpoint.address == *address) {
                return false;
            }
            slot.idle.retain(|kept| !kept.sender.is_closed() && now.duration_since(kept.since) < idle);
            !slot.idle.is_empty()
        });
    }

    /// How many connections wait.
    pub fn idle(&self) -> usize {
        self.slots.borrow().values().map(|slot| slot.idle.len()).sum()
    }

    fn lease(
        self: &Rc<Self>,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
        sender: http1::SendRequest<B>,
    ) -> Lease<B> {
        let _load = endpoint.load.enter();
        Lease { pools: self.clone(), cluster: cluster.clone(), endpoint: endpoint.clone(), sender, _load }
    }
}

impl<B> Taken<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Sends `request` and waits for the head of its response.
    pub async fn send(mut self, request: Request<B>) -> Result<(Response<Incoming>, Lease<B>), SendFailure<B>> {
        match self.lease.sender.try_send_request(request).await {
            Ok(response) => Ok((response, self.lease)),
            Err(mut failure) => Err(SendFailure { unsent: failure.take_message(), error: failure.into_error() }),
        }
    }
}

impl<B> Lease<B>
where
    B: Body + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Puts the connection back. Both messages have ended; a connection that is not ready for another closes.
    pub fn give_back(self) {
        let Self { pools, cluster, endpoint, sender, _load } = self;
        if !sender.is_ready() {
            return;
        }
        let mut slots = pools.slots.borrow_mut();
        let slot = slots.entry(endpoint.address).or_insert_with(|| Slot { cluster: cluster.clone(), idle: Vec::new() });
        if !Arc::ptr_eq(&slot.cluster, &cluster) {
            slot.cluster = cluster;
        }
        if slot.idle.len() < pools.settings.idle_per_endpoint {
            slot.idle.push(Idle { sender, since: Instant::now() });
        }
    }
}

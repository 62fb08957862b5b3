//! One worker's connections to endpoints.
//!
//! An HTTP/1.1 connection is taken out for one request and put back only after both messages have ended cleanly. The
//! newest comes out first, so that a burst's surplus ages and is closed. HTTP/2 connections are shared ([`multiplex`]).
//!
//! [`multiplex`]: super::multiplex

use super::ConnectError;
use super::connect::connect;
use super::multiplex::{Multiplexed, Shared, to_http2};
use crate::routing::{Cluster, Endpoint, LoadGuard, Protocol};
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
    /// Window of an HTTP/2 stream, in bytes.
    pub http2_stream_window: u32,
    /// Between two pings of a busy HTTP/2 connection, and until one must be answered.
    pub http2_ping: Duration,
}

/// The connections of one worker that wait for requests, by endpoint.
#[derive(Debug)]
pub struct Pools<B> {
    settings: PoolSettings,
    slots: RefCell<HashMap<SocketAddr, Slot<B>>>,
    multiplexed: Multiplexed<B>,
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
    endpoint: Arc<Endpoint>,
    sender: Sender<B>,
    used: Use,
}

/// The use of an endpoint by one request. In this order: the load goes down, then somebody is called for it.
#[derive(Debug)]
struct Use {
    load: LoadGuard,
    room: Room,
}

impl Use {
    fn begin(cluster: &Arc<Cluster>, endpoint: &Endpoint) -> Self {
        Self { load: endpoint.load.enter(), room: Room(cluster.clone()) }
    }
}

/// The cluster. Dropped after the load has gone down, it calls one of those that wait for room. Who joins the queue in this
/// very moment may be missed; where all have to wait, the next of a thousand requests ends soon.
#[derive(Debug)]
struct Room(Arc<Cluster>);

impl Drop for Room {
    fn drop(&mut self) {
        if self.0.waiting.waiting() > 0 {
            self.0.waiting.call(1);
        }
    }
}

#[derive(Debug)]
enum Sender<B> {
    /// Of a connection that no other request has.
    Http1(http1::SendRequest<B>),
    /// Of a connection that others use as well.
    Http2(Shared<B>),
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
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Empty pools.
    pub fn new(settings: PoolSettings) -> Rc<Self> {
        Rc::new(Self { settings, slots: RefCell::default(), multiplexed: Multiplexed::default() })
    }

    /// A connection to `endpoint` that waits in the pool, or is shared.
    pub fn take(
        self: &Rc<Self>,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
        protocol: Protocol,
    ) -> Option<Taken<B>> {
        let sender = match protocol {
            Protocol::Http1 => Sender::Http1(self.idle_sender(endpoint.address)?),
            Protocol::H2c => Sender::Http2(self.multiplexed.take(endpoint.address)?),
        };
        Some(Taken { lease: self.lease(endpoint, sender, Use::begin(cluster, endpoint)), reused: true })
    }

    fn idle_sender(&self, address: SocketAddr) -> Option<http1::SendRequest<B>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(&address)?;
        while let Some(idle) = slot.idle.pop() {
            if idle.sender.is_ready() && idle.since.elapsed() < self.settings.idle {
                return Some(idle.sender);
            }
        }
        None
    }

    /// A new connection to `endpoint`; of HTTP/2 also one that another request has made meanwhile.
    pub async fn connect(
        self: &Rc<Self>,
        cluster: &Arc<Cluster>,
        endpoint: &Arc<Endpoint>,
        protocol: Protocol,
    ) -> Result<Taken<B>, ConnectError> {
        // It counts from here on, so that not all of a burst choose the endpoint that nobody has a connection to yet.
        let used = Use::begin(cluster, endpoint);
        let (sender, reused) = match protocol {
            Protocol::Http1 => (Sender::Http1(self.handshake(endpoint.address).await?), false),
            Protocol::H2c => {
                let (shared, reused) = self.multiplexed.connect(cluster, endpoint, &self.settings).await?;
                (Sender::Http2(shared), reused)
            }
        };
        Ok(Taken { lease: self.lease(endpoint, sender, used), reused })
    }

    async fn handshake(&self, address: SocketAddr) -> Result<http1::SendRequest<B>, ConnectError> {
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
        Ok(sender)
    }

    /// Closes the idle HTTP/1.1 connections to `address`: one of them was found dead. A shared one tells that itself.
    pub fn discard(&self, address: SocketAddr) {
        drop(self.slots.borrow_mut().remove(&address));
    }

    /// Closes what idled too long, and what leads to endpoints that are no more.
    pub fn sweep(&self) {
        let (now, idle) = (Instant::now(), self.settings.idle);
        self.multiplexed.sweep(&self.settings);
        self.slots.borrow_mut().retain(|address, slot| {
            let set = slot.cluster.endpoints();
            if !set.all().any(|endpoint| endpoint.address == *address) {
                return false;
            }
            slot.idle.retain(|kept| !kept.sender.is_closed() && now.duration_since(kept.since) < idle);
            !slot.idle.is_empty()
        });
    }

    /// How many connections wait or are shared.
    pub fn kept(&self) -> usize {
        let idle: usize = self.slots.borrow().values().map(|slot| slot.idle.len()).sum();
        idle + self.multiplexed.open()
    }

    fn lease(self: &Rc<Self>, endpoint: &Arc<Endpoint>, sender: Sender<B>, used: Use) -> Lease<B> {
        Lease { pools: self.clone(), endpoint: endpoint.clone(), sender, used }
    }
}

impl<B> Taken<B>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Sends `request` and waits for the head of its response.
    pub async fn send(mut self, mut request: Request<B>) -> Result<(Response<Incoming>, Lease<B>), SendFailure<B>> {
        let sent = match &mut self.lease.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(shared) => {
                to_http2(&mut request);
                shared.sender.try_send_request(request).await
            }
        };
        match sent {
            Ok(response) => Ok((response, self.lease)),
            Err(mut failure) => Err(SendFailure { unsent: failure.take_message(), error: failure.into_error() }),
        }
    }
}

impl<B> Lease<B>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Puts the connection back. Both messages have ended; a connection that is not ready for another closes. One that is
    /// shared was never taken out.
    pub fn give_back(self) {
        let Self { pools, endpoint, sender, used: Use { load, room } } = self;
        drop(load);
        let Sender::Http1(sender) = sender else { return };
        if !sender.is_ready() {
            return;
        }
        let mut slots = pools.slots.borrow_mut();
        let cluster = || room.0.clone();
        let slot = slots.entry(endpoint.address).or_insert_with(|| Slot { cluster: cluster(), idle: Vec::new() });
        if !Arc::ptr_eq(&slot.cluster, &room.0) {
            slot.cluster = cluster();
        }
        if slot.idle.len() < pools.settings.idle_per_endpoint {
            slot.idle.push(Idle { sender, since: Instant::now() });
        }
        // The connection is in the pool: now who waits for room may have it.
        drop(slots);
        drop(room);
    }
}

//! One worker's HTTP/2 connections to endpoints: one for each endpoint, shared by all requests to it.
//!
//! A connection that was closed, or told to go by GOAWAY, is replaced at the next request; what is under way on it ends
//! there.

use super::connect::connect;
use super::{ConnectError, LocalExecutor, PoolSettings};
use crate::routing::{Cluster, Endpoint};
use http::uri::{Authority, Scheme};
use http::{Method, Request, Uri, Version, header};
use http_body::Body;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The window of a whole connection, in bytes. Each stream has a small one of its own; a smaller sum would let a few
/// clients that do not read stop all others.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// The shared connections, by endpoint.
#[derive(Debug)]
pub(super) struct Multiplexed<B> {
    slots: RefCell<HashMap<SocketAddr, Slot<B>>>,
}

#[derive(Debug)]
struct Slot<B> {
    cluster: Arc<Cluster>,
    /// Held while a connection is made, so that one is made and not one for each waiting request.
    gate: Rc<Mutex<()>>,
    current: Option<Shared<B>>,
}

/// A connection's use for one request.
#[derive(Debug)]
pub(super) struct Shared<B> {
    pub(super) sender: http2::SendRequest<B>,
    /// When it was last used; as many requests use it as there are owners beside the slot.
    used: Rc<Cell<Instant>>,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), used: self.used.clone() }
    }
}

impl<B> Drop for Shared<B> {
    fn drop(&mut self) {
        self.used.set(Instant::now());
    }
}

impl<B> Default for Multiplexed<B> {
    fn default() -> Self {
        Self { slots: RefCell::default() }
    }
}

impl<B> Multiplexed<B>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// The connection to `address`, if there is one.
    pub(super) fn take(&self, address: SocketAddr) -> Option<Shared<B>> {
        let slots = self.slots.borrow();
        let current = slots.get(&address)?.current.as_ref()?;
        (!current.sender.is_closed()).then(|| current.clone())
    }

    /// A new connection, or the one that another request has made meanwhile; and whether it is that one.
    pub(super) async fn connect(
        &self,
        cluster: &Arc<Cluster>,
        endpoint: &Endpoint,
        settings: &PoolSettings,
    ) -> Result<(Shared<B>, bool), ConnectError> {
        let address = endpoint.address;
        let gate = self.gate(cluster, address);
        let _held = timeout(settings.connect, gate.lock())
            .await
            .map_err(|_| ConnectError::TimedOut { address, after: settings.connect })?;
        if let Some(made) = self.take(address) {
            return Ok((made, true));
        }
        let sender = handshake(address, settings).await?;
        let shared = Shared { sender, used: Rc::new(Cell::new(Instant::now())) };
        let slot = Slot { cluster: cluster.clone(), gate: gate.clone(), current: Some(shared.clone()) };
        self.slots.borrow_mut().insert(address, slot);
        Ok((shared, false))
    }

    fn gate(&self, cluster: &Arc<Cluster>, address: SocketAddr) -> Rc<Mutex<()>> {
        let mut slots = self.slots.borrow_mut();
        let empty = || Slot { cluster: cluster.clone(), gate: Rc::default(), current: None };
        slots.entry(address).or_insert_with(empty).gate.clone()
    }

    /// Closes what idled too long, and lets go of what leads to endpoints that are no more: what is under way there ends.
    pub(super) fn sweep(&self, settings: &PoolSettings) {
        self.slots.borrow_mut().retain(|address, slot| {
            let is_known = slot.cluster.endpoints().all().any(|endpoint| endpoint.address == *address);
            let is_wanted = Rc::strong_count(&slot.gate) > 1;
            let is_alive = slot.current.as_ref().is_some_and(|current| {
                let is_used = Rc::strong_count(&current.used) > 1 || current.used.get().elapsed() < settings.idle;
                !current.sender.is_closed() && is_used
            });
            is_known && (is_wanted || is_alive)
        });
    }

    /// How many endpoints have a connection.
    pub(super) fn open(&self) -> usize {
        let slots = self.slots.borrow();
        slots.values().filter_map(|slot| slot.current.as_ref()).filter(|current| !current.sender.is_closed()).count()
    }
}

async fn handshake<B>(address: SocketAddr, settings: &PoolSettings) -> Result<http2::SendRequest<B>, ConnectError>
where
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let stream = connect(address, settings.connect).await?;
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(settings.http2_stream_window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(settings.head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(usize::try_from(settings.http2_stream_window).unwrap_or(usize::MAX))
        // A pod whose node is gone says nothing; all its requests would wait for their own deadlines.
        .keep_alive_interval(settings.http2_ping)
        .keep_alive_timeout(settings.http2_ping);
    let made = timeout(settings.connect, builder.handshake(TokioIo::new(stream))).await;
    let (sender, connection) = made
        .map_err(|_| ConnectError::TimedOut { address, after: settings.connect })?
        .map_err(|error| ConnectError::Refused { address, source: io::Error::other(error) })?;
    drop(tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%address, %error, "an HTTP/2 connection to an endpoint ended");
        }
    }));
    Ok(sender)
}

/// Gives a request the form that HTTP/2 wants: an absolute target in the place of Host, and no field for one hop
/// (RFC 9113, sections 8.2.2 and 8.3.1). A request that has it already stays as it is.
pub(super) fn to_http2<B>(request: &mut Request<B>) {
    *request.version_mut() = Version::HTTP_2;
    // It would name TE, which then were removed with it; `TE: trailers` is what gRPC needs.
    request.headers_mut().remove(header::CONNECTION);
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        request.headers_mut().remove(header::TRANSFER_ENCODING);
    }
    let Some(host) = request.headers_mut().remove(header::HOST) else { return };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return };
    let mut uri = http::uri::Parts::from(std::mem::take(request.uri_mut()));
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::to_http2;

    #[test]
    fn a_request_gets_the_form_of_http2_once() {
        let mut request = http::Request::post("/p?q")
            .header("host", "a.test:81")
            .header("connection", "te")
            .header("te", "trailers")
            .body(())
            .unwrap();
        for _ in 0..2 {
            to_http2(&mut request);
            assert_eq!(request.uri(), "http://a.test:81/p?q");
            let fields: Vec<_> = request.headers().keys().map(|name| name.as_str()).collect();
            assert_eq!(fields, ["te"]);
        }
    }
}

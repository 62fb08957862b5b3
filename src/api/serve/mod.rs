//! Serves the management API, and other pages of the program: connections with deadlines and a bound of their number, so that a
//! client that is slow, silent or many holds up nobody else.
//!
//! HTTP/1.1 alone. When there are as many connections as there may be, a new one takes the place of the one that has done nothing for the longest.

mod connection;
mod places;
mod standing;
mod stream;
mod unread;

use super::tls::TlsFromFiles;
use crate::telemetry::metrics::{self, CallerRefused};
use axum::Router;
use places::Places;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How much and how long the API takes of a connection. The defaults are those that ship.
#[derive(Debug, Clone)]
pub struct ServeLimits {
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Fields of a request's head.
    pub fields: usize,
    /// Until a head that has begun is complete, and until the first one begins.
    pub head: Duration,
    /// Until a TLS handshake is done.
    pub handshake: Duration,
    /// Until a connection without a request is closed.
    pub idle: Duration,
    /// Until a connection is given up whose client does not read.
    pub stall: Duration,
    /// Connections at once; 0: a quarter of the file descriptors, at most 1024.
    pub connections: usize,
}

impl Default for ServeLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            head_bytes: 32 * 1024,
            fields: 100,
            head: seconds(10),
            handshake: seconds(10),
            idle: seconds(75),
            stall: seconds(30),
            connections: 0,
        }
    }
}

impl ServeLimits {
    fn connections(&self) -> usize {
        use nix::sys::resource::{Resource, getrlimit};
        if self.connections > 0 {
            return self.connections;
        }
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        usize::try_from(soft / 4).unwrap_or(usize::MAX).clamp(16, 1024)
    }
}

/// The most clients that are told at once that there is no place for them.
const MOST_TOLD: usize = 32;

/// Serves `router` on `listener` until `stop`, and then until the calls under way are answered; by TLS where it is given.
///
/// A call finds the [`Peer`](super::Peer) as `ConnectInfo`.
pub async fn serve(
    mut listener: TcpListener,
    tls: Option<TlsFromFiles>,
    router: Router,
    limits: ServeLimits,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    let places = Places::new(limits.connections());
    let told = Arc::new(Semaphore::new(MOST_TOLD));
    let served = Arc::new(connection::Served { tls, router, limits, stop: stop.clone() });
    loop {
        let (stream, peer) = tokio::select! {
            // It waits by itself where accepting fails, as it does without descriptors.
            accepted = axum::serve::Listener::accept(&mut listener) => accepted,
            () = stop.cancelled() => break,
        };
        let served = served.clone();
        match places.take() {
            Some(place) => drop(tasks.spawn(connection::serve(served, stream, peer, place))),
            // Whoever is told takes a descriptor for as long as that takes: so not everybody is.
            None => {
                metrics::caller_refused(CallerRefused::Crowded);
                if let Ok(turn) = told.clone().try_acquire_owned() {
                    tasks.spawn(connection::refuse(served, stream, turn));
                }
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

#[cfg(test)]
mod tests;

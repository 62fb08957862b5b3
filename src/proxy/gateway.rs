//! The gateway as a value: configured, bound, running, shut down.

use super::limits::Limits;
use super::listener::{self, Sockets};
use super::worker::{self, Settings};
use crate::routing::{Table, Uses};
use crate::telemetry::access_log::AccessLog;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// What the data plane is to be.
#[derive(Debug, Clone, Default)]
pub struct GatewayConfig {
    /// Where plain HTTP is served.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is served.
    pub https: Option<SocketAddr>,
    /// Worker threads; 0: one per core.
    pub workers: usize,
    /// Whether another gateway of the same user may have the same ports, so that one can take over from the other.
    pub share_port: bool,
    /// Bounds.
    pub limits: Limits,
    /// Where the workers tell which environments are used.
    pub uses: Arc<Uses>,
}

/// The addresses that are bound; port 0 is read back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    /// Of plain HTTP.
    pub http: Option<SocketAddr>,
    /// Of HTTPS.
    pub https: Option<SocketAddr>,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Another program has the port.
    #[error("{address} is in use by another program; choose another address with {flag}")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// The address cannot be bound for another reason.
    #[error("{address} cannot be bound: {source}; choose another address with {flag}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The flag that changes it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// HTTPS without certificates.
    #[error("HTTPS is to be served on {address}, but there is no TLS configuration for it")]
    NoTls {
        /// The address.
        address: SocketAddr,
    },
    /// A worker ended by a panic.
    #[error("{count} worker threads did not end cleanly")]
    Panicked {
        /// How many.
        count: usize,
    },
}

/// Sockets are bound; nothing is served yet.
pub struct Bound {
    addresses: Addresses,
    sockets: Vec<Sockets>,
    settings: Settings,
}

/// The gateway serves.
#[derive(Debug)]
pub struct Running {
    addresses: Addresses,
    stop: watch::Sender<Option<Duration>>,
    workers: Vec<(JoinHandle<()>, oneshot::Receiver<()>)>,
}

/// Binds the sockets of `config`. Requests will be routed by `table`.
pub fn bind(
    config: GatewayConfig,
    table: Arc<Table>,
    tls: Option<Arc<rustls::ServerConfig>>,
    log: Arc<AccessLog>,
) -> Result<Bound, ProxyError> {
    if let (Some(address), None) = (config.https, &tls) {
        return Err(ProxyError::NoTls { address });
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = if config.workers == 0 { cores() } else { config.workers };
    let (addresses, sockets) = listener::bind(config.http, config.https, workers, config.share_port)?;
    let tls = tls.map(with_protocols);
    let settings = Settings { workers, limits: config.limits, uses: config.uses, table, tls, log };
    Ok(Bound { addresses, sockets, settings })
}

/// Offers HTTP/2, HTTP/1.1 and HTTP/1.0, in this order (a client that wants 1.0 alone names that alone), unless the configuration says something already.
fn with_protocols(tls: Arc<rustls::ServerConfig>) -> Arc<rustls::ServerConfig> {
    if !tls.alpn_protocols.is_empty() {
        return tls;
    }
    let mut config = (*tls).clone();
    config.alpn_protocols = [&b"h2"[..], b"http/1.1", b"http/1.0"].map(<[u8]>::to_vec).into();
    Arc::new(config)
}

impl Bound {
    /// The addresses that are bound.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Starts the workers. One that the system does not allow is told in the log; the others take its part.
    pub fn start(self) -> Running {
        let (stop, stopping) = watch::channel(None);
        let mut workers = Vec::new();
        for (index, sockets) in self.sockets.into_iter().enumerate() {
            let (settings, stopping) = (self.settings.clone(), stopping.clone());
            let (ended, end) = oneshot::channel();
            let run = move || {
                worker::run(sockets, &settings, stopping);
                ended.send(()).ok();
            };
            let thread = std::thread::Builder::new().name(format!("gateway-{index}")).spawn(run);
            match thread {
                Ok(thread) => workers.push((thread, end)),
                Err(error) => tracing::error!(%error, index, "a worker thread could not be started"),
            }
        }
        Running { addresses: self.addresses, stop, workers }
    }
}

impl Running {
    /// The addresses that are served.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops accepting, serves what was accepted, tells clients to go (GOAWAY, `Connection: close`), waits for what is under
    /// way up to `grace`, then closes what is left. All threads have ended when it returns.
    pub async fn shutdown(self, grace: Duration) -> Result<(), ProxyError> {
        self.stop.send_replace(Some(grace));
        let mut panicked = 0;
        for (thread, end) in self.workers {
            // The sender is dropped by a panic as well, so this ends in any case; the thread is at its end then.
            drop(end.await);
            panicked += usize::from(thread.join().is_err());
        }
        if panicked == 0 { Ok(()) } else { Err(ProxyError::Panicked { count: panicked }) }
    }
}

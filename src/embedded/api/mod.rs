//! The small Kubernetes API: storage, verbs, watches.
//!
//! A request's way: [`listener`] (TLS and the token; clients in this process skip it) → [`service`] (path to verb) →
//! `verbs` (one file each; `strategy` is what an object becomes on its way in) → [`store`] (memory, SQLite, journal).

pub mod apply;
mod defaults;
mod discovery;
mod error;
mod events;
mod failure;
mod first_objects;
mod json;
mod kinds;
mod kubeconfig;
mod listener;
mod metrics;
mod namespaces;
mod node_backend;
pub mod openapi;
mod openapi_documents;
pub mod patch;
mod present;
mod protobuf;
mod request;
mod response;
mod review;
pub mod schema;
mod selector;
mod service;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod validation;
mod verbs;

pub use error::EmbeddedError;
pub use kinds::{KindInfo, Subresource};
pub use node_backend::{LogError, LogOptions, NodeBackend, PodUsage};

use crate::resources;
use crate::tls::Authority;
use service::{Api, InProcess};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Where the cluster is kept and where it listens.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// The folder of `cluster.db` and `kubeconfig`; it is made where it is missing.
    pub data_dir: PathBuf,
    /// The address of the TLS port; `None` for clients in this process alone.
    pub listen: Option<SocketAddr>,
    /// Whether EndpointSlices may name loopback addresses, which a real API server refuses.
    pub allow_loopback_endpoints: bool,
}

/// The running API.
pub struct ApiServer {
    api: Arc<Api>,
    address: Option<SocketAddr>,
    /// Bound, and not served yet.
    port: Mutex<Option<listener::Bound>>,
    kubeconfig: PathBuf,
    connections: TaskTracker,
}

impl ApiServer {
    /// Opens the store, makes the first namespaces and our definitions, binds the port and writes the kubeconfig
    /// (mode 0600: it holds the token). Who connects to the port waits until [`serve`](Self::serve).
    pub async fn open(config: ApiConfig, authority: &Authority) -> Result<Self, EmbeddedError> {
        let folder = &config.data_dir;
        std::fs::create_dir_all(folder)
            .map_err(|error| EmbeddedError::NotWritable { path: folder.clone(), why: error.to_string() })?;
        let registry = kinds::Registry::new(&resources::definitions())?;
        let store = Store::open(folder.join("cluster.db"), registry.storages().to_vec()).await?;
        let api = Arc::new(Api {
            store,
            registry,
            node: RwLock::new(None),
            allow_loopback_endpoints: config.allow_loopback_endpoints,
            addresses: defaults::ServiceAddresses::default(),
            closing: CancellationToken::new(),
        });
        first_objects::ensure(&api).await?;
        namespaces::resume(&api);
        let kubeconfig = folder.join("kubeconfig");
        let port = match config.listen {
            Some(address) => {
                let access = kubeconfig::Access::load_or_create(folder)?;
                let bound = listener::bind(address, authority, &access).await?;
                access.write(&kubeconfig, bound.address(), authority.certificate_pem())?;
                Some(bound)
            }
            None => None,
        };
        let address = port.as_ref().map(listener::Bound::address);
        Ok(Self { api, address, port: Mutex::new(port), kubeconfig, connections: TaskTracker::new() })
    }

    /// Serves the TLS port, once what an earlier run left in the store tells the truth again.
    pub fn serve(&self) {
        let port = self.port.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(bound) = port {
            bound.start(self.api.clone(), &self.connections);
        }
    }

    /// A client in this process, without a socket; its default namespace is `default`.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(InProcess(self.api.clone()), "default")
    }

    /// Where the TLS port listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The kubeconfig for `kubectl`.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Sets the node that is asked for logs and usage.
    pub fn set_node(&self, node: Arc<dyn NodeBackend>) {
        *self.api.node.write().unwrap_or_else(PoisonError::into_inner) = Some(node);
    }

    /// Ends watches and connections, waiting up to `grace` for requests under way, and closes the database.
    pub async fn shutdown(self, grace: Duration) {
        self.api.closing.cancel();
        self.connections.close();
        if tokio::time::timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!("connections to the Kubernetes API were still open at its end");
        }
        self.api.store.close().await;
    }
}

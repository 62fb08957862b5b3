//! What the cluster says, translated to what the route table needs. The only writer of tables.
//!
//! Each kind has a file that translates one object, purely. The watches feed one task, which owns the index, applies all
//! that is queued and publishes once: there is no window in which changes are held back. Beside it, a task keeps the last
//! good table on disk. Where others in the process want to know of the same objects, they hear of them from the same watches.

mod addresses;
mod certificates;
mod classes;
mod draft;
mod endpoint_slices;
mod environments;
mod file;
mod ingress;
mod ingress_class;
mod ingresses;
mod kinds;
mod last_good;
mod patience;
mod secrets;
mod services;
mod slim;
mod start;
mod status;
mod uses;
mod watches;
mod writer;

pub use addresses::EndpointPolicy;
pub use certificates::{CertificateConfig, SecretKey};
pub use draft::{Draft, Drafts};
pub use file::watch_file;
pub use last_good::LastGoodConfig;
pub use start::Discovery;
pub use status::{Failing, KindStatus, Kinds, Origin};
pub use uses::UseConfig;

use crate::cluster::SharedKinds;
use crate::model::Hostname;
use crate::routing::{Locality, Table};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The namespaces that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them.
    All,
    /// One alone.
    One(String),
}

/// Where routes come from.
#[derive(Clone)]
pub struct DiscoveryConfig {
    /// The cluster, if there is one.
    pub client: Option<kube::Client>,
    /// The namespaces that are looked at.
    pub namespaces: Namespaces,
    /// The domain under which class patterns make hosts.
    pub domain: Hostname,
    /// Which endpoint addresses may get requests.
    pub endpoint_policy: EndpointPolicy,
    /// Where this gateway runs: endpoints that are meant for it go first.
    pub locality: Locality,
    /// A file of routes beside the cluster, read again when it changes.
    pub routes: Option<PathBuf>,
    /// Where certificates come from, and where they go.
    pub certificates: CertificateConfig,
    /// Where the last good table is kept, if it is.
    pub last_good: Option<LastGoodConfig>,
    /// How the use of environments is noted in the cluster, if it is.
    pub uses: Option<UseConfig>,
    /// Where what the watches tell goes beside the table, for others in this process. Without anybody, nothing more is kept.
    pub shared: Option<SharedKinds>,
}

/// Starts the watches and the writer; they end with `shutdown`.
pub fn start(config: DiscoveryConfig, table: Arc<Table>, shutdown: &CancellationToken) -> Discovery {
    start::start(config, table, shutdown)
}

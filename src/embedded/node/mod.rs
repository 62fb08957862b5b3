//! A node whose pods are local processes, as a plain client of the API.
//!
//! | file | what it is for |
//! |---|---|
//! | [`addresses`] | an address for each pod |
//! | [`backoff`] | how long a container that ended waits |
//! | [`shim`], [`exec`] | the two steps between doorstep and a container's command |
//! | `processes` | what `/proc` says |

mod backend;

pub mod addresses;
pub mod backoff;
pub mod exec;
mod processes;
pub mod shim;

use std::{path::PathBuf, sync::Arc, time::Duration};

pub use self::{
    addresses::AddressPool,
    backend::{LogError, LogOptions, NodeBackend, PodUsage},
    backoff::BackoffConfig,
    exec::exec_main,
    shim::shim_main,
};

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The name of its Node object.
    pub name: String,
    /// Logs and pod folders live in `pods/<uid>/` below it.
    pub data_dir: PathBuf,
    /// The doorstep binary. It is the shim of every container, and what pods find as `doorstep` on their `PATH`.
    pub executable: PathBuf,
    /// One of these for each pod.
    pub addresses: AddressPool,
    /// How long a container that ended waits before it is run again.
    pub backoff: BackoffConfig,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A folder of the node cannot be made or read.
    #[error("the node's folder {folder} cannot be used: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The Node object cannot be written.
    #[error("the node {name:?} cannot be registered: {source}")]
    Register {
        /// The node's name.
        name: String,
        /// What the API says.
        source: Box<kube::Error>,
    },
}

/// A running node.
pub struct Node {}

/// Registers the node and runs the pods that are bound to it.
///
/// # Errors
/// When its folder cannot be used or its Node object cannot be written.
pub async fn start(_client: kube::Client, _config: NodeConfig) -> Result<Arc<Node>, NodeError> {
    Ok(Arc::new(Node {}))
}

impl Node {
    /// Ends all processes, those that take longer than `grace` by force. The pods' objects stay: the next start runs them again.
    pub async fn shutdown(&self, _grace: Duration) {}
}

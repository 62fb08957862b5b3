//! `doorstep node`: the node of the embedded cluster as a client of any cluster, which it gives its local processes as pods.
//! The tests run a real control plane with it; it is no node for other people's programs, as it isolates nothing.

use super::gateway::ClusterAccess;
use super::{DataFolder, signals};
use crate::cluster::connect;
use crate::embedded::node::{self, AddressPool, BackoffConfig, NodeConfig, PortConfig};
use crate::telemetry::logs;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::time::Duration;

/// How long processes may take when it ends.
const GRACE: Duration = Duration::from_secs(5);

/// What the node is to be.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The data folder: logs and the pods' own folders.
    pub data: PathBuf,
    /// The cluster.
    pub cluster: ClusterAccess,
    /// The name of the Node object.
    pub name: String,
    /// The addresses of its pods, all of which this machine must have.
    pub addresses: AddressPool,
    /// Where the API server reads logs.
    pub port: Option<PortConfig>,
}

/// Runs it until a signal ends it. `greet` is called once it is registered.
pub fn run(options: NodeOptions, greet: impl FnOnce()) -> Result<()> {
    logs::start(None);
    super::block_on(2, async {
        let folder = DataFolder::open(&options.data)?;
        let connected = connect(&options.cluster).await?;
        let client = connected.context("the node needs a cluster; give one with --kubeconfig")?.client;
        let config = NodeConfig {
            name: options.name,
            data_dir: folder.path().to_owned(),
            executable: std::env::current_exe().context("this program's own file cannot be found")?,
            addresses: options.addresses,
            backoff: BackoffConfig::default(),
            port: options.port,
        };
        let node = node::start(client, config).await?;
        greet();
        let signal = signals::end().await?;
        tracing::info!(signal, "ending");
        node.shutdown(GRACE).await;
        Ok(())
    })
}

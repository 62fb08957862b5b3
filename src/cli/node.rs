//! `doorstep node`: pods as processes of this machine, for the tests on a real control plane.

use super::exit::Failure;
use super::globals::Globals;
use crate::app::gateway::ClusterAccess;
use crate::app::node::NodeOptions;
use crate::embedded::node::{AddressPool, PortConfig};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// The cluster [default: KUBECONFIG]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The name of the node
    #[arg(long, value_name = "NAME", default_value = "local")]
    name: String,
    /// The pods' addresses, a network or a list; a real API server refuses those of 127.0.0.0/8 in EndpointSlices
    #[arg(long, value_name = "CIDR", default_value = "127.64.0.0/10")]
    addresses: AddressPool,
    /// Where the API server reads logs; needs --pki
    #[arg(long, value_name = "ADDR", requires = "pki")]
    listen: Option<SocketAddr>,
    /// A folder with node.pem, node-key.pem, and ca.pem, whose clients may read logs
    #[arg(long, value_name = "DIR", requires = "listen")]
    pki: Option<PathBuf>,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { kubeconfig, name, addresses, listen, pki } = arguments.clone();
    let options = NodeOptions {
        data: globals.data()?,
        cluster: kubeconfig.map_or(ClusterAccess::Inferred, ClusterAccess::Kubeconfig),
        addresses,
        port: listen.zip(pki).map(|(listen, pki)| PortConfig { listen, pki }),
        name: name.clone(),
    };
    let greet = move || super::output::remark(&format!("the node {name} is registered"));
    Ok(crate::app::node::run(options, greet)?)
}

//! `doorstep manager`: the management API and the operator of a cluster.

use super::exit::Failure;
use super::globals::Globals;
use crate::model::Hostname;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// The cluster; inside of one it is found without [default: KUBECONFIG, or the pod's own]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where the management API listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    api: SocketAddr,
    /// The domain of the environments' host names
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    domain: Hostname,
    /// The namespace in which the environments live
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
    /// The port under which people reach the gateway by HTTP, for the URLs; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    http_port: u16,
    /// The port under which people reach the gateway by HTTPS, for the URLs; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    https_port: u16,
}

/// What `doorstep manager` was told.
#[derive(Debug, Clone)]
pub struct ManagerOptions {
    /// The data folder, for the API's token.
    pub data: PathBuf,
    /// The cluster's kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Where the management API listens.
    pub api: SocketAddr,
    /// What `{domain}` of host patterns stands for.
    pub domain: Hostname,
    /// The namespace in which the environments live.
    pub namespace: String,
    /// The ports under which people reach the gateway: HTTP, HTTPS.
    pub url: (Option<u16>, Option<u16>),
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { kubeconfig, api, domain, namespace, http_port, https_port } = arguments.clone();
    let port = |port: u16| (port != 0).then_some(port);
    let url = (port(http_port), port(https_port));
    Ok(crate::app::manager::run(ManagerOptions { data: globals.data()?, kubeconfig, api, domain, namespace, url })?)
}

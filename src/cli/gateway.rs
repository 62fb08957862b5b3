//! `doorstep gateway`: the gateway of a cluster, or of a file of routes.

use super::exit::Failure;
use super::globals::Globals;
use crate::model::Hostname;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// A file of routes; without --kubeconfig the gateway needs no cluster then
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,
    /// The cluster; inside of one it is found without [default: KUBECONFIG, or the pod's own]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where to listen for HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    http: SocketAddr,
    /// Where to listen for HTTPS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Where /metrics, /livez and /readyz are
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090")]
    admin: SocketAddr,
    /// The domain of the environments' host names
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    domain: Hostname,
    /// The namespace in which the environments are
    #[arg(long, value_name = "NAME", default_value = "default")]
    namespace: String,
}

/// What `doorstep gateway` was told.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The data folder, for the development authority.
    pub data: PathBuf,
    /// A file of routes.
    pub routes: Option<PathBuf>,
    /// The cluster's kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Where to listen for HTTP.
    pub http: SocketAddr,
    /// Where to listen for HTTPS.
    pub https: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are.
    pub admin: SocketAddr,
    /// What `{domain}` of host patterns stands for.
    pub domain: Hostname,
    /// The namespace in which the environments are.
    pub namespace: String,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { routes, kubeconfig, http, https, admin, domain, namespace } = arguments.clone();
    let data = globals.data()?;
    let options = GatewayOptions { data, routes, kubeconfig, http, https, admin, domain, namespace };
    Ok(crate::app::gateway::run(options)?)
}

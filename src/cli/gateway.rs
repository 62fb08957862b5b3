//! `doorstep gateway`: the gateway of a cluster, or of a file of routes.

use super::exit::Failure;
use super::globals::Globals;
use super::output;
use crate::app::gateway::{self, ClusterAccess, GatewayOptions};
use crate::model::Hostname;
use crate::telemetry::access_log::Sink;
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
    /// Only this namespace [default: all of them]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Accept endpoints with loopback addresses, as a node of local processes has
    #[arg(long)]
    allow_loopback_endpoints: bool,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { routes, kubeconfig, http, https, admin, domain, namespace, .. } = arguments.clone();
    let cluster = match (kubeconfig, &routes) {
        (Some(file), _) => ClusterAccess::Kubeconfig(file),
        (None, Some(_)) => ClusterAccess::None,
        (None, None) => ClusterAccess::Inferred,
    };
    let options = GatewayOptions {
        data: globals.data()?,
        http,
        https,
        admin,
        cluster,
        namespace,
        domain,
        routes,
        allow_loopback_endpoints: arguments.allow_loopback_endpoints,
        access_log: Sink::Stdout,
    };
    Ok(gateway::run(options, |gateway| {
        output::remark(&format!("The gateway is up; its admin pages are at http://{}/", gateway.admin));
    })?)
}

//! `doorstep gateway`: the gateway of a cluster, or of a file of routes.

use super::exit::Failure;
use super::globals::Globals;
use crate::app::gateway::{CertificateConfig, ClusterAccess, Gateway, GatewayOptions, SecretKey};
use crate::model::Hostname;
use crate::routing::Locality;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The last good table's name in the data folder.
const LAST_GOOD_FILE: &str = "last-good";

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// A file of routes; without --kubeconfig, and outside of a pod, the gateway needs no cluster then
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
    /// Look at this namespace alone [default: all]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The namespace of certificates: its labelled Secrets serve every host that they are for, people's hosts too
    #[arg(long, value_name = "NAME")]
    certificate_namespace: Option<String>,
    /// The TLS Secret for names that no other certificate is for
    #[arg(long, value_name = "NAMESPACE/NAME")]
    default_certificate: Option<SecretKey>,
    /// Where the last good table is kept, for a start without the API server: a file, or off
    /// [default: last-good in the data folder]
    #[arg(long, value_name = "FILE")]
    last_good: Option<PathBuf>,
    /// Let endpoints have loopback addresses, for a cluster whose pods run on this machine
    #[arg(long)]
    allow_loopback_endpoints: bool,
    /// The zone that it runs in: endpoints that are hinted for it go first
    #[arg(long, value_name = "NAME", env = "DOORSTEP_ZONE")]
    zone: Option<String>,
    /// The node that it runs on: endpoints that are hinted for it go first
    #[arg(long, value_name = "NAME", env = "DOORSTEP_NODE")]
    node: Option<String>,
    /// After SIGTERM, seconds in which it is not ready and goes on serving, until nobody sends it anything
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = clap::value_parser!(u64).range(..=600))]
    shutdown_delay: u64,
    /// Seconds that requests under way may take after that
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(..=3600))]
    drain: u64,
    /// Let another gateway of the same user have the same ports, so that one can take over from the other
    #[arg(long)]
    share_port: bool,
    /// Never leave an endpoint alone for its answers of 502, 503 and 504
    #[arg(long)]
    no_status_ejection: bool,
    /// Where the access log goes: a file, - for standard output, or off
    #[arg(long, value_name = "FILE", default_value = "-")]
    access_log: String,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { routes, kubeconfig, http, https, admin, domain, .. } = arguments.clone();
    let cluster = match (kubeconfig, &routes) {
        (Some(path), _) => ClusterAccess::Kubeconfig(path),
        // In a pod the file of routes is one beside the cluster: its backends may be Services.
        (None, Some(_)) if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() => ClusterAccess::None,
        (None, _) => ClusterAccess::Inferred,
    };
    let data = globals.data()?;
    let last_good = match &arguments.last_good {
        None => Some(data.join(LAST_GOOD_FILE)),
        Some(given) if given.as_os_str() == "off" => None,
        Some(given) => Some(given.clone()),
    };
    let options = GatewayOptions {
        data,
        http,
        https,
        admin,
        cluster,
        namespace: arguments.namespace.clone(),
        domain,
        routes,
        certificates: CertificateConfig {
            namespace: arguments.certificate_namespace.clone(),
            default: arguments.default_certificate.clone(),
            ..CertificateConfig::default()
        },
        last_good,
        allow_loopback_endpoints: arguments.allow_loopback_endpoints,
        locality: Locality { zone: named(arguments.zone.as_deref()), node: named(arguments.node.as_deref()) },
        shutdown_delay: Duration::from_secs(arguments.shutdown_delay),
        grace: Duration::from_secs(arguments.drain),
        share_port: arguments.share_port,
        eject_by_status: !arguments.no_status_ejection,
        access_log: super::up::sink(&arguments.access_log),
    };
    Ok(crate::app::gateway::run(options, greet)?)
}

/// A variable that is set and empty says nothing.
fn named(name: Option<&str>) -> Option<Box<str>> {
    name.filter(|name| !name.is_empty()).map(Into::into)
}

fn greet(gateway: &Gateway) {
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string()).unwrap_or_default();
    let (http, https) = (address(gateway.addresses.http), address(gateway.addresses.https));
    super::output::remark(&format!(
        "the gateway serves http://{http} and https://{https}; admin pages on http://{}",
        gateway.admin
    ));
}

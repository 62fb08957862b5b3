//! `doorstep manager`: the management API and the operator of a cluster.

use super::access::AccessArguments;
use super::exit::Failure;
use super::globals::Globals;
use super::store::KeepArguments;
use crate::app::AuthorityOptions;
use crate::app::gateway::ClusterAccess;
use crate::app::manager::{
    CertificateConfig, GatewayPlace, LeaseName, Manager, ManagerOptions, PublicUrl, Publish, PublishAddress, SecretKey,
    Workload,
};
use crate::model::Hostname;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Look at that namespace alone, without any right elsewhere but to read classes
    #[arg(long)]
    namespaced: bool,
    /// The file of the API's token, for managers that share one [default: api-token in the data folder]
    #[arg(long, env = "DOORSTEP_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The port under which people reach the gateway by HTTP, for the URLs; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 80)]
    http_port: u16,
    /// The port under which people reach the gateway by HTTPS, for the URLs; 0 for none
    #[arg(long, value_name = "PORT", default_value_t = 443)]
    https_port: u16,
    /// The Lease by which managers elect the one that acts: NAME, or NAMESPACE/NAME [namespace: the manager's own]
    #[arg(long, value_name = "LEASE", default_value = "doorstep-manager")]
    lease: LeaseName,
    /// After so many seconds of silence of that one, another one acts
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(2..=300))]
    lease_duration: u64,
    /// An address of the gateway, which Ingresses tell in their status: an IP address or a name; once for each
    #[arg(long, value_name = "ADDRESS")]
    publish_address: Vec<PublishAddress>,
    /// The gateway's Service, whose addresses Ingresses tell in their status where no address is given
    #[arg(long, value_name = "NAMESPACE/NAME")]
    publish_service: Option<SecretKey>,
    /// The namespace of certificates: its labelled Secrets serve every host that they are for, people's hosts too
    #[arg(long, value_name = "NAME")]
    certificate_namespace: Option<String>,
    /// The TLS Secret for names that no other certificate is for
    #[arg(long, value_name = "NAMESPACE/NAME")]
    default_certificate: Option<SecretKey>,
    /// Where gateways are, each of which has to lead to an environment before it is ready: the URL of an admin port, or a Service
    /// with the port of its pods; once for each
    #[arg(long, value_name = "URL|NAMESPACE/NAME:PORT")]
    gateway: Vec<GatewayPlace>,
    /// A name under which the management API may be called, beside addresses and localhost; once for each name
    #[arg(long, value_name = "NAME")]
    api_host: Vec<Hostname>,
    #[command(flatten)]
    access: AccessArguments,
    /// Run the classes' local commands in the place of their images, for a node of local processes
    #[arg(long)]
    local_commands: bool,
    /// The file of routes that the gateways are given, so that explain knows it as well
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,
    /// The file of DNS: which records are kept where (config/dns/example.yaml)
    #[arg(long, value_name = "FILE")]
    dns: Option<PathBuf>,
    /// Answer DNS questions for the domain here, by UDP and TCP, with the addresses of --publish-address
    #[arg(long, value_name = "ADDR")]
    dns_authority: Option<SocketAddr>,
    /// Who may get the whole zone from --dns-authority: an address or a range; once for each
    #[arg(long, value_name = "RANGE", requires = "dns_authority", value_parser = super::up::peer)]
    dns_peer: Vec<ipnet::IpNet>,
    /// After SIGTERM it is not ready, but goes on for so many seconds, for those who lead calls to it to learn of it
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=600))]
    shutdown_delay: u64,
    /// Let endpoints have loopback addresses, for a cluster whose pods run on this machine
    #[arg(long)]
    allow_loopback_endpoints: bool,
    #[command(flatten)]
    keep: KeepArguments,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { kubeconfig, api, domain, namespace, http_port, https_port, lease, .. } = arguments.clone();
    let port = |port: u16| (port != 0).then_some(port);
    let options = ManagerOptions {
        data: globals.data()?,
        api,
        cluster: kubeconfig.map_or(ClusterAccess::Inferred, ClusterAccess::Kubeconfig),
        namespace,
        namespaced: arguments.namespaced,
        token_file: arguments.token_file.clone(),
        domain,
        url: PublicUrl { http_port: port(http_port), https_port: port(https_port) },
        publish: publish(arguments),
        certificates: CertificateConfig {
            namespace: arguments.certificate_namespace.clone(),
            default: arguments.default_certificate.clone(),
            ..CertificateConfig::default()
        },
        gateways: arguments.gateway.clone(),
        api_hosts: arguments.api_host.clone(),
        access: arguments.access.options(),
        workload: if arguments.local_commands { Workload::Local } else { Workload::Image },
        lease,
        lease_duration: Duration::from_secs(arguments.lease_duration),
        routes: arguments.routes.clone(),
        dns: arguments.dns.clone(),
        authority: arguments.dns_authority.map(|listen| AuthorityOptions { listen, peers: arguments.dns_peer.clone() }),
        allow_loopback_endpoints: arguments.allow_loopback_endpoints,
        store: arguments.keep.options()?,
        shutdown_delay: Duration::from_secs(arguments.shutdown_delay),
    };
    Ok(crate::app::manager::run(options, greet)?)
}

fn publish(arguments: &Arguments) -> Publish {
    match &arguments.publish_service {
        _ if !arguments.publish_address.is_empty() => Publish::Addresses(arguments.publish_address.clone()),
        Some(service) => Publish::Service(service.namespace.to_string(), service.name.to_string()),
        None => Publish::Nothing,
    }
}

fn greet(manager: &Manager) {
    super::output::remark(&format!("the management API serves {}://{}/api/v1", manager.scheme, manager.api));
}

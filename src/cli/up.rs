//! `doorstep up`: everything on this machine.

use super::access::AccessArguments;
use super::exit::Failure;
use super::globals::Globals;
use super::store::KeepArguments;
use crate::app::AuthorityOptions;
use crate::app::up::{Addresses, Up, UpOptions};
use crate::model::{Clock, Hostname};
use crate::telemetry::access_log::Sink;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Clone, Args)]
pub(super) struct Arguments {
    /// Where the gateway listens for HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(super) http: SocketAddr,
    /// Where the gateway listens for HTTPS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(super) https: SocketAddr,
    /// Where the management API listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(super) api: SocketAddr,
    /// Where the embedded cluster's API listens, for kubectl
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:6443")]
    pub(super) kube: SocketAddr,
    /// The domain of the environments' host names
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    pub(super) domain: Hostname,
    /// The admin port of another gateway of this cluster, which has to lead to an environment before it is ready
    #[arg(long, value_name = "URL")]
    pub(super) gateway: Vec<crate::app::manager::GatewayPlace>,
    /// Answer DNS questions for the domain here, by UDP and TCP, like 127.0.0.1:5353
    #[arg(long, value_name = "ADDR")]
    pub(super) dns: Option<SocketAddr>,
    /// Who may get the whole zone from --dns: an address or a range; once for each
    #[arg(long, value_name = "RANGE", requires = "dns", value_parser = peer)]
    pub(super) dns_peer: Vec<ipnet::IpNet>,
    /// The file of DNS: which records are kept where (config/dns/example.yaml)
    #[arg(long, value_name = "FILE")]
    pub(super) dns_file: Option<PathBuf>,
    /// A file of routes beside those of the cluster
    #[arg(long, value_name = "FILE")]
    pub(super) routes: Option<PathBuf>,
    #[command(flatten)]
    pub(super) access: AccessArguments,
    /// Where the access log goes: a file, - for standard output, or off [default: access.log in the data folder]
    #[arg(long, value_name = "FILE")]
    pub(super) access_log: Option<String>,
    #[command(flatten)]
    keep: KeepArguments,
}

pub(super) fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    let Arguments { http, https, api, kube, domain, gateway, routes, access, access_log, keep, .. } = arguments.clone();
    let access_log = access_log.as_deref().map(sink);
    let options = UpOptions {
        data: globals.data()?,
        http,
        https,
        api,
        kube,
        domain,
        gateways: gateway,
        routes,
        access: access.options(),
        access_log,
        store: keep.options()?,
        clock: Clock::system(),
        executable: None,
        dns: arguments.dns.map(|listen| AuthorityOptions { listen, peers: arguments.dns_peer.clone() }),
        dns_file: arguments.dns_file.clone(),
    };
    Ok(crate::app::up::run(options, greet)?)
}

/// Who may get a whole zone: an address, or a range of them.
pub(super) fn peer(text: &str) -> Result<ipnet::IpNet, String> {
    let address = text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from).ok();
    let wrong = || format!("{} is neither an address nor a range like 10.0.0.0/24", crate::model::shown(text));
    address.or_else(|| text.parse().ok()).ok_or_else(wrong)
}

/// Where the access log goes.
pub(super) fn sink(word: &str) -> Sink {
    match word {
        "off" => Sink::Off,
        "-" => Sink::Stdout,
        path => Sink::File(path.into()),
    }
}

/// What a newcomer needs next.
fn greet(up: &Up) {
    let Addresses { http, https, api, kube } = up.addresses();
    let program = std::env::args().next().unwrap_or_else(|| "doorstep".to_owned());
    let standard = super::default_data_folder().is_some_and(|folder| folder == up.folder());
    let data = if standard { String::new() } else { format!(" --data {}", up.folder().display()) };
    let lines = [
        "doorstep is up".to_owned(),
        String::new(),
        format!("  gateway         http://{http}  https://{https}"),
        format!("  management API  http://{api}/api/v1  (health: /readyz, metrics: /metrics)"),
        format!("  Kubernetes API  https://{kube}"),
        format!("  kubeconfig      {}", up.kubeconfig().display()),
        format!("  authority       {}  (trust it for HTTPS)", up.authority().display()),
        format!("  data            {}", up.folder().display()),
        String::new(),
        "Bring up an environment, in another terminal:".to_owned(),
        String::new(),
        format!("  {program} env deploy integration{data} --user haimaz \\"),
        "    -p TAG_FRONT=1.4.2 -p TAG_ASSETS=7 -p VERSION=3.1.0 --wait".to_owned(),
        String::new(),
        "Ctrl-C ends it; what was deployed comes up again at the next start.".to_owned(),
    ];
    // A reader that went away has no use for the greeting; the program goes on.
    let _reader_gone = super::output::line(&lines.join("\n"));
}

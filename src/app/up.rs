//! `doorstep up`: gateway and manager on an embedded cluster, on one machine, in one folder.

use super::control_plane::{self, ControlPlane, ControlPlaneConfig};
use super::data_plane::{self, DataPlane};
use super::{
    AccessOptions, AuthorityOptions, DataFolder, StoreOptions, TOKEN_FILE, access, dns, rights, signals, store,
};
use crate::api::Token;
use crate::cluster::SharedKinds;
use crate::discovery::{CertificateConfig, DiscoveryConfig, EndpointPolicy, Namespaces};
use crate::dns::Desk;
use crate::embedded::api::{ApiConfig, ApiServer};
use crate::embedded::controllers;
use crate::embedded::node::{self, AddressPool, BackoffConfig, Node, NodeConfig};
use crate::gateways;
use crate::model::{Clock, Hostname};
use crate::operator::{self, PublicUrl, Workload};
use crate::proxy::GatewayConfig;
use crate::telemetry::access_log::Sink;
use crate::telemetry::{logs, recorder};
use crate::tls::Authority;
use anyhow::{Context, Result};
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long requests and calls under way may take when it ends.
const GRACE: Duration = Duration::from_secs(5);
/// The namespace in which everything of `up` lives.
const NAMESPACE: &str = "default";

/// What `up` is to be.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// The data folder.
    pub data: PathBuf,
    /// Where the gateway serves plain HTTP.
    pub http: SocketAddr,
    /// Where the gateway serves HTTPS.
    pub https: SocketAddr,
    /// Where the management API is served.
    pub api: SocketAddr,
    /// Where the embedded cluster's Kubernetes API is served.
    pub kube: SocketAddr,
    /// The domain under which hosts are made.
    pub domain: Hostname,
    /// Where other gateways of this cluster are, each of which has to lead to an environment before it is ready.
    pub gateways: Vec<crate::gateways::Place>,
    /// The file of DNS: which records are kept where.
    pub dns_file: Option<PathBuf>,
    /// The name server of its own.
    pub dns: Option<AuthorityOptions>,
    /// A file of routes beside the cluster.
    pub routes: Option<PathBuf>,
    /// Who may call the management API, and how it is served.
    pub access: AccessOptions,
    /// Where the access log goes; the file `access.log` of the data folder when not given.
    pub access_log: Option<Sink>,
    /// What is remembered, and where.
    pub store: StoreOptions,
    /// What time it is for the life of environments.
    pub clock: Clock,
    /// The program of which pods' processes are children; this one, if it is not given.
    pub executable: Option<PathBuf>,
}

/// The addresses of a running one; ports that were 0 are read back.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// Plain HTTP of the gateway.
    pub http: SocketAddr,
    /// HTTPS of the gateway.
    pub https: SocketAddr,
    /// The management API.
    pub api: SocketAddr,
    /// The Kubernetes API of the embedded cluster.
    pub kube: SocketAddr,
}

/// A running one.
pub struct Up {
    name_server_end: CancellationToken,
    folder: DataFolder,
    addresses: Addresses,
    authority: Arc<Authority>,
    cluster: ApiServer,
    node: Arc<Node>,
    controllers: JoinHandle<()>,
    controllers_end: CancellationToken,
    data_plane: DataPlane,
    control_plane: ControlPlane,
}

/// Runs it until a signal ends it. `greet` is called once it is ready.
pub fn run(options: UpOptions, greet: impl FnOnce(&Up)) -> Result<()> {
    logs::start(None);
    super::block_on(2, async {
        let mut up = build(options).await?;
        up.ready().await?;
        greet(&up);
        let signal = signals::end().await?;
        tracing::info!(signal, "ending");
        up.shutdown(GRACE).await
    })
}

/// Builds it whole: sockets first, so that a port in use is told before anything was begun.
pub async fn build(options: UpOptions) -> Result<Up> {
    // On the heap: it holds every part until all of them are there.
    Box::pin(build_whole(options)).await
}

async fn build_whole(options: UpOptions) -> Result<Up> {
    let folder = DataFolder::open(&options.data)?;
    let path = folder.path().to_owned();
    let metrics = recorder::install()?;
    tokio::spawn(recorder::keep_up(metrics.clone()));
    check_routes(&options)?;
    let kept = store::open(&options.store, &path, options.clock.clone()).await?;
    let settings = options.access.settings()?;
    let authority = Arc::new(Authority::load_or_create(&path)?);
    let log = options.access_log.clone().unwrap_or_else(|| Sink::File(path.join("access.log")));
    let gateway = data_plane::bind(
        GatewayConfig { http: Some(options.http), https: Some(options.https), ..GatewayConfig::default() },
        authority.clone(),
        log,
        options.clock.clone(),
    )?;
    let api = control_plane::bind(options.api, "--api").await?;
    let name_server = name_server(&options).await?;
    let cluster = open_cluster(&path, options.kube, &authority).await?;
    let client = cluster.client();
    let (node, controllers, controllers_end) = start_cluster(&cluster, &path, options.executable.clone()).await?;
    // An earlier run that was killed still calls its environments ready. Nobody is to read that: the ports come after.
    operator::take_back_ready(client.clone()).await.context("the environments' statuses cannot be written")?;
    cluster.serve();
    operator::install_shipped(client.clone()).await.context("the shipped classes cannot be installed")?;

    let bound = gateway.addresses();
    let addresses = Addresses {
        http: bound.http.unwrap_or(options.http),
        https: bound.https.unwrap_or(options.https),
        api: api.local_addr().context("the management API has no address")?,
        kube: cluster.address().unwrap_or(options.kube),
    };
    let shared = SharedKinds::new(gateways::services(&options.gateways));
    let data_plane = gateway.start(discovery_config(&options, &client, &shared));
    let desk = desk(&options, &client)?;
    let name_server_end = CancellationToken::new();
    let name_server_address = name_server.as_ref().map(dns::Authority::address);
    if let Some(name_server) = name_server {
        let (table, changes) = (data_plane.table.clone(), data_plane.discovery.changes());
        dns::serve(name_server, options.domain.clone(), table, changes, &name_server_end);
    }
    let access = access::access(settings, &kept, &client)?;
    let config = ControlPlaneConfig {
        places: options.gateways,
        dns: desk,
        client,
        namespace: NAMESPACE.to_owned(),
        namespaces: operator::Namespaces::All,
        domain: options.domain,
        table: data_plane.table.clone(),
        changes: data_plane.discovery.changes(),
        shared,
        watched: None,
        publish: operator::Publish::Addresses(vec![operator::PublishAddress::Ip(addresses.http.ip())]),
        certificates: Some(data_plane.certificates.clone()),
        drafts: data_plane.discovery.drafts().clone(),
        workload: Workload::Local,
        url: PublicUrl { http_port: Some(addresses.http.port()), https_port: Some(addresses.https.port()) },
        api_hosts: Vec::new(),
        metrics,
        readiness: data_plane.readiness(),
        election: None,
        rights: rights::all(),
        clock: options.clock,
        kept,
        token: Token::load_or_create(&path.join(TOKEN_FILE))?,
        access,
        tls: options.access.tls.clone(),
    };
    let control_plane = control_plane::start(config, api)?;
    super::write_addresses(&path, &told(&addresses, options.access.scheme(), name_server_address))?;
    Ok(Up {
        name_server_end,
        folder,
        addresses,
        authority,
        cluster,
        node,
        controllers,
        controllers_end,
        data_plane,
        control_plane,
    })
}

/// A file with mistakes is told at the start, where somebody looks; later ones are logged.
fn check_routes(options: &UpOptions) -> Result<()> {
    let Some(routes) = &options.routes else { return Ok(()) };
    let text = crate::config::read_file(routes)?;
    crate::config::read_routes(&text, &routes.display().to_string())?;
    Ok(())
}

/// The name server of its own, bound, where one is asked for.
async fn name_server(options: &UpOptions) -> Result<Option<dns::Authority>> {
    let Some(listen) = &options.dns else { return Ok(None) };
    let gateway = vec![reached_by(options.http.ip())];
    Ok(Some(Box::pin(dns::bind(listen, &options.domain, gateway)).await?))
}

fn discovery_config(options: &UpOptions, client: &kube::Client, shared: &SharedKinds) -> DiscoveryConfig {
    DiscoveryConfig {
        client: Some(client.clone()),
        namespaces: Namespaces::All,
        domain: options.domain.clone(),
        endpoint_policy: EndpointPolicy { allow_loopback: true },
        locality: crate::routing::Locality::default(),
        routes: options.routes.clone(),
        // Whoever reaches this cluster owns it.
        certificates: CertificateConfig { namespace: Some(NAMESPACE.to_owned()), ..CertificateConfig::default() },
        // The cluster is in this process, and its own folder outlives it.
        last_good: None,
        uses: None,
        shared: Some(shared.clone()),
    }
}

/// What keeps DNS, where a file of it is given.
fn desk(options: &UpOptions, client: &kube::Client) -> Result<Option<Desk>> {
    let may: dns::May = Arc::new(|| true);
    let scope = dns::Scope { environments: None, watched: None, own: NAMESPACE.to_owned() };
    let file = options.dns_file.as_deref();
    file.map(|file| dns::desk(file, client.clone(), options.domain.clone(), scope, &may)).transpose()
}

/// What the file of addresses tells.
fn told(addresses: &Addresses, scheme: &str, name_server: Option<SocketAddr>) -> serde_json::Value {
    let Addresses { http, https, api, kube } = addresses;
    let mut told = json!({"http": http, "https": https, "api": api, "apiScheme": scheme, "kube": kube});
    if let (Some(address), Some(told)) = (name_server, told.as_object_mut()) {
        told.insert("dns".to_owned(), json!(address));
    }
    told
}

/// The address by which this machine is reached that listens at `address`.
fn reached_by(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

async fn open_cluster(folder: &Path, listen: SocketAddr, authority: &Authority) -> Result<ApiServer> {
    let config = ApiConfig { data_dir: folder.to_owned(), listen: Some(listen), allow_loopback_endpoints: true };
    Ok(ApiServer::open(config, authority).await?)
}

async fn start_cluster(
    cluster: &ApiServer,
    folder: &Path,
    executable: Option<PathBuf>,
) -> Result<(Arc<Node>, JoinHandle<()>, CancellationToken)> {
    let executable = match executable {
        Some(executable) => executable,
        None => std::env::current_exe().context("this program's own file cannot be found")?,
    };
    let config = NodeConfig {
        name: "local".to_owned(),
        data_dir: folder.to_owned(),
        executable,
        addresses: AddressPool::default(),
        backoff: BackoffConfig::default(),
        port: None,
    };
    let node = node::start(cluster.client(), config).await?;
    cluster.set_node(node.clone());
    let end = CancellationToken::new();
    let controllers = tokio::spawn(controllers::run(cluster.client(), end.clone()));
    Ok((node, controllers, end))
}

impl Up {
    /// The addresses that are bound.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig of the embedded cluster.
    pub fn kubeconfig(&self) -> &Path {
        self.cluster.kubeconfig()
    }

    /// The development authority's certificate.
    pub fn authority(&self) -> &Path {
        self.authority.certificate_path()
    }

    /// Waits until the first complete table is served.
    pub async fn ready(&mut self) -> Result<()> {
        anyhow::ensure!(self.data_plane.discovery.ready().await, "discovery ended before the first complete table");
        Ok(())
    }

    /// Ends all of it: requests first, pods last.
    pub async fn shutdown(self, grace: Duration) -> Result<()> {
        self.name_server_end.cancel();
        let gateway = self.data_plane.shutdown(grace).await;
        let manager = self.control_plane.shutdown(grace).await;
        // Controllers before the node: they would take its going for pods that need replacing.
        self.controllers_end.cancel();
        self.controllers.await.context("the controllers did not end cleanly")?;
        self.node.shutdown(grace).await;
        self.cluster.shutdown(grace).await;
        drop(self.folder);
        gateway.and(manager)
    }
}

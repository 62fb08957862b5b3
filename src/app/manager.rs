//! `doorstep manager`: the control plane alone. It keeps a route table of its own, to know when a request would succeed
//! and to explain where one goes.

use super::control_plane::{self, ControlPlane, ControlPlaneConfig};
use super::gateway::ClusterAccess;
use super::{
    AccessOptions, AuthorityOptions, DataFolder, StoreOptions, TOKEN_FILE, access, data_plane, dns, rights, signals,
    store,
};
use crate::api::Token;
pub use crate::cluster::LeaseName;
use crate::cluster::rights::{Held, Role, Scope};
use crate::cluster::{self, Election, ElectionConfig, SharedKinds, Standing};
use crate::discovery::{self, Discovery, DiscoveryConfig, EndpointPolicy, Namespaces};
pub use crate::discovery::{CertificateConfig, SecretKey};
use crate::dns::Desk;
use crate::gateways;
pub use crate::gateways::Place as GatewayPlace;
use crate::model::{Clock, Hostname};
use crate::operator;
pub use crate::operator::{PublicUrl, Publish, PublishAddress, Workload};
use crate::routing::Table;
use crate::telemetry::health::Readiness;
use crate::telemetry::{logs, recorder};
use anyhow::{Context, Result};
use kube::Client;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long calls under way may take when it ends.
const GRACE: Duration = Duration::from_secs(10);

/// What the manager is to be.
#[derive(Debug, Clone)]
pub struct ManagerOptions {
    /// The data folder, which holds the token.
    pub data: PathBuf,
    /// Where the management API is served.
    pub api: SocketAddr,
    /// The cluster.
    pub cluster: ClusterAccess,
    /// The namespace in which environments are made.
    pub namespace: String,
    /// Whether that namespace alone is looked at, for a ServiceAccount without rights elsewhere.
    pub namespaced: bool,
    /// The file of the API's token, where it is not the data folder's own.
    pub token_file: Option<PathBuf>,
    /// The domain under which hosts are made.
    pub domain: Hostname,
    /// How the gateway is reached from outside.
    pub url: PublicUrl,
    /// Which addresses Ingresses tell.
    pub publish: Publish,
    /// Where certificates come from, for `explain` and for what is told on Secrets.
    pub certificates: CertificateConfig,
    /// Where gateways are, each of which has to lead to an environment before it is ready.
    pub gateways: Vec<GatewayPlace>,
    /// Names under which the management API may be called, beside addresses and `localhost`.
    pub api_hosts: Vec<Hostname>,
    /// Who may call the management API, and how it is served.
    pub access: AccessOptions,
    /// What runs in a pod: the class's image, or its local command.
    pub workload: Workload,
    /// The Lease by which managers of the same environments elect the one that acts.
    pub lease: LeaseName,
    /// How long that one may be silent before another one takes its place.
    pub lease_duration: Duration,
    /// The file of routes that the gateways are given, for `explain`.
    pub routes: Option<PathBuf>,
    /// The file of DNS: which records are kept where.
    pub dns: Option<PathBuf>,
    /// The name server of its own.
    pub authority: Option<AuthorityOptions>,
    /// Whether endpoints may have loopback addresses: for a cluster whose node runs pods on this machine.
    pub allow_loopback_endpoints: bool,
    /// What is remembered, and where.
    pub store: StoreOptions,
    /// How long it goes on after a signal, while those who lead calls to it learn that it goes.
    pub shutdown_delay: Duration,
}

/// A running manager.
pub struct Manager {
    _folder: DataFolder,
    /// Where the management API listens.
    pub api: SocketAddr,
    /// Whether it does so by TLS: `https`, or `http`.
    pub scheme: &'static str,
    control_plane: ControlPlane,
    discovery: Discovery,
    discovery_end: CancellationToken,
    ending: Arc<AtomicBool>,
    shutdown_delay: Duration,
}

/// Runs it until a signal ends it. `greet` is called once it serves.
pub fn run(options: ManagerOptions, greet: impl FnOnce(&Manager)) -> Result<()> {
    logs::start(None);
    super::block_on(2, async {
        let mut manager = build(options).await?;
        greet(&manager);
        tokio::select! {
            ready = manager.discovery.ready() => anyhow::ensure!(ready, "discovery ended before the first complete table"),
            signal = signals::end() => {
                tracing::info!(signal = signal?, "ending before the first complete table");
                return manager.shutdown(GRACE).await;
            }
        }
        let signal = signals::end().await?;
        tracing::info!(signal, "ending");
        signals::unless_again(async {
            manager.announce_end().await;
            manager.shutdown(GRACE).await
        })
        .await
    })
}

/// Builds it whole: the socket first.
pub async fn build(options: ManagerOptions) -> Result<Manager> {
    let folder = DataFolder::open(&options.data)?;
    let settings = options.access.settings()?;
    let metrics = recorder::install()?;
    tokio::spawn(recorder::keep_up(metrics.clone()));
    let listener = control_plane::bind(options.api, "--api").await?;
    let api = listener.local_addr().context("the management API has no address")?;
    let token = token(&options, &folder)?;
    let authority = name_server(&options).await?;
    let kept = store::open(&options.store, folder.path(), Clock::system()).await?;
    if !kept.store.is_shared() {
        tracing::info!("the store is this manager's alone; several managers share one with --store postgres://…");
    }
    let connected = cluster::connect(&options.cluster).await?;
    let connected = connected.context("the manager needs a cluster; give one with --kubeconfig")?;
    let client = connected.client.clone();
    let end = CancellationToken::new();
    let election = election(&options, &client);
    let scope = scope(&options, election.namespace(), settings.0.kubernetes.is_some());
    let rights = rights::start(&connected, Role::Manager, scope, &end);
    let dns = desk(&options, &client, &election)?;
    let table = Arc::new(Table::default());
    let shared = SharedKinds::new(gateways::services(&options.gateways));
    let discovery = discovery::start(discovery_config(&options, &client, &shared), table.clone(), &end);
    let ending = Arc::<AtomicBool>::default();
    let readiness = data_plane::readiness(table.clone(), discovery.kinds().clone());
    let readiness = data_plane::until_the_end(readiness, ending.clone(), "the manager is ending");
    let (scheme, shutdown_delay) = (options.access.scheme(), options.shutdown_delay);
    let config = ControlPlaneConfig {
        places: options.gateways,
        client,
        namespaces: operator::Namespaces::One(options.namespace.clone()),
        watched: options.namespaced.then(|| options.namespace.clone()),
        namespace: options.namespace,
        publish: options.publish,
        domain: options.domain,
        table,
        changes: discovery.changes(),
        shared,
        certificates: Some(options.certificates.store),
        drafts: discovery.drafts().clone(),
        workload: options.workload,
        url: options.url,
        token,
        access: access::access(settings, &kept, &connected.client)?,
        tls: options.access.tls,
        rights: rights.clone(),
        kept,
        api_hosts: options.api_hosts,
        metrics,
        readiness: told(readiness, election.standing(), rights),
        dns,
        election: Some(election),
        clock: Clock::system(),
    };
    let mut addresses = serde_json::json!({"api": api.to_string(), "apiScheme": scheme});
    if let Some(authority) = authority {
        if let Some(addresses) = addresses.as_object_mut() {
            addresses.insert("dns".to_owned(), authority.address().to_string().into());
        }
        dns::serve(authority, config.domain.clone(), config.table.clone(), config.changes.clone(), &end);
    }
    let control_plane = control_plane::start(config, listener)?;
    super::write_addresses(folder.path(), &addresses)?;
    Ok(Manager { _folder: folder, api, scheme, control_plane, discovery, discovery_end: end, ending, shutdown_delay })
}

fn token(options: &ManagerOptions, folder: &DataFolder) -> Result<Token> {
    Ok(match &options.token_file {
        Some(file) => Token::load(file)?,
        None => Token::load_or_create(&folder.path().join(TOKEN_FILE))?,
    })
}

/// The name server of its own, bound, where one is asked for.
async fn name_server(options: &ManagerOptions) -> Result<Option<dns::Authority>> {
    let Some(authority) = &options.authority else { return Ok(None) };
    let gateway = ip_addresses(&options.publish);
    Ok(Some(Box::pin(dns::bind(authority, &options.domain, gateway)).await?))
}

fn election(options: &ManagerOptions, client: &Client) -> Election {
    let namespace = options.lease.namespace.clone();
    Election::new(ElectionConfig {
        namespace: namespace.unwrap_or_else(|| client.default_namespace().to_owned()),
        name: options.lease.name.clone(),
        identity: identity(),
        duration: options.lease_duration,
        client: client.clone(),
    })
}

/// Where it needs rights. `lease` is the namespace of its Lease.
fn scope(options: &ManagerOptions, lease: &str, tokens: bool) -> Scope {
    Scope {
        watched: options.namespaced.then(|| options.namespace.clone()),
        environments: options.namespace.clone(),
        lease: lease.to_owned(),
        gateways: gateway_namespaces(options),
        tokens,
    }
}

/// What keeps DNS, while this manager leads, where a file of it is given.
fn desk(options: &ManagerOptions, client: &Client, election: &Election) -> Result<Option<Desk>> {
    let Some(file) = &options.dns else { return Ok(None) };
    let watched = options.namespaced.then(|| options.namespace.clone());
    let environments = Some(options.namespace.clone());
    let scope = dns::Scope { environments, watched, own: options.namespace.clone() };
    let term = election.term();
    let may: dns::May = Arc::new(move || term.is_held());
    Ok(Some(dns::desk(file, client.clone(), options.domain.clone(), scope, &may)?))
}

fn discovery_config(options: &ManagerOptions, client: &Client, shared: &SharedKinds) -> DiscoveryConfig {
    let watched = options.namespaced.then(|| options.namespace.clone());
    DiscoveryConfig {
        client: Some(client.clone()),
        namespaces: watched.map_or(Namespaces::All, Namespaces::One),
        domain: options.domain.clone(),
        endpoint_policy: EndpointPolicy { allow_loopback: options.allow_loopback_endpoints },
        locality: crate::routing::Locality::default(),
        routes: options.routes.clone(),
        certificates: options.certificates.clone(),
        uses: None,
        last_good: None,
        shared: Some(shared.clone()),
    }
}

/// `readiness`, with who leads and which rights are missing.
fn told(readiness: Readiness, standing: watch::Receiver<Standing>, rights: watch::Receiver<Held>) -> Readiness {
    rights::told(readiness, move || {
        let leader = match &*standing.borrow() {
            Standing::Leading => "leader: this manager".to_owned(),
            Standing::Following(leader) => format!("leader: {leader}"),
            Standing::Unknown => "leader: not known".to_owned(),
        };
        [vec![leader], rights::lines(&rights)].concat()
    })
}

/// Where the gateways' Services are: the one that is asked for gateways, and the one that has their address.
fn gateway_namespaces(options: &ManagerOptions) -> BTreeSet<String> {
    let published = match &options.publish {
        Publish::Service(namespace, _) => Some(namespace.as_str()),
        Publish::Addresses(_) | Publish::Nothing => None,
    };
    options.gateways.iter().filter_map(GatewayPlace::namespace).chain(published).map(str::to_owned).collect()
}

/// The gateway's addresses that are told.
fn ip_addresses(publish: &Publish) -> Vec<std::net::IpAddr> {
    match publish {
        Publish::Addresses(addresses) => addresses.iter().filter_map(PublishAddress::ip).collect(),
        Publish::Service(..) | Publish::Nothing => Vec::new(),
    }
}

/// A name that no other process has: the machine's, which in a cluster is the pod's, and something by chance.
fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().chars().filter(|c| c.is_ascii_graphic()).take(128).collect::<String>();
    format!("{}_{:016x}", if host.is_empty() { "doorstep" } else { &host }, fastrand::u64(..))
}

impl Manager {
    /// Says that it is ready no more, and goes on for the delay that was asked for.
    async fn announce_end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.shutdown_delay).await;
    }

    /// Ends the API and the operator.
    pub async fn shutdown(self, grace: Duration) -> Result<()> {
        let ended = self.control_plane.shutdown(grace).await;
        self.discovery_end.cancel();
        ended
    }
}

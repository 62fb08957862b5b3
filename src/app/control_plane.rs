//! The manager's part that `up` and `manager` share: the operator and the management API.

use super::access::KeptAccess;
use super::preview::Preview;
use super::store::Kept;
use super::zones::Lookup;
use crate::api::{self, ApiState, Seen, ServeLimits, TlsFiles, TlsFromFiles, Token};
use crate::cluster::rights::Held;
use crate::cluster::{Election, SharedKinds, fenced};
use crate::discovery::Drafts;
use crate::dns::{self, Desk};
use crate::gateways::{Gateways, Hears, Place};
use crate::model::{Clock, Hostname};
use crate::operator::{self, Namespaces, OperatorConfig, PublicUrl, Publish, Workload};
use crate::routing::Table;
use crate::telemetry::health::{self, Readiness};
use crate::tls::Certificates;
use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long leaving the store may take.
const LEAVE: Duration = Duration::from_secs(5);

/// What the control plane works with.
pub(super) struct ControlPlaneConfig {
    pub(super) client: kube::Client,
    pub(super) namespace: String,
    pub(super) namespaces: Namespaces,
    pub(super) publish: Publish,
    pub(super) domain: Hostname,
    pub(super) table: Arc<Table>,
    pub(super) changes: watch::Receiver<u64>,
    /// What discovery hears of the cluster, beside the table.
    pub(super) shared: SharedKinds,
    /// The namespace that it looks at; all when not given.
    pub(super) watched: Option<String>,
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Where gateways of other processes are.
    pub(super) places: Vec<Place>,
    /// Where copies of the route table's index are to be had.
    pub(super) drafts: Drafts,
    pub(super) workload: Workload,
    pub(super) url: PublicUrl,
    /// What callers of the API must present.
    pub(super) token: Token,
    /// By what other callers are known.
    pub(super) access: KeptAccess,
    /// The files by which the API is served by TLS.
    pub(super) tls: Option<TlsFiles>,
    /// Names under which the API may be called, beside addresses and `localhost`.
    pub(super) api_hosts: Vec<Hostname>,
    pub(super) metrics: PrometheusHandle,
    pub(super) readiness: Readiness,
    /// What is known of DNS, where a file of it is given.
    pub(super) dns: Option<Desk>,
    /// Who acts, where several managers may; without it, this one does.
    pub(super) election: Option<Election>,
    /// The rights that are missing in the cluster.
    pub(super) rights: watch::Receiver<Held>,
    /// What time it is for the life of environments.
    pub(super) clock: Clock,
    /// What is remembered.
    pub(super) kept: Kept,
}

/// The manager at work.
pub(super) struct ControlPlane {
    shutdown: CancellationToken,
    operator: JoinHandle<()>,
    server: JoinHandle<()>,
    kept: Kept,
}

/// Binds the management API's port; `flag` is named where it cannot be had.
pub(super) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!("{address} is in use by another program; choose another address with {flag}")
        }
        _ => anyhow::anyhow!("{address} cannot be bound: {error}; choose another address with {flag}"),
    })
}

/// Starts the operator and serves the management API on `listener`.
///
/// By TLS where files are given for it.
pub(super) fn start(config: ControlPlaneConfig, listener: TcpListener) -> Result<ControlPlane> {
    let tls = config.tls.clone();
    let shutdown = CancellationToken::new();
    let shared = config.shared;
    let pods_of = match &config.namespaces {
        Namespaces::All => None,
        Namespaces::One(namespace) => Some(namespace.as_str()),
    };
    shared.watch_pods(&config.client, pods_of, &shutdown);
    config.kept.start(&config.client, &shared, &config.namespace, &shutdown);
    let state = ApiState {
        seen: Seen::start(&shared, &config.namespace, &shutdown),
        client: config.client.clone(),
        namespace: config.namespace,
        domain: config.domain.clone(),
        table: config.table.clone(),
        preview: Some(Arc::new(Preview(config.drafts))),
        certificates: config.certificates.map(|certificates| Arc::new(Lookup(certificates)) as _),
        rights: config.rights.clone(),
        token: config.token,
        access: config.access.current.clone(),
        hosts: config.api_hosts,
        url: (config.url.http_port, config.url.https_port),
        dns: config.dns.clone(),
        store: config.kept.store.clone(),
        clock: config.kept.clock.clone(),
        webhooks: config.kept.sender.clone(),
        outbox: config.kept.outbox.clone(),
        prices: config.kept.prices.clone(),
        shutdown: shutdown.clone(),
    };
    let pages = health::router(config.metrics, config.readiness);
    let router = pages.merge(api::router(state));
    config.access.follow(&shutdown);
    let tls = tls.map(TlsFromFiles::new).transpose()?;
    let server = tokio::spawn(api::serve(listener, tls, router, ServeLimits::default(), shutdown.clone()));
    let (places, table) = (config.places, config.table.clone());
    let hears = Hears { kinds: &shared, namespace: config.watched.as_deref(), client: &config.client };
    let gateways = (!places.is_empty()).then(|| Gateways::start(&places, &hears, table, &shutdown));
    let operator = OperatorConfig {
        gateways,
        client: config.client,
        shared,
        namespaces: config.namespaces,
        domain: config.domain,
        table: config.table,
        changes: config.changes,
        rights: config.rights,
        workload: config.workload,
        url: config.url,
        publish: config.publish,
        clock: config.clock,
    };
    let operator = tokio::spawn(operate(operator, config.dns, config.election, shutdown.clone()));
    Ok(ControlPlane { operator, shutdown, server, kept: config.kept })
}

/// Runs the operator, and what keeps DNS: at once, or whenever this process leads. Nothing of it runs on between two terms.
async fn operate(config: OperatorConfig, dns: Option<Desk>, election: Option<Election>, shutdown: CancellationToken) {
    let Some(election) = election else { return act(config, dns, Arc::new(|| true), shutdown).await };
    let term = election.term();
    let client = fenced(&config.client, term.clone());
    let config = OperatorConfig { client, ..config };
    let may: dns::May = Arc::new(move || term.is_held());
    let begin = |stop| {
        // What was seen until now may be older than what the leader before has written last.
        config.shared.renew();
        act(config.clone(), dns.clone(), may.clone(), stop)
    };
    election.run(shutdown, begin).await;
}

async fn act(config: OperatorConfig, dns: Option<Desk>, may: dns::May, stop: CancellationToken) {
    let (client, kinds) = (config.client.clone(), config.shared.clone());
    let operator = operator::run(config, stop.clone());
    match dns {
        Some(desk) => drop(futures::future::join(operator, dns::run(desk, client, kinds, may, stop)).await),
        None => operator.await,
    }
}

impl ControlPlane {
    /// Ends the operator and the API; streams end at once, calls under way may take up to `grace`.
    pub(super) async fn shutdown(self, grace: Duration) -> Result<()> {
        self.shutdown.cancel();
        let both = async { (self.operator.await, self.server.await) };
        match tokio::time::timeout(grace, both).await {
            Ok((operator, server)) => {
                operator.context("the operator did not end cleanly")?;
                server.context("the management API did not end cleanly")?;
            }
            Err(_) => tracing::warn!("calls of the management API were cut off at the end"),
        }
        if tokio::time::timeout(LEAVE, self.kept.end()).await.is_err() {
            tracing::warn!("the store did not answer at the end");
        }
        Ok(())
    }
}

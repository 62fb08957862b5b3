//! `doorstep gateway`: the data plane alone, before a cluster, a file of routes, or both.

use super::data_plane::{self, DataPlane};
use super::{DataFolder, control_plane, rights, serves, signals};
use crate::api::{self, ServeLimits};
use crate::cluster;
pub use crate::cluster::ClusterAccess;
use crate::cluster::rights::{Role, Scope};
pub use crate::discovery::{CertificateConfig, SecretKey};
use crate::discovery::{DiscoveryConfig, EndpointPolicy, LastGoodConfig, Namespaces};
use crate::model::{Clock, Hostname};
use crate::proxy::{GatewayConfig, Limits};
use crate::routing::Locality;
use crate::telemetry::access_log::Sink;
use crate::telemetry::{health, logs, recorder};
use crate::tls::Authority;
use anyhow::{Context, Result, bail};
use axum::http::StatusCode;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the gateway is to be.
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// The data folder, which holds the development authority.
    pub data: PathBuf,
    /// Where plain HTTP is served.
    pub http: SocketAddr,
    /// Where HTTPS is served.
    pub https: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are served.
    pub admin: SocketAddr,
    /// The cluster.
    pub cluster: ClusterAccess,
    /// One namespace alone, instead of all.
    pub namespace: Option<String>,
    /// The domain under which hosts are made.
    pub domain: Hostname,
    /// A file of routes.
    pub routes: Option<PathBuf>,
    /// Where certificates come from.
    pub certificates: CertificateConfig,
    /// Where the last good table of the cluster is kept, if it is.
    pub last_good: Option<PathBuf>,
    /// Whether endpoints may have loopback addresses: for a cluster whose node runs pods on this machine.
    pub allow_loopback_endpoints: bool,
    /// The zone and the node that it runs in, for hints of EndpointSlices.
    pub locality: Locality,
    /// How long it goes on serving after it has said that it is ready no more.
    pub shutdown_delay: Duration,
    /// Whether another gateway of the same user may have the same ports.
    pub share_port: bool,
    /// Whether endpoints are left alone for a while for their answers of 502, 503 and 504.
    pub eject_by_status: bool,
    /// How long requests under way may take when it ends.
    pub grace: Duration,
    /// Where the access log goes.
    pub access_log: Sink,
}

/// A running gateway.
pub struct Gateway {
    _folder: DataFolder,
    /// The addresses that are bound.
    pub addresses: crate::proxy::Addresses,
    /// Where the admin pages are served.
    pub admin: SocketAddr,
    data_plane: DataPlane,
    pages: JoinHandle<()>,
    pages_end: CancellationToken,
    shutdown_delay: Duration,
}

/// Runs it until a signal ends it. `greet` is called once it is ready.
pub fn run(options: GatewayOptions, greet: impl FnOnce(&Gateway)) -> Result<()> {
    logs::start(None);
    // One thread: a change goes from the watch to the table without waking a second one, and the workers keep the processors.
    super::block_on(1, async {
        let grace = options.grace;
        let mut gateway = build(options).await?;
        tokio::select! {
            ready = gateway.ready() => ready?,
            signal = signals::end() => {
                tracing::info!(signal = signal?, "ending before the first complete table");
                return gateway.shutdown(grace).await;
            }
        }
        greet(&gateway);
        let signal = signals::end().await?;
        tracing::info!(signal, "ending");
        signals::unless_again(gateway.shutdown(grace)).await
    })
}

/// Builds it whole: sockets first.
pub async fn build(options: GatewayOptions) -> Result<Gateway> {
    if options.cluster == ClusterAccess::None && options.routes.is_none() {
        bail!("there is nothing to route: give a file with --routes, or a cluster with --kubeconfig");
    }
    let folder = DataFolder::open(&options.data)?;
    let metrics = recorder::install()?;
    tokio::spawn(recorder::keep_up(metrics.clone()));
    if let Some(routes) = &options.routes {
        let text = crate::config::read_file(routes)?;
        crate::config::read_routes(&text, &routes.display().to_string())?;
    }
    let authority = Arc::new(Authority::load_or_create(folder.path())?);
    let bound = data_plane::bind(
        GatewayConfig {
            http: Some(options.http),
            https: Some(options.https),
            share_port: options.share_port,
            limits: Limits { eject_by_status: options.eject_by_status, ..Limits::default() },
            ..GatewayConfig::default()
        },
        authority,
        options.access_log,
        Clock::system(),
    )?;
    let listener = control_plane::bind(options.admin, "--admin").await?;
    let admin = listener.local_addr().context("the admin pages have no address")?;
    let (addresses, shutdown_delay) = (bound.addresses(), options.shutdown_delay);
    let pages_end = CancellationToken::new();
    let connected = cluster::connect(&options.cluster).await?;
    let rights = connected.as_ref().map(|connected| {
        let watched = options.namespace.clone();
        // It looks at nothing of the other places.
        let scope = Scope { watched, ..Scope::default() };
        rights::start(connected, Role::Gateway, scope, &pages_end)
    });
    let (client, cluster) = connected.map(|it| (it.client, it.url)).unzip();
    let data_plane = bound.start(DiscoveryConfig {
        client,
        namespaces: options.namespace.map_or(Namespaces::All, Namespaces::One),
        domain: options.domain,
        endpoint_policy: EndpointPolicy { allow_loopback: options.allow_loopback_endpoints },
        locality: options.locality,
        routes: options.routes,
        certificates: options.certificates,
        uses: None,
        shared: None,
        last_good: options.last_good.zip(cluster).map(|(path, cluster)| LastGoodConfig { path, cluster }),
    });
    super::write_addresses(
        folder.path(),
        &serde_json::json!({"http": addresses.http, "https": addresses.https, "admin": admin}),
    )?;
    let router = health::router(
        metrics,
        rights::told(data_plane.readiness(), move || rights.as_ref().map(rights::lines).unwrap_or_default()),
    );
    let router = router.merge(serves::router(data_plane.table.clone())).fallback(no_page);
    let pages = tokio::spawn(api::serve(listener, None, router, ServeLimits::default(), pages_end.clone()));
    Ok(Gateway { _folder: folder, addresses, admin, data_plane, pages, pages_end, shutdown_delay })
}

/// What somebody gets who looks around on the admin port.
async fn no_page() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is no such page here; there are /metrics, /livez, /readyz and /readyz?verbose\n")
}

impl Gateway {
    /// Waits until the first complete table is served.
    pub async fn ready(&mut self) -> Result<()> {
        anyhow::ensure!(self.data_plane.discovery.ready().await, "discovery ended before the first complete table");
        Ok(())
    }

    /// Says that it is ready no more, and goes on for the delay that was asked for; then stops accepting, lets requests end
    /// for up to `grace`, and ends.
    pub async fn shutdown(self, grace: Duration) -> Result<()> {
        self.data_plane.announce_end();
        tokio::time::sleep(self.shutdown_delay).await;
        let ended = self.data_plane.shutdown(grace).await;
        self.pages_end.cancel();
        self.pages.await.context("the admin pages did not end cleanly")?;
        ended
    }
}

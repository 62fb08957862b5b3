//! The gateway's part that `up` and `gateway` share: discovery, certificates, and the proxy.

use super::zones;
use crate::discovery::{self, Discovery, DiscoveryConfig, Kinds, UseConfig};
use crate::model::Clock;
use crate::proxy::{self, Addresses, Bound, GatewayConfig, Running};
use crate::routing::{Table, Uses};
use crate::telemetry::access_log::{AccessLog, Sink};
use crate::telemetry::health::{Readiness, Report};
use crate::tls::{self, Authority, Certificates};
use anyhow::{Context, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sockets are bound; nothing is discovered or served yet.
pub(super) struct BoundDataPlane {
    bound: Bound,
    authority: Arc<Authority>,
    certificates: Arc<Certificates>,
    table: Arc<Table>,
    uses: Arc<Uses>,
    clock: Clock,
}

/// The gateway at work.
pub(super) struct DataPlane {
    running: Running,
    /// Where every reader finds the routes.
    pub(super) table: Arc<Table>,
    /// What fills the table.
    pub(super) discovery: Discovery,
    /// The certificates in use.
    pub(super) certificates: Arc<Certificates>,
    discovery_end: CancellationToken,
    ending: Arc<AtomicBool>,
}

/// `readiness` until `ending`, whose sentence is told from then on.
pub(super) fn until_the_end(readiness: Readiness, ending: Arc<AtomicBool>, sentence: &'static str) -> Readiness {
    Arc::new(move || {
        let report = readiness();
        match ending.load(Ordering::Relaxed) {
            true => Report { ready: Err(sentence.to_owned()), ..report },
            false => report,
        }
    })
}

/// Whether the first complete table is there, and how current each kind in it is.
pub(super) fn readiness(table: Arc<Table>, kinds: Kinds) -> Readiness {
    Arc::new(move || {
        let waiting = || Err("the first complete route table is not there yet: it is being put together".to_owned());
        // The kinds are told before the table is published, and only a table that is published is served.
        let ready = kinds.ready().and_then(|()| if table.load().is_complete() { Ok(()) } else { waiting() });
        Report { ready, parts: kinds.all().iter().map(ToString::to_string).collect() }
    })
}

/// Binds the sockets, so that a port in use is told before anything was begun.
pub(super) fn bind(
    config: GatewayConfig,
    authority: Arc<Authority>,
    log: Sink,
    clock: Clock,
) -> Result<BoundDataPlane> {
    let table = Arc::new(Table::default());
    let certificates = Arc::new(Certificates::default());
    // Which protocols are offered is the proxy's to say.
    let server = tls::server_config(certificates.clone(), &[]).context("TLS cannot be set up")?;
    let log = AccessLog::new(log).context("the access log cannot be written")?;
    let uses = config.uses.clone();
    let bound = proxy::bind(config, table.clone(), Some(server), log)?;
    Ok(BoundDataPlane { bound, authority, certificates, table, uses, clock })
}

/// How often the use of environments is noted in the cluster.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// The marks of use of this gateway, under a name that no other one has.
fn marks(uses: Arc<Uses>, clock: Clock) -> UseConfig {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().to_ascii_lowercase();
    let plain: String = host.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let plain = plain.trim_matches('-');
    let gateway = format!("{}-{:08x}", if plain.is_empty() { "gateway" } else { plain }, fastrand::u32(..));
    UseConfig { uses, clock, every: NOTED_EVERY, gateway }
}

impl BoundDataPlane {
    /// The addresses that are bound.
    pub(super) fn addresses(&self) -> Addresses {
        *self.bound.addresses()
    }

    /// Starts discovery and the workers. A request that comes before the first complete table is told so.
    pub(super) fn start(self, mut config: DiscoveryConfig) -> DataPlane {
        config.certificates.store = self.certificates.clone();
        config.uses = Some(marks(self.uses, self.clock));
        let end = CancellationToken::new();
        let discovery = discovery::start(config, self.table.clone(), &end);
        let follow = zones::follow(self.authority, self.certificates.clone(), self.table.clone(), discovery.changes());
        tokio::spawn(end.clone().run_until_cancelled_owned(follow));
        DataPlane {
            running: self.bound.start(),
            table: self.table,
            discovery,
            certificates: self.certificates,
            discovery_end: end,
            ending: Arc::default(),
        }
    }
}

impl DataPlane {
    /// Whether the first complete table is served, as `/readyz` tells it.
    pub(super) fn readiness(&self) -> Readiness {
        let readiness = readiness(self.table.clone(), self.discovery.kinds().clone());
        until_the_end(readiness, self.ending.clone(), "the gateway is ending")
    }

    /// Says that it is ready no more, and goes on: until everybody has heard it, requests keep coming.
    pub(super) fn announce_end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Stops accepting, lets requests end for up to `grace`, and ends.
    pub(super) async fn shutdown(self, grace: Duration) -> Result<()> {
        let ended = self.running.shutdown(grace).await;
        self.discovery_end.cancel();
        ended.context("the gateway did not end cleanly")
    }
}

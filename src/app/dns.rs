//! DNS: the file of DNS becomes a desk with a keeper for each zone, and the name server of our own follows the route table.

use crate::azure::{Arm, Clock};
use crate::config;
use crate::dns::AzureDns;
pub(super) use crate::dns::authority::Authority;
use crate::dns::authority::AuthorityConfig;
use crate::dns::rfc2136::{Key, Rfc2136, Server};
use crate::dns::settings::{ProviderSettings, Settings, ZoneSettings};
use crate::dns::{Desk, KeeperConfig, Provider, RecordName, Verifier};
pub(super) use crate::dns::{May, Scope};
use crate::model::Hostname;
use crate::routing::{HostClaim, Snapshot, Table};
use anyhow::{Context, Result};
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long the answers of our own name server may be kept, in seconds.
const AUTHORITY_TTL: u32 = 10;
/// For every moment of looking at the table, so many of not looking.
const PAUSES: u32 = 9;
/// The shortest time between two looks at the table.
const PACE: Duration = Duration::from_millis(50);

/// The name server of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Who may get the whole zone.
    pub peers: Vec<IpNet>,
}

/// The desk for the file of DNS: read, its keys loaded.
pub(super) fn desk(file: &Path, client: kube::Client, domain: Hostname, scope: Scope, may: &May) -> Result<Desk> {
    let settings = config::read_dns(&config::read_file(file)?, &file.display().to_string())?;
    let verifier = Verifier::new(&settings.resolvers);
    let azure = azure(&settings, may)?;
    let mut zones = Vec::new();
    for zone in &settings.zones {
        zones.push(KeeperConfig {
            zone: zone.zone.clone(),
            provider: provider(zone, azure.as_ref())
                .with_context(|| format!("the zone {} cannot be kept", zone.zone))?,
            authority: zone.authority.clone(),
            owner: settings.owner.clone(),
            guard: settings.guard,
            period: settings.period,
            verifier: verifier.clone(),
        });
    }
    warn_of_foreign_domain(&settings, &domain);
    Ok(Desk::new(client, settings, domain, scope, zones))
}

fn provider(zone: &ZoneSettings, azure: Option<&Arc<AzureDns>>) -> Result<Arc<dyn Provider>> {
    match &zone.provider {
        ProviderSettings::Rfc2136 { server, key, algorithm, secret_file } => {
            let key = Key::from_file(key, *algorithm, secret_file)?;
            Ok(Arc::new(Rfc2136::new(Server::new(server.clone(), key))))
        }
        ProviderSettings::Azure(_) => {
            let azure = azure.context("the file of DNS does not say how Azure is reached")?;
            Ok(azure.clone())
        }
    }
}

/// One client for all zones in Azure, so that they share tokens and budgets.
fn azure(settings: &Settings, may: &May) -> Result<Option<Arc<AzureDns>>> {
    let Some(connection) = &settings.azure else { return Ok(None) };
    let zones = settings.zones.iter().filter_map(|zone| match &zone.provider {
        ProviderSettings::Azure(at) => Some((zone.zone.clone(), at.clone())),
        ProviderSettings::Rfc2136 { .. } => None,
    });
    let arm = Arm::new(connection, Clock::system()).context("Azure cannot be reached")?.fenced(may.clone());
    Ok(Some(Arc::new(AzureDns::new(arm, zones)?)))
}

fn warn_of_foreign_domain(settings: &Settings, domain: &Hostname) {
    let below = RecordName::wildcard(domain.clone());
    let zones: Vec<&Hostname> = settings.zones.iter().map(|zone| &zone.zone).collect();
    let is_known = crate::dns::longest_zone(&below, zones.iter().copied()).is_some()
        || zones.iter().any(|zone| RecordName::from((*zone).clone()).is_in(domain));
    if !is_known {
        tracing::warn!(%domain, "no zone of the file of DNS has anything to do with the domain of the environments");
    }
}

/// Binds the name server of our own.
pub(super) async fn bind(options: &AuthorityOptions, zone: &Hostname, addresses: Vec<IpAddr>) -> Result<Authority> {
    anyhow::ensure!(
        !addresses.is_empty(),
        "the name server has no address of the gateway to tell; give one with --publish-address"
    );
    let config = AuthorityConfig {
        listen: options.listen,
        zone: zone.clone(),
        addresses,
        ttl: AUTHORITY_TTL,
        peers: options.peers.clone(),
    };
    Ok(Authority::bind(config).await?)
}

/// Serves, and answers for the names that the table has now, until `shutdown`.
pub(super) fn serve(
    mut authority: Authority,
    zone: Hostname,
    table: Arc<Table>,
    changes: watch::Receiver<u64>,
    shutdown: &CancellationToken,
) {
    authority.start(shutdown);
    tokio::spawn(shutdown.clone().run_until_cancelled_owned(follow(authority, zone, table, changes)));
}

async fn follow(authority: Authority, zone: Hostname, table: Arc<Table>, mut changes: watch::Receiver<u64>) {
    let authority = Arc::new(authority);
    let mut done = None;
    loop {
        let known = table.load().names();
        let began = Instant::now();
        if done != Some(known) {
            let (authority, table, zone) = (authority.clone(), table.clone(), zone.clone());
            // It looks at every host, which may be many.
            let published = tokio::task::spawn_blocking(move || authority.publish(&names(&table.load(), &zone))).await;
            done = published.is_ok().then_some(known);
        }
        tokio::time::sleep((began.elapsed() * PAUSES).max(PACE)).await;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// A wildcard for each class's zone, and the names that others claimed.
fn names(table: &Snapshot, zone: &Hostname) -> Vec<RecordName> {
    let personal = table.personal_hosts().iter().filter_map(|hosts| hosts.zone.to_string().parse().ok());
    let personal = personal.map(RecordName::wildcard);
    let claimed = table.hosts().filter_map(|host| match &host.host {
        HostClaim::Exact(name) if table.personal(name.as_str()).is_some() => None,
        HostClaim::Exact(name) => name.to_string().parse().ok(),
        HostClaim::Wildcard(parent) | HostClaim::OneLabel(parent) => {
            parent.to_string().parse().ok().map(RecordName::wildcard)
        }
        HostClaim::Any => Some(RecordName::wildcard(zone.clone())),
    });
    personal.chain(claimed).collect()
}

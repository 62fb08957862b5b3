//! A development certificate for each zone of the table, as zones come.

use crate::api::{CertificateLookup, CertificateView};
use crate::routing::{HostClaim, Snapshot, Table};
use crate::tls::{Authority, Certificates, TlsError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

const ORIGIN: &str = "the development authority";

/// Issues certificates for the zones that the table has now.
pub(super) fn issue_missing(
    authority: &Authority,
    certificates: &Certificates,
    table: &Snapshot,
) -> Result<(), TlsError> {
    for name in names(table).iter().filter(|name| !certificates.has(name)) {
        certificates.set_self_made(name, &authority.issue(&[name])?, ORIGIN);
    }
    Ok(())
}

/// The names of this machine: what a client is shown that asks for a name that nobody has, or for none.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Keeps doing so with each new table. A name that fails is told, and tried again with the next one.
pub(super) async fn follow(
    authority: Arc<Authority>,
    certificates: Arc<Certificates>,
    table: Arc<Table>,
    mut changes: watch::Receiver<u64>,
) {
    match authority.issue(&LOCAL_NAMES) {
        Ok(key) => certificates.set_self_made_default(&key, ORIGIN),
        Err(error) => tracing::warn!(%error, "clients without a server name get no certificate"),
    }
    let mut done = None;
    while changes.changed().await.is_ok() {
        if done == Some(table.load().names()) {
            continue;
        }
        let began = Instant::now();
        let (authority, certificates, table) = (authority.clone(), certificates.clone(), table.clone());
        // It looks at every host, which may be many: not on a thread from which changes are to come soon, and for a small
        // part of the time.
        let issued = tokio::task::spawn_blocking(move || {
            let table = table.load();
            issue_missing(&authority, &certificates, &table).map(|()| table.names())
        });
        done = match issued.await {
            Ok(Ok(names)) => Some(names),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a zone has no certificate");
                None
            }
            Err(_) => None,
        };
        tokio::time::sleep(began.elapsed() * PAUSES).await;
    }
}

/// For every moment of looking, so many of not looking.
const PAUSES: u32 = 9;

/// One wildcard for each class's zone, and the names that others claimed.
fn names(table: &Snapshot) -> BTreeSet<String> {
    let zones = table.personal_hosts().iter().map(|hosts| format!("*.{}", hosts.zone));
    let claimed = table.hosts().filter_map(|host| match &host.host {
        HostClaim::Exact(name) if table.personal(name.as_str()).is_some() => None,
        HostClaim::Exact(name) => Some(name.to_string()),
        HostClaim::Wildcard(parent) | HostClaim::OneLabel(parent) => Some(format!("*.{parent}")),
        HostClaim::Any => None,
    });
    zones.chain(claimed).collect()
}

/// The gateway's certificates, as the management API tells of them.
pub(super) struct Lookup(pub(super) Arc<Certificates>);

impl CertificateLookup for Lookup {
    fn describe(&self, host: &str) -> Option<CertificateView> {
        let description = self.0.describe(host)?;
        let not_after = description.not_after.map(|time| time.to_string()).unwrap_or_default();
        Some(CertificateView { names: description.names, not_after, origin: description.origin })
    }
}

//! Whether every replica of the gateway leads where the manager's own table leads.
//!
//! The manager keeps a table of its own, and a gateway in another process may be a moment behind. Whoever is to say that a
//! request succeeds asks here first: gateways are asked on their admin port until each of them has told of the same endpoints.
//! That is asked once for each set of endpoints, and never again while they stay. While nobody waits, nobody is asked.

mod ask;
mod place;
mod replicas;

pub use place::{InvalidPlace, Place, services};
pub use replicas::Hears;
use replicas::Replicas;

use crate::routing::{EndpointState, Match, RequestView, Table};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The path on a gateway's admin port that tells where it leads.
pub const SERVES: &str = "/-/serves";

/// The gateways, and what each of them told.
#[derive(Clone)]
pub struct Gateways {
    inner: Arc<Inner>,
}

struct Inner {
    asked: Mutex<HashMap<String, Asked>>,
    wanted: Notify,
    confirmed: watch::Sender<u64>,
}

/// What is asked of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    endpoints: BTreeSet<String>,
    /// Why it is not confirmed yet; none when it is.
    behind: Option<String>,
}

impl Gateways {
    /// Begins to ask; it ends with `shutdown`. Hosts that `table` has no more are forgotten.
    pub fn start(places: &[Place], hears: &Hears<'_>, table: Arc<Table>, shutdown: &CancellationToken) -> Self {
        let inner = Inner { asked: Mutex::default(), wanted: Notify::new(), confirmed: watch::Sender::new(0) };
        let gateways = Self { inner: Arc::new(inner) };
        let replicas = Replicas::follow(places, hears, shutdown);
        let asking = ask::keep(gateways.clone(), replicas, table);
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(asking));
        gateways
    }

    /// Counts up whenever there is news of a host that is asked for.
    pub fn confirmed(&self) -> watch::Receiver<u64> {
        self.inner.confirmed.subscribe()
    }

    /// Who does not lead from `host` to these very endpoints yet, in a sentence; none when all do. Whoever hears of somebody
    /// is told by [`Self::confirmed`] when that may be over.
    pub fn behind(&self, host: &str, endpoints: &BTreeSet<String>) -> Option<String> {
        let mut asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = asked.get(host).filter(|known| known.endpoints == *endpoints) {
            return known.behind.clone();
        }
        let behind = Some("the gateways are being asked whether they lead there".to_owned());
        asked.insert(host.to_owned(), Asked { endpoints: endpoints.clone(), behind: behind.clone() });
        self.inner.wanted.notify_one();
        behind
    }

    /// The hosts that are not confirmed yet.
    fn open(&self) -> BTreeMap<String, BTreeSet<String>> {
        let asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let open = asked.iter().filter(|(_, asked)| asked.behind.is_some());
        open.map(|(host, asked)| (host.clone(), asked.endpoints.clone())).collect()
    }

    /// Takes what the gateways told of a host, unless something else is asked by now.
    fn told(&self, host: &str, endpoints: &BTreeSet<String>, behind: Option<String>) {
        let mut asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = asked.get_mut(host).filter(|known| known.endpoints == *endpoints) else { return };
        if known.behind != behind {
            known.behind = behind;
            self.inner.confirmed.send_modify(|count| *count += 1);
        }
    }

    /// Drops what was asked of endpoints that are not those of the host any more: it was deleted, or is at another revision.
    /// Who waits for it still is told, and asks anew.
    fn drop_what_nobody_waits_for(&self, table: &Table) {
        let mut asked = self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.len();
        asked.retain(|host, asked| asked.behind.is_none() || endpoints(table, host) == asked.endpoints);
        if asked.len() < before {
            self.inner.confirmed.send_modify(|count| *count += 1);
        }
    }

    fn forget(&self, gone: impl Fn(&str) -> bool) {
        self.inner.asked.lock().unwrap_or_else(PoisonError::into_inner).retain(|host, _| !gone(host));
    }
}

/// The ready endpoints to which `table` leads a plain request to `host`: by their pods, where these are known.
pub fn endpoints(table: &Table, host: &str) -> BTreeSet<String> {
    let snapshot = table.load();
    let (method, headers) = (http::Method::GET, http::HeaderMap::new());
    let Match::Rule(rule) = snapshot.find(&RequestView::new(host, "/", &method, &headers)) else {
        return BTreeSet::new();
    };
    let mut found = BTreeSet::new();
    for backend in &rule.backends {
        let all = backend.cluster.endpoints();
        for endpoint in all.all().filter(|endpoint| endpoint.state == EndpointState::Ready) {
            found.insert(endpoint.pod.as_deref().map_or_else(|| endpoint.address.to_string(), str::to_owned));
        }
    }
    found
}

#[cfg(test)]
mod tests;

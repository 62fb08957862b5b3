//! Asking the gateways.

use super::replicas::{Replica, Replicas};
use super::{Gateways, SERVES};
use crate::routing::Table;
use crate::telemetry::metrics;
use futures::StreamExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The shortest time until those who were behind are asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest: it doubles while nothing comes of asking.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many questions are under way at once.
const AT_ONCE: usize = 32;
/// The most bytes of an answer.
const MOST_BYTES: usize = 64 * 1024;

/// Why it is not known where a gateway leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unheard {
    /// It does not answer at all, whatever it is asked.
    Silent,
    /// It is no answer, for this reason.
    Nonsense(&'static str),
}

impl Unheard {
    fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "it does not answer",
            Self::Nonsense(why) => why,
        }
    }
}

/// A gateway in one round of questions. Who was silent once is not waited for again in it, or a round would be as long as there
/// are hosts.
struct Asked {
    replica: Replica,
    silent: AtomicBool,
}

/// Asks for every host that is not confirmed, again and again until it is.
pub(super) async fn keep(gateways: Gateways, replicas: Replicas, table: Arc<Table>) {
    // A proxy of the environment has no way to a pod.
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
    let http = match http {
        Ok(http) => http,
        Err(error) => {
            tracing::error!(%error, "the gateways cannot be asked");
            return;
        }
    };
    let (mut pause, mut silent) = (PAUSE, BTreeSet::new());
    loop {
        gateways.drop_what_nobody_waits_for(&table);
        let open = gateways.open();
        metrics::gateways_asked(open.len(), if open.is_empty() { 0 } else { silent.len() });
        if open.is_empty() {
            gateways.inner.wanted.notified().await;
            gateways.forget(|host| table.load().host(host).is_none());
            (pause, silent) = (PAUSE, BTreeSet::new());
            continue;
        }
        let confirmed = match replicas.all() {
            Ok(replicas) => {
                let (confirmed, now) = round(&gateways, &http, replicas, open).await;
                tell(&silent, &now);
                silent = now;
                confirmed
            }
            Err(said) => {
                for (host, endpoints) in open {
                    gateways.told(&host, &endpoints, Some(said.clone()));
                }
                false
            }
        };
        pause = if confirmed { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tokio::time::sleep(PAUSE).await;
        tokio::select! {
            () = tokio::time::sleep(pause.saturating_sub(PAUSE)) => {}
            () = gateways.inner.wanted.notified() => pause = PAUSE,
        }
    }
}

/// Asks all of `replicas` for each of `open`. Returns whether something was confirmed, and who was silent.
async fn round(
    gateways: &Gateways,
    http: &reqwest::Client,
    replicas: Vec<Replica>,
    open: BTreeMap<String, BTreeSet<String>>,
) -> (bool, BTreeSet<Replica>) {
    let asked = |replica| Asked { replica, silent: AtomicBool::new(false) };
    let all: Arc<[Asked]> = replicas.into_iter().map(asked).collect();
    let questions = futures::stream::iter(open).map(|(host, endpoints)| {
        let (http, all) = (http.clone(), all.clone());
        async move {
            let behind = behind(&http, &all, &host, &endpoints).await;
            (host, endpoints, behind)
        }
    });
    let mut answers = questions.buffer_unordered(AT_ONCE);
    let mut confirmed = false;
    while let Some((host, endpoints, behind)) = answers.next().await {
        confirmed |= behind.is_none();
        gateways.told(&host, &endpoints, behind);
    }
    let silent = all.iter().filter(|one| one.silent.load(Ordering::Relaxed));
    (confirmed, silent.map(|one| one.replica.clone()).collect())
}

/// Who of the gateways does not lead from `host` to these very endpoints.
async fn behind(http: &reqwest::Client, all: &[Asked], host: &str, endpoints: &BTreeSet<String>) -> Option<String> {
    let answers = all.iter().map(|Asked { replica, silent }| async move {
        let answer = match silent.load(Ordering::Relaxed) {
            true => Err(Unheard::Silent),
            false => serves(http, replica, host).await,
        };
        match answer {
            Ok(told) if told == *endpoints => None,
            Ok(_) => Some(format!("the gateway {replica} does not lead to them yet")),
            Err(why) => {
                silent.fetch_or(why == Unheard::Silent, Ordering::Relaxed);
                Some(format!("the gateway {replica} does not tell whether it leads to them: {}", why.as_str()))
            }
        }
    });
    futures::future::join_all(answers).await.into_iter().flatten().next()
}

async fn serves(http: &reqwest::Client, replica: &Replica, host: &str) -> Result<BTreeSet<String>, Unheard> {
    let url = format!("{}{SERVES}?host={}", replica.url, utf8_percent_encode(host, NON_ALPHANUMERIC));
    let mut response = http.get(url).send().await.map_err(|_| Unheard::Silent)?;
    if !response.status().is_success() {
        return Err(Unheard::Nonsense("it answers something else"));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|_| Unheard::Nonsense("its answer ends early"))? {
        body.extend_from_slice(&part);
        if body.len() > MOST_BYTES {
            return Err(Unheard::Nonsense("its answer is too long"));
        }
    }
    serde_json::from_slice(&body).map_err(|_| Unheard::Nonsense("it answers something else"))
}

/// Once per change.
fn tell(before: &BTreeSet<Replica>, now: &BTreeSet<Replica>) {
    for gateway in now.difference(before) {
        tracing::warn!(%gateway, "a gateway does not tell where it leads; environments that come up wait for it");
    }
    for gateway in before.difference(now) {
        tracing::info!(%gateway, "a gateway that did not tell where it leads is waited for no more");
    }
}

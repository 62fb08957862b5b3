//! An issuer's keys: fetched when they are needed, kept, and asked for again no more often than there is reason to.

use super::fetch::{self, FetchError, callable_url};
use super::json;
use super::keys::KeySet;
use crate::telemetry::metrics;
use arc_swap::ArcSwapOption;
use reqwest::Url;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often keys are fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pauses {
    /// Keys of this age are fetched anew, where the issuer names no other; within an hour of it, the old ones serve on.
    pub(super) fresh: Duration,
    /// Keys of this age are trusted no more: the issuer may have withdrawn them.
    pub(super) trusted: Duration,
    /// After a fetch, an unknown key is no reason for another one for so long.
    pub(super) unknown_key: Duration,
    /// After a failure, there is no other attempt for so long.
    pub(super) failed: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(3600),
            trusted: Duration::from_secs(24 * 3600),
            unknown_key: Duration::from_secs(30),
            failed: Duration::from_secs(5),
        }
    }
}

/// What an issuer may say of how long its keys are kept, at the least and at the most.
const KEPT: std::ops::RangeInclusive<Duration> = Duration::from_secs(300)..=Duration::from_secs(6 * 3600);

/// The keys of one issuer.
pub(super) struct KeyCache {
    issuer: String,
    discovery: Url,
    http: reqwest::Client,
    pauses: Pauses,
    known: ArcSwapOption<Known>,
    /// Held while somebody fetches: all others wait for that one.
    last: Mutex<Option<Attempt>>,
}

struct Known {
    keys: Arc<KeySet>,
    since: Instant,
    fresh_for: Duration,
}

#[derive(Clone, Copy)]
struct Attempt {
    at: Instant,
    done: bool,
}

impl KeyCache {
    pub(super) fn new(issuer: &str, discovery: Url, authority: Option<&[u8]>) -> Result<Self, FetchError> {
        let http = fetch::client(&discovery, authority)?;
        let (issuer, pauses) = (issuer.to_owned(), Pauses::default());
        Ok(Self { issuer, discovery, http, pauses, known: ArcSwapOption::empty(), last: Mutex::new(None) })
    }

    /// The same without any patience, for tests.
    #[cfg(test)]
    pub(super) fn without_pauses(mut self) -> Self {
        let none = Duration::ZERO;
        self.pauses = Pauses { fresh: none, trusted: Duration::from_secs(3600), unknown_key: none, failed: none };
        self
    }

    /// The keys as they are known; fetched where there are none, or only old ones. `None` when none can be trusted.
    pub(super) async fn keys(&self) -> Option<Arc<KeySet>> {
        let fresh = |known: &Known| known.since.elapsed() < known.fresh_for;
        if let Some(known) = self.known.load_full().filter(|known| fresh(known)) {
            return Some(known.keys.clone());
        }
        self.fetch_once(self.pauses.failed, fresh).await;
        let known = self.known.load_full()?;
        (known.since.elapsed() < self.pauses.trusted).then(|| known.keys.clone())
    }

    /// Keys newer than `seen`, which lack one that a token names. `None` when there are none, or it is too soon to ask.
    pub(super) async fn newer_than(&self, seen: &Arc<KeySet>) -> Option<Arc<KeySet>> {
        let newer = |known: &Known| !Arc::ptr_eq(&known.keys, seen);
        self.fetch_once(self.pauses.unknown_key, newer).await;
        self.known.load_full().filter(|known| newer(known)).map(|known| known.keys.clone())
    }

    /// Fetches, unless what is known is `enough` by the time that nobody else fetches, or the last attempt was within
    /// `pause`; after a failure, within the pause for failures.
    async fn fetch_once(&self, pause: Duration, enough: impl Fn(&Known) -> bool) {
        let mut last = self.last.lock().await;
        if self.known.load().as_deref().is_some_and(enough) {
            return;
        }
        let too_soon = |attempt: &Attempt| {
            let pause = if attempt.done { pause } else { self.pauses.failed };
            attempt.at.elapsed() < pause
        };
        if last.as_ref().is_some_and(too_soon) {
            return;
        }
        // Noted before: a caller that goes away in the middle must not make room for another fetch.
        *last = Some(Attempt { at: Instant::now(), done: false });
        let fetched = self.fetch().await;
        metrics::issuer_keys_fetched(fetched.is_ok());
        match fetched {
            Ok(known) => {
                *last = Some(Attempt { at: Instant::now(), done: true });
                self.known.store(Some(Arc::new(known)));
            }
            Err(error) => tracing::warn!(issuer = self.issuer, %error, "an issuer's keys cannot be fetched"),
        }
    }

    async fn fetch(&self) -> Result<Known, FetchError> {
        let content = |url: &Url, reason: String| FetchError::Content { url: url.to_string(), reason };
        let (document, _) = fetch::document(&self.http, &self.discovery).await?;
        let document = json::object(&document).map_err(|reason| content(&self.discovery, reason))?;
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("issuer") != self.issuer {
            let said = format!("it is of the issuer {}", crate::model::shown(text("issuer")));
            return Err(content(&self.discovery, said));
        }
        let url = callable_url(text("jwks_uri"))?;
        // An issuer elsewhere must not have us ask this machine.
        if fetch::is_loopback(&url) && !fetch::is_loopback(&self.discovery) {
            return Err(FetchError::Url(url.to_string()));
        }
        let (set, keep) = fetch::document(&self.http, &url).await?;
        let keys = KeySet::parse(&set).map_err(|reason| content(&url, reason))?;
        let fresh_for = keep.map_or(self.pauses.fresh, |keep| keep.clamp(*KEPT.start(), *KEPT.end()));
        Ok(Known { keys: Arc::new(keys), since: Instant::now(), fresh_for })
    }
}

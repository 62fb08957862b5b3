//! What a controller has written and not yet seen come back. While something is expected, the cache is older than the
//! controller's own deeds, and acting on it would do them twice.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::informer::Key;

/// After this long an event is no longer waited for: it was lost in a reconnect.
const EXPIRY: Duration = Duration::from_secs(60);

/// Expected events, by the key of the object that is looked at.
pub struct Expectations {
    expiry: Duration,
    by_key: Mutex<HashMap<Key, Expected>>,
}

struct Expected {
    /// Names of objects whose creation is to be seen.
    creations: HashSet<String>,
    /// Names of objects whose deletion is to be seen.
    deletions: HashSet<String>,
    since: Instant,
}

impl Default for Expected {
    fn default() -> Self {
        Self { creations: HashSet::new(), deletions: HashSet::new(), since: Instant::now() }
    }
}

impl Default for Expectations {
    fn default() -> Self {
        Self { expiry: EXPIRY, by_key: Mutex::default() }
    }
}

impl Expectations {
    /// To be called before the objects are created.
    pub fn expect_creations(&self, key: &Key, names: impl IntoIterator<Item = String>) {
        let mut by_key = self.lock();
        let expected = by_key.entry(key.clone()).or_default();
        expected.creations.extend(names);
        expected.since = Instant::now();
    }

    /// To be called before the objects are deleted.
    pub fn expect_deletions(&self, key: &Key, names: impl IntoIterator<Item = String>) {
        let mut by_key = self.lock();
        let expected = by_key.entry(key.clone()).or_default();
        expected.deletions.extend(names);
        expected.since = Instant::now();
    }

    /// An object was seen, or its creation failed.
    pub fn created(&self, key: &Key, name: &str) {
        self.settle(key, |expected| expected.creations.remove(name));
    }

    /// An object was seen to go or to be gone, or its deletion failed.
    pub fn deleted(&self, key: &Key, name: &str) {
        self.settle(key, |expected| expected.creations.remove(name) | expected.deletions.remove(name));
    }

    /// The object itself is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// How long to wait at most before the cache may be acted upon; none if now.
    pub fn wait(&self, key: &Key) -> Option<Duration> {
        let mut by_key = self.lock();
        let expected = by_key.get(key)?;
        let left = self.expiry.saturating_sub(expected.since.elapsed());
        let nothing = expected.creations.is_empty() && expected.deletions.is_empty();
        if nothing || left.is_zero() {
            by_key.remove(key);
            return None;
        }
        Some(left)
    }

    fn settle(&self, key: &Key, remove: impl FnOnce(&mut Expected) -> bool) {
        let mut by_key = self.lock();
        let Some(expected) = by_key.get_mut(key) else { return };
        remove(expected);
        if expected.creations.is_empty() && expected.deletions.is_empty() {
            by_key.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Expected>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_may_be_acted_upon_when_everything_was_seen_or_too_long_ago() {
        let (expectations, key) = (Expectations::default(), ("a".to_owned(), "b".to_owned()));
        assert!(expectations.wait(&key).is_none());
        expectations.expect_creations(&key, ["p1".to_owned(), "p2".to_owned()]);
        expectations.expect_deletions(&key, ["p3".to_owned()]);
        expectations.created(&key, "p1");
        expectations.created(&key, "stranger");
        expectations.deleted(&key, "p2");
        assert!(expectations.wait(&key).is_some());
        expectations.deleted(&key, "p3");
        assert!(expectations.wait(&key).is_none());
        expectations.expect_deletions(&key, []);
        assert!(expectations.wait(&key).is_none(), "nothing is waited for where nothing was done");
        let impatient = Expectations { expiry: Duration::ZERO, ..Expectations::default() };
        impatient.expect_creations(&key, ["lost".to_owned()]);
        assert!(impatient.wait(&key).is_none());
    }
}

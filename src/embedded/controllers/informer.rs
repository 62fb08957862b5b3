//! A cache of all objects of one kind, fed by a watch, that tells its subscribers of each change.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use futures::StreamExt;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch as flag;
use tokio_util::sync::CancellationToken;

/// Namespace (empty for what has none) and name.
pub type Key = (String, String);

/// The key of an object.
pub fn key_of(object: &impl ResourceExt) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// What happened to one object.
pub enum Change<'c, K> {
    /// It is there, in this form; and in what form it was before, if it was known.
    Applied {
        /// What the cache had.
        before: Option<&'c K>,
        /// What it has now.
        after: &'c K,
    },
    /// It is gone; this is what was last known of it.
    Deleted(&'c K),
}

type Subscriber<K> = Box<dyn Fn(&Change<'_, K>) + Send + Sync>;
type Index<K> = fn(&K) -> Vec<String>;

/// The cache.
pub struct Informer<K> {
    contents: RwLock<Contents<K>>,
    index: Index<K>,
    subscribers: OnceLock<Vec<Subscriber<K>>>,
    pending: RwLock<Vec<Subscriber<K>>>,
    synced: flag::Sender<bool>,
}

struct Contents<K> {
    objects: HashMap<Key, Arc<K>>,
    by_index: HashMap<String, HashSet<Key>>,
}

impl<K> Informer<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    /// An empty cache; `index` names the groups that an object can be found by.
    pub fn new(index: Index<K>) -> Self {
        Self {
            contents: RwLock::new(Contents { objects: HashMap::new(), by_index: HashMap::new() }),
            index,
            subscribers: OnceLock::new(),
            pending: RwLock::new(Vec::new()),
            synced: flag::Sender::new(false),
        }
    }

    /// Calls `subscriber` at every change, after the cache has it. To be called before [`Self::watch`]; later ones are
    /// not heard.
    pub fn subscribe(&self, subscriber: impl Fn(&Change<'_, K>) + Send + Sync + 'static) {
        self.pending.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(subscriber));
    }

    /// The object with this key.
    pub fn object(&self, key: &Key) -> Option<Arc<K>> {
        self.read(|contents| contents.objects.get(key).cloned())
    }

    /// The objects of one group of the index.
    pub fn group(&self, name: &str) -> Vec<Arc<K>> {
        self.read(|contents| {
            let keys = contents.by_index.get(name).into_iter().flatten();
            keys.filter_map(|key| contents.objects.get(key).cloned()).collect()
        })
    }

    /// How many objects one group of the index has.
    pub fn group_size(&self, name: &str) -> usize {
        self.read(|contents| contents.by_index.get(name).map_or(0, HashSet::len))
    }

    /// All objects.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read(|contents| contents.objects.values().cloned().collect())
    }

    /// Returns when the first complete list is in the cache.
    pub async fn synced(&self) {
        // The sender lives as long as `self`, so this cannot fail.
        let _ = self.synced.subscribe().wait_for(|synced| *synced).await;
    }

    /// Feeds the cache until `shutdown`. Errors of the API are logged, and tried again with a growing pause.
    pub async fn watch(self: Arc<Self>, api: Api<K>, shutdown: CancellationToken) -> &'static str {
        let pending = std::mem::take(&mut *self.pending.write().unwrap_or_else(PoisonError::into_inner));
        let _ = self.subscribers.set(pending);
        let mut events = std::pin::pin!(watch(api, watcher::Config::default()).default_backoff());
        let mut listed = HashSet::new();
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => break,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => self.take(event, &mut listed),
                Some(Err(error)) => tracing::warn!(kind = %K::kind(&()), %error, "watching failed; trying again"),
                None => break,
            }
        }
        "informer"
    }

    fn take(&self, event: Event<K>, listed: &mut HashSet<Key>) {
        match event {
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                listed.insert(key_of(&object));
                self.apply(object);
            }
            Event::InitDone => {
                self.keep_only(listed);
                listed.clear();
                self.synced.send_replace(true);
            }
            Event::Apply(object) => self.apply(object),
            Event::Delete(object) => self.remove(&key_of(&object), Some(&object)),
        }
    }

    fn apply(&self, object: K) {
        let (key, object) = (key_of(&object), Arc::new(object));
        let before = {
            let mut contents = self.contents.write().unwrap_or_else(PoisonError::into_inner);
            let before = contents.objects.insert(key.clone(), Arc::clone(&object));
            contents.reindex(&key, before.as_deref().map(self.index), (self.index)(&object));
            before
        };
        // A relist gives everything again; what is as it was is no change.
        if before.as_ref().is_some_and(|before| same_version(&**before, &*object)) {
            return;
        }
        // Another object under the same name: the one before is gone.
        let replaced = before.as_ref().filter(|before| before.uid() != object.uid());
        if let Some(gone) = replaced {
            self.tell(&Change::Deleted(&**gone));
        }
        let before = before.as_deref().filter(|before| before.uid() == object.uid());
        self.tell(&Change::Applied { before, after: &*object });
    }

    fn remove(&self, key: &Key, last: Option<&K>) {
        let known = {
            let mut contents = self.contents.write().unwrap_or_else(PoisonError::into_inner);
            let known = contents.objects.remove(key);
            contents.reindex(key, known.as_deref().map(self.index), Vec::new());
            known
        };
        if let Some(gone) = last.or(known.as_deref()) {
            self.tell(&Change::Deleted(gone));
        }
    }

    fn keep_only(&self, listed: &HashSet<Key>) {
        let gone: Vec<Key> =
            self.read(|contents| contents.objects.keys().filter(|key| !listed.contains(*key)).cloned().collect());
        for key in gone {
            self.remove(&key, None);
        }
    }

    fn tell(&self, change: &Change<'_, K>) {
        for subscriber in self.subscribers.get().into_iter().flatten() {
            subscriber(change);
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Contents<K>) -> T) -> T {
        look(&self.contents.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<K> Contents<K> {
    fn reindex(&mut self, key: &Key, before: Option<Vec<String>>, after: Vec<String>) {
        let before = before.unwrap_or_default();
        if before == after {
            return;
        }
        for name in before {
            if let Some(keys) = self.by_index.get_mut(&name) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_index.remove(&name);
                }
            }
        }
        for name in after {
            self.by_index.entry(name).or_default().insert(key.clone());
        }
    }
}

fn same_version<K: ResourceExt>(one: &K, other: &K) -> bool {
    one.resource_version().is_some() && one.resource_version() == other.resource_version() && one.uid() == other.uid()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, uid: &str, version: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.uid = Some(uid.to_owned());
        object.metadata.resource_version = Some(version.to_owned());
        object.metadata.labels = Some([("v".to_owned(), version.to_owned())].into());
        object
    }

    #[test]
    fn a_relist_tells_only_of_differences() {
        let informer: Informer<ConfigMap> = Informer::new(|object| object.labels().values().cloned().collect());
        let (applied, deleted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counters = (Arc::clone(&applied), Arc::clone(&deleted));
        let subscriber: Subscriber<ConfigMap> = Box::new(move |change| {
            match change {
                Change::Applied { .. } => counters.0.fetch_add(1, Ordering::SeqCst),
                Change::Deleted(_) => counters.1.fetch_add(1, Ordering::SeqCst),
            };
        });
        assert!(informer.subscribers.set(vec![subscriber]).is_ok());
        let told = || (applied.load(Ordering::SeqCst), deleted.load(Ordering::SeqCst));
        let mut listed = HashSet::new();
        for object in [object("a", "1", "1"), object("b", "2", "2")] {
            informer.take(Event::Apply(object), &mut listed);
        }
        assert_eq!(told(), (2, 0));
        // `a` is as it was, `b` was replaced by another object, `c` is new.
        informer.take(Event::Init, &mut listed);
        for object in [object("a", "1", "1"), object("b", "3", "5"), object("c", "4", "6")] {
            informer.take(Event::InitApply(object), &mut listed);
        }
        informer.take(Event::InitDone, &mut listed);
        assert_eq!(told(), (4, 1));
        informer.take(Event::Init, &mut listed);
        informer.take(Event::InitDone, &mut listed);
        assert_eq!(told(), (4, 4));
        assert!(informer.all().is_empty() && informer.group("5").is_empty());
    }
}

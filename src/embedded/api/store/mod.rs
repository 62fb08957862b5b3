//! Where objects live: in memory to be read, in SQLite to last.
//!
//! One task writes. It takes what waits, checks each change against what it was computed from, puts all of them into one
//! transaction, and only then shows them to readers and watchers and answers. So an answered write survives the end of
//! the process, and many writers at once cost one transaction.

mod database;
mod journal;
mod writer;

use super::EmbeddedError;
use super::json;
use database::Database;
use imbl::OrdMap;
use journal::Journal;
pub(crate) use journal::{Event, EventType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use tokio::sync::{mpsc, oneshot, watch};

/// How many recent events of a resource are kept for watches.
pub(crate) const JOURNAL_EVENTS: usize = 4096;

/// Namespace (empty for what is cluster-wide) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) revision: u64,
    pub(crate) value: Value,
    wire: OnceLock<bytes::Bytes>,
}

impl Object {
    fn new(revision: u64, value: Value) -> Self {
        Self { revision, value, wire: OnceLock::new() }
    }

    /// Its JSON, made once and shared by all who read it.
    pub(crate) fn wire(&self) -> bytes::Bytes {
        self.wire.get_or_init(|| bytes::Bytes::from(self.value.to_string())).clone()
    }
}

/// All objects of a resource at one moment.
pub(crate) type Objects = OrdMap<ObjectKey, Arc<Object>>;

/// What becomes of an object.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It is put in place.
    Put(Value),
    /// It goes; this is how it looked last.
    Remove(Value),
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// The object is not the one that the change was computed from.
    Stale,
    /// The database did not take it.
    Refused(String),
}

/// A resource version that is no longer in the journal; the oldest that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub(crate) oldest: u64,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    writes: mpsc::Sender<writer::Write>,
}

struct Shared {
    state: RwLock<State>,
    changed: watch::Sender<u64>,
    path: PathBuf,
    storages: Vec<String>,
}

struct State {
    revision: u64,
    resources: Vec<Resource>,
}

#[derive(Default)]
struct Resource {
    objects: Objects,
    journal: Journal,
    /// Contents that a paged list began on, by revision.
    pages: BTreeMap<u64, (std::time::Instant, Objects)>,
}

/// How long a list may take from its first page to its last.
const PAGING: std::time::Duration = std::time::Duration::from_secs(300);

impl Store {
    /// Opens the database at `path` with a place for each of `storages`.
    pub(crate) async fn open(path: PathBuf, storages: Vec<String>) -> Result<Self, EmbeddedError> {
        let mut database = Database::open(&path).await?;
        let kept = database.load(&path).await?;
        let mut resources: Vec<Resource> = storages.iter().map(|_| Resource::default()).collect();
        for resource in &mut resources {
            resource.journal = Journal::new(kept.revision, JOURNAL_EVENTS);
        }
        for (name, key, revision, value) in kept.objects {
            let place = storages.iter().position(|storage| *storage == name);
            match place.and_then(|place| resources.get_mut(place)) {
                Some(resource) => drop(resource.objects.insert(key, Arc::new(Object::new(revision, value)))),
                None => tracing::warn!(resource = name, "kept objects of a resource that is not served"),
            }
        }
        let (changed, _) = watch::channel(kept.revision);
        let state = RwLock::new(State { revision: kept.revision, resources });
        let shared = Arc::new(Shared { state, changed, path, storages });
        let (writes, queue) = mpsc::channel(1024);
        tokio::spawn(writer::run(shared.clone(), database, queue));
        Ok(Self { shared, writes })
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last resource version that was given out.
    pub(crate) fn revision(&self) -> u64 {
        self.read(|state| state.revision)
    }

    /// All objects of a resource, and the resource version at which they are so.
    pub(crate) fn snapshot(&self, storage: usize) -> (u64, Objects) {
        self.read(|state| (state.revision, state.resources.get(storage).map(|r| r.objects.clone()).unwrap_or_default()))
    }

    /// One object.
    pub(crate) fn object(&self, storage: usize, key: &ObjectKey) -> Option<Arc<Object>> {
        self.read(|state| state.resources.get(storage)?.objects.get(key).cloned())
    }

    /// Keeps `objects` so that later pages of a list can be read from them.
    pub(crate) fn keep_page(&self, storage: usize, revision: u64, objects: Objects) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(resource) = state.resources.get_mut(storage) {
            let now = std::time::Instant::now();
            resource.pages.retain(|_, (since, _)| now.duration_since(*since) < PAGING);
            resource.pages.entry(revision).or_insert((now, objects));
        }
    }

    /// What was kept for a list that began at `revision`.
    pub(crate) fn page(&self, storage: usize, revision: u64) -> Option<Objects> {
        self.read(|state| Some(state.resources.get(storage)?.pages.get(&revision)?.1.clone()))
    }

    /// Events after `revision`, and the revision up to which they tell everything.
    pub(crate) fn since(&self, storage: usize, revision: u64) -> Result<(Vec<Arc<Event>>, u64), Compacted> {
        self.read(|state| {
            let Some(resource) = state.resources.get(storage) else { return Ok((Vec::new(), state.revision)) };
            Ok((resource.journal.since(revision)?, state.revision))
        })
    }

    /// Tells when anything was written.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Makes a change to an object that is now at `expected` (`None`: that is not there).
    ///
    /// Once asked for, it is carried out even if the caller does not wait for the answer.
    pub(crate) async fn write(
        &self,
        storage: usize,
        key: ObjectKey,
        expected: Option<u64>,
        change: Change,
    ) -> Result<Arc<Object>, NotWritten> {
        let (answer, written) = oneshot::channel();
        let closed = |_| NotWritten::Refused("the cluster is shutting down".to_owned());
        let asked = self.writes.send(writer::Write { storage, key, expected, change, answer }).await;
        asked.map_err(|_| NotWritten::Refused("the cluster is shutting down".to_owned()))?;
        written.await.map_err(closed)?
    }

    /// Writes what waits, closes the database and takes no more writes.
    pub(crate) async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.writes.send(writer::Write::close(answer)).await.is_ok() {
            drop(closed.await);
        }
    }

    /// Forgets all events but the last `keep` of each resource.
    #[cfg(test)]
    pub(crate) fn compact(&self, keep: usize) {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        let revision = state.revision;
        for resource in &mut state.resources {
            resource.journal.compact(keep, revision);
            resource.pages.clear();
        }
    }
}

fn stamp(value: &mut Value, revision: u64) {
    json::set(value, &["metadata", "resourceVersion"], revision.to_string());
}

//! The one task that writes.

use super::database::{self, Database, Record};
use super::{Change, Event, EventType, NotWritten, Object, ObjectKey, Shared, stamp};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// At most this many changes share a transaction.
const BATCH: usize = 128;

/// A change that waits to be made.
pub(super) struct Write {
    pub(super) storage: usize,
    pub(super) key: ObjectKey,
    pub(super) expected: Option<u64>,
    pub(super) change: Change,
    pub(super) answer: oneshot::Sender<Result<Arc<Object>, NotWritten>>,
}

/// The storage number by which the task is asked to end.
const CLOSE: usize = usize::MAX;

impl Write {
    pub(super) fn close(answer: oneshot::Sender<Result<Arc<Object>, NotWritten>>) -> Self {
        let key = ObjectKey { namespace: String::new(), name: String::new() };
        Self { storage: CLOSE, key, expected: None, change: Change::Remove(serde_json::Value::Null), answer }
    }
}

/// A change that was accepted and is to be written.
struct Accepted {
    storage: usize,
    key: ObjectKey,
    removed: bool,
    object: Arc<Object>,
    previous: Option<Arc<Object>>,
    answer: oneshot::Sender<Result<Arc<Object>, NotWritten>>,
}

pub(super) async fn run(shared: Arc<Shared>, mut database: Database, mut queue: mpsc::Receiver<Write>) {
    let mut closing = None;
    while let Some(first) = queue.recv().await {
        let mut waiting = vec![first];
        while waiting.len() < BATCH
            && let Ok(next) = queue.try_recv()
        {
            waiting.push(next);
        }
        if let Some(place) = waiting.iter().position(|write| write.storage == CLOSE) {
            closing = waiting.drain(place..).next();
        }
        commit(&shared, &mut database, waiting).await;
        if closing.is_some() {
            break;
        }
    }
    queue.close();
    database.close().await;
    drop(closing);
}

async fn commit(shared: &Shared, database: &mut Database, waiting: Vec<Write>) {
    let before = shared.state.read().unwrap_or_else(PoisonError::into_inner).revision;
    let mut revision = before;
    let accepted = accept(shared, waiting, &mut revision);
    if accepted.is_empty() {
        return;
    }
    let records: Vec<Record> = accepted.iter().filter_map(|accepted| record(shared, accepted)).collect();
    match database.write(&records, revision).await {
        Ok(()) => publish(shared, accepted, revision),
        Err(error) => {
            let why = database::refused(&shared.path, &error);
            tracing::error!(%error, path = %shared.path.display(), "the cluster's database refused a write");
            for accepted in accepted {
                drop(accepted.answer.send(Err(NotWritten::Refused(why.clone()))));
            }
        }
    }
}

/// Checks each change against the object as it will be when its turn comes, and gives it a revision.
fn accept(shared: &Shared, waiting: Vec<Write>, revision: &mut u64) -> Vec<Accepted> {
    let state = shared.state.read().unwrap_or_else(PoisonError::into_inner);
    let mut pending: HashMap<(usize, ObjectKey), Option<Arc<Object>>> = HashMap::new();
    let mut accepted = Vec::with_capacity(waiting.len());
    for Write { storage, key, expected, change, answer } in waiting {
        let place = (storage, key.clone());
        let current = match pending.get(&place) {
            Some(pending) => pending.clone(),
            None => state.resources.get(storage).and_then(|r| r.objects.get(&key).cloned()),
        };
        if current.as_ref().map(|object| object.revision) != expected {
            drop(answer.send(Err(NotWritten::Stale)));
            continue;
        }
        *revision += 1;
        let (mut value, removed) = match change {
            Change::Put(value) => (value, false),
            Change::Remove(value) => (value, true),
        };
        stamp(&mut value, *revision);
        let object = Arc::new(Object::new(*revision, value));
        pending.insert(place, (!removed).then(|| object.clone()));
        accepted.push(Accepted { storage, key, removed, object, previous: current, answer });
    }
    accepted
}

fn record(shared: &Shared, accepted: &Accepted) -> Option<Record> {
    let body = (!accepted.removed).then(|| String::from_utf8_lossy(&accepted.object.wire()).into_owned());
    Some(Record {
        resource: shared.storages.get(accepted.storage)?.clone(),
        key: accepted.key.clone(),
        revision: accepted.object.revision,
        body,
    })
}

fn publish(shared: &Shared, accepted: Vec<Accepted>, revision: u64) {
    let mut answers = Vec::with_capacity(accepted.len());
    {
        let mut state = shared.state.write().unwrap_or_else(PoisonError::into_inner);
        state.revision = revision;
        for Accepted { storage, key, removed, object, previous, answer } in accepted {
            let Some(resource) = state.resources.get_mut(storage) else { continue };
            if removed {
                resource.objects.remove(&key);
            } else {
                resource.objects.insert(key.clone(), object.clone());
            }
            let event_type = match (removed, &previous) {
                (true, _) => EventType::Deleted,
                (false, None) => EventType::Added,
                (false, Some(_)) => EventType::Modified,
            };
            let event = Event { revision: object.revision, event_type, key, object: object.clone(), previous };
            resource.journal.push(Arc::new(event));
            answers.push((answer, object));
        }
    }
    shared.changed.send_replace(revision);
    for (answer, object) in answers {
        drop(answer.send(Ok(object)));
    }
}

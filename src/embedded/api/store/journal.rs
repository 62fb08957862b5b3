//! The recent events of a resource, for watches that continue from a resource version.

use super::{Compacted, Object, ObjectKey};
use std::collections::VecDeque;
use std::sync::Arc;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    Added,
    Modified,
    Deleted,
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    pub(crate) event_type: EventType,
    pub(crate) key: ObjectKey,
    /// The object after it; of a deletion, as it looked last.
    pub(crate) object: Arc<Object>,
    /// The object before it.
    pub(crate) previous: Option<Arc<Object>>,
}

/// A bounded queue of events, ordered by revision.
#[derive(Default)]
pub(super) struct Journal {
    events: VecDeque<Arc<Event>>,
    /// Everything after this revision is in the queue.
    oldest: u64,
    capacity: usize,
}

impl Journal {
    pub(super) fn new(revision: u64, capacity: usize) -> Self {
        Self { events: VecDeque::new(), oldest: revision, capacity }
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        self.events.push_back(event);
        while self.events.len() > self.capacity {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.oldest = event.revision;
        }
    }

    pub(super) fn since(&self, revision: u64) -> Result<Vec<Arc<Event>>, Compacted> {
        if revision < self.oldest {
            return Err(Compacted { oldest: self.oldest });
        }
        let start = self.events.partition_point(|event| event.revision <= revision);
        Ok(self.events.range(start..).cloned().collect())
    }

    #[cfg(test)]
    pub(super) fn compact(&mut self, keep: usize, revision: u64) {
        while self.events.len() > keep {
            self.drop_oldest();
        }
        if keep == 0 {
            self.oldest = revision;
        }
    }
}

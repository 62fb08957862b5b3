//! Which environments have to be looked at, and when. One key is never looked at twice at the same time.

use super::world::EnvironmentId;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// A queue in which a key stands once, however often it was named.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<EnvironmentId>,
    queued: HashSet<EnvironmentId>,
    running: HashSet<EnvironmentId>,
    /// Named again while it was being looked at.
    again: HashSet<EnvironmentId>,
    later: BTreeSet<(Instant, EnvironmentId)>,
    due: HashMap<EnvironmentId, Instant>,
}

impl Queue {
    /// Asks for a look at `id` as soon as possible.
    pub fn push(&self, id: EnvironmentId) {
        self.lock().push(id);
        self.changed.notify_one();
    }

    /// Asks for a look at `id` at `when`, unless an earlier one is asked for already.
    pub fn push_at(&self, id: EnvironmentId, when: Instant) {
        let mut state = self.lock();
        match state.due.get(&id).copied() {
            Some(earlier) if earlier <= when => return,
            Some(earlier) => {
                state.later.remove(&(earlier, id.clone()));
            }
            None => {}
        }
        state.due.insert(id.clone(), when);
        state.later.insert((when, id));
        drop(state);
        self.changed.notify_one();
    }

    /// Waits for the next key. It is not given out again before [`Queue::finish`].
    pub async fn pop(&self) -> EnvironmentId {
        loop {
            let changed = self.changed.notified();
            let next = self.lock().pop(Instant::now());
            match next {
                Next::Now { id, more } => {
                    // One notification may stand for many keys: whoever takes one wakes the next worker.
                    if more {
                        self.changed.notify_one();
                    }
                    return id;
                }
                Next::At(when) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(when) => {}
                },
                Next::Never => changed.await,
            }
        }
    }

    /// The look at `id` has ended.
    pub fn finish(&self, id: &EnvironmentId) {
        let mut state = self.lock();
        state.running.remove(id);
        if state.again.remove(id) {
            state.push(id.clone());
            drop(state);
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Next {
    Now { id: EnvironmentId, more: bool },
    At(Instant),
    Never,
}

impl State {
    fn push(&mut self, id: EnvironmentId) {
        if self.running.contains(&id) {
            self.again.insert(id);
        } else if self.queued.insert(id.clone()) {
            self.ready.push_back(id);
        }
    }

    fn pop(&mut self, now: Instant) -> Next {
        while self.later.first().is_some_and(|(when, _)| *when <= now) {
            if let Some((_, id)) = self.later.pop_first() {
                self.due.remove(&id);
                self.push(id);
            }
        }
        if let Some(id) = self.ready.pop_front() {
            self.queued.remove(&id);
            self.running.insert(id.clone());
            let more = !self.ready.is_empty() || !self.later.is_empty();
            return Next::Now { id, more };
        }
        self.later.first().map_or(Next::Never, |(when, _)| Next::At(*when))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    fn id(name: &str) -> EnvironmentId {
        EnvironmentId::new("default", name)
    }

    #[test]
    fn a_key_stands_once_and_is_never_given_out_twice_at_a_time() {
        let queue = Queue::default();
        queue.push(id("a-x"));
        queue.push(id("a-x"));
        assert_eq!(queue.pop().now_or_never(), Some(id("a-x")));
        queue.push(id("a-x"));
        assert_eq!(queue.pop().now_or_never(), None, "it is still being looked at");
        queue.finish(&id("a-x"));
        assert_eq!(queue.pop().now_or_never(), Some(id("a-x")));
        queue.finish(&id("a-x"));
        assert_eq!(queue.pop().now_or_never(), None);
    }

    #[test]
    fn the_earlier_of_two_times_counts() {
        let queue = Queue::default();
        let start = Instant::now();
        for seconds in [300, 3, 200] {
            queue.push_at(id("a-x"), start + Duration::from_secs(seconds));
        }
        let at = |seconds| queue.lock().pop(start + Duration::from_secs(seconds));
        assert!(matches!(at(2), Next::At(when) if when == start + Duration::from_secs(3)));
        assert!(matches!(at(3), Next::Now { more: false, .. }));
        assert!(matches!(at(1000), Next::Never));
    }
}

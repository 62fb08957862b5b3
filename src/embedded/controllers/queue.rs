//! A queue of keys to look at: each at most once in the queue and once at work, different ones at the same time, failed
//! ones again with a growing pause.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ControllerError;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a look gives: done, or to be done again after a while.
pub type Outcome = Result<Option<Duration>, ControllerError>;

/// The queue.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    ready: VecDeque<T>,
    /// What is in `ready`.
    waiting: HashSet<T>,
    running: HashSet<T>,
    /// Added while at work: to be looked at once more.
    again: HashSet<T>,
    later: BTreeSet<(Instant, T)>,
    due: HashMap<T, Instant>,
    failures: HashMap<T, u32>,
}

impl<T: Clone + Eq + Hash + Ord + Debug + Send + 'static> Queue<T> {
    /// An empty queue.
    pub fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            later: BTreeSet::new(),
            due: HashMap::new(),
            failures: HashMap::new(),
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// To be looked at now, or right after the look that is under way.
    pub fn add(&self, key: T) {
        self.state().add(key);
        self.changed.notify_one();
    }

    /// Looks at keys, up to `limit` at a time, until `shutdown`, then lets go of what is under way.
    pub async fn work<F>(&self, limit: usize, shutdown: CancellationToken, look: impl Fn(T) -> F)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        let mut keys: HashMap<Id, T> = HashMap::new();
        loop {
            let next_due = {
                let mut state = self.state();
                state.wake(Instant::now());
                while tasks.len() < limit {
                    let Some(key) = state.start() else { break };
                    let id = tasks.spawn(look(key.clone())).id();
                    keys.insert(id, key);
                }
                state.later.first().map(|(at, _)| *at)
            };
            let due = async {
                match next_due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.changed.notified() => {}
                () = due => {}
                Some(ended) = tasks.join_next_with_id() => self.finish(ended, &mut keys),
            }
        }
    }

    fn finish(&self, ended: Result<(Id, Outcome), JoinError>, keys: &mut HashMap<Id, T>) {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let Some(key) = keys.remove(&id) else { return };
        let mut state = self.state();
        state.stop(&key);
        match outcome {
            Ok(Ok(again)) => {
                state.failures.remove(&key);
                if let Some(pause) = again {
                    state.add_at(key, Instant::now() + pause);
                }
            }
            Ok(Err(error)) => {
                let pause = state.failed(&key);
                if error.is_passing() {
                    tracing::debug!(?key, %error, ?pause, "trying again");
                } else {
                    tracing::warn!(?key, %error, ?pause, "trying again");
                }
            }
            Err(error) => {
                let pause = state.failed(&key);
                tracing::error!(?key, %error, ?pause, "a look broke; trying again");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone + Eq + Hash + Ord> State<T> {
    fn add(&mut self, key: T) {
        if self.running.contains(&key) {
            self.again.insert(key);
        } else if self.waiting.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    fn add_at(&mut self, key: T, at: Instant) {
        match self.due.get(&key) {
            Some(sooner) if *sooner <= at => return,
            Some(later) => {
                self.later.remove(&(*later, key.clone()));
            }
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.later.insert((at, key));
    }

    fn wake(&mut self, now: Instant) {
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.later.pop_first() {
                self.due.remove(&key);
                self.add(key);
            }
        }
    }

    fn start(&mut self) -> Option<T> {
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    fn stop(&mut self, key: &T) {
        self.running.remove(key);
        if self.again.remove(key) {
            self.add(key.clone());
        }
    }

    fn failed(&mut self, key: &T) -> Duration {
        let failures = self.failures.entry(key.clone()).or_default();
        let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16)).min(LONGEST_PAUSE);
        *failures += 1;
        self.add_at(key.clone(), Instant::now() + pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn run<F>(look: impl Fn(u32) -> F + Send + 'static) -> (Arc<Queue<u32>>, CancellationToken)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let (queue, shutdown) = (Arc::new(Queue::new()), CancellationToken::new());
        let (worked, until) = (Arc::clone(&queue), shutdown.clone());
        tokio::spawn(async move { worked.work(4, until, look).await });
        (queue, shutdown)
    }

    async fn wait_for(condition: impl Fn() -> bool) {
        let wait = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it happens");
    }

    #[tokio::test]
    async fn a_key_is_never_at_work_twice_and_no_addition_is_lost() {
        let (at_work, most, looks) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let counts = Arc::new((at_work, most, looks));
        let seen = Arc::clone(&counts);
        let (queue, shutdown) = run(move |_| {
            let counts = Arc::clone(&seen);
            async move {
                let now = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
                counts.1.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(10)).await;
                counts.0.fetch_sub(1, Ordering::SeqCst);
                counts.2.fetch_add(1, Ordering::SeqCst);
                Ok(None)
            }
        });
        queue.add(1);
        queue.add(1);
        wait_for(|| counts.0.load(Ordering::SeqCst) == 1).await;
        queue.add(1);
        queue.add(1);
        wait_for(|| counts.2.load(Ordering::SeqCst) == 2).await;
        assert_eq!(counts.1.load(Ordering::SeqCst), 1);
        shutdown.cancel();
    }

    #[tokio::test]
    async fn failed_and_broken_looks_are_tried_again_with_a_growing_pause() {
        let times = Arc::new(Mutex::new(Vec::new()));
        let (seen, begin) = (Arc::clone(&times), Instant::now());
        let (queue, _shutdown) = run(move |_| {
            let count = {
                let mut times = seen.lock().unwrap();
                times.push(begin.elapsed().as_millis());
                times.len()
            };
            async move {
                match count {
                    1 => panic!("broken"),
                    2 | 3 => Err(ControllerError::Conflict { what: "it".to_owned() }),
                    _ => Ok(None),
                }
            }
        });
        queue.add(7);
        wait_for(|| times.lock().unwrap().len() == 4).await;
        let times = times.lock().unwrap();
        assert!(times[1] >= 5 && times[2] >= times[1] + 10 && times[3] >= times[2] + 20, "{times:?}");
    }
}

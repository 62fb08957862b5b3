//! What the gateway's workers saw of the use of environments, until somebody takes it and writes it down.
//!
//! Each worker gathers for itself and hands over once a second: nothing of it is on a request's way but the worker's own map.

use crate::model::EnvironmentKey;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The most environments that are held at the same time: more than one cluster has, and a bound nevertheless.
const MAX_ENVIRONMENTS: usize = 200_000;

/// The environment that was used: its namespace, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UsedEnvironment {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Which one.
    pub key: EnvironmentKey,
}

/// What was seen since it was taken last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests.
    pub requests: u64,
    /// Those of them that were answered with a 5xx, by a pod or in its place.
    pub errors: u64,
    /// Whether a pod answered, or a stream was open.
    pub used: bool,
    /// Whether a request was refused as the environment sleeps.
    pub wanted: bool,
}

impl Seen {
    /// Adds what else was seen.
    pub fn add(&mut self, more: Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
        self.used |= more.used;
        self.wanted |= more.wanted;
    }
}

/// Who is called when a sleeping environment is wanted.
type Listener = Box<dyn Fn() + Send>;

/// What all workers saw.
#[derive(Default)]
pub struct Uses {
    seen: Mutex<HashMap<UsedEnvironment, Seen>>,
    listener: Mutex<Option<Listener>>,
}

impl Uses {
    /// Adds what a worker saw.
    pub fn add(&self, seen: impl IntoIterator<Item = (UsedEnvironment, Seen)>) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (environment, more) in seen {
            if all.len() < MAX_ENVIRONMENTS || all.contains_key(&environment) {
                all.entry(environment).or_default().add(more);
            }
        }
    }

    /// A sleeping environment is wanted. Who listens is called, unless that is known already.
    pub fn want(&self, environment: UsedEnvironment) {
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ENVIRONMENTS && !all.contains_key(&environment) {
            return;
        }
        let known = std::mem::replace(&mut all.entry(environment).or_default().wanted, true);
        drop(all);
        if !known && let Some(listener) = &*self.listener.lock().unwrap_or_else(PoisonError::into_inner) {
            listener();
        }
    }

    /// Has `listener` called when an environment is wanted, from a worker: it must not block.
    pub fn on_wanted(&self, listener: impl Fn() + Send + 'static) {
        *self.listener.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
    }

    /// Takes all that was seen since the last time.
    pub fn take(&self) -> HashMap<UsedEnvironment, Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.seen.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("Uses").field("environments", &count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn what_was_seen_is_taken_once_and_a_want_calls_once() {
        let uses = Uses::default();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        uses.on_wanted(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let key = EnvironmentKey::from_object_name("haimaz-integration").unwrap();
        let environment = UsedEnvironment { namespace: "default".into(), key };
        let seen = Seen { requests: 2, errors: 1, used: true, wanted: false };
        uses.add([(environment.clone(), seen), (environment.clone(), seen)]);
        uses.want(environment.clone());
        uses.want(environment.clone());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let taken = uses.take();
        assert_eq!(taken[&environment], Seen { requests: 4, errors: 2, used: true, wanted: true });
        assert!(uses.take().is_empty());
    }
}

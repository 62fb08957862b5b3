//! What time it is: the system's, or one that a test holds.
//!
//! Whatever acts by the time of day takes such a value, so that a test can let a week pass. Who waits for a time asks to be
//! called when the clock is set; the system's clock never calls.

use jiff::Timestamp;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// A clock. Clones show the same time.
#[derive(Clone, Default)]
pub struct Clock {
    held: Option<Arc<Held>>,
}

struct Held {
    now: RwLock<Timestamp>,
    listeners: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at `now` until it is set.
    pub fn held(now: Timestamp) -> Self {
        Self { held: Some(Arc::new(Held { now: RwLock::new(now), listeners: Mutex::default() })) }
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match &self.held {
            Some(held) => *held.now.read().unwrap_or_else(PoisonError::into_inner),
            None => Timestamp::now(),
        }
    }

    /// What time it is, in whole seconds, as the cluster's objects hold times.
    pub fn second(&self) -> Timestamp {
        let now = self.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// Sets a held clock, and calls those who wait. The system's clock stays as it is.
    pub fn set(&self, now: Timestamp) {
        let Some(held) = &self.held else { return };
        *held.now.write().unwrap_or_else(PoisonError::into_inner) = now;
        for listener in held.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener();
        }
    }

    /// Lets time pass on a held clock.
    pub fn advance(&self, by: Duration) {
        self.set(later(self.now(), by));
    }

    /// Has `listener` called whenever the clock is set, from the thread that sets it. It must not block.
    pub fn on_set(&self, listener: impl Fn() + Send + 'static) {
        if let Some(held) = &self.held {
            held.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.held {
            Some(_) => write!(f, "Clock(held at {})", self.now()),
            None => f.write_str("Clock(system)"),
        }
    }
}

/// `time` and `by` more; the end of time where there is no such time.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| time.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// `time` without `by`; the beginning of time where there is no such time.
pub fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| time.checked_sub(by).ok()).unwrap_or(Timestamp::MIN)
}

/// How long it is from `from` to `to`; nothing where `to` is not later.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_held_clock_stands_until_it_is_set_and_calls_who_waits() {
        let start: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let clock = Clock::held(start);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        clock.on_set(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(clock.clone().now(), start);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clock.now().to_string(), "2026-03-02T10:01:30Z");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(between(start, clock.now()), Duration::from_secs(90));
        assert_eq!(between(clock.now(), start), Duration::ZERO);
        assert_eq!(later(start, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_system_s_clock_cannot_be_set() {
        let clock = Clock::system();
        clock.set(Timestamp::UNIX_EPOCH);
        assert!(clock.now() > Timestamp::UNIX_EPOCH);
    }
}

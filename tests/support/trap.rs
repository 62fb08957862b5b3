//! Kills a process at a chosen moment: right after the so-many-th of its writes was taken, and before it hears of it.

use super::signal;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts writes to several places, and springs at one of them. Clones are the same trap.
#[derive(Clone, Default)]
pub struct Trap(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    armed: Option<Armed>,
    /// What was written since it was armed last.
    seen: Vec<String>,
    sprung: bool,
}

struct Armed {
    pid: u32,
    left: usize,
}

impl Trap {
    /// From now on: kills the process after `after` further writes; with 0, never, but the writes are noted.
    pub fn arm(&self, pid: u32, after: usize) {
        let armed = (after > 0).then_some(Armed { pid, left: after });
        *self.lock() = State { armed, ..State::default() };
    }

    /// Forgets to kill; gives what was written since it was armed, and whether it has sprung.
    pub fn disarm(&self) -> (Vec<String>, bool) {
        let mut state = self.lock();
        state.armed = None;
        (std::mem::take(&mut state.seen), state.sprung)
    }

    /// Whether it has killed.
    pub fn has_sprung(&self) -> bool {
        self.lock().sprung
    }

    /// A write was taken. `true`: the writer is dead by now.
    pub fn note(&self, write: impl FnOnce() -> String) -> bool {
        let mut state = self.lock();
        // What comes after it was killed is its successor's.
        if state.sprung {
            return false;
        }
        state.seen.push(write());
        let Some(armed) = &mut state.armed else { return false };
        armed.left -= 1;
        if armed.left > 0 {
            return false;
        }
        signal(armed.pid, "KILL");
        state.armed = None;
        state.sprung = true;
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

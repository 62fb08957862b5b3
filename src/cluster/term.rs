//! A term of leadership: how long this process may act, by its own clock alone.

use super::clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whether this process leads now. Clones are of the same term of office.
#[derive(Debug, Clone, Default)]
pub struct Term {
    state: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Clone)]
struct Held {
    /// By [`clock::now`].
    until: Duration,
    /// Cancelled when the term ends before its time.
    ended: CancellationToken,
}

impl Term {
    /// Whether a write may be sent now.
    pub fn is_held(&self) -> bool {
        self.held().is_some_and(|held| clock::now() < held.until)
    }

    /// Waits until the term is over. One that is renewed meanwhile goes on.
    pub async fn over(&self) {
        while let Some(held) = self.held() {
            let left = held.until.saturating_sub(clock::now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = held.ended.cancelled() => return,
                () = tokio::time::sleep(left) => {}
            }
        }
    }

    /// The term is held until `until`, and not longer. A renewal leaves those who wait for its end alone.
    pub(super) fn extend(&self, until: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.as_mut() {
            Some(held) => held.until = until,
            None => *state = Some(Held { until, ended: CancellationToken::new() }),
        }
    }

    /// The term is over now.
    pub(super) fn end(&self) {
        if let Some(held) = self.state.lock().unwrap_or_else(PoisonError::into_inner).take() {
            held.ended.cancel();
        }
    }

    fn held(&self) -> Option<Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

//! How long a watch that failed waits before it is tried again.

use kube::runtime::utils::{Backoff, ResetTimerBackoff};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// Never so long that somebody who sees the API server back would wait for a change of his. A few watches of each gateway are
/// few requests even then.
const LONGEST: Duration = Duration::from_secs(5);
/// A watch that went well for so long begins anew. One event is no sign: each attempt begins with one.
const GOOD_AFTER: Duration = Duration::from_secs(30);

/// The pauses of one watch.
pub(super) fn patience() -> ResetTimerBackoff<Doubling> {
    ResetTimerBackoff::new(Doubling { next: FIRST }, GOOD_AFTER)
}

/// Twice as long each time, less a random part, so that gateways do not come back all at once.
#[derive(Debug)]
pub(super) struct Doubling {
    next: Duration,
}

impl Iterator for Doubling {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        Some(pause.mul_f64(1.0 - 0.5 * fastrand::f64()))
    }
}

impl Backoff for Doubling {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let mut pauses = Doubling { next: FIRST };
        let first: Vec<Duration> = pauses.by_ref().take(20).collect();
        assert!(first[0] <= FIRST && first[0] >= FIRST / 2, "{first:?}");
        assert!(first[10..].iter().all(|pause| *pause >= LONGEST / 2 && *pause <= LONGEST), "{first:?}");
        pauses.reset();
        assert!(pauses.next().unwrap() <= FIRST);
    }
}

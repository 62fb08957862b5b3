//! The local clock of leadership: it never jumps, and it counts while the machine sleeps.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// The time since the machine was started, its sleep included. The wall clock may be set back; the monotonic clock of
/// [`std::time::Instant`] stands still while the machine sleeps, and the others' leases run out meanwhile.
pub(super) fn now() -> Duration {
    // No kernel since 2.6.39 lacks this clock. If one did, no term would ever be held: the failure is on the safe side.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::MAX, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::now;
    use std::time::Duration;

    #[test]
    fn the_clock_is_there_and_does_not_go_back() {
        let (first, second) = (now(), now());
        assert!(first < Duration::MAX && first <= second);
    }
}

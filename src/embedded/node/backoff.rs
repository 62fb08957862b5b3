//! How long a container that ended waits before it is run again.

use std::time::Duration;

/// The first wait and the longest one; each wait is twice the one before.
#[derive(Clone, Copy, Debug)]
pub struct BackoffConfig {
    /// The wait before the second restart; the first restart is immediate.
    pub initial: Duration,
    /// No wait is longer.
    pub max: Duration,
}

impl Default for BackoffConfig {
    /// The kubelet's: 10 s, doubling to 300 s.
    fn default() -> Self {
        Self { initial: Duration::from_secs(10), max: Duration::from_secs(300) }
    }
}

/// The waits of one container.
#[derive(Debug)]
pub struct Backoff {
    config: BackoffConfig,
    next: Duration,
}

impl Backoff {
    /// No restart yet.
    pub fn new(config: BackoffConfig) -> Self {
        Self { config, next: Duration::ZERO }
    }

    /// The wait after a run of this length. A run of twice the longest wait (10 minutes) makes good all before it.
    pub fn after_run(&mut self, ran_for: Duration) -> Duration {
        if ran_for >= self.config.max.saturating_mul(2) {
            self.next = Duration::ZERO;
        }
        self.step()
    }

    /// The wait after a start that did not succeed: never none, since an immediate retry would fail alike.
    pub fn after_failed_start(&mut self) -> Duration {
        if self.next.is_zero() {
            self.next = self.config.initial;
        }
        self.step()
    }

    fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = if wait.is_zero() { self.config.initial } else { wait.saturating_mul(2).min(self.config.max) };
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(backoff: &mut Backoff, runs: usize) -> Vec<u64> {
        (0..runs).map(|_| backoff.after_run(Duration::from_secs(1)).as_secs()).collect()
    }

    #[test]
    fn the_first_restart_is_immediate_then_ten_seconds_double_to_five_minutes() {
        let mut backoff = Backoff::new(BackoffConfig::default());
        assert_eq!(seconds(&mut backoff, 8), [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_make_good_all_before() {
        let mut backoff = Backoff::new(BackoffConfig::default());
        seconds(&mut backoff, 5);
        assert_eq!(backoff.after_run(Duration::from_secs(600)), Duration::ZERO);
        assert_eq!(backoff.after_run(Duration::from_secs(599)), Duration::from_secs(10));
    }

    #[test]
    fn a_start_that_fails_is_not_tried_again_at_once() {
        let mut backoff = Backoff::new(BackoffConfig::default());
        assert_eq!(backoff.after_failed_start(), Duration::from_secs(10));
        assert_eq!(backoff.after_failed_start(), Duration::from_secs(20));
    }
}

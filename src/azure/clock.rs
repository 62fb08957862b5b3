//! Time as the client sees it: monotonic, and faster than the world's in tests that would otherwise wait for real budgets.

use std::time::Duration;
use tokio::time::Instant;

/// A monotonic clock that can be waited on. Clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    started: Instant,
    factor: u32,
}

impl Clock {
    /// The system's monotonic clock.
    pub fn system() -> Self {
        Self::faster(1)
    }

    /// A clock that runs `factor` times as fast, so that a budget of minutes is tried in seconds.
    pub fn faster(factor: u32) -> Self {
        Self { started: Instant::now(), factor: factor.max(1) }
    }

    /// How long ago this clock was made, by itself.
    pub fn now(&self) -> Duration {
        self.started.elapsed().saturating_mul(self.factor)
    }

    /// Waits for `duration` of this clock's time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.factor).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_faster_clock_shortens_its_waits_by_as_much_as_it_runs_ahead() {
        let (clock, before) = (Clock::faster(100), Instant::now());
        clock.sleep(Duration::from_secs(300)).await;
        assert!(clock.now() >= Duration::from_secs(300));
        assert!(before.elapsed() < Duration::from_secs(4));
    }
}

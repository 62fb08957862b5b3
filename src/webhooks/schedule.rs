//! When a message is tried again: after pauses that grow, each a little longer or shorter by chance, so that many messages
//! to one receiver do not come back at once.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How often and when a message is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The pause after the first try.
    pub first: Duration,
    /// How many times longer each further pause is.
    pub factor: u32,
    /// The longest pause.
    pub most: Duration,
    /// How many tries there are before it is given up.
    pub attempts: u32,
}

impl Default for Schedule {
    /// Twelve tries within about a day.
    fn default() -> Self {
        Self { first: Duration::from_secs(10), factor: 3, most: Duration::from_secs(6 * 3600), attempts: 12 }
    }
}

impl Schedule {
    /// When the next try is, after `attempts` of them; nothing when it is to be given up. `wish` is what the receiver asked for.
    pub fn next(&self, now: Timestamp, attempts: u32, wish: Option<Duration>) -> Option<Timestamp> {
        if attempts >= self.attempts {
            return None;
        }
        let grown = self.factor.checked_pow(attempts.saturating_sub(1)).and_then(|by| self.first.checked_mul(by));
        let pause = grown.unwrap_or(self.most).max(wish.unwrap_or_default()).min(self.most);
        let pause = pause.mul_f64(0.8 + 0.4 * fastrand::f64());
        SignedDuration::try_from(pause).ok().and_then(|pause| now.checked_add(pause).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_end() {
        let schedule = Schedule::default();
        let pause = |attempts, wish| {
            let next = schedule.next(Timestamp::UNIX_EPOCH, attempts, wish)?;
            Some(next.as_millisecond() / 1000)
        };
        assert!((8..=12).contains(&pause(1, None).unwrap()));
        assert!((24..=36).contains(&pause(2, None).unwrap()));
        assert!((96..=144).contains(&pause(1, Some(Duration::from_secs(120))).unwrap()));
        let most = 6 * 3600 * 12 / 10;
        assert!((1..12).all(|attempts| pause(attempts, Some(Duration::MAX)).unwrap() <= most));
        assert_eq!(pause(12, None), None);
        let total: i64 = (1..12).filter_map(|attempts| pause(attempts, None)).sum();
        assert!((20 * 3600..40 * 3600).contains(&total), "{total}");
    }
}

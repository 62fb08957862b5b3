//! The budgets that Azure grants, kept on our side, so that calls wait here instead of being refused there.
//!
//! ARM's front has token buckets per subscription and kind of operation; Microsoft.Network counts per five minutes, and
//! Private DNS counts its reads once more. A call takes from every budget that it falls under. A 429 closes them for as
//! long as the service says, for all callers, not for the one that was refused alone.

use super::call::Method;
use super::clock::Clock;
use super::service::Service;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One budget of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Budget {
    /// ARM's front: reads.
    Reads,
    /// ARM's front: writes.
    Writes,
    /// ARM's front: deletions.
    Deletes,
    /// Microsoft.Network: reads.
    NetworkReads,
    /// Microsoft.Network: writes and deletions.
    NetworkWrites,
    /// Private DNS zones: reads.
    PrivateDnsReads,
}

/// How a budget is counted.
enum Limit {
    /// So many at once, and so many more each second.
    Bucket { capacity: f64, per_second: f64 },
    /// So many within any span of this length.
    Window { calls: usize, span: Duration },
}

impl Budget {
    /// Every budget.
    pub const ALL: [Self; 6] =
        [Self::Reads, Self::Writes, Self::Deletes, Self::NetworkReads, Self::NetworkWrites, Self::PrivateDnsReads];

    /// The budgets that a call falls under.
    pub fn of(service: Service, method: Method) -> &'static [Self] {
        match (service, method) {
            (Service::PrivateDns, Method::Get | Method::Head) => {
                &[Self::Reads, Self::NetworkReads, Self::PrivateDnsReads]
            }
            (Service::PublicDns, Method::Get | Method::Head) => &[Self::Reads, Self::NetworkReads],
            (Service::PrivateDns | Service::PublicDns, Method::Delete) => &[Self::Deletes, Self::NetworkWrites],
            (Service::PrivateDns | Service::PublicDns, Method::Put | Method::Patch | Method::Post) => {
                &[Self::Writes, Self::NetworkWrites]
            }
        }
    }

    /// A little less than Microsoft publishes ("Understand how Azure Resource Manager throttles requests", "Microsoft.Network
    /// throttling"): calls under way are counted here already and there not yet, and the other way round.
    fn limit(self) -> Limit {
        const FIVE_MINUTES: Duration = Duration::from_secs(300);
        match self {
            Self::Reads => Limit::Bucket { capacity: 240.0, per_second: 25.0 },
            Self::Writes | Self::Deletes => Limit::Bucket { capacity: 190.0, per_second: 10.0 },
            Self::NetworkReads => Limit::Window { calls: 9_800, span: FIVE_MINUTES },
            Self::NetworkWrites => Limit::Window { calls: 980, span: FIVE_MINUTES },
            Self::PrivateDnsReads => Limit::Window { calls: 490, span: FIVE_MINUTES },
        }
    }
}

/// What is left of all budgets, for all callers of one client.
pub(super) struct Throttle {
    clock: Clock,
    /// By subscription, as each has its own budgets.
    levels: Mutex<BTreeMap<String, BTreeMap<Budget, Level>>>,
}

impl Throttle {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, levels: Mutex::default() }
    }

    /// Takes one call from each of `budgets`, waiting for them at most `patience`; else says how long it would be.
    pub(super) async fn admit(
        &self,
        subscription: &str,
        budgets: &[Budget],
        patience: Duration,
    ) -> Result<(), Duration> {
        let deadline = self.clock.now() + patience;
        loop {
            let now = self.clock.now();
            let Some(wait) = self.take(subscription, budgets, now) else { return Ok(()) };
            if now + wait > deadline {
                return Err(wait);
            }
            // A little more, and not the same for all: those who wait shall not all wake at one moment.
            self.clock.sleep(wait + Duration::from_millis(fastrand::u64(1..50))).await;
        }
    }

    /// The service said that nothing more is taken for `after`.
    pub(super) fn close(&self, subscription: &str, budgets: &[Budget], after: Duration) {
        let until = self.clock.now() + after;
        self.with(subscription, budgets, |level| level.closed_until = level.closed_until.max(until));
    }

    /// The service says that so many calls remain: others use the same subscription.
    pub(super) fn remaining(&self, subscription: &str, budget: Budget, calls: u32) {
        let now = self.clock.now();
        self.with(subscription, &[budget], |level| level.at_most(f64::from(calls), now));
    }

    /// Takes one from each, or from none and says how long to wait.
    fn take(&self, subscription: &str, budgets: &[Budget], now: Duration) -> Option<Duration> {
        let mut wait = Duration::ZERO;
        self.with(subscription, budgets, |level| wait = wait.max(level.wait(now)));
        if !wait.is_zero() {
            return Some(wait);
        }
        self.with(subscription, budgets, |level| level.take(now));
        None
    }

    fn with(&self, subscription: &str, budgets: &[Budget], mut act: impl FnMut(&mut Level)) {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let of = levels.entry(subscription.to_owned()).or_default();
        for budget in budgets {
            act(of.entry(*budget).or_insert_with(|| Level::full(budget.limit())));
        }
    }
}

/// What is left of one budget.
struct Level {
    limit: Limit,
    /// Of a bucket: what is in it, and since when that is known.
    tokens: f64,
    known_at: Duration,
    /// Of a window: when its calls were made.
    calls: VecDeque<Duration>,
    closed_until: Duration,
}

impl Level {
    fn full(limit: Limit) -> Self {
        let tokens = match limit {
            Limit::Bucket { capacity, .. } => capacity,
            Limit::Window { .. } => 0.0,
        };
        Self { limit, tokens, known_at: Duration::ZERO, calls: VecDeque::new(), closed_until: Duration::ZERO }
    }

    fn wait(&mut self, now: Duration) -> Duration {
        self.refill(now);
        let own = match self.limit {
            Limit::Bucket { per_second, .. } if self.tokens < 1.0 => {
                Duration::from_secs_f64((1.0 - self.tokens) / per_second)
            }
            Limit::Window { calls, span } if self.calls.len() >= calls => {
                self.calls.front().map_or(Duration::ZERO, |first| (*first + span).saturating_sub(now))
            }
            Limit::Bucket { .. } | Limit::Window { .. } => Duration::ZERO,
        };
        own.max(self.closed_until.saturating_sub(now))
    }

    fn take(&mut self, now: Duration) {
        match self.limit {
            Limit::Bucket { .. } => self.tokens -= 1.0,
            Limit::Window { .. } => self.calls.push_back(now),
        }
    }

    fn at_most(&mut self, calls: f64, now: Duration) {
        self.refill(now);
        self.tokens = self.tokens.min(calls);
    }

    fn refill(&mut self, now: Duration) {
        match self.limit {
            Limit::Bucket { capacity, per_second } => {
                let gained = now.saturating_sub(self.known_at).as_secs_f64() * per_second;
                self.tokens = (self.tokens + gained).min(capacity);
                self.known_at = now;
            }
            Limit::Window { span, .. } => {
                while self.calls.front().is_some_and(|first| *first + span <= now) {
                    self.calls.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(Clock::system())
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_capacity_at_once_and_then_so_many_a_second() {
        let throttle = throttle();
        let at = Duration::from_secs;
        let given = |now| (0..1_000).take_while(|_| throttle.take("s", &[Budget::Writes], now).is_none()).count();
        assert_eq!(given(at(0)), 190);
        assert_eq!(given(at(1)), 10);
        assert_eq!(given(at(1_000)), 190);
    }

    #[tokio::test(start_paused = true)]
    async fn no_span_of_five_minutes_has_more_calls_than_the_window_allows() {
        let throttle = throttle();
        let mut made: Vec<Duration> = Vec::new();
        for tenth in 0..9_000 {
            let now = Duration::from_millis(tenth * 100);
            while throttle.take("s", &[Budget::PrivateDnsReads], now).is_none() {
                made.push(now);
            }
        }
        assert!(made.len() >= 1_400, "{}", made.len());
        for first in &made {
            let within = made.iter().filter(|at| **at >= *first && **at < *first + Duration::from_secs(300)).count();
            assert!(within <= 500, "{within} from {first:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_takes_from_all_of_its_budgets_or_from_none() {
        let throttle = throttle();
        let budgets = Budget::of(Service::PrivateDns, Method::Get);
        let reads = (0..1_000).take_while(|_| throttle.take("s", budgets, Duration::ZERO).is_none()).count();
        assert_eq!(reads, 240, "the front's bucket is the smallest");
        // The other budgets were not charged for the refused ones.
        assert_eq!(throttle.take("s", &[Budget::PrivateDnsReads], Duration::ZERO), None);
        assert_eq!(throttle.take("other", budgets, Duration::ZERO), None, "each subscription has its own");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_closes_the_budget_for_everybody_until_it_ends() {
        let throttle = throttle();
        let budgets = Budget::of(Service::PublicDns, Method::Put);
        throttle.close("s", budgets, Duration::from_secs(10));
        assert!(throttle.admit("s", budgets, Duration::from_secs(5)).await.is_err(), "no patience for that");
        assert!(throttle.admit("s", Budget::of(Service::PublicDns, Method::Get), Duration::ZERO).await.is_ok());
        throttle.admit("s", budgets, Duration::from_secs(60)).await.unwrap();
        assert!(throttle.clock.now() >= Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_use_is_taken_into_account() {
        let throttle = throttle();
        throttle.remaining("s", Budget::Reads, 2);
        let now = throttle.clock.now();
        assert_eq!((0..9).take_while(|_| throttle.take("s", &[Budget::Reads], now).is_none()).count(), 2);
    }
}

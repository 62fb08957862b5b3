//! The budgets that Microsoft publishes, counted on this side: what the client thinks of them is not looked at.

use std::collections::BTreeMap;
use std::time::Duration;

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Calls by budget.
#[derive(Default)]
pub struct Budgets {
    /// Of ARM's front: what is left in each bucket, and since when that is so.
    buckets: BTreeMap<&'static str, (f64, Duration)>,
    /// Of Microsoft.Network: when calls came.
    windows: BTreeMap<&'static str, Vec<Duration>>,
    /// Calls that came when there was no room.
    pub exceeded: BTreeMap<&'static str, usize>,
}

impl Budgets {
    /// Counts a call; how long to wait if there is no room for it.
    pub fn count(&mut self, method: &str, is_private: bool, now: Duration) -> Option<Duration> {
        let (bucket, capacity, per_second) = match method {
            "GET" | "HEAD" => ("reads", 250.0, 25.0),
            "DELETE" => ("deletes", 200.0, 10.0),
            _ => ("writes", 200.0, 10.0),
        };
        let mut windows = vec![match method {
            "GET" | "HEAD" => ("network reads", 10_000),
            _ => ("network writes", 1_000),
        }];
        if is_private && matches!(method, "GET" | "HEAD") {
            windows.push(("private DNS reads", 500));
        }
        let mut wait = None;
        let (tokens, since) = self.buckets.entry(bucket).or_insert((capacity, now));
        *tokens = (*tokens + now.saturating_sub(*since).as_secs_f64() * per_second).min(capacity);
        *since = now;
        *tokens -= 1.0;
        if *tokens < 0.0 {
            *tokens = 0.0;
            *self.exceeded.entry(bucket).or_default() += 1;
            wait = Some(Duration::from_secs(1));
        }
        for (window, most) in windows {
            let calls = self.windows.entry(window).or_default();
            calls.push(now);
            if within(calls, now) > most {
                *self.exceeded.entry(window).or_default() += 1;
                wait = Some(Duration::from_secs(10));
            }
        }
        wait
    }

    /// The most calls that any span of five minutes saw, by window.
    pub fn busiest(&self) -> BTreeMap<&'static str, usize> {
        let most = |calls: &Vec<Duration>| {
            let mut first = 0;
            let busiest = calls.iter().enumerate().map(|(last, now)| {
                while calls[first] + FIVE_MINUTES <= *now {
                    first += 1;
                }
                last + 1 - first
            });
            busiest.max().unwrap_or_default()
        };
        self.windows.iter().map(|(name, calls)| (*name, most(calls))).collect()
    }
}

fn within(calls: &[Duration], now: Duration) -> usize {
    calls.iter().rev().take_while(|at| **at + FIVE_MINUTES > now).count()
}

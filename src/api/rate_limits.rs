//! How often somebody may call: each caller, and each address whose caller is not known.
//!
//! A known caller is never held up by others at the same address: only calls that present nothing, or something that was
//! not right lately, are asked of the address.

use crate::identity::{LimitSettings, Through};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most callers, addresses and tokens that are remembered at once.
const MAX_REMEMBERED: usize = 10_000;
/// How long a token that was right is remembered to have been.
const RIGHT_LATELY: Duration = Duration::from_secs(600);

/// All limits of a management API.
pub(super) struct RateLimits {
    settings: LimitSettings,
    callers: Limit<String>,
    addresses: Limit<IpAddr>,
    right_lately: Mutex<HashMap<[u8; 32], Instant>>,
}

impl RateLimits {
    pub(super) fn new(settings: &LimitSettings) -> Self {
        Self {
            settings: *settings,
            callers: Limit::new(settings.per_caller),
            addresses: Limit::new(settings.per_unknown_address),
            right_lately: Mutex::default(),
        }
    }

    /// Whether these are the limits that `settings` say.
    pub(super) fn is_by(&self, settings: &LimitSettings) -> bool {
        self.settings == *settings
    }

    /// Takes one call of a caller, or says how long to wait. Whoever owns the data folder is not held up.
    pub(super) fn caller(&self, subject: &str, through: &Through, now: Instant) -> Result<(), Duration> {
        match through {
            Through::DataFolder => Ok(()),
            Through::OwnToken(_) | Through::Issuer(_) | Through::Kubernetes | Through::Certificate => {
                self.callers.take(subject.to_owned(), now)
            }
        }
    }

    /// Whether somebody at `address` may try `token` at all. Loopback is not held up: whoever is on this machine could
    /// otherwise hold up all others on it.
    pub(super) fn may_try(&self, address: Option<IpAddr>, token: Option<&str>, now: Instant) -> Result<(), Duration> {
        match address.map(network).filter(|address| !address.is_loopback()) {
            Some(address) if !token.is_some_and(|token| self.was_right(token, now)) => {
                self.addresses.peek(&address, now)
            }
            _ => Ok(()),
        }
    }

    /// Notes that what somebody at `address` presented was of nobody.
    pub(super) fn failed(&self, address: Option<IpAddr>, now: Instant) {
        if let Some(address) = address.map(network) {
            // Whether it was one too many shows at the next one.
            let _too_many = self.addresses.take(address, now);
        }
    }

    /// Notes that `token` was right.
    pub(super) fn right(&self, token: &str, now: Instant) {
        let mut right = self.right_lately.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= MAX_REMEMBERED {
            right.retain(|_, at| now.saturating_duration_since(*at) < RIGHT_LATELY);
        }
        if right.len() < MAX_REMEMBERED {
            right.insert(Sha256::digest(token.as_bytes()).into(), now);
        }
    }

    fn was_right(&self, token: &str, now: Instant) -> bool {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let right = self.right_lately.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(&digest).is_some_and(|at| now.saturating_duration_since(*at) < RIGHT_LATELY)
    }
}

/// The network that one client has: an IPv4 address, or the /64 of an IPv6 address, in which a client picks its own.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        other => other,
    }
}

/// A limit of calls per key: so many in a minute, a quarter of them at once.
///
/// For each key, only the time is kept at which all of its calls so far would be due at an even pace (the generic cell
/// rate algorithm). A key whose time is over is forgotten.
struct Limit<K> {
    interval: Duration,
    burst: Duration,
    due: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Limit<K> {
    fn new(per_minute: NonZeroU32) -> Self {
        let interval = Duration::from_secs(60) / per_minute.get();
        let burst = interval * (per_minute.get() / 4).max(1);
        Self { interval, burst, due: Mutex::default() }
    }

    /// Takes one call, or says how long to wait for it.
    fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() >= MAX_REMEMBERED && !due.contains_key(&key) {
            due.retain(|_, at| *at > now);
            if due.len() >= MAX_REMEMBERED {
                // So many at once are no people: whoever is not known yet waits.
                return Err(self.interval);
            }
        }
        let at = due.entry(key).or_insert(now);
        let next = (*at).max(now) + self.interval;
        let ahead = next.saturating_duration_since(now);
        if ahead > self.burst {
            return Err(ahead - self.burst);
        }
        *at = next;
        Ok(())
    }

    /// Whether one call would be taken.
    fn peek(&self, key: &K, now: Instant) -> Result<(), Duration> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = due.get(key).map(|at| at.saturating_duration_since(now) + self.interval).unwrap_or_default();
        if ahead > self.burst { Err(ahead - self.burst) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RateLimits {
        let number = |number| NonZeroU32::new(number).unwrap();
        RateLimits::new(&LimitSettings { per_caller: number(120), per_unknown_address: number(60) })
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_quarter_of_a_minutes_calls_may_come_at_once_and_then_an_even_pace() {
        let (limits, now, token) = (limits(), Instant::now(), Through::OwnToken("t1".into()));
        for _ in 0..30 {
            assert_eq!(limits.caller("a", &token, now), Ok(()));
        }
        assert_eq!(limits.caller("a", &token, now), Err(Duration::from_millis(500)));
        assert_eq!(limits.caller("b", &token, now), Ok(()), "another caller is not held up");
        let later = now + Duration::from_millis(500);
        assert_eq!(limits.caller("a", &token, later), Ok(()));
        assert!(limits.caller("a", &token, later).is_err());
        for _ in 0..1000 {
            assert_eq!(limits.caller("local", &Through::DataFolder, now), Ok(()));
        }
    }

    #[test]
    fn wrong_tokens_hold_up_their_address_and_not_the_right_ones_there() {
        let (limits, now, here) = (limits(), Instant::now(), address("192.0.2.1"));
        limits.right("right", now);
        for _ in 0..15 {
            assert_eq!(limits.may_try(here, Some("wrong"), now), Ok(()));
            limits.failed(here, now);
        }
        assert_eq!(limits.may_try(here, Some("wrong"), now), Err(Duration::from_secs(1)));
        assert_eq!(limits.may_try(here, None, now), Err(Duration::from_secs(1)));
        assert_eq!(limits.may_try(here, Some("right"), now), Ok(()), "one that was right lately");
        assert_eq!(limits.may_try(address("::ffff:192.0.2.1"), None, now), Err(Duration::from_secs(1)), "the same one");
        assert_eq!(limits.may_try(address("192.0.2.2"), None, now), Ok(()));
        let later = now + RIGHT_LATELY;
        assert_eq!(limits.may_try(here, Some("wrong"), later), Ok(()), "it is forgotten");
    }

    #[test]
    fn an_ipv6_client_cannot_pick_another_address_of_its_network() {
        let (limits, now) = (limits(), Instant::now());
        for host in 1..=15 {
            limits.failed(address(&format!("2001:db8::{host}")), now);
        }
        assert!(limits.may_try(address("2001:db8::ffff"), None, now).is_err());
        assert!(limits.may_try(address("2001:db8:0:1::1"), None, now).is_ok());
        for _ in 0..100 {
            limits.failed(address("127.0.0.1"), now);
        }
        assert!(limits.may_try(address("127.0.0.1"), None, now).is_ok(), "this machine is not held up");
    }

    #[test]
    fn a_flood_of_addresses_is_bounded() {
        let (limits, now) = (limits(), Instant::now());
        for host in 0..20_000_u32 {
            limits.failed(Some(IpAddr::from(host.to_be_bytes())), now);
            limits.right(&host.to_string(), now);
        }
        assert!(limits.addresses.due.lock().unwrap().len() <= MAX_REMEMBERED);
        assert!(limits.right_lately.lock().unwrap().len() <= MAX_REMEMBERED);
        let later = now + Duration::from_secs(3600);
        limits.failed(address("198.51.100.7"), later);
        assert_eq!(limits.addresses.due.lock().unwrap().len(), 1, "those whose time is over are forgotten");
    }
}

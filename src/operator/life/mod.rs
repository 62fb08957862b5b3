//! How an environment lives: a pure function of what its class says, what its owner asked for, and what time it is.
//!
//! Nothing here acts. Given the same facts it says the same, so that a status is written once and a warning given once.

use crate::model::{between, earlier, later, shown_duration};
use crate::resources::{EnvironmentLife, EnvironmentSpec, Life, LifePhase};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

pub(super) mod act;
pub(super) mod graves;

/// Outside of the hours of work, one that was woken sleeps again this long after its last use, where its class does not say.
const AFTER_HOURS: Duration = Duration::from_secs(3600);
/// The time of the last use is written this late at most.
const MOST_LATE: Duration = Duration::from_secs(3600);
/// And not more often than this.
const LEAST_LATE: Duration = Duration::from_secs(60);

/// What is known of an environment.
#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub(super) now: Timestamp,
    /// What its class says.
    pub(super) life: &'a Life,
    /// What its owner asked for.
    pub(super) spec: &'a EnvironmentSpec,
    /// When it was made.
    pub(super) created: Timestamp,
    /// When it was used or deployed last.
    pub(super) used: Option<Timestamp>,
    /// Whether somebody has changed what is asked for: that is told as use at once.
    pub(super) touched: bool,
    /// When a request was refused last as it slept.
    pub(super) wanted: Option<Timestamp>,
    /// Whether it is known how environments are used. If not, nothing is concluded from want of use.
    pub(super) use_is_known: bool,
    /// What was told of its life before.
    pub(super) before: Option<&'a EnvironmentLife>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Living {
    /// What is to be told of it.
    pub(super) told: EnvironmentLife,
    /// Whether it is to sleep; why, in a sentence.
    pub(super) asleep: Option<String>,
    /// A request wants it, and its class lets that wake it.
    pub(super) wake: bool,
    /// Its owner is to be warned now: a sentence.
    pub(super) warning: Option<String>,
    /// It has expired: why, in a sentence.
    pub(super) expired: Option<String>,
    /// When to look again.
    pub(super) next: Option<Timestamp>,
}

impl Facts<'_> {
    /// Decides.
    pub(super) fn live(&self) -> Living {
        let (asleep, mut due) = self.sleep();
        let end = self.end();
        let warned = end.as_ref().map(|end| self.warn(end)).unwrap_or_default();
        due.extend(warned.next);
        let expires = end.as_ref().map(|end| end.at.max(warned.not_before));
        due.extend(expires);
        let expired = expires.filter(|at| *at <= self.now).and(end.as_ref()).map(|end| end.why.clone());
        let phase = match (&expired, warned.last.is_some(), &asleep) {
            (Some(_), _, _) => LifePhase::Expired,
            (None, true, _) => LifePhase::Expiring,
            (None, false, Some(_)) => LifePhase::Asleep,
            (None, false, None) => LifePhase::Active,
        };
        let since = asleep.as_ref().map(|_| self.before.and_then(|before| before.asleep_since.clone()));
        let (warned_at, warned_before) = warned.last.unzip();
        let told = EnvironmentLife {
            phase,
            expires_at: expires.map(Time),
            last_used_at: self.last_use_told().map(Time),
            warned_at: warned_at.map(Time),
            warned_before: warned_before.map(shown_duration),
            asleep_since: since.map(|since| since.unwrap_or(Time(self.now))),
            wakes_on_request: asleep.is_some() && self.life.wake_on_request,
            message: self.message(asleep.as_deref(), end.as_ref(), expires),
        };
        let wake = asleep.is_some() && self.is_wanted();
        let next = due.into_iter().filter(|time| *time > self.now).min();
        Living { told, asleep, wake, warning: warned.now, expired, next }
    }

    /// When somebody needed it last, as far as sleep goes.
    fn needed(&self) -> Timestamp {
        let asked = [&self.spec.woken_at, &self.spec.restarted_at].into_iter().flatten().map(|time| time.0);
        asked.chain(self.used).fold(self.created, Timestamp::max).min(self.now)
    }

    /// Whether a request is to wake it: one that came after it fell asleep.
    fn is_wanted(&self) -> bool {
        let since = self.before.and_then(|before| before.asleep_since.as_ref()).map(|since| since.0);
        let woken = self.spec.woken_at.as_ref().map(|woken| woken.0);
        let after = |time: Option<Timestamp>| self.wanted.zip(time).is_some_and(|(wanted, time)| wanted >= time);
        self.life.wake_on_request && after(since) && woken.is_none_or(|woken| after(Some(woken)))
    }

    /// Whether it is to sleep, and when that is to be asked again.
    fn sleep(&self) -> (Option<String>, Vec<Timestamp>) {
        let mut due = Vec::new();
        if self.spec.sleeping {
            return (Some("it was put to sleep".to_owned()), due);
        }
        let needed = self.needed();
        if let Some(hours) = &self.life.hours {
            due.extend(hours.next_change(self.now));
            if !hours.holds(self.now) {
                let ended = hours.last_end(self.now).unwrap_or(Timestamp::MIN);
                let until = later(needed, self.life.sleep_after.unwrap_or(AFTER_HOURS));
                // Use alone does not keep it awake beyond the hours; somebody has to want it after they ended.
                let asked = self.asked_since(ended);
                if !asked || (self.use_is_known && until <= self.now) {
                    let begin = hours.next_change(self.now).map_or_else(String::new, |time| format!(" until {time}"));
                    return (Some(format!("it is outside of the hours of work of its class{begin}")), due);
                }
                due.push(until);
                return (None, due);
            }
        }
        let Some(after) = self.life.sleep_after.filter(|_| self.use_is_known) else { return (None, due) };
        // When the hours begin, it is there for those who come to work.
        let begun = self.life.hours.as_ref().and_then(|hours| hours.last_begin(self.now));
        let until = later(begun.map_or(needed, |begun| needed.max(begun)), after);
        if until <= self.now {
            return (Some(format!("it was not used for {}", shown_duration(after))), due);
        }
        due.push(until);
        (None, due)
    }

    /// Whether it was made, deployed or woken after `time`.
    fn asked_since(&self, time: Timestamp) -> bool {
        let asked = [&self.spec.woken_at, &self.spec.restarted_at].into_iter().flatten().map(|time| time.0);
        asked.chain([self.created]).any(|asked| asked > time && asked <= self.now)
    }

    /// When it expires, and why.
    fn end(&self) -> Option<End> {
        if self.spec.pinned && self.life.pinnable {
            return None;
        }
        let by_age = self.life.max.map(|max| End {
            at: later(self.created, max),
            why: format!("it is {} old, the most that its class allows", shown_duration(max)),
        });
        let by_idle = self.life.idle.filter(|_| self.use_is_known).map(|idle| End {
            at: later(self.needed(), idle),
            why: format!("it was not used for {}", shown_duration(idle)),
        });
        let natural = [by_age, by_idle].into_iter().flatten().min_by_key(|end| end.at);
        let extended = self.spec.expires_at.as_ref().map(|asked| {
            let latest = self.life.latest(self.created);
            let at = latest.map_or(asked.0, |latest| asked.0.min(latest));
            End { at, why: "the time to which it was extended is over".to_owned() }
        });
        // An extension never shortens a life.
        [natural, extended].into_iter().flatten().max_by_key(|end| end.at)
    }

    /// Which warnings are given before `end`.
    fn warn(&self, end: &End) -> Warned {
        let Some(shortest) = self.life.warnings.last().copied() else { return Warned::default() };
        let due = |before: Duration| earlier(end.at, before);
        let next = self.life.warnings.iter().map(|before| due(*before)).filter(|due| *due > self.now).min();
        // The shortest whose time has come.
        let crossed = self.life.warnings.iter().copied().filter(|before| due(*before) <= self.now).min();
        let given = self.before.and_then(|before| {
            let known = self.life.warnings.iter().find(|known| before.warned_before == Some(shown_duration(**known)));
            Some((before.warned_at.as_ref()?.0, known.copied()?))
        });
        let (last, now) = match (crossed, given) {
            (None, _) => (None, None),
            // A shorter one that was missed is not made up for at the end: it was warned.
            (Some(crossed), Some((at, before))) if before <= crossed || end.at <= self.now => {
                (Some((at, before)), None)
            }
            (Some(crossed), _) => {
                let at = end.at.max(later(self.now, shortest));
                (Some((self.now, crossed)), Some(format!("it expires at {at}: {}", end.why)))
            }
        };
        // Nobody loses an environment unwarned: not when its class came to it late, nor when no manager was there to warn.
        let not_before = last.map_or(Timestamp::MIN, |(at, _)| later(at, shortest));
        Warned { last, now, not_before, next }
    }

    /// The time of the last use, as it is to be told. It is not told anew with every use: each environment's status would be
    /// written every minute.
    fn last_use_told(&self) -> Option<Timestamp> {
        let used = self.used.map(|used| used.min(self.now));
        let told = self.before.and_then(|before| before.last_used_at.as_ref()).map(|told| told.0);
        let (Some(used), Some(told), false) = (used, told, self.touched) else { return used.or(told) };
        let shortest = [self.life.idle, self.life.sleep_after].into_iter().flatten().min();
        let step = shortest.map_or(MOST_LATE, |shortest| (shortest / 10).clamp(LEAST_LATE, MOST_LATE));
        if between(told, used) >= step { Some(used) } else { Some(told) }
    }

    fn message(&self, asleep: Option<&str>, end: Option<&End>, expires: Option<Timestamp>) -> String {
        let sleep = asleep.map(|why| format!("it sleeps: {why}"));
        let kept = match (self.spec.pinned, self.life.pinnable) {
            (true, true) => Some("it is pinned and does not expire".to_owned()),
            (true, false) => Some("it is pinned, which its class does not allow".to_owned()),
            (false, _) => None,
        };
        let beyond = self.spec.expires_at.as_ref().zip(self.life.latest(self.created));
        let beyond = beyond
            .filter(|(asked, latest)| asked.0 > *latest && !self.spec.pinned)
            .map(|(_, latest)| format!("its class lets it be extended to {latest} and not longer"));
        let ends = end.zip(expires).map(|(end, at)| format!("it expires at {at}: {}", end.why));
        [sleep, kept, ends, beyond].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

/// The end of a life.
struct End {
    at: Timestamp,
    why: String,
}

/// What is to be said of warnings.
struct Warned {
    /// The last one: when it was given, and how long before the end it was due.
    last: Option<(Timestamp, Duration)>,
    /// The one to be given now.
    now: Option<String>,
    /// It does not expire before.
    not_before: Timestamp,
    /// When the next one is due.
    next: Option<Timestamp>,
}

impl Default for Warned {
    fn default() -> Self {
        Self { last: None, now: None, not_before: Timestamp::MIN, next: None }
    }
}

#[cfg(test)]
mod tests;

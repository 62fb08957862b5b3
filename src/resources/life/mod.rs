//! How long environments of a class live, and when they sleep: the wire form [`ClassLife`], and its checked form [`Life`].

mod hours;

pub use hours::{Hours, WorkingHours};

use crate::model::{later, parse_duration, shown};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long it is told of an expired environment that it has expired, where the class does not say.
const REMEMBERED: Duration = Duration::from_secs(14 * 86_400);
/// When it is warned, where the class does not say.
const A_DAY: Duration = Duration::from_secs(86_400);
/// The most warnings before an environment expires.
const MAX_WARNINGS: usize = 8;

/// How long environments of a class live, and when they sleep. Durations are like 90m, 12h or 14d.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassLife {
    /// An environment that was not used for so long expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = DURATION, "maxLength" = 24))]
    pub idle: Option<String>,
    /// An environment of this age expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = DURATION, "maxLength" = 24))]
    pub max: Option<String>,
    /// How long before it expires its owner is warned. Without it: a day, or a quarter of a shorter life.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = MAX_WARNINGS, "x-kubernetes-list-type" = "atomic", "items" = {"type": "string", "pattern": DURATION, "maxLength": 24}))]
    pub warnings: Vec<String>,
    /// The age to which an environment may be extended. Without it: twice max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = DURATION, "maxLength" = 24))]
    pub extend_to: Option<String>,
    /// Whether an environment may be pinned: a pinned one does not expire. Without it: yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinnable: Option<bool>,
    /// An environment that was not used for so long sleeps: nothing of it runs, everything is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = DURATION, "maxLength" = 24))]
    pub sleep_after: Option<String>,
    /// Whether a request to a sleeping environment wakes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wake_on_request: bool,
    /// When people work: outside of these hours environments sleep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<WorkingHours>,
    /// For how long the host of an expired environment says so. Without it: 14d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = DURATION, "maxLength" = 24))]
    pub remember: Option<String>,
}

/// What a duration looks like.
pub(super) const DURATION: &str = "^[0-9]+(ms|s|m|h|d)$";

/// The life of a class's environments, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Not used for so long, it expires.
    pub idle: Option<Duration>,
    /// At this age, it expires.
    pub max: Option<Duration>,
    /// How long before that it is warned, the longest first.
    pub warnings: Vec<Duration>,
    /// The age to which it may be extended.
    pub extend_to: Option<Duration>,
    /// Whether it may be pinned.
    pub pinnable: bool,
    /// Not used for so long, it sleeps.
    pub sleep_after: Option<Duration>,
    /// Whether a request wakes it.
    pub wake_on_request: bool,
    /// When people work.
    pub hours: Option<Hours>,
    /// For how long it is told that it has expired.
    pub remember: Duration,
}

impl Default for Life {
    /// It lives until somebody deletes it.
    fn default() -> Self {
        Self {
            idle: None,
            max: None,
            warnings: Vec::new(),
            extend_to: None,
            pinnable: true,
            sleep_after: None,
            wake_on_request: false,
            hours: None,
            remember: REMEMBERED,
        }
    }
}

impl Life {
    /// Checks `wire`; what is wrong is added to `errors` with its path below `path`.
    pub fn check(wire: Option<&ClassLife>, path: &str, errors: &mut Vec<(String, String)>) -> Self {
        let Some(wire) = wire else { return Self::default() };
        let before = errors.len();
        let mut read = |name: &str, text: Option<&String>| {
            let text = text?;
            let parsed = parse_duration(text);
            if parsed.is_none() {
                let said = format!("{} is not a duration, like 90m, 12h or 14d", shown(text));
                errors.push((format!("{path}.{name}"), said));
            }
            parsed
        };
        let mut life = Self {
            idle: read("idle", wire.idle.as_ref()),
            max: read("max", wire.max.as_ref()),
            extend_to: read("extendTo", wire.extend_to.as_ref()),
            sleep_after: read("sleepAfter", wire.sleep_after.as_ref()),
            remember: read("remember", wire.remember.as_ref()).unwrap_or(REMEMBERED),
            pinnable: wire.pinnable.unwrap_or(true),
            wake_on_request: wire.wake_on_request,
            ..Self::default()
        };
        for (index, text) in wire.warnings.iter().enumerate() {
            life.warnings.extend(read(&format!("warnings[{index}]"), Some(text)));
        }
        life.warnings.sort_unstable_by(|a, b| b.cmp(a));
        life.warnings.dedup();
        if let Some(hours) = &wire.hours {
            life.hours = Hours::check(hours, &format!("{path}.hours"), errors);
        }
        if errors.len() == before {
            life.check_order(path, errors);
        }
        if life.warnings.is_empty() {
            // Whoever loses an environment was warned: a day before, or a quarter of a shorter life.
            let shortest = [life.idle, life.max].into_iter().flatten().min();
            life.warnings.extend(shortest.map(|shortest| A_DAY.min(shortest / 4)));
        }
        life
    }

    /// What contradicts itself.
    fn check_order(&self, path: &str, errors: &mut Vec<(String, String)>) {
        let mut wrong = |name: &str, said: &str| errors.push((format!("{path}.{name}"), said.to_owned()));
        if self.warnings.len() > MAX_WARNINGS {
            wrong("warnings", "there are too many; 8 are the most");
        }
        let shortest = [self.idle, self.max].into_iter().flatten().min();
        match (shortest, self.warnings.first()) {
            (None, Some(_)) => wrong("warnings", "nothing expires that could be warned of; give idle or max as well"),
            (Some(shortest), Some(longest)) if *longest >= shortest => {
                wrong("warnings", "a warning has to come later than the beginning; make it shorter than idle and max");
            }
            (_, _) => {}
        }
        if let (Some(most), Some(max)) = (self.extend_to, self.max)
            && most < max
        {
            wrong("extendTo", "it is shorter than max; an extension reaches beyond it");
        }
        if let (Some(sleep), Some(idle)) = (self.sleep_after, self.idle)
            && sleep >= idle
        {
            wrong("sleepAfter", "it is not shorter than idle, so that environments would expire instead of sleeping");
        }
    }

    /// Whether anything ends by itself.
    pub fn expires(&self) -> bool {
        self.idle.is_some() || self.max.is_some()
    }

    /// Whether an environment expires at all, where its owner gave it no end.
    pub fn ends(&self) -> bool {
        self.idle.is_some() || self.max.is_some()
    }

    /// The latest time to which an environment that was made at `created` may be extended; `None` where there is no bound.
    pub fn latest(&self, created: Timestamp) -> Option<Timestamp> {
        let age = self.extend_to.or_else(|| self.max.and_then(|max| max.checked_mul(2)))?;
        Some(later(created, age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(wire: Value) -> Result<Life, Vec<(String, String)>> {
        let mut errors = Vec::new();
        let life = Life::check(Some(&serde_json::from_value(wire).unwrap()), "spec.life", &mut errors);
        if errors.is_empty() { Ok(life) } else { Err(errors) }
    }

    #[test]
    fn a_life_is_read_and_extends_to_twice_its_length() {
        let life = checked(json!({"idle": "3d", "max": "14d", "warnings": ["1h", "1d"], "sleepAfter": "2h"})).unwrap();
        assert_eq!(life.warnings, [Duration::from_secs(86_400), Duration::from_secs(3600)]);
        let created: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(life.latest(created).unwrap().to_string(), "2026-01-29T00:00:00Z");
        assert!(Life::default().latest(created).is_none() && !Life::default().expires());
    }

    #[test]
    fn each_mistake_has_its_place() {
        for (wire, path, part) in [
            (json!({"idle": "3 days"}), "spec.life.idle", "is not a duration, like 90m"),
            (json!({"warnings": ["1h"]}), "spec.life.warnings", "give idle or max as well"),
            (json!({"max": "1d", "warnings": ["1d"]}), "spec.life.warnings", "shorter than idle and max"),
            (json!({"max": "1d", "warnings": ["1h", "x"]}), "spec.life.warnings[1]", "is not a duration"),
            (json!({"max": "2d", "extendTo": "1d"}), "spec.life.extendTo", "shorter than max"),
            (json!({"idle": "2h", "sleepAfter": "2h"}), "spec.life.sleepAfter", "not shorter than idle"),
            (json!({"hours": {"zone": "Mars/X", "from": "07:00", "to": "19:00"}}), "spec.life.hours.zone", "time zone"),
        ] {
            let errors = checked(wire).unwrap_err();
            assert!(errors[0].0 == path && errors[0].1.contains(part), "{errors:?}");
        }
    }
}

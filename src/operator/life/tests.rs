//! Tests of the decision.

use super::*;
use crate::resources::ClassLife;
use serde_json::{Value, json};

const CREATED: &str = "2026-03-02T08:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn life(wire: Value) -> Life {
    let mut errors = Vec::new();
    let wire: ClassLife = serde_json::from_value(wire).unwrap();
    let life = Life::check(Some(&wire), "spec.life", &mut errors);
    assert!(errors.is_empty(), "{errors:?}");
    life
}

/// An environment that is looked at again and again.
struct Story {
    life: Life,
    spec: EnvironmentSpec,
    used: Option<Timestamp>,
    wanted: Option<Timestamp>,
    use_is_known: bool,
    told: Option<EnvironmentLife>,
}

impl Story {
    fn of(wire: Value) -> Self {
        let spec = EnvironmentSpec { user: "haimaz".into(), class: "integration".into(), ..EnvironmentSpec::default() };
        Self { life: life(wire), spec, used: None, wanted: None, use_is_known: true, told: None }
    }

    fn look(&mut self, now: &str) -> Living {
        let facts = Facts {
            now: at(now),
            life: &self.life,
            spec: &self.spec,
            created: at(CREATED),
            used: self.used,
            touched: false,
            wanted: self.wanted,
            use_is_known: self.use_is_known,
            before: self.told.as_ref(),
        };
        let living = facts.live();
        self.told = Some(living.told.clone());
        living
    }
}

#[test]
fn an_environment_is_warned_and_then_expires() {
    let mut it = Story::of(json!({"max": "14d", "warnings": ["1d", "1h"]}));
    let living = it.look("2026-03-02T08:00:00Z");
    assert_eq!((living.told.phase, living.next), (LifePhase::Active, Some(at("2026-03-15T08:00:00Z"))));
    let living = it.look("2026-03-15T08:00:00Z");
    assert_eq!(living.told.phase, LifePhase::Expiring);
    assert!(living.warning.unwrap().contains("expires at 2026-03-16T08:00:00Z: it is 14d old"));
    assert_eq!(it.told.as_ref().unwrap().warned_before.as_deref(), Some("1d"));
    // The same look again says nothing new.
    let again = it.look("2026-03-15T09:00:00Z");
    assert_eq!((again.warning, again.next), (None, Some(at("2026-03-16T07:00:00Z"))));
    assert!(it.look("2026-03-16T07:00:00Z").warning.is_some(), "the second warning");
    assert_eq!(it.look("2026-03-16T07:59:59Z").expired, None);
    let living = it.look("2026-03-16T08:00:00Z");
    assert_eq!(living.told.phase, LifePhase::Expired);
    assert!(living.expired.unwrap().contains("14d old"));
}

#[test]
fn a_shorter_warning_that_was_missed_puts_nothing_off() {
    let mut it = Story::of(json!({"max": "14d", "warnings": ["1d", "1h"]}));
    assert!(it.look("2026-03-15T08:00:00Z").warning.is_some());
    let living = it.look("2026-03-16T08:30:00Z");
    assert!(living.warning.is_none() && living.expired.is_some(), "{living:?}");
}

#[test]
fn nobody_loses_an_environment_unwarned() {
    // No manager was there for a month.
    let mut it = Story::of(json!({"max": "14d", "warnings": ["1d", "1h"]}));
    let living = it.look("2026-04-02T08:00:00Z");
    assert_eq!(living.expired, None);
    assert!(living.warning.unwrap().contains("expires at 2026-04-02T09:00:00Z"));
    assert_eq!(living.next, Some(at("2026-04-02T09:00:00Z")));
    assert_eq!(it.look("2026-04-02T08:59:59Z").expired, None);
    assert!(it.look("2026-04-02T09:00:00Z").expired.is_some());
}

#[test]
fn one_that_is_extended_stays_within_the_bounds_of_its_class() {
    let mut it = Story::of(json!({"max": "14d", "warnings": ["1d"], "extendTo": "21d"}));
    assert!(it.look("2026-03-15T12:00:00Z").warning.is_some());
    it.spec.expires_at = Some(Time(at("2026-03-20T00:00:00Z")));
    let living = it.look("2026-03-15T13:00:00Z");
    assert_eq!((living.told.phase, living.warning), (LifePhase::Active, None));
    assert_eq!(living.told.expires_at.unwrap().0, at("2026-03-20T00:00:00Z"));
    assert_eq!(it.look("2026-03-17T00:00:00Z").expired, None);
    assert!(it.look("2026-03-19T01:00:00Z").warning.is_some(), "it is warned anew");
    it.spec.expires_at = Some(Time(at("2027-01-01T00:00:00Z")));
    let living = it.look("2026-03-19T02:00:00Z");
    assert_eq!(living.told.expires_at.unwrap().0, at("2026-03-23T08:00:00Z"));
    assert!(living.told.message.contains("extended to 2026-03-23T08:00:00Z and not longer"));
}

#[test]
fn a_pinned_one_stays_where_its_class_allows_it() {
    let mut it = Story::of(json!({"max": "1d", "warnings": ["1h"]}));
    it.spec.pinned = true;
    assert_eq!(it.look("2027-03-02T08:00:00Z").told.expires_at, None);
    it.life.pinnable = false;
    let living = it.look("2027-03-02T08:00:00Z");
    assert!(living.warning.is_some() && living.told.message.contains("does not allow"), "{living:?}");
}

#[test]
fn use_puts_the_end_off_and_want_of_use_counts_only_where_use_is_known() {
    let mut it = Story::of(json!({"idle": "3d", "warnings": ["1d"]}));
    it.used = Some(at("2026-03-04T08:00:00Z"));
    assert_eq!(it.look("2026-03-05T08:00:00Z").told.expires_at.unwrap().0, at("2026-03-07T08:00:00Z"));
    assert!(it.look("2026-03-06T08:00:00Z").warning.is_some());
    it.used = Some(at("2026-03-06T09:00:00Z"));
    assert_eq!(it.look("2026-03-06T09:01:00Z").told.phase, LifePhase::Active);
    it.use_is_known = false;
    let living = it.look("2026-06-01T00:00:00Z");
    assert_eq!((living.told.expires_at, living.expired), (None, None));
}

#[test]
fn a_mark_from_the_future_counts_as_now() {
    let mut it = Story::of(json!({"idle": "3d", "warnings": ["1d"]}));
    it.used = Some(at("2099-01-01T00:00:00Z"));
    let living = it.look("2026-03-05T08:00:00Z");
    assert_eq!(living.told.last_used_at.unwrap().0, at("2026-03-05T08:00:00Z"));
    assert_eq!(living.told.expires_at.unwrap().0, at("2026-03-08T08:00:00Z"));
}

#[test]
fn an_unused_one_sleeps_and_is_woken_by_use_by_call_and_by_request() {
    let mut it = Story::of(json!({"sleepAfter": "2h"}));
    assert_eq!(it.look("2026-03-02T09:00:00Z").next, Some(at("2026-03-02T10:00:00Z")));
    let living = it.look("2026-03-02T10:00:00Z");
    assert_eq!(living.told.phase, LifePhase::Asleep);
    assert_eq!(living.asleep.as_deref(), Some("it was not used for 2h"));
    // It stays asleep since then.
    assert_eq!(it.look("2026-03-02T12:00:00Z").told.asleep_since.unwrap().0, at("2026-03-02T10:00:00Z"));
    // Its class lets no request wake it.
    it.wanted = Some(at("2026-03-02T12:30:00Z"));
    assert!(it.look("2026-03-02T12:30:00Z").asleep.is_some());
    it.life.wake_on_request = true;
    assert!(it.look("2026-03-02T12:31:00Z").wake);
    it.spec.woken_at = Some(Time(at("2026-03-02T12:31:00Z")));
    let living = it.look("2026-03-02T12:31:00Z");
    assert_eq!((living.asleep, living.next), (None, Some(at("2026-03-02T14:31:00Z"))));
}

#[test]
fn a_request_wakes_one_that_was_put_to_sleep_where_its_class_says_so() {
    let mut it = Story::of(json!({"wakeOnRequest": true}));
    it.spec.sleeping = true;
    assert!(it.look("2026-03-02T09:00:00Z").told.wakes_on_request);
    // One from before it fell asleep does not.
    it.wanted = Some(at("2026-03-02T08:59:00Z"));
    assert!(!it.look("2026-03-02T09:01:00Z").wake);
    it.wanted = Some(at("2026-03-02T09:02:00Z"));
    assert!(it.look("2026-03-02T09:02:00Z").wake);
}

#[test]
fn outside_of_the_hours_it_sleeps_and_when_they_begin_it_wakes() {
    let hours = json!({"zone": "Europe/Amsterdam", "from": "09:00", "to": "18:00"});
    let mut it = Story::of(json!({"hours": hours, "sleepAfter": "2h"}));
    it.used = Some(at("2026-03-02T16:59:00Z"));
    let living = it.look("2026-03-02T16:59:30Z");
    assert_eq!((living.asleep, living.next), (None, Some(at("2026-03-02T17:00:00Z"))));
    let living = it.look("2026-03-02T17:00:00Z");
    assert!(living.asleep.unwrap().contains("outside of the hours of work"));
    assert_eq!(living.next, Some(at("2026-03-03T08:00:00Z")));
    // Woken in the evening, it sleeps again when it is not used.
    it.spec.woken_at = Some(Time(at("2026-03-02T20:00:00Z")));
    let living = it.look("2026-03-02T20:00:00Z");
    assert_eq!((living.asleep, living.next), (None, Some(at("2026-03-02T22:00:00Z"))));
    assert!(it.look("2026-03-02T22:00:00Z").asleep.is_some());
    let living = it.look("2026-03-03T08:00:00Z");
    assert_eq!((living.asleep, living.next), (None, Some(at("2026-03-03T10:00:00Z"))));
}

#[test]
fn without_a_life_of_its_class_nothing_ends() {
    let mut it = Story::of(json!({}));
    let living = it.look("2036-03-02T08:00:00Z");
    assert_eq!((living.told, living.next), (EnvironmentLife::default(), None));
    it.spec.expires_at = Some(Time(at("2036-03-02T09:00:00Z")));
    assert_eq!(it.look("2036-03-02T08:00:00Z").next, Some(at("2036-03-02T09:00:00Z")));
    assert!(it.look("2036-03-02T09:00:00Z").expired.is_some());
}

//! What is known, without a cluster.

use super::*;
use crate::resources::{ConditionType, EnvironmentSpec, set_condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn seen() -> Seen {
    Seen { known: RwLock::default(), feed: Feed::new(), listed: watch::Sender::new(0) }
}

fn object(user: &str, class: &str, version: u64) -> Environment {
    let spec = EnvironmentSpec { user: user.into(), class: class.into(), ..EnvironmentSpec::default() };
    let mut object = Environment::new(&format!("{user}-{class}"), spec);
    object.metadata.uid = Some(format!("uid-{user}-{class}"));
    object.metadata.generation = Some(1);
    object.metadata.resource_version = Some(version.to_string());
    // The later the letter, the older it is.
    let age = i64::from(user.bytes().next().unwrap_or_default());
    object.metadata.creation_timestamp = Some(Time(jiff::Timestamp::from_second(1_000_000 - age).unwrap()));
    object
}

fn names(items: &[Arc<Item>]) -> Vec<String> {
    items.iter().map(|item| item.key.to_string()).collect()
}

#[test]
fn pages_follow_each_other_in_both_orders_and_directions() {
    let seen = seen();
    for user in ["b", "a", "d", "c"] {
        seen.note(Arc::new(object(user, "x", 1)));
    }
    for (order, expected) in [
        (Order::Name, ["a-x", "b-x", "c-x", "d-x"]),
        (Order::NameDown, ["d-x", "c-x", "b-x", "a-x"]),
        (Order::Created, ["d-x", "c-x", "b-x", "a-x"]),
        (Order::CreatedDown, ["a-x", "b-x", "c-x", "d-x"]),
    ] {
        let (first, more) = seen.page(order, None, 3, |_| true);
        assert!(more, "{order:?}");
        let last = first.last().unwrap();
        let (rest, more) = seen.page(order, Some(&(last.created, last.key.clone())), 3, |_| true);
        assert!(!more, "{order:?}");
        assert_eq!([names(&first), names(&rest)].concat(), expected, "{order:?}");
    }
    let (one, more) = seen.page(Order::Name, None, 1, |item| item.key.user.as_str() > "b");
    assert_eq!((names(&one), more), (vec!["c-x".to_owned()], true));
}

#[test]
fn an_older_version_does_not_hide_a_newer_one() {
    let seen = seen();
    let mut newer = object("a", "x", 10);
    newer.metadata.generation = Some(2);
    seen.note(Arc::new(newer.clone()));
    seen.note(Arc::new(object("a", "x", 9)));
    assert_eq!(seen.all(|_| true)[0].view().generation, 2);
    seen.forget(&EnvironmentKey::from_object_name("a-x").unwrap(), Some("another"));
    assert_eq!(seen.all(|_| true).len(), 1, "another one of this name was deleted");
    seen.forget(&EnvironmentKey::from_object_name("a-x").unwrap(), Some("uid-a-x"));
    assert!(seen.all(|_| true).is_empty() && seen.known.read().unwrap().by_age.is_empty());
}

#[test]
fn each_change_is_news_once() {
    let seen = seen();
    let mut heard = seen.feed().listen(None);
    let mut all = Vec::new();
    let mut told = || {
        let start = all.len();
        all.extend(std::iter::from_fn(|| heard.next.try_recv().ok()).map(|news| news.kind));
        all[start..].to_vec()
    };
    let mut it = object("a", "x", 1);
    seen.note(Arc::new(it.clone()));
    assert_eq!(told(), [NewsKind::Created]);
    let status = it.status.get_or_insert_default();
    status.observed_generation = Some(1);
    set_condition(&mut status.conditions, ConditionType::Ready, (true, "Serving", "it serves"), 1);
    it.metadata.resource_version = Some("2".into());
    seen.note(Arc::new(it.clone()));
    assert_eq!(told(), [NewsKind::Ready]);
    it.metadata.resource_version = Some("3".into());
    seen.note(Arc::new(it.clone()));
    assert_eq!(told(), [], "nothing that anybody would see has changed");
    it.metadata.generation = Some(2);
    it.metadata.resource_version = Some("4".into());
    seen.note(Arc::new(it.clone()));
    assert_eq!(told(), [NewsKind::Changed, NewsKind::Progressing]);
    seen.replace(&[], false);
    assert_eq!(told(), [NewsKind::Deleted]);
}

#[test]
fn who_comes_back_hears_what_was_missed_or_that_it_cannot_be_told() {
    let seen = seen();
    seen.note(Arc::new(object("a", "x", 1)));
    let place = seen.feed().listen(None).place;
    seen.note(Arc::new(object("b", "x", 2)));
    let missed = seen.feed().listen(Some(&place)).missed.unwrap();
    assert_eq!(missed.iter().map(|news| news.environment.name.as_str()).collect::<Vec<_>>(), ["b-x"]);
    for foreign in ["", "x", "0000000000000000-1", &format!("{place}0"), &place.replace('-', "--")] {
        assert!(seen.feed().listen(Some(foreign)).missed.is_none(), "{foreign}");
    }
    for number in 0..5000 {
        seen.note(Arc::new(object("c", "x", number + 3)));
        seen.forget(&EnvironmentKey::from_object_name("c-x").unwrap(), None);
    }
    assert!(seen.feed().listen(Some(&place)).missed.is_none(), "it is too long ago");
    let newest = seen.feed().listen(None).place;
    assert!(seen.feed().listen(Some(&newest)).missed.unwrap().is_empty());
}

#[test]
fn a_late_answer_to_a_write_brings_nothing_back() {
    let seen = seen();
    let (written, key) = (object("a", "x", 2), "a-x");
    let key = EnvironmentKey::from_object_name(key).unwrap();
    seen.note(Arc::new(object("a", "x", 1)));
    seen.forget(&key, written.uid().as_deref());
    seen.wrote(&written);
    assert!(seen.all(|_| true).is_empty(), "the answer came after the end");
    let mut another = object("a", "x", 4);
    another.metadata.uid = Some("another".to_owned());
    seen.wrote(&another);
    assert_eq!(names(&seen.all(|_| true)), ["a-x"]);
    seen.replace(&[], false);
    seen.wrote(&another);
    assert!(seen.all(|_| true).is_empty(), "a new list told of its end");
}

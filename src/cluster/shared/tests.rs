//! What subscribers hear, without a cluster.

use super::*;
use futures::FutureExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher::Event;

fn object(namespace: &str, name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    (object.metadata.namespace, object.metadata.name) = (Some(namespace.to_owned()), Some(name.to_owned()));
    object
}

type ConfigMaps = Feeder<ConfigMap, ConfigMap>;

fn shared() -> (Arc<Shared<ConfigMap>>, ConfigMaps) {
    let shared = Shared::new();
    let feeder = Feeder::new(&shared, |object: ConfigMap| (object.name() != "unwanted").then_some(object));
    (shared, feeder)
}

fn list(feeder: &mut ConfigMaps, names: &[&str]) {
    feeder.take(Event::Init);
    names.iter().for_each(|name| feeder.take(Event::InitApply(object("a", name))));
    feeder.take(Event::InitDone);
}

fn put(feeder: &mut ConfigMaps, name: &str) {
    feeder.take(Event::Apply(object("a", name)));
}

fn delete(feeder: &mut ConfigMaps, name: &str) {
    feeder.take(Event::Delete(object("a", name)));
}

/// The next word, in short, if there is one by now.
fn heard(subscription: &mut Subscription<ConfigMap>) -> String {
    match subscription.next().now_or_never() {
        None => "nothing yet".to_owned(),
        Some(None) => "it is over".to_owned(),
        Some(Some(Told::All(all))) => {
            format!("all {}", all.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>().join(" "))
        }
        Some(Some(Told::Put(one))) => format!("put {}", one.name()),
        Some(Some(Told::Gone(one))) => format!("gone {}", one.name()),
    }
}

#[test]
fn the_first_word_is_all_that_there_is_and_the_rest_comes_in_its_order() {
    let (shared, mut feeder) = shared();
    let mut early = shared.subscribe(None);
    feeder.take(Event::Init);
    feeder.take(Event::InitApply(object("a", "one")));
    assert_eq!(heard(&mut early), "nothing yet", "half of a list is told to nobody");
    assert!(shared.all(None).is_none());
    list(&mut feeder, &["one", "two"]);
    put(&mut feeder, "three");
    let mut late = shared.subscribe(None);
    assert_eq!(heard(&mut early), "all one three two");
    delete(&mut feeder, "one");
    put(&mut feeder, "two");
    assert_eq!(heard(&mut late), "all three two");
    assert_eq!([heard(&mut early), heard(&mut early), heard(&mut early)], ["gone one", "put two", "nothing yet"]);
    assert_eq!(heard(&mut late), "nothing yet", "what was part of the first word is not told again");
    list(&mut feeder, &["two"]);
    assert_eq!([heard(&mut early), heard(&mut late)], ["all two", "all two"]);
    assert_eq!(shared.all(None).unwrap().len(), 1);
}

#[test]
fn who_does_not_keep_up_is_told_everything_anew() {
    let (shared, mut feeder) = shared();
    let (mut slow, mut quick) = (shared.subscribe(None), shared.subscribe(None));
    list(&mut feeder, &["one", "two"]);
    assert_eq!([heard(&mut slow), heard(&mut quick)], ["all one two", "all one two"]);
    delete(&mut feeder, "two");
    for _ in 0..MOST {
        put(&mut feeder, "one");
        heard(&mut quick);
    }
    assert_eq!(heard(&mut quick), "put one", "who listens is told each of them");
    assert_eq!([heard(&mut slow), heard(&mut slow)], ["all one", "nothing yet"]);
    put(&mut feeder, "three");
    assert_eq!(heard(&mut slow), "put three");
}

#[test]
fn one_namespace_may_be_listened_to_alone() {
    let (shared, mut feeder) = shared();
    let mut here = shared.subscribe(Some("b"));
    list(&mut feeder, &["one"]);
    feeder.take(Event::Apply(object("b", "two")));
    assert_eq!(heard(&mut here), "all two");
    delete(&mut feeder, "one");
    put(&mut feeder, "three");
    feeder.take(Event::Delete(object("b", "two")));
    assert_eq!([heard(&mut here), heard(&mut here)], ["gone two", "nothing yet"]);
}

#[test]
fn what_is_not_wanted_is_not_known_and_the_end_is_told() {
    let (shared, mut feeder) = shared();
    let mut listener = shared.subscribe(None);
    list(&mut feeder, &["one", "unwanted"]);
    put(&mut feeder, "unwanted");
    delete(&mut feeder, "unwanted");
    assert_eq!([heard(&mut listener), heard(&mut listener)], ["all one", "nothing yet"]);
    put(&mut feeder, "one");
    drop(feeder);
    assert_eq!([heard(&mut listener), heard(&mut listener)], ["put one", "it is over"]);
    drop(listener);
    assert!(shared.lock().inboxes.is_empty(), "who left is told nothing");
}

#[test]
fn who_asks_for_a_list_of_now_hears_nothing_older() {
    let (shared, mut feeder) = shared();
    let mut before = shared.subscribe(None);
    list(&mut feeder, &["old"]);
    assert_eq!(heard(&mut before), "all old");
    assert!(feeder.renewed().now_or_never().is_none(), "nobody asked");
    // A list that began before the question, and ends after it.
    feeder.take(Event::Init);
    shared.renew();
    let mut after = shared.subscribe(None);
    feeder.take(Event::InitDone);
    assert_eq!(heard(&mut after), "nothing yet");
    assert!(feeder.renewed().now_or_never().is_some() && feeder.renewed().now_or_never().is_none(), "once");
    put(&mut feeder, "older");
    list(&mut feeder, &["new"]);
    assert_eq!([heard(&mut before), heard(&mut after)], ["all new", "all new"]);
}

#[test]
fn a_packed_object_is_unpacked_as_it_was() {
    let mut object = object("a", "one");
    object.metadata.uid = Some("1".to_owned());
    object.data = Some(std::iter::once(("key".to_owned(), "value".to_owned())).collect());
    let packed = Packed::of(&object).unwrap();
    assert_eq!((packed.namespace(), packed.name(), packed.uid(), packed.version()), ("a", "one", Some("1"), None));
    assert_eq!((packed.environment(), packed.unpack()), (None, Some(object.clone())));
    let of = [("doorstep.dev/user", "haimaz"), ("doorstep.dev/class", "staging")];
    object.metadata.labels = Some(of.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(Packed::of(&object).unwrap().environment(), Some("haimaz-staging"));
}

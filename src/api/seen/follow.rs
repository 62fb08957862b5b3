//! The two watches.

use super::Seen;
use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use futures::{Stream, StreamExt as _};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt as _};
use std::sync::Arc;

/// How many kinds are watched.
pub(super) const KINDS: usize = 2;

/// Follows the environments of a namespace.
pub(super) async fn environments(seen: Arc<Seen>, client: kube::Client, namespace: String) {
    let stream = watcher(Api::<Environment>::namespaced(client, &namespace), watcher::Config::default());
    let (mut listed, mut first) = (Vec::new(), true);
    take(stream.default_backoff(), |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(object) => listed.push(object),
        Event::InitDone => {
            seen.replace(&std::mem::take(&mut listed), first);
            if std::mem::take(&mut first) {
                seen.listed.send_modify(|kinds| *kinds += 1);
            }
        }
        Event::Apply(object) => seen.note(&object),
        Event::Delete(object) => {
            if let Some(key) = EnvironmentKey::from_object_name(&object.name_any()) {
                seen.forget(&key, object.uid().as_deref());
            }
        }
    })
    .await;
}

/// Follows the classes.
pub(super) async fn classes(seen: Arc<Seen>, client: kube::Client) {
    let stream = watcher(Api::<EnvironmentClass>::all(client), watcher::Config::default());
    let (mut listed, mut first) = (Vec::new(), true);
    take(stream.default_backoff(), |event| match event {
        Event::Init => listed.clear(),
        Event::InitApply(class) => listed.push(class),
        Event::InitDone => {
            seen.replace_classes(std::mem::take(&mut listed));
            if std::mem::take(&mut first) {
                seen.listed.send_modify(|kinds| *kinds += 1);
            }
        }
        Event::Apply(class) => seen.note_class(class),
        Event::Delete(class) => seen.forget_class(&class.name_any()),
    })
    .await;
}

/// Hands over every event. The watcher mends itself; what it could not do is logged.
async fn take<K: Resource<DynamicType = ()>>(
    stream: impl Stream<Item = watcher::Result<Event<K>>>,
    mut take: impl FnMut(Event<K>),
) {
    let mut stream = std::pin::pin!(stream);
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => take(event),
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "a watch of the API broke; it begins anew"),
        }
    }
}

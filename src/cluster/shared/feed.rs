//! What feeds it: the events of one watch.

use super::{Kept, Shared};
use futures::StreamExt as _;
use kube::Resource;
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use std::fmt;
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::watch as channel;

/// What is kept of an object; none of one that nobody wants to know of.
type Keep<K, V> = Box<dyn Fn(K) -> Option<V> + Send + Sync>;

/// Takes the events of the watch. When it is dropped, nothing follows any more.
pub struct Feeder<K, V: Kept> {
    shared: Arc<Shared<V>>,
    keep: Keep<K, V>,
    asked: channel::Receiver<u64>,
    /// The newest question that was there when the list began.
    answers: u64,
    listed: Vec<Arc<V>>,
}

impl<K: Resource, V: Kept> Feeder<K, V> {
    /// The feeder of `shared`; there is one. Of each object is kept what `keep` makes of it.
    pub fn new(shared: &Arc<Shared<V>>, keep: impl Fn(K) -> Option<V> + Send + Sync + 'static) -> Self {
        let asked = shared.asked.subscribe();
        Self { shared: shared.clone(), keep: Box::new(keep), asked, answers: 0, listed: Vec::new() }
    }

    /// Takes what the watch says. A list is told when it is complete.
    pub fn take(&mut self, event: Event<K>) {
        match event {
            Event::Init => {
                self.answers = *self.asked.borrow();
                self.listed.clear();
            }
            Event::InitApply(object) => self.listed.extend((self.keep)(object).map(Arc::new)),
            Event::InitDone => self.shared.replace(std::mem::take(&mut self.listed), self.answers),
            Event::Apply(object) => {
                let place = (object.namespace().to_owned(), object.name().to_owned());
                match (self.keep)(object) {
                    Some(kept) => self.shared.put(Arc::new(kept)),
                    None => self.shared.remove(&place),
                }
            }
            Event::Delete(object) => self.shared.remove(&(object.namespace().to_owned(), object.name().to_owned())),
        }
    }

    /// Waits until somebody asks for a list that begins after the one which is known: the watch is to begin anew.
    pub async fn renewed(&mut self) {
        let answers = self.answers;
        let asked = self.asked.wait_for(|asked| *asked > answers).await.map(|asked| *asked);
        match asked {
            Ok(asked) => self.answers = asked,
            // Nobody can ask any more.
            Err(_) => std::future::pending().await,
        }
    }
}

impl<K, V: Kept> Drop for Feeder<K, V> {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl<K, V: Kept> fmt::Debug for Feeder<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feeder").field("answers", &self.answers).finish_non_exhaustive()
    }
}

/// Feeds it by a watch of its own, until it is dropped. The watch mends itself; what it could not do is logged.
pub async fn watch<K, V: Kept>(mut feeder: Feeder<K, V>, api: Api<K>, config: watcher::Config)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    loop {
        let mut events = watcher(api.clone(), config.clone()).default_backoff().boxed();
        loop {
            let event = tokio::select! {
                () = feeder.renewed() => break,
                event = events.next() => event,
            };
            match event {
                Some(Ok(event)) => feeder.take(event),
                Some(Err(error)) => tracing::warn!(kind = %K::kind(&()), %error, "a watch broke; it begins anew"),
                None => return,
            }
        }
    }
}

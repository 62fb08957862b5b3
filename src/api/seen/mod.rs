//! What is known of the environments and classes, from the watches that the whole process shares: no listing in a call.
//!
//! Environments are kept as the API tells them, in both orders in which lists are asked for, so that a page costs what is on
//! it. What the API itself writes is put in at once: a caller reads its own writes. Each change becomes news for the streams.

mod feed;
mod follow;
mod news;

pub use feed::{Feed, Heard};
pub use news::{News, NewsKind};

use super::environment_view::{EnvironmentView, Standing};
use super::problem::{Code, Problem};
use crate::cluster::{Gone, SharedKinds};
use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use kube::ResourceExt;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a call waits for the first complete lists.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known.
#[derive(Debug)]
pub struct Seen {
    known: RwLock<Known>,
    feed: Feed,
    /// How many kinds were listed whole.
    listed: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Known {
    environments: BTreeMap<EnvironmentKey, Arc<Item>>,
    by_age: BTreeSet<(i64, EnvironmentKey)>,
    classes: BTreeMap<String, Arc<EnvironmentClass>>,
    gone: Gone,
}

/// An environment, as it was seen last.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Whose it is, and of which class.
    pub key: EnvironmentKey,
    /// When it was made, in milliseconds since 1970.
    pub created: i64,
    /// The object, which all of the manager shares.
    pub object: Arc<Environment>,
}

impl Item {
    /// None for an object whose name is not one of ours.
    fn of(object: Arc<Environment>) -> Option<Self> {
        Some(Self {
            key: EnvironmentKey::from_object_name(object.metadata.name.as_deref()?)?,
            created: object.creation_timestamp().map_or(i64::MAX, |time| time.0.as_millisecond()),
            object,
        })
    }

    /// As the API tells it. It is made each time: kept, it would take more room than all the rest of what is known.
    pub fn view(&self) -> EnvironmentView {
        EnvironmentView::of(&self.object)
    }

    /// How it does.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing::of(&self.object)
    }

    fn uid(&self) -> Option<&str> {
        self.object.metadata.uid.as_deref()
    }

    fn version(&self) -> Option<u64> {
        self.object.metadata.resource_version.as_ref()?.parse().ok()
    }

    /// Whether it is an older version of the very object `other`. Versions that are no numbers count as newer.
    fn is_older(&self, other: &Self) -> bool {
        self.uid() == other.uid() && matches!((self.version(), other.version()), (Some(a), Some(b)) if a < b)
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By user and class.
    Name,
    /// The same, backwards.
    NameDown,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedDown,
}

impl Seen {
    /// Begins to follow them in a namespace; it ends with `shutdown`.
    pub fn start(kinds: &SharedKinds, namespace: &str, shutdown: &CancellationToken) -> Arc<Self> {
        let seen = Arc::new(Self { known: RwLock::default(), feed: Feed::new(), listed: watch::Sender::new(0) });
        let environments = follow::environments(seen.clone(), kinds.environments.subscribe(Some(namespace)));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(environments));
        let classes = follow::classes(seen.clone(), kinds.classes.subscribe(None));
        tokio::spawn(shutdown.clone().run_until_cancelled_owned(classes));
        seen
    }

    /// One more kind is known whole, if this is the first time.
    fn note_list(&self, first: &mut bool) {
        if std::mem::take(first) {
            self.listed.send_modify(|kinds| *kinds += 1);
        }
    }

    /// The news.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Waits until both kinds were listed once. Until then nobody can say what there is.
    pub(super) async fn complete(&self) -> Result<(), Problem> {
        let mut listed = self.listed.subscribe();
        let whole = listed.wait_for(|kinds| *kinds >= follow::KINDS);
        match tokio::time::timeout(PATIENCE, whole).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                let said =
                    "the environments are not known yet: the cluster has not answered so far; try again in a moment";
                Err(Problem::new(Code::ClusterUnavailable, said))
            }
        }
    }

    /// Environments in an order, after one place, as far as `wanted` says, at most `limit`. Tells whether there are more.
    pub(super) fn page(
        &self,
        order: Order,
        after: Option<&(i64, EnvironmentKey)>,
        limit: usize,
        wanted: impl Fn(&Item) -> bool,
    ) -> (Vec<Arc<Item>>, bool) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let item = |(_, key): &(i64, EnvironmentKey)| known.environments.get(key).cloned();
        let above =
            |place: Option<&(i64, EnvironmentKey)>| place.map_or(Bound::Unbounded, |p| Bound::Excluded(p.clone()));
        let name =
            |place: Option<&(i64, EnvironmentKey)>| place.map_or(Bound::Unbounded, |p| Bound::Excluded(p.1.clone()));
        let wanted = |item: &Arc<Item>| wanted(item);
        let more = limit.saturating_add(1);
        let mut found: Vec<Arc<Item>> = match order {
            Order::Name => {
                let range = known.environments.range((name(after), Bound::Unbounded));
                range.map(|(_, item)| item.clone()).filter(wanted).take(more).collect()
            }
            Order::NameDown => {
                let range = known.environments.range((Bound::Unbounded, name(after))).rev();
                range.map(|(_, item)| item.clone()).filter(wanted).take(more).collect()
            }
            Order::Created => {
                let range = known.by_age.range((above(after), Bound::Unbounded));
                range.filter_map(item).filter(wanted).take(more).collect()
            }
            Order::CreatedDown => {
                let range = known.by_age.range((Bound::Unbounded, above(after))).rev();
                range.filter_map(item).filter(wanted).take(more).collect()
            }
        };
        let goes_on = found.len() > limit;
        found.truncate(limit);
        (found, goes_on)
    }

    /// All environments that are wanted, by user and class.
    pub(super) fn all(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Arc<Item>> {
        self.page(Order::Name, None, usize::MAX, wanted).0
    }

    /// The classes, by name.
    pub(super) fn classes(&self) -> Vec<Arc<EnvironmentClass>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).classes.values().cloned().collect()
    }

    /// Takes what the API itself has written, unless it is gone by now.
    pub(super) fn wrote(&self, object: &Environment) {
        let Some(item) = Item::of(Arc::new(object.clone())) else { return };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if item.uid().is_none_or(|uid| !known.gone.has(uid)) {
            self.take(&mut known, item);
        }
    }

    /// Takes what the watch tells.
    fn note(&self, object: Arc<Environment>) {
        let Some(item) = Item::of(object) else { return };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // One that was written while a list was on its way was not in it, and is told now.
        if let Some(uid) = item.uid() {
            known.gone.forget(uid);
        }
        self.take(&mut known, item);
    }

    fn take(&self, known: &mut Known, item: Item) {
        let item = Arc::new(item);
        let before = known.environments.get(&item.key).cloned();
        if before.as_ref().is_some_and(|before| item.is_older(before)) {
            return;
        }
        known.put(item.clone());
        // Under the lock, so that the news come in the order of the changes.
        self.tell(before.as_deref(), Some(&item));
    }

    /// Takes out what is gone, unless another one of its name has come in its place.
    pub(super) fn forget(&self, key: &EnvironmentKey, uid: Option<&str>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = uid {
            known.gone.add(uid.to_owned());
        }
        let there = known.environments.get(key).filter(|item| uid.is_none() || item.uid() == uid).cloned();
        if let Some(item) = there {
            known.take(key);
            self.tell(Some(&item), None);
        }
    }

    /// Puts a complete list in the place of all that was known.
    fn replace(&self, objects: &[Arc<Environment>], first: bool) {
        let mut fresh = Known::default();
        objects.iter().cloned().filter_map(Item::of).for_each(|item| fresh.put(Arc::new(item)));
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        fresh.classes = std::mem::take(&mut known.classes);
        fresh.gone = std::mem::take(&mut known.gone);
        let before = std::mem::replace(&mut *known, fresh);
        for item in before.environments.values() {
            let is_there = known.environments.get(&item.key).is_some_and(|now| now.uid() == item.uid());
            known.gone_unless(is_there, item.uid());
        }
        if first {
            return;
        }
        for item in known.environments.values() {
            self.tell(before.environments.get(&item.key).map(|item| &**item), Some(item));
        }
        for (_, gone) in before.environments.iter().filter(|(key, _)| !known.environments.contains_key(key)) {
            self.tell(Some(gone), None);
        }
    }

    /// Takes a class that the API itself has written, unless it is gone by now, or a newer version of it is known.
    pub(super) fn wrote_class(&self, class: EnvironmentClass) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let version = |class: &EnvironmentClass| class.resource_version().and_then(|text| text.parse::<u64>().ok());
        let there = known.classes.get(&class.name_any()).filter(|there| there.uid() == class.uid());
        let is_older = there.is_some_and(|there| version(&class) < version(there));
        if !is_older && class.uid().is_none_or(|uid| !known.gone.has(&uid)) {
            known.classes.insert(class.name_any(), Arc::new(class));
        }
    }

    /// Takes a class that the watch tells.
    fn note_class(&self, class: Arc<EnvironmentClass>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.classes.insert(class.name_any(), class);
    }

    /// Takes a class out.
    pub(super) fn forget_class(&self, name: &str) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let class = known.classes.remove(name);
        known.gone_unless(false, class.and_then(|class| class.uid()).as_deref());
    }

    fn replace_classes(&self, classes: Vec<Arc<EnvironmentClass>>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.classes = classes.into_iter().map(|class| (class.name_any(), class)).collect();
    }

    fn tell(&self, before: Option<&Item>, after: Option<&Item>) {
        // A new list has most of what was known before.
        if let (Some(before), Some(after)) = (before, after)
            && Arc::ptr_eq(&before.object, &after.object)
        {
            return;
        }
        let (sight, now) = (before.map(Item::view), after.map(Item::view));
        for kind in news::between(sight.as_ref(), now.as_ref()) {
            if let Some(item) = after.or(before) {
                self.feed.publish(kind, item);
            }
        }
    }
}

impl Known {
    fn gone_unless(&mut self, is_there: bool, uid: Option<&str>) {
        if let Some(uid) = uid.filter(|_| !is_there) {
            self.gone.add(uid.to_owned());
        }
    }

    fn put(&mut self, item: Arc<Item>) {
        self.take(&item.key);
        self.by_age.insert((item.created, item.key.clone()));
        self.environments.insert(item.key.clone(), item);
    }

    fn take(&mut self, key: &EnvironmentKey) {
        if let Some(item) = self.environments.remove(key) {
            self.by_age.remove(&(item.created, item.key.clone()));
        }
    }
}

#[cfg(test)]
mod tests;

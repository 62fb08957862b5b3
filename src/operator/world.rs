//! What the operator has seen of the cluster, by environment.

use super::revisions::Revision;
use crate::cluster::Gone;
use crate::cluster::shared::{Kept, Packed};
use crate::resources::Environment;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// Where an Environment stands: a pair, never a joined text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentId {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name, `<user>-<class>`.
    pub name: Arc<str>,
}

impl EnvironmentId {
    /// The Environment `name` in `namespace`.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// That of the Environment object itself.
    pub fn of_environment(environment: &Environment) -> Option<Self> {
        Some(Self::new(environment.metadata.namespace.as_deref()?, environment.metadata.name.as_deref()?))
    }

    /// That of an object which carries the labels of an environment.
    pub fn of_packed<K>(object: &Packed<K>) -> Option<Self> {
        Some(Self::new(object.namespace(), object.environment()?))
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The caches, one for each kind that is watched.
#[derive(Debug, Default)]
pub struct World {
    /// The environments themselves.
    pub environments: Index<Environment>,
    /// Their Deployments.
    pub deployments: Index<Packed<Deployment>>,
    /// Their Services.
    pub services: Index<Packed<Service>>,
    /// Their pods.
    pub pods: Index<Packed<Pod>>,
    /// Their history.
    pub revisions: Index<Revision>,
}

/// By environment, in the order of their names. Most environments have one of a kind: a map of one takes ten times its room.
type Objects<K> = HashMap<EnvironmentId, Vec<Arc<K>>>;

/// Where the object `name` is among these, or would be.
fn place_of<K: Kept>(objects: &[Arc<K>], name: &str) -> Result<usize, usize> {
    objects.binary_search_by(|object| object.name().cmp(name))
}

fn put<K: Kept>(objects: &mut Vec<Arc<K>>, object: Arc<K>) {
    match place_of(objects, object.name()) {
        Ok(place) => drop(objects.get_mut(place).map(|there| std::mem::replace(there, object))),
        Err(place) => {
            // The next one is seldom.
            objects.reserve_exact(1);
            objects.insert(place, object);
        }
    }
}

/// The objects of one kind by environment.
///
/// What the operator writes is put in at once, so that it reads its own writes; what the watch then tells of older
/// versions is passed over. The answer to a write may come after the watch has told that the object is gone: then it stays gone.
#[derive(Debug)]
pub struct Index<K> {
    known: RwLock<Known<K>>,
}

#[derive(Debug)]
struct Known<K> {
    objects: Objects<K>,
    /// With which environment an object is, by its uid: its labels may be changed, and then tell of another one.
    homes: HashMap<String, EnvironmentId>,
    gone: Gone,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self { objects: HashMap::new(), homes: HashMap::new(), gone: Gone::default() }
    }
}

impl<K: Kept> Known<K> {
    /// Takes the object out of `home`, if it is the one known there by its name.
    fn take(&mut self, home: &EnvironmentId, object: &K) {
        let Some(place) = self.objects.get_mut(home) else { return };
        place.retain(|known| known.name() != object.name() || known.uid() != object.uid());
        if place.is_empty() {
            self.objects.remove(home);
        }
    }

    fn one(&self, id: &EnvironmentId, name: &str) -> Option<Arc<K>> {
        let known = self.objects.get(id)?;
        known.get(place_of(known, name).ok()?).cloned()
    }

    /// Puts `object` in, unless a newer version of it is there. Returns the other environment that it was with until now.
    fn insert(&mut self, id: &EnvironmentId, object: Arc<K>) -> Option<EnvironmentId> {
        let home = object.uid().and_then(|uid| self.homes.get(uid)).unwrap_or(id).clone();
        let there = self.objects.get(&home).and_then(|known| known.get(place_of(known, object.name()).ok()?));
        if there.is_some_and(|there| is_older(&*object, &**there)) {
            return None;
        }
        let moved = (home != *id).then_some(home);
        if let Some(home) = &moved {
            self.take(home, &object);
        }
        self.homes.extend(object.uid().map(|uid| (uid.to_owned(), id.clone())));
        put(self.objects.entry(id.clone()).or_default(), object);
        moved
    }
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { known: RwLock::default() }
    }
}

impl<K: Kept> Index<K> {
    /// Puts in what a write of ours was answered with, unless a newer version of it is there, or it is gone by now.
    pub fn wrote(&self, id: &EnvironmentId, object: Arc<K>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // What the watch has told already is kept once, here and where others hear of it.
        let same = |there: &K| there.uid() == object.uid() && there.version() == object.version();
        let is_told = object.version().is_some() && known.one(id, object.name()).is_some_and(|there| same(&there));
        if !is_told && object.uid().is_none_or(|uid| !known.gone.has(uid)) {
            known.insert(id, object);
        }
    }

    /// Puts in what the watch told, unless a newer version of it is there. Returns the other environment that it was with
    /// until now.
    pub fn insert(&self, id: &EnvironmentId, object: Arc<K>) -> Option<EnvironmentId> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        // One that only lost its labels comes back with the same uid.
        if let Some(uid) = object.uid() {
            known.gone.forget(uid);
        }
        known.insert(id, object)
    }

    /// Takes `object` out, unless a newer one of its name has come in its place. Returns the environment that it was with:
    /// its labels may tell of another one by now, or of none.
    pub fn remove(&self, object: &K) -> Option<EnvironmentId> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let uid = object.uid()?;
        known.gone.add(uid.to_owned());
        let home = known.homes.remove(uid)?;
        known.take(&home, object);
        Some(home)
    }

    /// Takes `object` out if it is known: it is there, and of no environment any more. Returns the one that it was with.
    pub fn lost(&self, object: &K) -> Option<EnvironmentId> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let uid = object.uid()?;
        let home = known.homes.remove(uid)?;
        known.gone.add(uid.to_owned());
        known.take(&home, object);
        Some(home)
    }

    /// Puts a complete list in the place of all that was known. Returns every environment that was or is concerned.
    pub fn replace(&self, listed: Vec<(EnvironmentId, Arc<K>)>) -> HashSet<EnvironmentId> {
        let mut fresh = Known::default();
        for (id, object) in listed {
            fresh.homes.extend(object.uid().map(|uid| (uid.to_owned(), id.clone())));
            put(fresh.objects.entry(id).or_default(), object);
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let concerned = known.objects.keys().chain(fresh.objects.keys()).cloned().collect();
        let before = std::mem::replace(&mut *known, fresh);
        known.gone = before.gone;
        for uid in before.homes.into_keys() {
            if !known.homes.contains_key(&uid) {
                known.gone.add(uid);
            }
        }
        concerned
    }

    /// The object `name` of an environment.
    pub fn one(&self, id: &EnvironmentId, name: &str) -> Option<Arc<K>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).one(id, name)
    }

    /// All objects of an environment, by name.
    pub fn all(&self, id: &EnvironmentId) -> Vec<Arc<K>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.objects.get(id).cloned().unwrap_or_default()
    }

    /// Looks at every object with its environment. `look` must ask nothing of this index.
    pub fn each(&self, mut look: impl FnMut(&EnvironmentId, &Arc<K>)) {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.objects.iter().for_each(|(id, found)| found.iter().for_each(|object| look(id, object)));
    }

    /// The environments that have an object.
    pub fn ids(&self) -> Vec<EnvironmentId> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).objects.keys().cloned().collect()
    }
}

impl<K: kube::Resource + Serialize + DeserializeOwned> Index<Packed<K>> {
    /// Puts in what a write of ours was answered with, as [`Index::wrote`] does.
    pub fn wrote_whole(&self, id: &EnvironmentId, object: &K) {
        if let Some(packed) = Packed::of(object) {
            self.wrote(id, Arc::new(packed));
        }
    }

    /// The object `name` of an environment, whole.
    pub fn whole(&self, id: &EnvironmentId, name: &str) -> Option<Arc<K>> {
        self.one(id, name)?.unpack().map(Arc::new)
    }

    /// All objects of an environment, whole, by name.
    pub fn all_whole(&self, id: &EnvironmentId) -> Vec<Arc<K>> {
        self.all(id).iter().filter_map(|packed| packed.unpack()).map(Arc::new).collect()
    }
}

/// Whether `a` is an older version of the very object `b`. Resource versions are numbers that grow; one that is no
/// number cannot be compared and counts as newer.
fn is_older<K: Kept>(a: &K, b: &K) -> bool {
    let number = |object: &K| object.version().and_then(|version| version.parse::<u64>().ok());
    a.uid() == b.uid() && matches!((number(a), number(b)), (Some(a), Some(b)) if a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, uid: &str, version: &str) -> Arc<Pod> {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.to_owned());
        pod.metadata.uid = Some(uid.to_owned());
        pod.metadata.resource_version = Some(version.to_owned());
        Arc::new(pod)
    }

    #[test]
    fn an_older_version_does_not_hide_our_own_write() {
        let (index, id) = (Index::default(), EnvironmentId::new("default", "a-x"));
        index.insert(&id, pod("p", "1", "10"));
        index.insert(&id, pod("p", "1", "9"));
        assert_eq!(index.one(&id, "p").unwrap().version(), Some("10"));
        index.insert(&id, pod("p", "2", "11"));
        index.remove(&pod("p", "1", "12"));
        assert!(index.one(&id, "p").is_some(), "the deletion was of the one before");
        index.remove(&pod("p", "2", "13"));
        assert!(index.ids().is_empty());
    }

    #[test]
    fn a_late_answer_to_a_write_brings_nothing_back() {
        let (index, id) = (Index::default(), EnvironmentId::new("default", "a-x"));
        index.insert(&id, pod("p", "1", "10"));
        index.remove(&pod("p", "1", "12"));
        index.wrote(&id, pod("p", "1", "11"));
        assert!(index.ids().is_empty(), "the answer came after the end");
        index.wrote(&id, pod("p", "2", "13"));
        assert!(index.one(&id, "p").is_some(), "another one of the same name");
        index.replace(Vec::new());
        index.wrote(&id, pod("p", "2", "14"));
        assert!(index.ids().is_empty(), "a new list told of its end");
        // It had lost its labels, and has them again.
        index.insert(&id, pod("p", "2", "15"));
        index.wrote(&id, pod("p", "2", "16"));
        assert_eq!(index.one(&id, "p").unwrap().version(), Some("16"));
    }

    #[test]
    fn an_object_whose_labels_were_changed_is_missed_where_it_was() {
        let (index, from, to) =
            (Index::default(), EnvironmentId::new("default", "a-x"), EnvironmentId::new("default", "z-x"));
        index.insert(&from, pod("p", "1", "10"));
        assert_eq!(index.insert(&to, pod("p", "1", "11")), Some(from.clone()));
        assert!(index.one(&from, "p").is_none() && index.one(&to, "p").is_some());
        // It is put right again, and what the watch still tells of the wrong labels comes late.
        assert_eq!(index.insert(&from, pod("p", "1", "12")), Some(to.clone()));
        assert_eq!(index.insert(&to, pod("p", "1", "11")), None);
        assert!(index.one(&from, "p").is_some() && index.one(&to, "p").is_none());
        assert_eq!(index.remove(&pod("p", "1", "13")), Some(from.clone()));
        assert!(index.ids().is_empty());
    }

    #[test]
    fn an_object_that_lost_its_labels_is_missed_and_others_without_any_leave_no_trace() {
        let (index, id) = (Index::default(), EnvironmentId::new("default", "a-x"));
        index.insert(&id, pod("p", "1", "10"));
        assert_eq!(index.lost(&pod("q", "2", "11")), None);
        assert_eq!(index.lost(&pod("p", "1", "12")), Some(id.clone()));
        index.wrote(&id, pod("p", "1", "11"));
        assert!(index.ids().is_empty(), "an answer to a write from before");
        index.wrote(&id, pod("q", "2", "13"));
        assert_eq!(index.insert(&id, pod("p", "1", "14")), None);
        assert_eq!(index.all(&id).len(), 2, "it has its labels again");
    }

    #[test]
    fn an_answer_to_a_write_that_the_watch_has_told_already_is_no_second_copy() {
        let (index, id, told) = (Index::default(), EnvironmentId::new("default", "a-x"), pod("p", "1", "10"));
        index.insert(&id, told.clone());
        index.wrote(&id, pod("p", "1", "10"));
        assert!(Arc::ptr_eq(&index.one(&id, "p").unwrap(), &told));
        index.wrote(&id, pod("p", "1", "11"));
        assert_eq!(index.one(&id, "p").unwrap().version(), Some("11"));
    }

    #[test]
    fn a_new_list_names_what_went_missing() {
        let (index, id) = (Index::default(), EnvironmentId::new("default", "a-x"));
        index.insert(&id, pod("p", "1", "10"));
        assert!(index.replace(Vec::new()).contains(&id));
        assert!(index.all(&id).is_empty());
    }
}

//! What the operator has seen of the cluster, by environment.

use crate::resources::{Environment, labels};
use k8s_openapi::api::apps::v1::{ControllerRevision, Deployment};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::ResourceExt;
use std::collections::{BTreeMap, HashMap, HashSet};
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
    pub fn of_labelled<K: ResourceExt>(object: &K) -> Option<Self> {
        let labels = object.labels();
        let (user, class) = (labels.get(labels::USER)?, labels.get(labels::CLASS)?);
        Some(Self::new(object.meta().namespace.as_deref()?, &format!("{user}-{class}")))
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
    pub deployments: Index<Deployment>,
    /// Their Services.
    pub services: Index<Service>,
    /// Their pods.
    pub pods: Index<Pod>,
    /// Their history.
    pub revisions: Index<ControllerRevision>,
}

type Objects<K> = HashMap<EnvironmentId, BTreeMap<String, Arc<K>>>;

/// The objects of one kind by environment.
///
/// What the operator writes is put in at once, so that it reads its own writes; what the watch then tells of older
/// versions is passed over.
#[derive(Debug)]
pub struct Index<K> {
    objects: RwLock<Objects<K>>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { objects: RwLock::default() }
    }
}

impl<K: ResourceExt> Index<K> {
    /// Puts `object` in, unless a newer version of it is there.
    pub fn insert(&self, id: &EnvironmentId, object: Arc<K>) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let place = objects.entry(id.clone()).or_default();
        let name = object.name_any();
        if place.get(&name).is_none_or(|known| !is_older(&*object, &**known)) {
            place.insert(name, object);
        }
    }

    /// Takes `object` out, unless a newer one of its name has come in its place.
    pub fn remove(&self, id: &EnvironmentId, object: &K) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = objects.get_mut(id) else { return };
        let name = object.name_any();
        if place.get(&name).is_some_and(|known| known.uid() == object.uid()) {
            place.remove(&name);
        }
        if place.is_empty() {
            objects.remove(id);
        }
    }

    /// Puts a complete list in the place of all that was known. Returns every environment that was or is concerned.
    pub fn replace(&self, listed: Vec<(EnvironmentId, Arc<K>)>) -> HashSet<EnvironmentId> {
        let mut fresh: Objects<K> = HashMap::new();
        for (id, object) in listed {
            fresh.entry(id).or_default().insert(object.name_any(), object);
        }
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let concerned = objects.keys().chain(fresh.keys()).cloned().collect();
        *objects = fresh;
        concerned
    }

    /// The object `name` of an environment.
    pub fn one(&self, id: &EnvironmentId, name: &str) -> Option<Arc<K>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(id)?.get(name).cloned()
    }

    /// All objects of an environment, by name.
    pub fn all(&self, id: &EnvironmentId) -> Vec<Arc<K>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(id).map(|found| found.values().cloned().collect()).unwrap_or_default()
    }

    /// The environments that have an object.
    pub fn ids(&self) -> Vec<EnvironmentId> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// Whether `a` is an older version of the very object `b`. Resource versions are numbers that grow; one that is no
/// number cannot be compared and counts as newer.
fn is_older<K: ResourceExt>(a: &K, b: &K) -> bool {
    let number = |object: &K| object.resource_version().and_then(|version| version.parse::<u64>().ok());
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
        assert_eq!(index.one(&id, "p").unwrap().resource_version().as_deref(), Some("10"));
        index.insert(&id, pod("p", "2", "11"));
        index.remove(&id, &pod("p", "1", "12"));
        assert!(index.one(&id, "p").is_some(), "the deletion was of the one before");
        index.remove(&id, &pod("p", "2", "13"));
        assert!(index.ids().is_empty());
    }

    #[test]
    fn a_new_list_names_what_went_missing() {
        let (index, id) = (Index::default(), EnvironmentId::new("default", "a-x"));
        index.insert(&id, pod("p", "1", "10"));
        assert!(index.replace(Vec::new()).contains(&id));
        assert!(index.all(&id).is_empty());
    }
}

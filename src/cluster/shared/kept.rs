//! What is kept of an object: itself, or a text of it.

use crate::resources::labels;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// What is kept of an object tells which one it is.
pub trait Kept {
    /// Which one it is.
    fn names(&self) -> Names<'_>;

    /// Its namespace; empty where it has none.
    fn namespace(&self) -> &str {
        self.names().namespace
    }

    /// Its name.
    fn name(&self) -> &str {
        self.names().name
    }

    /// Its uid.
    fn uid(&self) -> Option<&str> {
        self.names().uid
    }

    /// Its version.
    fn version(&self) -> Option<&str> {
        self.names().version
    }
}

/// Which object it is, and in which version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'k> {
    /// Its namespace; empty where it has none.
    pub namespace: &'k str,
    /// Its name.
    pub name: &'k str,
    /// Its uid.
    pub uid: Option<&'k str>,
    /// Its version.
    pub version: Option<&'k str>,
}

impl<K: Resource> Kept for K {
    fn names(&self) -> Names<'_> {
        let meta = self.meta();
        Names {
            namespace: meta.namespace.as_deref().unwrap_or_default(),
            name: meta.name.as_deref().unwrap_or_default(),
            uid: meta.uid.as_deref(),
            version: meta.resource_version.as_deref(),
        }
    }
}

/// The names of an object of which no more than a part is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnNames {
    namespace: Box<str>,
    name: Box<str>,
    uid: Option<Box<str>>,
    version: Option<Box<str>>,
    environment: Option<Box<str>>,
}

impl OwnNames {
    /// Those of `object`.
    pub fn of(object: &impl Resource) -> Self {
        let Names { namespace, name, uid, version } = object.names();
        let labels = object.labels();
        let environment = labels.get(labels::USER).zip(labels.get(labels::CLASS));
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.map(Into::into),
            version: version.map(Into::into),
            environment: environment.map(|(user, class)| format!("{user}-{class}").into()),
        }
    }

    /// As they are told.
    pub fn told(&self) -> Names<'_> {
        let Self { namespace, name, uid, version, environment: _ } = self;
        Names { namespace, name, uid: uid.as_deref(), version: version.as_deref() }
    }

    /// The name of the environment that the object's labels name.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }
}

/// An object as a text, for those of which there are many and each is looked at seldom: the fields that a Deployment has,
/// and leaves empty, take several times the room of those that it uses.
pub struct Packed<K> {
    names: OwnNames,
    json: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource + Serialize + DeserializeOwned> Packed<K> {
    /// A text of `object`; none of one that cannot be written as JSON.
    pub fn of(object: &K) -> Option<Self> {
        let json = serde_json::to_vec(object).ok()?;
        Some(Self { names: OwnNames::of(object), json: json.into(), kind: PhantomData })
    }

    /// The object. What was written is read again; should it not be, there is none.
    pub fn unpack(&self) -> Option<K> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl<K> Packed<K> {
    /// The name of the environment that its labels name.
    pub fn environment(&self) -> Option<&str> {
        self.names.environment()
    }
}

impl<K> Kept for Packed<K> {
    fn names(&self) -> Names<'_> {
        self.names.told()
    }
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("names", &self.names.told()).finish_non_exhaustive()
    }
}

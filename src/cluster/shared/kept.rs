//! What is kept of an object: itself, or a text of it.

use crate::resources::labels;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// What is kept of an object tells which one it is.
pub trait Kept {
    /// Its namespace; empty where it has none.
    fn namespace(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// Its uid.
    fn uid(&self) -> Option<&str>;
    /// Its version.
    fn version(&self) -> Option<&str>;
}

impl<K: Resource> Kept for K {
    fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> Option<&str> {
        self.meta().uid.as_deref()
    }

    fn version(&self) -> Option<&str> {
        self.meta().resource_version.as_deref()
    }
}

/// An object as a text, for those of which there are many and each is looked at seldom: the fields that a Deployment has,
/// and leaves empty, take several times the room of those that it uses.
pub struct Packed<K> {
    namespace: Box<str>,
    name: Box<str>,
    uid: Option<Box<str>>,
    version: Option<Box<str>>,
    environment: Option<Box<str>>,
    json: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Resource + Serialize + DeserializeOwned> Packed<K> {
    /// A text of `object`; none of one that cannot be written as JSON.
    pub fn of(object: &K) -> Option<Self> {
        let json = serde_json::to_vec(object).ok()?;
        let labels = object.labels();
        let environment = labels.get(labels::USER).zip(labels.get(labels::CLASS));
        Some(Self {
            namespace: Kept::namespace(object).into(),
            name: Kept::name(object).into(),
            uid: Kept::uid(object).map(Into::into),
            version: Kept::version(object).map(Into::into),
            environment: environment.map(|(user, class)| format!("{user}-{class}").into()),
            json: json.into(),
            kind: PhantomData,
        })
    }

    /// The object. What was written is read again; should it not be, there is none.
    pub fn unpack(&self) -> Option<K> {
        serde_json::from_slice(&self.json).ok()
    }
}

impl<K> Packed<K> {
    /// The name of the environment that its labels name.
    pub fn environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }
}

impl<K> Kept for Packed<K> {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn uid(&self) -> Option<&str> {
        self.uid.as_deref()
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("namespace", &self.namespace).field("name", &self.name).finish_non_exhaustive()
    }
}

//! Makes it so: the rendered objects are applied when they are missing or not as rendered.

use super::compare::first_difference;
use super::reconcile::Reconciler;
use super::world::{EnvironmentId, Index};
use crate::cluster::shared::Packed;
use crate::resources::labels;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

/// What was done to an object.
#[derive(Debug)]
pub enum Applied<K> {
    /// It was as it should be.
    Unchanged(Arc<K>),
    /// It was not there.
    Created(Arc<K>),
    /// It was of another rendering.
    Updated(Arc<K>),
    /// Somebody had changed this field of it.
    Repaired(Arc<K>, String),
    /// It belongs to an Environment that was deleted, or is going away itself.
    Leaving,
}

impl<K> Applied<K> {
    /// The object as it is now.
    pub fn object(&self) -> Option<&Arc<K>> {
        match self {
            Self::Unchanged(object) | Self::Created(object) | Self::Updated(object) | Self::Repaired(object, _) => {
                Some(object)
            }
            Self::Leaving => None,
        }
    }
}

/// Objects that differ from their rendering even after an apply, because the API server writes a value in another way:
/// the rendering and the version that were settled with.
#[derive(Debug, Default)]
pub struct Settled(Mutex<HashMap<(EnvironmentId, String), (String, String)>>);

impl Settled {
    fn holds(&self, key: &(EnvironmentId, String), rendering: &str, version: &str) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).is_some_and(|(r, v)| r == rendering && v == version)
    }

    fn settle(&self, key: (EnvironmentId, String), state: Option<(String, String)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(state) => known.insert(key, state),
            None => known.remove(&key),
        };
    }

    /// Forgets an environment that is gone.
    pub fn forget(&self, id: &EnvironmentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != id);
    }
}

impl Reconciler {
    /// Applies `desired`, which belongs to the Environment with `owner` as its uid.
    pub async fn apply<K>(
        &self,
        id: &EnvironmentId,
        owner: &str,
        desired: &Value,
        index: &Index<Packed<K>>,
    ) -> Result<Applied<K>, kube::Error>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Serialize
            + Debug,
    {
        let name = desired.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let key = (id.clone(), K::kind(&()).into_owned());
        let live = index.whole(id, name);
        let mut difference = None;
        if let Some(live) = &live {
            if is_leaving(&**live, owner) {
                return Ok(Applied::Leaving);
            }
            let as_value = serde_json::to_value(&**live).map_err(kube::Error::SerdeError)?;
            difference = first_difference(desired, &as_value);
            if difference.is_none() || self.settled.holds(&key, &desired.to_string(), &version(&**live)) {
                return Ok(Applied::Unchanged(live.clone()));
            }
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), &id.namespace);
        let params = PatchParams::apply(labels::OPERATOR_FIELD_MANAGER).force().validation_strict();
        let after = Arc::new(api.patch(name, &params, &Patch::Apply(desired)).await?);
        index.wrote_whole(id, &after);
        let as_value = serde_json::to_value(&*after).map_err(kube::Error::SerdeError)?;
        let differs_still = first_difference(desired, &as_value).is_some();
        self.settled.settle(key, differs_still.then(|| (desired.to_string(), version(&*after))));
        Ok(match (live, difference) {
            (Some(live), Some(field))
                if rendering(&*live) == rendering(&*after) && owner_uid(&*live) == Some(owner) =>
            {
                Applied::Repaired(after, field)
            }
            (Some(_), _) => Applied::Updated(after),
            (None, _) => Applied::Created(after),
        })
    }
}

/// What changes when somebody writes the spec, and not when a controller writes the status; where there is no
/// generation, as on Services, the resource version.
fn version<K: ResourceExt>(object: &K) -> String {
    match object.meta().generation {
        Some(generation) => generation.to_string(),
        None => object.resource_version().unwrap_or_default(),
    }
}

fn rendering<K: ResourceExt>(object: &K) -> Option<&str> {
    object.annotations().get(labels::RENDERING).map(String::as_str)
}

fn owner_uid<K: ResourceExt>(object: &K) -> Option<&str> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.as_str())
}

/// Whether the object has to go before ours can take its name: it is being deleted, or another Environment controls it.
fn is_leaving<K: ResourceExt>(object: &K, owner: &str) -> bool {
    let controlled = owner_uid(object).is_some_and(|uid| uid != owner);
    controlled || object.meta().deletion_timestamp.is_some()
}

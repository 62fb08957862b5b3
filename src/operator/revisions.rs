//! The history of an environment: a `ControllerRevision` per change of what runs, numbered, the newest ten kept.

use super::plan::Plan;
use super::reconcile::Reconciler;
use super::world::EnvironmentId;
use crate::cluster::shared::{Kept, Names, OwnNames};
use crate::model::Parameters;
use crate::resources::{Environment, labels};
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many revisions are kept.
const KEPT: usize = 10;

/// A revision that was not the newest one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevision {
    /// Its number.
    pub number: i64,
    /// What it changes, for people: `TAG_FRONT 1.4.1 → 1.4.2`.
    pub changes: String,
}

/// What is kept of a `ControllerRevision`: there may be ten for each environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    names: OwnNames,
    /// The uids of those that own it.
    owners: Box<[Box<str>]>,
    hash: Option<Box<str>>,
    number: i64,
    /// Its parameters, as JSON.
    parameters: Option<Box<str>>,
}

impl Revision {
    /// What is kept of `object`.
    pub fn of(object: &ControllerRevision) -> Self {
        let parameters = object.data.as_ref().and_then(|data| data.0.get("parameters"));
        Self {
            names: OwnNames::of(object),
            owners: object.owner_references().iter().map(|owner| owner.uid.as_str().into()).collect(),
            hash: object.labels().get(labels::REVISION).map(|hash| hash.as_str().into()),
            number: object.revision,
            parameters: parameters.map(|parameters| parameters.to_string().into()),
        }
    }

    /// The environment that its labels name.
    pub fn id(&self) -> Option<EnvironmentId> {
        Some(EnvironmentId::new(self.namespace(), self.names.environment()?))
    }

    /// The hash of its pod template.
    pub fn hash(&self) -> Option<&str> {
        self.hash.as_deref()
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.number
    }

    fn parameters(&self) -> Option<Value> {
        serde_json::from_str(self.parameters.as_deref()?).ok()
    }
}

impl Kept for Revision {
    fn names(&self) -> Names<'_> {
        self.names.told()
    }
}

/// The numbers of revisions by the hash of their pod template.
pub fn numbers(revisions: &[Arc<Revision>]) -> BTreeMap<String, i64> {
    revisions.iter().filter_map(|revision| Some((revision.hash()?.to_owned(), revision.number))).collect()
}

/// Whether a revision holds just these parameters.
pub fn holds(revision: &Revision, parameters: &Parameters) -> bool {
    revision.parameters() == Some(json!(parameters.iter().collect::<BTreeMap<_, _>>()))
}

impl Reconciler {
    /// Records `hash` as the newest revision, unless it is that already.
    pub async fn record(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        plan: &Plan,
        hash: &str,
    ) -> Result<Option<NewRevision>, kube::Error> {
        let mut known = self.own_revisions(id, environment);
        let newest = known.last().cloned();
        if newest.as_ref().is_some_and(|newest| newest.hash() == Some(hash)) {
            return Ok(None);
        }
        let number = newest.as_ref().map_or(1, |newest| newest.number + 1);
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &id.namespace);
        let name = format!("{}-{hash}", id.name);
        // A return to earlier values finds its revision by name: its number is raised, its content is the same.
        let revision = render(&name, environment, plan, hash, number);
        let params = PatchParams::apply(labels::OPERATOR_FIELD_MANAGER).force();
        let written = Arc::new(Revision::of(&api.patch(&name, &params, &Patch::Apply(&revision)).await?));
        self.world.revisions.wrote(id, written.clone());
        known.retain(|revision| revision.name() != name);
        known.push(written);
        for old in known.iter().take(known.len().saturating_sub(KEPT)) {
            match api.delete(old.name(), &DeleteParams::background()).await {
                Ok(_) => drop(self.world.revisions.remove(old)),
                Err(error) => {
                    tracing::debug!(revision = old.name(), %error, "an old revision could not be removed");
                }
            }
        }
        let changes = changes(newest.as_deref(), plan);
        Ok(Some(NewRevision { number, changes }))
    }

    /// The revisions of this very Environment, not of one of the same name before it; the newest is the last.
    pub fn own_revisions(&self, id: &EnvironmentId, environment: &Environment) -> Vec<Arc<Revision>> {
        let uid = Kept::uid(environment).unwrap_or_default();
        let mut known = self.world.revisions.all(id);
        known.retain(|revision| revision.owners.iter().any(|owner| **owner == *uid));
        known.sort_by_key(|revision| revision.number);
        known
    }
}

fn render(name: &str, environment: &Environment, plan: &Plan, hash: &str, number: i64) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": environment.metadata.namespace,
            "labels": {
                labels::USER: plan.key.user.as_str(),
                labels::CLASS: plan.key.class.as_str(),
                labels::MANAGED_BY: labels::MANAGED_BY_VALUE,
                labels::REVISION: hash,
            },
            "ownerReferences": environment.controller_owner_ref(&()).iter().collect::<Vec<_>>(),
        },
        "data": {
            "class": plan.class.name.as_str(),
            "parameters": plan.parameters.iter().collect::<BTreeMap<_, _>>(),
        },
        "revision": number,
    })
}

fn changes(before: Option<&Revision>, plan: &Plan) -> String {
    let Some(before) = before else {
        let all: Vec<String> = plan.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        return all.join(", ");
    };
    let before = before.parameters();
    let was =
        |name: &str| before.as_ref().and_then(|values| values.get(name)).and_then(Value::as_str).unwrap_or("(none)");
    let changed = plan.parameters.iter().filter(|(name, value)| was(name) != *value);
    let said: Vec<String> = changed.map(|(name, value)| format!("{name} {} → {value}", was(name))).collect();
    if said.is_empty() { "the class changed".to_owned() } else { said.join(", ") }
}

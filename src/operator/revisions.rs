//! The history of an environment: a `ControllerRevision` per change of what runs, numbered, the newest ten kept.

use super::plan::Plan;
use super::reconcile::Reconciler;
use super::world::EnvironmentId;
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

/// The numbers of revisions by the hash of their pod template.
pub fn numbers(revisions: &[Arc<ControllerRevision>]) -> BTreeMap<String, i64> {
    revisions.iter().filter_map(|r| Some((r.labels().get(labels::REVISION)?.clone(), r.revision))).collect()
}

/// Whether a revision holds just these parameters.
pub fn holds(revision: &ControllerRevision, parameters: &Parameters) -> bool {
    let wanted = json!(parameters.iter().collect::<BTreeMap<_, _>>());
    revision.data.as_ref().and_then(|data| data.0.get("parameters")) == Some(&wanted)
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
        if newest.as_ref().is_some_and(|newest| newest.labels().get(labels::REVISION).is_some_and(|it| it == hash)) {
            return Ok(None);
        }
        let number = newest.as_ref().map_or(1, |newest| newest.revision + 1);
        let api: Api<ControllerRevision> = Api::namespaced(self.client.clone(), &id.namespace);
        let name = format!("{}-{hash}", id.name);
        // A return to earlier values finds its revision by name: its number is raised, its content is the same.
        let revision = render(&name, environment, plan, hash, number);
        let params = PatchParams::apply(labels::OPERATOR_FIELD_MANAGER).force();
        let written = Arc::new(api.patch(&name, &params, &Patch::Apply(&revision)).await?);
        self.world.revisions.wrote(id, written.clone());
        known.retain(|revision| revision.name_any() != name);
        known.push(written);
        for old in known.iter().take(known.len().saturating_sub(KEPT)) {
            match api.delete(&old.name_any(), &DeleteParams::background()).await {
                Ok(_) => drop(self.world.revisions.remove(old)),
                Err(error) => {
                    tracing::debug!(revision = old.name_any(), %error, "an old revision could not be removed");
                }
            }
        }
        let changes = changes(newest.as_ref().map(|newest| &newest.data), plan);
        Ok(Some(NewRevision { number, changes }))
    }

    /// The revisions of this very Environment, not of one of the same name before it; the newest is the last.
    pub fn own_revisions(&self, id: &EnvironmentId, environment: &Environment) -> Vec<Arc<ControllerRevision>> {
        let uid = environment.uid().unwrap_or_default();
        let mut known = self.world.revisions.all(id);
        known.retain(|revision| revision.owner_references().iter().any(|owner| owner.uid == uid));
        known.sort_by_key(|revision| revision.revision);
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

fn changes(before: Option<&Option<k8s_openapi::apimachinery::pkg::runtime::RawExtension>>, plan: &Plan) -> String {
    let Some(before) = before else {
        let all: Vec<String> = plan.parameters.iter().map(|(name, value)| format!("{name} {value}")).collect();
        return all.join(", ");
    };
    let before = before.as_ref().and_then(|data| data.0.get("parameters"));
    let was = |name: &str| before.and_then(|values| values.get(name)).and_then(Value::as_str).unwrap_or("(none)");
    let changed = plan.parameters.iter().filter(|(name, value)| was(name) != *value);
    let said: Vec<String> = changed.map(|(name, value)| format!("{name} {} → {value}", was(name))).collect();
    if said.is_empty() { "the class changed".to_owned() } else { said.join(", ") }
}

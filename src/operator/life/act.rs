//! What the decision asks for is done: an environment is woken, warned, or deleted as it has expired.

use super::{Facts, Living};
use crate::operator::reconcile::Reconciler;
use crate::operator::world::EnvironmentId;
use crate::resources::{Class, Environment, EnvironmentLife, labels};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use serde_json::json;
use std::sync::Arc;

impl Reconciler {
    /// How the environment lives by its class.
    pub(in crate::operator) fn living(&self, id: &EnvironmentId, environment: &Environment, class: &Class) -> Living {
        let now = self.clock.second();
        let status = environment.status.as_ref();
        let before = status.and_then(|status| status.life.as_ref());
        // Whoever changes what is asked for uses it.
        let touched = status.and_then(|status| status.observed_generation) != environment.metadata.generation;
        let told = before.and_then(|before| before.last_used_at.as_ref()).map(|told| told.0);
        let used = self.uses.used(id).into_iter().chain(told).chain(touched.then_some(now)).max();
        let facts = Facts {
            now,
            life: &class.life,
            spec: &environment.spec,
            created: environment.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0),
            used,
            touched,
            wanted: self.uses.wanted(id),
            use_is_known: self.uses.is_known(),
            before,
        };
        facts.live()
    }

    /// Wakes an environment that a request wants.
    pub(in crate::operator) async fn wake(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
    ) -> Result<(), kube::Error> {
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &id.namespace);
        let patch = json!({
            // Somebody may have put it to sleep in between: then it is looked at again.
            "metadata": { "resourceVersion": environment.metadata.resource_version },
            "spec": { "sleeping": false, "wokenAt": Time(self.clock.second()) },
        });
        let params =
            PatchParams { field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let after = api.patch(&id.name, &params, &Patch::Merge(&patch)).await?;
        self.world.environments.wrote(id, Arc::new(after));
        self.queue.push(id.clone());
        Ok(())
    }

    /// Deletes an environment that has expired. Its host says so from then on.
    pub(in crate::operator) async fn expire(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        class: &Class,
        (living, why): (&Living, &str),
    ) -> Result<(), kube::Error> {
        // First, so that no moment is without an answer; if this process ends in between, the next one comes here again.
        self.bury(id, environment, class, why, self.clock.second()).await?;
        let deleted = match self.mark_expired(id, environment, living).await {
            Ok(marked) => self.delete_expired(id, &marked).await,
            Err(error) => Err(error),
        };
        match deleted {
            Ok(()) => {}
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
            Err(kube::Error::Api(answer)) if answer.code == 409 => {
                // An earlier look may have deleted it, and the watch does not tell so yet.
                if !self.lives_on(id, environment).await? {
                    return Ok(());
                }
                self.dig_up(id, class).await?;
                return Err(kube::Error::Api(answer));
            }
            Err(error) => return Err(error),
        }
        self.events.warn(&environment.object_ref(&()), "Expired", &format!("it is deleted: {why}")).await;
        Ok(())
    }

    /// Whether the environment that was looked at is there and is not being deleted, as the cluster itself has it.
    async fn lives_on(&self, id: &EnvironmentId, environment: &Environment) -> Result<bool, kube::Error> {
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &id.namespace);
        let now = api.get_opt(&id.name).await?;
        let is_same = |now: &Environment| now.metadata.uid == environment.metadata.uid;
        Ok(now.is_some_and(|now| is_same(&now) && now.metadata.deletion_timestamp.is_none()))
    }

    /// Writes the last part of its life into its status, for those who follow it.
    async fn mark_expired(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        living: &Living,
    ) -> Result<Environment, kube::Error> {
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &id.namespace);
        let version = &environment.metadata.resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version }, "status": { "life": living.told } });
        api.patch_status(&id.name, &PatchParams::default(), &Patch::Merge(&patch)).await
    }

    /// Deletes what was looked at, and nothing newer.
    async fn delete_expired(&self, id: &EnvironmentId, environment: &Environment) -> Result<(), kube::Error> {
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &id.namespace);
        let params = DeleteParams {
            // Who extends it at this very moment keeps it.
            preconditions: Some(Preconditions {
                uid: environment.metadata.uid.clone(),
                resource_version: environment.metadata.resource_version.clone(),
            }),
            propagation_policy: Some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        api.delete(&id.name, &params).await.map(drop)
    }

    /// Tells what changes in the life of an environment, before it is written: rather twice than never.
    pub(in crate::operator) async fn tell_life(&self, environment: &Environment, living: &Living) {
        let about = environment.object_ref(&());
        let before = environment.status.as_ref().and_then(|status| status.life.as_ref());
        let was_asleep = before.is_some_and(|before| before.asleep_since.is_some());
        if let Some(warning) = &living.warning {
            self.events.warn(&about, "Expiring", warning).await;
        }
        match (&living.asleep, was_asleep) {
            (Some(why), false) => self.events.tell(&about, "Asleep", why).await,
            (None, true) => {
                let said = format!("it sleeps no more{}", since(before));
                self.events.tell(&about, "Woken", &said).await;
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

fn since(before: Option<&EnvironmentLife>) -> String {
    let since = before.and_then(|before| before.asleep_since.as_ref());
    since.map_or_else(String::new, |since| format!("; it did since {}", since.0))
}

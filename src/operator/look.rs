//! What one look at an environment found, and how it is brought up by that.

use super::apply::Applied;
use super::decide::{Decision, Sight, decide};
use super::life::Living;
use super::plan::Plan;
use super::pods::trouble;
use super::reconcile::{Reconciler, refusal_of};
use super::render::Rendered;
use super::revisions::{holds, numbers};
use super::rollout::{ClassVersion, Comer, Turn, is_on_the_way, serves};
use super::world::EnvironmentId;
use crate::resources::{Environment, EnvironmentRollout, labels};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;
use std::sync::Arc;

/// What a look found.
#[derive(Debug, Clone, Default)]
pub struct Look<'a> {
    /// How the environment is to be, where it may be.
    pub plan: Option<&'a Plan>,
    /// How it lives.
    pub living: Option<&'a Living>,
    /// Its class as it is now.
    pub version: Option<&'a ClassVersion>,
    /// By which generation of its class it runs.
    pub rollout: Option<EnvironmentRollout>,
}

impl Look<'_> {
    /// Why it is to sleep, if it is.
    fn asleep(&self) -> Option<&str> {
        self.living?.asleep.as_deref()
    }

    /// Pods that are wanted.
    pub fn replicas(&self) -> Option<i32> {
        if self.asleep().is_some() { Some(0) } else { self.plan.map(|plan| plan.class.spec.replicas) }
    }
}

impl Reconciler {
    /// Makes what should be there, and tells how it is. A class that was changed waits until it is this one's turn.
    pub(super) async fn bring_up(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        look: &Look<'_>,
        mut rendered: Rendered,
    ) -> Result<(), kube::Error> {
        let Some(plan) = look.plan else { return Ok(()) };
        if look.asleep().is_some() {
            rendered.put_to_sleep();
        }
        let mut look = look.clone();
        if let Some(version) = look.version {
            match self.turn(&self.comer(id, environment, &look, &rendered), &plan.class, version) {
                Turn::Go(rollout) => look.rollout = Some(rollout),
                Turn::Wait(why) => return self.stay(id, environment, plan, &look, &why).await,
            }
        }
        let owner = environment.uid().unwrap_or_default();
        let (deployment, service) = tokio::join!(
            self.apply::<Deployment>(id, &owner, &rendered.deployment, &self.world.deployments),
            self.apply::<Service>(id, &owner, &rendered.service, &self.world.services),
        );
        let (deployment, service) = match (deployment, service) {
            (Ok(deployment), Ok(service)) => (deployment, service),
            (Err(error), _) | (_, Err(error)) => {
                if let Some(refusal) = refusal_of(&error) {
                    self.refuse(id, environment, &look, &refusal).await?;
                }
                return Err(error);
            }
        };
        let (Some(current), Some(_)) = (deployment.object(), service.object()) else {
            return self.conclude(id, environment, &Decision::waiting_for_removal(), &look).await;
        };
        let recorded = self.record(id, environment, plan, &rendered.revision).await?;
        let about = environment.object_ref(&());
        if let Some(new) = &recorded {
            let reason = if new.number == 1 { "Created" } else { "Deployed" };
            let said = format!("revision {}: {}", new.number, new.changes);
            self.events.tell(&about, reason, &said).await;
        } else {
            self.tell_repair(&about, "Deployment", &deployment).await;
        }
        if recorded.is_none_or(|new| new.number > 1) {
            self.tell_repair(&about, "Service", &service).await;
        }
        let decision = self.judge(id, environment, &look, current, (&rendered.revision, rendered.replicas));
        self.conclude(id, environment, &decision, &look).await
    }

    /// What is to be said of it when it should run by `revision` with so many pods.
    fn judge(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        look: &Look<'_>,
        deployment: &Deployment,
        (revision, replicas): (&str, i32),
    ) -> Decision {
        let host = look.plan.map(|plan| plan.host.as_str()).unwrap_or_default();
        decide(&Sight {
            revision,
            numbers: &numbers(&self.own_revisions(id, environment)),
            replicas,
            deployment: Some(deployment),
            pods: &self.world.pods.all_whole(id),
            route: self.route_through_all(id, environment, host),
            asleep: look.asleep(),
        })
    }

    /// What it brings to its turn in a roll-out.
    fn comer<'a>(
        &self,
        id: &'a EnvironmentId,
        environment: &'a Environment,
        look: &Look<'_>,
        rendered: &Rendered,
    ) -> Comer<'a> {
        let revisions = self.own_revisions(id, environment);
        let newest = revisions.last();
        let hash = newest.and_then(|newest| newest.hash());
        let asked = environment.status.as_ref().and_then(|status| status.observed_generation);
        let other = newest.zip(look.plan).is_none_or(|(newest, plan)| !holds(newest, &plan.parameters));
        // A pod answers, and others of it are on the way: a restart, or a probe that failed once.
        let answers = self.world.pods.all_whole(id).iter().any(|pod| trouble(pod).is_none());
        let is_between = answers && is_on_the_way(environment);
        let live = look.plan.and_then(|plan| self.world.deployments.one(id, &plan.key.deployment_name()));
        Comer {
            id,
            environment,
            changes: hash.is_some_and(|hash| hash != rendered.revision),
            // To extend or to pin it changes what is asked for as well, and is no deploy.
            deploys: other && asked != environment.metadata.generation,
            serves: live.is_some() && look.asleep().is_none() && (serves(environment) || is_between),
        }
    }

    /// Leaves it by the class as it was, and tells how it is.
    async fn stay(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        plan: &Plan,
        look: &Look<'_>,
        why: &str,
    ) -> Result<(), kube::Error> {
        let revisions = self.own_revisions(id, environment);
        let hash = revisions.last().and_then(|newest| newest.hash());
        let live = self.world.deployments.whole(id, &plan.key.deployment_name());
        let (Some(hash), Some(live)) = (hash, live) else { return Ok(()) };
        let live = self.restart_as_it_is(id, environment, live).await?;
        let replicas = live.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let decision = self.judge(id, environment, look, &live, (hash, replicas)).and(why);
        self.conclude(id, environment, &decision, look).await
    }

    /// Makes the pods anew by the template that they have, if that is asked for.
    async fn restart_as_it_is(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        live: Arc<Deployment>,
    ) -> Result<Arc<Deployment>, kube::Error> {
        let Some(asked) = environment.spec.restarted_at.as_ref().map(|time| time.0.to_string()) else {
            return Ok(live);
        };
        let template = live.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let known = template.and_then(|metadata| metadata.annotations.as_ref()?.get(labels::RESTARTED_AT));
        if known == Some(&asked) {
            return Ok(live);
        }
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), &id.namespace);
        let annotations = json!({ "annotations": { labels::RESTARTED_AT: asked } });
        let patch = Patch::Merge(json!({ "spec": { "template": { "metadata": annotations } } }));
        let params =
            PatchParams { field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let after = Arc::new(api.patch(&live.name_any(), &params, &patch).await?);
        self.world.deployments.wrote_whole(id, &after);
        Ok(after)
    }

    async fn tell_repair<K: ResourceExt>(&self, about: &ObjectReference, kind: &str, applied: &Applied<K>) {
        let note = match applied {
            Applied::Created(object) => format!("{kind} {} was gone and is made again", object.name_any()),
            Applied::Repaired(object, field) => format!("{kind} {}: {field} is put right again", object.name_any()),
            Applied::Unchanged(_) | Applied::Updated(_) | Applied::Leaving => return,
        };
        self.events.tell(about, "Repaired", &note).await;
    }
}

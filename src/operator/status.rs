//! Says it: the status of an Environment, written when it differs, and the events that go with a change.

use super::decide::Decision;
use super::reconcile::Reconciler;
use super::world::EnvironmentId;
use crate::model::reasons;
use crate::resources::{
    ConditionType, Environment, EnvironmentLife, EnvironmentRollout, EnvironmentStatus, set_condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::sync::Arc;

/// What the status holds beside the conditions.
#[derive(Debug, Default)]
pub struct Figures {
    /// The host.
    pub host: Option<String>,
    /// Where to open it.
    pub url: Option<String>,
    /// The number of the newest revision.
    pub revision: Option<i64>,
    /// Pods that are wanted.
    pub replicas: Option<i32>,
    /// Pods that are ready.
    pub ready_replicas: Option<i32>,
    /// How it lives.
    pub life: Option<EnvironmentLife>,
    /// By which generation of its class it runs.
    pub rollout: Option<EnvironmentRollout>,
}

/// The status by `decision`, made from the one before it.
pub fn status(environment: &Environment, decision: &Decision, figures: Figures) -> EnvironmentStatus {
    let generation = environment.metadata.generation.unwrap_or_default();
    let mut conditions = environment.status.as_ref().map(|status| status.conditions.clone()).unwrap_or_default();
    let mut set = |kind, status, reason: &str, message: &str| {
        set_condition(&mut conditions, kind, (status, reason, message), generation);
    };
    let (reason, message) = (decision.reason.as_ref(), decision.message.as_str());
    set(ConditionType::Ready, decision.ready, reason, message);
    set(ConditionType::Progressing, decision.progressing, reason, message);
    match &decision.stalled {
        Some(why) => set(ConditionType::Stalled, true, why, message),
        None => set(ConditionType::Stalled, false, "NotStalled", ""),
    }
    EnvironmentStatus {
        observed_generation: Some(generation),
        conditions,
        host: figures.host,
        url: figures.url,
        revision: figures.revision,
        replicas: figures.replicas,
        ready_replicas: figures.ready_replicas,
        life: figures.life,
        rollout: figures.rollout,
    }
}

impl Reconciler {
    /// Writes `status` if it differs from the environment's own, and tells the change of `Ready` as an event.
    pub async fn say(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        status: &EnvironmentStatus,
    ) -> Result<(), kube::Error> {
        let before = environment.status.as_ref();
        if before == Some(status) {
            return Ok(());
        }
        // Every field is named: in a merge patch, one that is left out would stay as it was.
        let earlier = |part: fn(&EnvironmentStatus) -> Value| before.map_or(Value::Null, part);
        let patch = json!({ "status": {
            "observedGeneration": status.observed_generation,
            "conditions": status.conditions,
            "host": status.host,
            "url": status.url,
            "revision": status.revision,
            "replicas": status.replicas,
            "readyReplicas": status.ready_replicas,
            "life": replacing(&earlier(|status| json!(status.life)), json!(status.life)),
            "rollout": replacing(&earlier(|status| json!(status.rollout)), json!(status.rollout)),
        }});
        let api: Api<Environment> = Api::namespaced(self.client.clone(), &id.namespace);
        let after = api.patch_status(&id.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        self.world.environments.wrote(id, Arc::new(after));
        let was = before.and_then(|status| ready(&status.conditions));
        let is = ready(&status.conditions);
        if let Some(is) = is.filter(|is| was.is_none_or(|was| was.reason != is.reason)) {
            self.tell(environment, is).await;
        }
        Ok(())
    }

    async fn tell(&self, environment: &Environment, ready: &Condition) {
        let about = environment.object_ref(&());
        match ready.reason.as_str() {
            _ if ready.status == "True" => self.events.tell(&about, "Ready", &ready.message).await,
            reasons::CREATING
            | reasons::STARTING
            | reasons::ROLLING_OUT
            | reasons::SCALED_TO_ZERO
            | reasons::ASLEEP => {}
            reason => self.events.warn(&about, reason, &ready.message).await,
        }
    }
}

/// `after` as a merge patch on `before`: a field that only `before` has is taken away.
fn replacing(before: &Value, mut after: Value) -> Value {
    if let (Value::Object(before), Value::Object(after)) = (before, &mut after) {
        for name in before.keys().filter(|name| !after.contains_key(*name)).cloned().collect::<Vec<_>>() {
            after.insert(name, Value::Null);
        }
    }
    after
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())
}

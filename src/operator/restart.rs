//! After a restart that ended every pod, no environment is called ready before it was looked at again.

use crate::model::reasons;
use crate::resources::{ConditionType, Environment, set_condition};
use futures::{StreamExt, stream};
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

/// How many statuses are written at the same time.
const WRITES: usize = 16;
const MESSAGE: &str = "doorstep was started again, and the pods with it";

/// Takes `Ready` back from every environment. It is for a cluster whose pods end with it; elsewhere they serve on while
/// the operator is away, and their status stays true.
pub async fn take_back_ready(client: kube::Client) -> Result<(), kube::Error> {
    let listed = Api::<Environment>::all(client.clone()).list(&ListParams::default()).await?;
    let patches = listed.items.into_iter().filter_map(|environment| Some((taken_back(&environment)?, environment)));
    stream::iter(patches)
        .map(|(patch, environment)| {
            let api: Api<Environment> = Api::namespaced(client.clone(), &environment.namespace().unwrap_or_default());
            async move {
                let name = environment.name_any();
                api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
            }
        })
        .buffer_unordered(WRITES)
        .fold(Ok(()), |before, next| async { before.and(next) })
        .await
}

/// The patch of a status that claims to be ready.
fn taken_back(environment: &Environment) -> Option<serde_json::Value> {
    let status = environment.status.as_ref()?;
    let is_ready = |kind: &str, status: &str| kind == ConditionType::Ready.as_str() && status == "True";
    status.conditions.iter().find(|condition| is_ready(&condition.type_, &condition.status))?;
    let mut conditions = status.conditions.clone();
    let generation = status.observed_generation.unwrap_or_default();
    set_condition(&mut conditions, ConditionType::Ready, (false, reasons::STARTING, MESSAGE), generation);
    set_condition(&mut conditions, ConditionType::Progressing, (true, reasons::STARTING, MESSAGE), generation);
    Some(json!({"status": {"conditions": conditions, "readyReplicas": 0}}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn environment(ready: &str, reason: &str) -> Environment {
        let at = "2026-01-01T00:00:00Z";
        let condition = |kind: &str, status: &str| {
            json!({"type": kind, "status": status, "reason": reason,
            "message": "m", "lastTransitionTime": at, "observedGeneration": 3})
        };
        serde_json::from_value(json!({"apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
            "metadata": {"name": "a-b"}, "spec": {"user": "a", "class": "b"},
            "status": {"observedGeneration": 3, "conditions": [condition("Ready", ready), condition("Progressing", "False")]}}))
        .unwrap()
    }

    #[test]
    fn ready_is_taken_back_and_a_refusal_stays() {
        let patch = taken_back(&environment("True", "Serving")).unwrap();
        let conditions = patch["status"]["conditions"].as_array().unwrap();
        let is: Vec<(&str, &str)> = conditions
            .iter()
            .filter_map(|condition: &Value| Some((condition["type"].as_str()?, condition["status"].as_str()?)))
            .collect();
        assert_eq!(is, [("Ready", "False"), ("Progressing", "True")]);
        assert_eq!(conditions[0]["observedGeneration"], 3);
        assert_eq!(taken_back(&environment("False", "InvalidParameters")), None);
    }
}

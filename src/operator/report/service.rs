//! What is told on a Service: a condition of its status, and an event when it changes.

use super::Report;
use crate::operator::reconcile::Reconciler;
use crate::routing::SourceKey;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

/// The type of the condition. A Service without it has no trouble with its hosts.
const HOST_ACCEPTED: &str = "doorstep.dev/HostAccepted";

/// Whether a Service carries a report.
pub(super) fn is_reported(service: &Service) -> bool {
    conditions(service).iter().any(|condition| condition.type_ == HOST_ACCEPTED)
}

/// Puts the condition on the Service, or takes it away. A Service that is gone needs neither.
pub(super) async fn write(
    reconciler: &Reconciler,
    place: &SourceKey,
    report: Option<&Report>,
) -> Result<(), kube::Error> {
    let api: Api<Service> = Api::namespaced(reconciler.client.clone(), &place.namespace);
    let Some(service) = api.get_opt(&place.name).await? else { return Ok(()) };
    let before = conditions(&service);
    let after = changed(before, report, service.metadata.generation);
    if after == before {
        return Ok(());
    }
    // The version makes sure that no condition of somebody else, written meanwhile, is lost.
    let version = service.resource_version();
    let patch = json!({ "metadata": { "resourceVersion": version }, "status": { "conditions": after } });
    api.patch_status(&place.name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    let about = service.object_ref(&());
    match report {
        Some((reason, message)) => reconciler.events.warn(&about, reason, message).await,
        None => reconciler.events.tell(&about, "HostAccepted", "its hosts are routed").await,
    }
    Ok(())
}

fn conditions(service: &Service) -> &[Condition] {
    service.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn changed(before: &[Condition], report: Option<&Report>, generation: Option<i64>) -> Vec<Condition> {
    let known = before.iter().find(|condition| condition.type_ == HOST_ACCEPTED);
    let mut after: Vec<Condition> = before.iter().filter(|c| c.type_ != HOST_ACCEPTED).cloned().collect();
    let Some((reason, message)) = report else { return after };
    let condition = Condition {
        type_: HOST_ACCEPTED.to_owned(),
        status: "False".to_owned(),
        reason: (*reason).to_owned(),
        message: message.clone(),
        observed_generation: generation,
        last_transition_time: known.map_or_else(|| Time(jiff::Timestamp::now()), |c| c.last_transition_time.clone()),
    };
    let place = before.iter().position(|c| c.type_ == HOST_ACCEPTED).unwrap_or(after.len());
    after.insert(place, condition);
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_put_in_once_and_taken_out_again() {
        let other = Condition {
            type_: "Other".into(),
            status: "True".into(),
            reason: "X".into(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        };
        let report = ("HostReserved", "the host lies in a zone of class integration".to_owned());
        let with = changed(std::slice::from_ref(&other), Some(&report), None);
        assert_eq!(with.len(), 2);
        assert_eq!(changed(&with, Some(&report), None), with);
        assert_eq!(changed(&with, None, None), [other]);
    }
}

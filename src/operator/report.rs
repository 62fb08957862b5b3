//! What the route table refuses is told on the Service that it refused: a condition and an event, and taken back again.

use super::Namespaces;
use super::reconcile::Reconciler;
use crate::routing::{SourceKind, Table};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The type of the condition. A Service without it has no trouble with its hosts.
const HOST_ACCEPTED: &str = "doorstep.dev/HostAccepted";
/// The shortest time between two looks at the table's problems.
const PACE: Duration = Duration::from_millis(250);
/// How often a report that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A Service: namespace and name.
type Place = (Box<str>, Box<str>);
/// What is wrong with it: the first problem's reason, and every problem's sentence.
type Report = (&'static str, String);

/// Keeps the reports until `shutdown`.
pub async fn keep(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let mut changes = reconciler.changes.clone();
    let mut reported: Option<BTreeMap<Place, Option<Report>>> = None;
    loop {
        let mut wait = PACE;
        if reconciler.table.load().is_complete() {
            if reported.is_none() {
                reported = reported_before(&reconciler).await;
            }
            let done = match &mut reported {
                Some(reported) => bring_up_to_date(&reconciler, reported).await,
                None => false,
            };
            wait = if done { PACE } else { RETRY };
        }
        let next = Instant::now() + wait;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
        }
        if wait == RETRY {
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// The Services that carry a report of an earlier run. What it says is not known, so each is written once.
async fn reported_before(reconciler: &Reconciler) -> Option<BTreeMap<Place, Option<Report>>> {
    let api: Api<Service> = match &reconciler.namespaces {
        Namespaces::All => Api::all(reconciler.client.clone()),
        Namespaces::One(namespace) => Api::namespaced(reconciler.client.clone(), namespace),
    };
    let mut found = BTreeMap::new();
    let mut params = ListParams::default().limit(500);
    loop {
        let page =
            api.list(&params).await.inspect_err(|error| tracing::warn!(%error, "Services could not be listed")).ok()?;
        for service in page.items.iter().filter(|service| conditions(service).iter().any(|c| c.type_ == HOST_ACCEPTED))
        {
            found.insert((service.namespace().unwrap_or_default().into(), service.name_any().into()), None);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Some(found),
        }
    }
}

/// The problems of Services, by Service.
fn problems(table: &Table) -> BTreeMap<Place, Report> {
    let snapshot = table.load();
    let mut reports: BTreeMap<Place, Report> = BTreeMap::new();
    for problem in snapshot.problems().filter(|problem| problem.source.kind == SourceKind::Service) {
        let place = (problem.source.namespace.clone(), problem.source.name.clone());
        let (_, message) = reports.entry(place).or_insert_with(|| (problem.reason.as_str(), String::new()));
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.push_str(&problem.message);
    }
    reports
}

/// Writes what is new and takes back what is over. Returns whether all of it could be written.
async fn bring_up_to_date(reconciler: &Reconciler, reported: &mut BTreeMap<Place, Option<Report>>) -> bool {
    let wanted = problems(&reconciler.table);
    let mut complete = true;
    for (place, report) in &wanted {
        if reported.get(place).is_some_and(|known| known.as_ref() == Some(report)) {
            continue;
        }
        match write(reconciler, place, Some(report)).await {
            Ok(()) => {
                reported.insert(place.clone(), Some(report.clone()));
            }
            Err(error) => complete = failed(place, &error),
        }
    }
    let over: Vec<Place> = reported.keys().filter(|place| !wanted.contains_key(*place)).cloned().collect();
    for place in over {
        match write(reconciler, &place, None).await {
            Ok(()) => {
                reported.remove(&place);
            }
            Err(error) => complete = failed(&place, &error),
        }
    }
    complete
}

fn failed((namespace, name): &Place, error: &kube::Error) -> bool {
    tracing::warn!(%namespace, service = %name, %error, "the report on a Service could not be written");
    false
}

/// Puts the condition on the Service, or takes it away. A Service that is gone needs neither.
async fn write(reconciler: &Reconciler, (namespace, name): &Place, report: Option<&Report>) -> Result<(), kube::Error> {
    let api: Api<Service> = Api::namespaced(reconciler.client.clone(), namespace);
    let Some(service) = api.get_opt(name).await? else { return Ok(()) };
    let before = conditions(&service);
    let after = changed(before, report, service.metadata.generation);
    if after == before {
        return Ok(());
    }
    // The version makes sure that no condition of somebody else, written meanwhile, is lost.
    let version = service.resource_version();
    let patch = json!({ "metadata": { "resourceVersion": version }, "status": { "conditions": after } });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
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

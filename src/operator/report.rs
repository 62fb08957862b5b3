//! What the route table refuses is told on the object that it refused, and taken back again: on a Service by a condition and
//! an event, on an Ingress, an EndpointSlice or a Secret, whose statuses have no conditions, by an event.

mod event;
mod service;

use super::reconcile::Reconciler;
use crate::cluster::Told;
use crate::cluster::shared::{Kept, Packed};
use crate::routing::{SourceKey, SourceKind, Table};
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The shortest time between two looks at the table's problems.
const PACE: Duration = Duration::from_millis(250);
/// How often a report that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What is wrong with it: the first problem's reason, and every problem's sentence.
type Report = (&'static str, String);

/// Keeps the reports until `shutdown`.
pub async fn keep(reconciler: Arc<Reconciler>, shutdown: CancellationToken) {
    let mut changes = reconciler.changes.clone();
    let mut reported: Option<BTreeMap<SourceKey, Option<Report>>> = None;
    loop {
        let mut wait = PACE;
        if reconciler.table.load().is_complete() {
            if reported.is_none() {
                reported = shutdown.run_until_cancelled(reported_before(&reconciler)).await.flatten();
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
async fn reported_before(reconciler: &Reconciler) -> Option<BTreeMap<SourceKey, Option<Report>>> {
    let Told::All(services) = reconciler.shared.services.subscribe(None).next().await? else { return None };
    let is_reported = |service: &&Arc<Packed<Service>>| service.unpack().is_some_and(|it| service::is_reported(&it));
    let reported = services.iter().filter(is_reported).map(|service| {
        let (namespace, name) = (service.namespace().into(), service.name().into());
        (SourceKey { kind: SourceKind::Service, namespace, name }, None)
    });
    Some(reported.collect())
}

/// Whether we tell on objects of this kind.
fn is_told(kind: SourceKind) -> bool {
    match kind {
        SourceKind::Service | SourceKind::Ingress | SourceKind::EndpointSlice | SourceKind::Secret => true,
        // Classes and Environments have conditions that others write; a file is no object.
        SourceKind::Class | SourceKind::Environment | SourceKind::IngressClass | SourceKind::File => false,
    }
}

/// The problems of objects, by object.
fn problems(table: &Table) -> BTreeMap<SourceKey, Report> {
    let snapshot = table.load();
    let mut reports: BTreeMap<SourceKey, Report> = BTreeMap::new();
    for problem in snapshot.problems().filter(|problem| is_told(problem.source.kind)) {
        let (_, message) =
            reports.entry(problem.source.clone()).or_insert_with(|| (problem.reason.as_str(), String::new()));
        if !message.is_empty() {
            message.push_str("; ");
        }
        message.push_str(&problem.message);
    }
    reports
}

/// Writes what is new and takes back what is over. Returns whether all of it could be written.
async fn bring_up_to_date(reconciler: &Reconciler, reported: &mut BTreeMap<SourceKey, Option<Report>>) -> bool {
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
    let over: Vec<SourceKey> = reported.keys().filter(|place| !wanted.contains_key(*place)).cloned().collect();
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

fn failed(place: &SourceKey, error: &kube::Error) -> bool {
    tracing::warn!(object = %place, %error, "what is wrong with an object could not be told on it");
    false
}

/// Tells on an object what is wrong with it, or that nothing is any more.
async fn write(reconciler: &Reconciler, place: &SourceKey, report: Option<&Report>) -> Result<(), kube::Error> {
    match place.kind {
        SourceKind::Service => service::write(reconciler, place, report).await,
        SourceKind::Ingress => event::write::<Ingress>(reconciler, place, report).await,
        SourceKind::EndpointSlice => event::write::<EndpointSlice>(reconciler, place, report).await,
        SourceKind::Secret => event::write::<Secret>(reconciler, place, report).await,
        SourceKind::Class | SourceKind::Environment | SourceKind::IngressClass | SourceKind::File => Ok(()),
    }
}

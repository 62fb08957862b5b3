//! DNS: the plan for each zone, whether names resolve, and the confirmation of a plan that was refused.

use super::input::{Query, json_object, kind_of, refuse_unknown};
use super::problem::{Code, FieldError, Problem};
use super::{ApiState, Shared, cluster};
use crate::dns::{Change, Desk, DeskError, Existing, RecordSet, SetState, Wanted};
use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What would be done in the zones now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsPlan {
    /// By zone, in the order of the file of DNS.
    pub zones: Vec<DnsZonePlan>,
    /// Who has no record, and why.
    pub troubles: Vec<DnsTrouble>,
}

/// The plan of one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsZonePlan {
    /// The zone.
    #[schema(example = "int.example.com")]
    pub zone: String,
    /// The changes, in the order in which they are made.
    pub changes: Vec<DnsChange>,
    /// What cannot be written, as somebody else's records stand there.
    pub conflicts: Vec<String>,
    /// How many record sets are as they should be.
    pub unchanged: usize,
    /// How many record sets are ours.
    pub owned: usize,
    /// The plan waits for a confirmation with this fingerprint, as it deletes much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<DnsRefusal>,
    /// Why the zone could not be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A plan that deletes much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsRefusal {
    /// What has to be given to confirm it.
    pub fingerprint: String,
    /// How many record sets it deletes.
    pub deletes: usize,
    /// Why it waits.
    pub detail: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsChange {
    /// `create`, `update` or `delete`.
    #[schema(example = "create")]
    pub change: String,
    /// What is there before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<DnsSet>,
    /// What is there after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<DnsSet>,
}

/// A record set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsSet {
    /// Its name.
    #[schema(example = "fronthaimaz.int.example.com")]
    pub name: String,
    /// `A`, `AAAA` or `CNAME`.
    #[schema(example = "A")]
    pub kind: String,
    /// How long it may be kept, in seconds.
    pub ttl_seconds: u32,
    /// What it holds.
    #[schema(example = json!(["10.0.0.4"]))]
    pub values: Vec<String>,
}

/// Somebody who has no record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsTrouble {
    /// Who: `Environment default/haimaz-integration`.
    pub subject: String,
    /// Why, for programs.
    pub reason: String,
    /// Why, for people.
    pub detail: String,
}

/// Whether the desired names resolve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsReport {
    /// Whether each does, and nobody is without a record.
    pub is_right: bool,
    /// Each desired set.
    pub sets: Vec<DnsCheck>,
    /// Who has no record, and why.
    pub troubles: Vec<DnsTrouble>,
}

/// How one set is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DnsCheck {
    /// The set.
    #[serde(flatten)]
    pub set: DnsSet,
    /// Whether it resolves; null when no server is named that could be asked.
    pub resolves: Option<bool>,
    /// What was seen.
    pub detail: String,
}

/// Which refused plan is confirmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DnsConfirmation {
    /// Its fingerprint.
    #[schema(example = "5f1d7a84db735f1d")]
    pub fingerprint: String,
}

/// What would be done in the zones now. Nothing is changed.
#[utoipa::path(get, path = "/api/v1/dns/plan", tag = "dns", responses(
    (status = 200, body = DnsPlan),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "the manager has no file of DNS", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn plan(State(state): Shared, query: Query) -> Result<Json<DnsPlan>, Problem> {
    query.done()?;
    let (plans, wanted) = desk(&state)?.plan().await.map_err(|error| problem(&error))?;
    let zones = plans.into_iter().map(|zone| {
        let refused = zone.refused.map(|refused| DnsRefusal {
            fingerprint: refused.fingerprint.clone(),
            deletes: refused.deletes,
            detail: refused.to_string(),
        });
        let failure = zone.plan.as_ref().err().map(ToString::to_string);
        let plan = zone.plan.unwrap_or_default();
        DnsZonePlan {
            zone: zone.zone.to_string(),
            changes: plan.changes.iter().map(change).collect(),
            conflicts: plan.conflicts.iter().map(ToString::to_string).collect(),
            unchanged: plan.unchanged,
            owned: plan.owned,
            refused,
            failure,
        }
    });
    Ok(Json(DnsPlan { zones: zones.collect(), troubles: troubles(&wanted) }))
}

/// Whether each desired name resolves: at the servers that keep its zone, and at the public resolvers of the file of DNS.
#[utoipa::path(post, path = "/api/v1/dns:verify", tag = "dns", responses(
    (status = 200, body = DnsReport),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "the manager has no file of DNS", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn verify(State(state): Shared, query: Query) -> Result<Json<DnsReport>, Problem> {
    query.done()?;
    let (checks, wanted) = desk(&state)?.verify().await.map_err(|error| problem(&error))?;
    let troubles = troubles(&wanted);
    let sets: Vec<DnsCheck> = checks
        .iter()
        .map(|check| {
            let (resolves, detail) = match &check.state {
                SetState::Resolves(said) => (Some(true), said),
                SetState::Written { said, is_enough: true } => (None, said),
                SetState::Written { said, is_enough: false } | SetState::Failed { said, .. } => (Some(false), said),
            };
            DnsCheck { set: view(&check.set), resolves, detail: detail.clone() }
        })
        .collect();
    let is_right = troubles.is_empty() && sets.iter().all(|set| set.resolves != Some(false));
    Ok(Json(DnsReport { is_right, sets, troubles }))
}

/// Confirms a plan that waits, as it deletes much: exactly its deletions.
#[utoipa::path(post, path = "/api/v1/dns:confirm", tag = "dns", request_body = DnsConfirmation, responses(
    (status = 200, description = "it will be carried out", body = DnsRefusal),
    (status = 400, description = "no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "the manager has no file of DNS", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "no refused plan has this fingerprint", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "mistakes in the request; all are told", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn confirm(State(state): Shared, query: Query, request: Request) -> Result<Json<DnsRefusal>, Problem> {
    query.done()?;
    let body = json_object(request).await?;
    let mut errors = Vec::new();
    refuse_unknown(&body, "", &["fingerprint"], &mut errors);
    let fingerprint = match body.get("fingerprint") {
        Some(serde_json::Value::String(text)) => text.clone(),
        other => {
            let is = other.map_or("missing", kind_of);
            let detail = format!("fingerprint is {is}; it should be the text that the plan shows");
            errors.push(FieldError::new("/fingerprint", detail));
            String::new()
        }
    };
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let refused = desk(&state)?.confirm(&fingerprint).await.map_err(|error| problem(&error))?;
    let detail = format!("{} deletions in {} are confirmed", refused.deletes, refused.zone);
    Ok(Json(DnsRefusal { fingerprint: refused.fingerprint, deletes: refused.deletes, detail }))
}

fn desk(state: &ApiState) -> Result<&Desk, Problem> {
    let none = || {
        Problem::new(
            Code::NoDns,
            "this manager writes no DNS records; it is told which with --dns FILE (doorstep manager) or --dns-file FILE (doorstep up)",
        )
    };
    state.dns.as_ref().ok_or_else(none)
}

fn problem(error: &DeskError) -> Problem {
    match error {
        DeskError::Cluster(error) => cluster::problem(error),
        DeskError::NoSuchPlan(_) => Problem::new(Code::Conflict, error.to_string()),
    }
}

fn troubles(wanted: &Wanted) -> Vec<DnsTrouble> {
    let told = wanted.troubles.iter().map(|(subject, trouble)| DnsTrouble {
        subject: subject.to_string(),
        reason: trouble.reason.to_owned(),
        detail: trouble.said.clone(),
    });
    told.collect()
}

fn change(change: &Change) -> DnsChange {
    let was = |existing: &Existing| Some(view(&existing.set));
    match change {
        Change::Create(set) => DnsChange { change: "create".to_owned(), before: None, after: Some(view(set)) },
        Change::Update { before, after } => {
            DnsChange { change: "update".to_owned(), before: was(before), after: Some(view(after)) }
        }
        Change::Delete(before) => DnsChange { change: "delete".to_owned(), before: was(before), after: None },
    }
}

fn view(set: &RecordSet) -> DnsSet {
    DnsSet {
        name: set.name.to_string(),
        kind: set.kind().as_str().to_owned(),
        ttl_seconds: set.ttl,
        values: set.values.texts(),
    }
}

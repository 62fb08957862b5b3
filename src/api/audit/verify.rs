//! `GET /audit/chain`: whether the audit is as it was written.

use super::super::input::Query;
use super::super::problem::Problem;
use super::super::{Shared, store};
use crate::store::ChainPlace;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What going along the audit has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainView {
    /// Whether every record is there, as it was written and where it was written.
    pub whole: bool,
    /// How many records there are.
    pub records: u64,
    /// The number of the first one; those before it were taken away as their time was over.
    pub first: i64,
    /// The end of the chain, NUMBER:HASH. Who has noted it can ask later whether it is still in it.
    #[schema(example = "4:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    pub head: String,
    /// What is wrong, each in a sentence; a hundred at most.
    pub faults: Vec<String>,
}

/// Goes along the whole chain of the audit.
#[utoipa::path(get, path = "/api/v1/audit/chain", tag = "audit", params(
    ("noted" = Option<String>, Query, pattern = "^[1-9][0-9]{0,8}:[0-9a-f]{64}$", description = "a head of earlier, NUMBER:HASH, which has to be in the chain still"),
), responses(
    (status = 200, body = ChainView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn verify(State(state): Shared, mut query: Query) -> Result<Json<ChainView>, Problem> {
    let noted = query.take::<ChainPlace>("noted", "a number, a colon and a hash of 64 hexadecimal digits");
    query.done()?;
    let verdict = state.store.audit().verify(noted.as_ref()).await.map_err(|error| store::problem(&error))?;
    Ok(Json(ChainView {
        whole: verdict.faults.is_empty(),
        records: verdict.records,
        first: verdict.first,
        head: verdict.head.to_string(),
        faults: verdict.faults.iter().map(ToString::to_string).collect(),
    }))
}

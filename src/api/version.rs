//! `GET /version`.

use super::input::Query;
use super::problem::Problem;
use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// The version of Doorstep.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// The version of the custom resources.
    #[schema(example = "doorstep.dev/v1alpha1")]
    pub resources: String,
}

/// What is running.
#[utoipa::path(get, path = "/api/v1/version", tag = "about", responses(
    (status = 200, body = VersionView),
))]
pub(super) async fn show(query: Query) -> Result<Json<VersionView>, Problem> {
    query.done()?;
    Ok(Json(VersionView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        resources: format!("{}/{}", crate::resources::GROUP, crate::resources::VERSION),
    }))
}

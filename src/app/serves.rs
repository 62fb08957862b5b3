//! `/-/serves?host=…` of a gateway's admin port: to which ready endpoints it leads, for the manager, which waits until all do.

use crate::gateways::{SERVES, endpoints};
use crate::model::Hostname;
use crate::routing::Table;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The page, without authentication like the other admin pages: it tells names of pods.
pub(super) fn router(table: Arc<Table>) -> Router {
    Router::new().route(SERVES, get(tell)).with_state(table)
}

async fn tell(
    State(table): State<Arc<Table>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<BTreeSet<String>>, (StatusCode, &'static str)> {
    let host = query.get("host").and_then(|host| host.parse::<Hostname>().ok());
    let host = host.ok_or((StatusCode::BAD_REQUEST, "give a host, like ?host=fronthaimaz.int.localhost\n"))?;
    Ok(Json(endpoints(&table, host.as_str())))
}

//! `GET /environments/{user}/{class}/access`: when an environment was asked last, how often, and with how many errors, by what the
//! gateways have written down.

use super::input::{EnvironmentPath, Query};
use super::problem::Problem;
use super::{Shared, cluster, environments};
use crate::resources::EnvironmentUse;
use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// What a gateway wrote down longer ago tells nothing of the last minute.
const FRESH: Duration = Duration::from_secs(150);

/// How an environment is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessView {
    /// When a pod of it answered a request last (RFC 3339); null where none did.
    pub last_request_at: Option<String>,
    /// When a request came last while it slept (RFC 3339).
    pub wanted_at: Option<String>,
    /// Requests in the newest minute that was written down, through all gateways.
    pub requests_per_minute: i64,
    /// Those of them that were answered with a 5xx.
    pub errors_per_minute: i64,
    /// Of when these figures are (RFC 3339): the oldest of the gateways' notes; null where no gateway has written any of late.
    pub as_of: Option<String>,
    /// How many gateways have told of late.
    pub gateways: usize,
}

/// When an environment was asked last, how often, and with how many errors.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/access", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), responses(
    (status = 200, body = AccessView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    query: Query,
) -> Result<Json<AccessView>, Problem> {
    query.done()?;
    environments::find(&state, &key).await?;
    let api: Api<EnvironmentUse> = Api::namespaced(state.client.clone(), &state.namespace);
    // One object for each gateway.
    let notes = api.list(&ListParams::default()).await.map_err(|error| cluster::problem(&error))?;
    Ok(Json(summed(&notes.items, &key.object_name(), Timestamp::now())))
}

fn summed(notes: &[EnvironmentUse], name: &str, now: Timestamp) -> AccessView {
    let mut sum = AccessView::default();
    let (mut last, mut wanted, mut oldest) = (None, None, None::<Timestamp>);
    let fresh = |at: Timestamp| now.duration_since(at) <= jiff::SignedDuration::try_from(FRESH).unwrap_or_default();
    for note in notes {
        let seen_at = note.spec.seen_at.0;
        let seen = note.spec.environments.get(name);
        last = last.max(seen.and_then(|seen| seen.last_used_at.as_ref()).map(|time| time.0));
        wanted = wanted.max(seen.and_then(|seen| seen.wanted_at.as_ref()).map(|time| time.0));
        if fresh(seen_at) {
            sum.gateways += 1;
            oldest = Some(oldest.map_or(seen_at, |known| known.min(seen_at)));
            sum.requests_per_minute += seen.map_or(0, |seen| seen.requests_per_minute);
            sum.errors_per_minute += seen.map_or(0, |seen| seen.errors_per_minute);
        }
    }
    let told = |time: Option<Timestamp>| time.map(|time| time.to_string());
    AccessView { last_request_at: told(last), wanted_at: told(wanted), as_of: told(oldest), ..sum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn note(gateway: &str, seen_at: &str, environments: &serde_json::Value) -> EnvironmentUse {
        serde_json::from_value(json!({
            "apiVersion": "doorstep.dev/v1alpha1", "kind": "EnvironmentUse", "metadata": {"name": gateway},
            "spec": {"gateway": gateway, "seenAt": seen_at, "environments": environments}}))
        .unwrap()
    }

    #[test]
    fn gateways_are_summed_and_old_notes_tell_of_the_last_use_alone() {
        let now: Timestamp = "2026-03-02T10:05:00Z".parse().unwrap();
        let notes = [
            note(
                "a",
                "2026-03-02T10:04:30Z",
                &json!({"u-x": {"lastUsedAt": "2026-03-02T10:04:00Z", "requestsPerMinute": 3, "errorsPerMinute": 1}}),
            ),
            note(
                "b",
                "2026-03-02T10:04:10Z",
                &json!({"u-x": {"lastUsedAt": "2026-03-02T10:03:00Z", "requestsPerMinute": 4}}),
            ),
            note(
                "gone",
                "2026-03-01T00:00:00Z",
                &json!({"u-x": {"lastUsedAt": "2026-03-01T00:00:00Z", "requestsPerMinute": 99}}),
            ),
        ];
        let told = summed(&notes, "u-x", now);
        assert_eq!((told.requests_per_minute, told.errors_per_minute, told.gateways), (7, 1, 2));
        assert_eq!(told.last_request_at.as_deref(), Some("2026-03-02T10:04:00Z"));
        assert_eq!(told.as_of.as_deref(), Some("2026-03-02T10:04:10Z"));
        assert_eq!(summed(&notes, "u-y", now).last_request_at, None);
    }
}

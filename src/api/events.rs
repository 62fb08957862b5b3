//! `GET /environments/{user}/{class}/events`: what the cluster noted about an environment and what belongs to it.

use super::input::{EnvironmentPath, Query};
use super::paging::{self, By, Orders, Page, Whole};
use super::problem::Problem;
use super::{Shared, cluster, environments};
use crate::model::EnvironmentKey;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventView {
    /// When it happened last (RFC 3339).
    pub at: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in a word.
    #[schema(example = "BackOff")]
    pub reason: String,
    /// What happened, in a sentence.
    pub message: String,
    /// The object it happened to.
    #[schema(example = "Pod/haimaz-integration-deployment-5d8c7b9f6-x2x7q")]
    pub object: String,
    /// How often it happened.
    pub count: i32,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// The events.
    pub items: Vec<EventView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

static ORDERS: Orders<Event> = Orders {
    first: By {
        word: "at",
        place: |event| {
            let at = happened(event).map_or(i64::MIN, Timestamp::as_millisecond);
            (at, event.metadata.name.clone().unwrap_or_default())
        },
    },
    down: false,
    more: &[],
};

/// What the cluster noted about an environment, its Deployment and its pods, the oldest first.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/events", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("sort" = Option<String>, Query, pattern = "^-?at$", description = "at, as where nothing is said: the oldest first; -at: the newest"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same order"),
), responses(
    (status = 200, body = EventList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    environments::find(&state, &key).await?;
    let api: Api<Event> = Api::namespaced(state.client.clone(), &state.namespace);
    let events = api.list(&ListParams::default()).await.map_err(|error| cluster::problem(&error))?;
    let about = |event: &&Event| event.regarding.as_ref().is_some_and(|object| belongs(&key, object));
    let all = events.items.into_iter().filter(|event| about(&event)).collect();
    let Page { items, next } = asked.cut(&format!("events {key}"), all)?;
    let items = items.iter().map(EventView::of).collect();
    Ok(paging::answer(EventList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// Whether an object is the environment or one of those made for it. Names made by a Deployment are taken apart from
/// behind: `x-production-deployment-…` may also begin the names of a class called `production-deployment-y`.
fn belongs(key: &EnvironmentKey, object: &ObjectReference) -> bool {
    let name = object.name.as_deref().unwrap_or_default();
    let made = |parts: usize| {
        let rest = name.strip_prefix(&key.deployment_name()).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.split('-').count() == parts)
    };
    match object.kind.as_deref().unwrap_or_default() {
        "Environment" | "Service" => name == key.object_name(),
        "Deployment" => name == key.deployment_name(),
        "ReplicaSet" => made(1),
        "Pod" => made(2),
        _ => false,
    }
}

/// When it happened last.
fn happened(event: &Event) -> Option<Timestamp> {
    let last = event.series.as_ref().map(|series| series.last_observed_time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    let old = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    let made = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    last.or(old).or(first).or(made)
}

impl EventView {
    fn of(event: &Event) -> Self {
        let series = event.series.as_ref();
        let object = event.regarding.clone().unwrap_or_default();
        Self {
            at: happened(event).map(|at| format!("{at:.3}")),
            kind: event.type_.clone().unwrap_or_else(|| "Normal".to_owned()),
            reason: event.reason.clone().unwrap_or_default(),
            message: event.note.clone().unwrap_or_default(),
            object: format!("{}/{}", object.kind.unwrap_or_default(), object.name.unwrap_or_default()),
            count: series.map(|series| series.count).or(event.deprecated_count).unwrap_or(1).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_environments_own_objects_belong_to_it() {
        let key = EnvironmentKey::from_object_name("haimaz-production").unwrap();
        let belongs = |kind: &str, name: &str| {
            let (kind, name) = (Some(kind.to_owned()), Some(name.to_owned()));
            super::belongs(&key, &ObjectReference { kind, name, ..ObjectReference::default() })
        };
        assert!(belongs("Environment", "haimaz-production"));
        assert!(belongs("Deployment", "haimaz-production-deployment"));
        assert!(belongs("ReplicaSet", "haimaz-production-deployment-5d8c"));
        assert!(belongs("Pod", "haimaz-production-deployment-5d8c-x2x7q"));
        assert!(!belongs("Environment", "haimaz-production-2"));
        assert!(!belongs("Pod", "haimaz-production-2-deployment-5d8c-x2x7q"));
        assert!(!belongs("Pod", "haimaz-production-deployment-y-deployment-5d8c-x2x7q"));
        assert!(!belongs("Node", "haimaz-production"));
    }
}

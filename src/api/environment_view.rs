//! An environment as the API tells it.

use super::ApiState;
use crate::model::{Hostname, UserId, reasons};
use crate::resources::{Class, ConditionType, Environment, EnvironmentLife};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One person's environment of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentView {
    /// The name of the Environment object and of its Service.
    #[schema(example = "haimaz-integration")]
    pub name: String,
    /// Whose it is.
    #[schema(example = "haimaz")]
    pub user: String,
    /// Of which class it is.
    #[schema(example = "integration")]
    pub class: String,
    /// The parameters that were given.
    pub parameters: BTreeMap<String, String>,
    /// Its host name.
    pub host: Option<String>,
    /// Where to open it.
    pub url: Option<String>,
    /// Whether a request to its host succeeds now, with these very parameters.
    pub ready: bool,
    /// Why it is or is not ready, in a word.
    #[schema(example = "Starting")]
    pub reason: String,
    /// Why it is or is not ready, in a sentence.
    pub message: String,
    /// Whether nothing will get better until somebody changes something.
    pub stalled: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Counts the changes of what was asked for.
    pub generation: i64,
    /// The generation that the status is about.
    pub observed_generation: Option<i64>,
    /// The number of the revision with the current parameters.
    pub revision: Option<i64>,
    /// Pods that are wanted.
    pub replicas: Option<i32>,
    /// Pods that answer their readiness probe.
    pub ready_replicas: Option<i32>,
    /// Whether it is to sleep.
    pub sleeping: bool,
    /// Whether it is kept from expiring, where its class allows that.
    pub pinned: bool,
    /// How long it lives; null while nothing is known of that.
    pub life: Option<LifeView>,
    /// When it was made (RFC 3339).
    pub created_at: Option<String>,
    /// Everything that the operator says of it.
    pub conditions: Vec<ConditionView>,
}

/// How an environment lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifeView {
    /// In which part of its life it is: `Active`, `Asleep`, `Expiring` or `Expired`.
    #[schema(example = "Active")]
    pub phase: String,
    /// When it expires, if nothing comes in between (RFC 3339).
    pub expires_at: Option<String>,
    /// When it was used last, as far as that has been noted (RFC 3339).
    pub last_used_at: Option<String>,
    /// When the last warning before it expires was given (RFC 3339).
    pub warned_at: Option<String>,
    /// Since when it sleeps (RFC 3339).
    pub asleep_since: Option<String>,
    /// Whether a request wakes it, where it sleeps.
    pub wakes_on_request: bool,
    /// What is to be said of it, in a sentence.
    pub message: String,
}

impl LifeView {
    fn of(life: &EnvironmentLife) -> Self {
        let time = |time: &Option<Time>| time.as_ref().map(|time| time.0.to_string());
        Self {
            phase: life.phase.as_str().to_owned(),
            expires_at: time(&life.expires_at),
            last_used_at: time(&life.last_used_at),
            warned_at: time(&life.warned_at),
            asleep_since: time(&life.asleep_since),
            wakes_on_request: life.wakes_on_request,
            message: life.message.clone(),
        }
    }
}

/// A condition by the Kubernetes API conventions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConditionView {
    /// `Ready`, `Progressing` or `Stalled`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Since when it has this status (RFC 3339).
    pub since: String,
}

/// Environments, by user and class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentList {
    /// The environments.
    pub items: Vec<EnvironmentView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl EnvironmentView {
    /// How `object` is told.
    pub(super) fn of(object: &Environment) -> Self {
        let Standing { ready, stalled, deleting, reason, message } = Standing::of(object);
        let status = object.status.clone().unwrap_or_default();
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            user: object.spec.user.clone(),
            class: object.spec.class.clone(),
            parameters: object.spec.parameters.clone(),
            ready,
            stalled,
            reason: reason.to_owned(),
            message: message.to_owned(),
            deleting,
            generation: object.metadata.generation.unwrap_or_default(),
            observed_generation: status.observed_generation,
            revision: status.revision,
            replicas: status.replicas,
            ready_replicas: status.ready_replicas,
            sleeping: object.spec.sleeping,
            pinned: object.spec.pinned,
            life: status.life.as_ref().map(LifeView::of),
            created_at: object.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string()),
            conditions: status.conditions.iter().map(ConditionView::of).collect(),
            host: status.host,
            url: status.url,
        }
    }

    /// Whether it is where it is to be, though nothing answers: it sleeps, or its class has no pods.
    pub(super) fn is_at_rest(&self) -> bool {
        let current = self.observed_generation.is_some_and(|observed| observed >= self.generation);
        current && !self.ready && self.conditions.iter().any(|it| it.kind == "Progressing" && it.status == "False")
    }

    /// Fills in the host and the URL that the status does not have yet.
    pub(super) fn with_address(mut self, class: &Class, user: &UserId, state: &ApiState) -> Self {
        if let Ok(host) = class.host.host(user, &state.domain) {
            self.url = self.url.or_else(|| url_of(&host, state.url));
            self.host = self.host.or_else(|| Some(host.to_string()));
        }
        self
    }
}

/// How an environment does, in a few words of its own object: lists are chosen by that, and nothing is copied for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing<'o> {
    pub(super) ready: bool,
    pub(super) stalled: bool,
    pub(super) deleting: bool,
    pub(super) reason: &'o str,
    pub(super) message: &'o str,
}

impl<'o> Standing<'o> {
    /// How `object` does. A status about an older generation says nothing.
    pub(super) fn of(object: &'o Environment) -> Self {
        let status = object.status.as_ref();
        let generation = object.metadata.generation.unwrap_or_default();
        let observed = status.and_then(|status| status.observed_generation);
        let current = observed.is_some_and(|observed| observed >= generation);
        let find = |kind: ConditionType| {
            let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
            conditions.find(|condition| condition.type_ == kind.as_str())
        };
        let is_true = |kind| find(kind).is_some_and(|condition| condition.status == "True");
        let deleting = object.metadata.deletion_timestamp.is_some();
        let (reason, message) = why(find(ConditionType::Ready), current, deleting);
        Self {
            ready: current && !deleting && is_true(ConditionType::Ready),
            stalled: current && is_true(ConditionType::Stalled),
            deleting,
            reason,
            message,
        }
    }
}

fn why(ready: Option<&Condition>, current: bool, deleting: bool) -> (&str, &str) {
    match ready {
        _ if deleting => (reasons::DELETING, "the environment and its pods are being deleted"),
        Some(condition) if current => (&condition.reason, &condition.message),
        _ => (reasons::PENDING, "the operator has not seen this change yet"),
    }
}

/// Where people open `host`, plain HTTP first.
pub(super) fn url_of(host: &Hostname, (http, https): (Option<u16>, Option<u16>)) -> Option<String> {
    let with_port = |scheme: &str, port: u16, default: u16| {
        if port == default { format!("{scheme}://{host}/") } else { format!("{scheme}://{host}:{port}/") }
    };
    match (http, https) {
        (Some(port), _) => Some(with_port("http", port, 80)),
        (None, Some(port)) => Some(with_port("https", port, 443)),
        (None, None) => None,
    }
}

impl ConditionView {
    pub(super) fn of(condition: &Condition) -> Self {
        Self {
            kind: condition.type_.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            since: condition.last_transition_time.0.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{EnvironmentSpec, set_condition};

    fn environment(generation: i64, observed: i64) -> Environment {
        let spec = EnvironmentSpec { user: "haimaz".into(), class: "integration".into(), ..EnvironmentSpec::default() };
        let mut object = Environment::new("haimaz-integration", spec);
        object.metadata.generation = Some(generation);
        let status = object.status.get_or_insert_default();
        status.observed_generation = Some(observed);
        set_condition(&mut status.conditions, ConditionType::Ready, (true, "Serving", "it serves"), observed);
        object
    }

    #[test]
    fn a_status_about_an_older_generation_is_not_ready() {
        let current = EnvironmentView::of(&environment(2, 2));
        assert!(current.ready && current.reason == "Serving");
        let stale = EnvironmentView::of(&environment(3, 2));
        assert!(!stale.ready && stale.reason == "Pending", "{stale:?}");
    }

    #[test]
    fn urls_leave_out_the_default_port() {
        let host: Hostname = "a.localhost".parse().unwrap();
        assert_eq!(url_of(&host, (Some(80), None)).unwrap(), "http://a.localhost/");
        assert_eq!(url_of(&host, (Some(8080), Some(8443))).unwrap(), "http://a.localhost:8080/");
        assert_eq!(url_of(&host, (None, Some(8443))).unwrap(), "https://a.localhost:8443/");
        assert_eq!(url_of(&host, (None, None)), None);
    }
}

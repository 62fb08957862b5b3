//! Webhooks and deliveries as the API shows them. A secret is shown once, when it is made.

use crate::store::{Delivery, Webhook};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookInput {
    /// Where it is told: a URL that begins with https://, and leads to a public address unless another one is allowed.
    #[schema(max_length = 2048, example = "https://ci.example.com/hooks/doorstep", pattern = "^https://[^/]")]
    pub url: String,
    /// Of what; nothing given: of everything. `created`, `changed`, `ready`, `failed`, `warned`, `expired`, `asleep`, `woken`, `deleted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<WebhookEvent>, max_items = 9, example = json!(["ready", "failed"]))]
    pub events: Vec<String>,
    /// Only of this user's environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "haimaz", pattern = r"^[A-Za-z0-9]{1,32}$")]
    pub user: Option<String>,
    /// Only of environments of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "integration", pattern = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$")]
    pub class: Option<String>,
    /// Whether it is told at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub enabled: Option<bool>,
}

/// What may happen to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookEvent {
    /// It was made.
    Created,
    /// It has other parameters or another class.
    Changed,
    /// A request to it succeeds from now on.
    Ready,
    /// It does not come up, or does not answer any more.
    Failed,
    /// It will expire.
    Warned,
    /// Its lifetime has ended.
    Expired,
    /// It sleeps.
    Asleep,
    /// It was woken.
    Woken,
    /// It is gone.
    Deleted,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookView {
    /// Its name.
    pub id: String,
    /// Where it is told.
    pub url: String,
    /// Of what; empty: of everything.
    pub events: Vec<String>,
    /// Only of this user's environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only of environments of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Whether it is told at all.
    pub enabled: bool,
    /// What is signed with: always masked, as it is shown only once.
    #[schema(example = "whsec_…")]
    pub secret: String,
    /// Who made it.
    pub created_by: String,
    /// When (RFC 3339).
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// A webhook that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookCreated {
    /// The webhook, whose secret is shown here and never again.
    #[serde(flatten)]
    pub webhook: WebhookView,
}

/// A page of webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookList {
    /// The webhooks.
    pub items: Vec<WebhookView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What one webhook is, or was, to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Its name.
    pub id: String,
    /// The event; in `webhook-id` of what is sent.
    pub event: String,
    /// What kind of event.
    #[schema(example = "ready")]
    pub kind: String,
    /// When it happened (RFC 3339).
    #[schema(format = DateTime)]
    pub at: String,
    /// `waiting`, `delivered` or `dead`: given up.
    #[schema(example = "dead")]
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it is tried next (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub next_at: Option<String>,
    /// When it was tried last (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub last_at: Option<String>,
    /// What came of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_said: Option<String>,
    /// What is sent.
    #[schema(value_type = Object)]
    pub body: Value,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryList {
    /// The deliveries, the newest first.
    pub items: Vec<DeliveryView>,
    /// The cursor of the next page; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl WebhookView {
    pub(super) fn of(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.clone(),
            url: webhook.url.clone(),
            events: webhook.events.clone(),
            user: webhook.user.clone(),
            class: webhook.class.clone(),
            enabled: webhook.enabled,
            secret: "whsec_…".to_owned(),
            created_by: webhook.created_by.clone(),
            created_at: webhook.created_at.to_string(),
        }
    }
}

impl DeliveryView {
    pub(super) fn of(delivery: Delivery) -> Self {
        let waiting = delivery.state == crate::store::DeliveryState::Waiting;
        Self {
            id: delivery.id,
            event: delivery.sent.event,
            kind: delivery.sent.kind,
            at: delivery.sent.at.to_string(),
            state: delivery.state.as_str().to_owned(),
            attempts: delivery.attempts,
            next_at: waiting.then(|| delivery.next_at.to_string()),
            last_at: delivery.last_at.as_ref().map(Timestamp::to_string),
            last_said: delivery.last_said,
            body: serde_json::from_str(&delivery.sent.body).unwrap_or_default(),
        }
    }
}

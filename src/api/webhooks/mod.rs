//! Webhooks: who is told of what, what is still to be told, and what could not be told.

mod calls;
mod deliveries;
mod input;
mod view;

pub use view::{DeliveryList, DeliveryView, WebhookCreated, WebhookEvent, WebhookInput, WebhookList, WebhookView};

pub(super) use calls::*;
pub(super) use deliveries::*;

use super::problem::{Code, Problem};
use super::{ApiState, store};
use crate::store::Webhook;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;

/// The most webhooks that there may be: each event is compared with all of them.
const MOST: usize = 100;

/// What a path names, or the problem that it cannot be read.
fn named<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(names)| names).map_err(|error| Problem::new(Code::Malformed, error.body_text()))
}

/// The webhook of this name, or the problem that there is none.
async fn find(state: &ApiState, id: &str) -> Result<Webhook, Problem> {
    let none = || Problem::new(Code::NoSuchWebhook, format!("there is no webhook {}", crate::model::shown(id)));
    if !is_id(id) {
        return Err(none());
    }
    let found = state.store.webhooks().find(id).await.map_err(|error| store::problem(&error))?;
    found.ok_or_else(none)
}

/// Whether a text may be a name that we gave. No database is asked for anything else: some take no NUL.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
}

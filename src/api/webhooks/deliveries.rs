//! `/webhooks/{id}/deliveries`: what is still to be told, what was told, and what was given up and may be sent again.

use super::super::input::Query;
use super::super::paging::{self, Asked};
use super::super::problem::{Code, Problem};
use super::super::{Shared, store};
use super::view::{DeliveryList, DeliveryView};
use super::{find, is_id, named};
use crate::store::DeliveryState;
use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

/// What a webhook is, or was, to be told; the newest first.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", params(
    ("id" = String, Path, description = "the webhook"),
    ("state" = Option<String>, Query, pattern = "^(waiting|delivered|dead)$", description = "only those that are waiting, delivered or dead"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "the most of a page, 1 to 500"),
    ("cursor" = Option<String>, Query, description = "next of the page before"),
), responses(
    (status = 200, body = DeliveryList),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn deliveries(
    State(state): Shared,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let wanted = query.take::<DeliveryState>("state", "waiting, delivered or dead");
    let asked = Asked::take(&mut query);
    query.done()?;
    let id = named(path)?;
    let webhook = find(&state, &id).await?;
    let page = asked.check::<String>(format!("deliveries {id} {wanted:?}"))?;
    let limit = u32::try_from(page.limit).unwrap_or(u32::MAX).saturating_add(1);
    let behind = page.after.as_deref();
    let found = state.store.webhooks().deliveries(&webhook.id, wanted, behind, limit).await;
    let found = found.map_err(|error| store::problem(&error))?;
    let more = found.len() > page.limit;
    let items: Vec<DeliveryView> = found.into_iter().take(page.limit).map(DeliveryView::of).collect();
    let next = items.last().filter(|_| more).and_then(|last| page.next(&last.id));
    let mut response = Json(DeliveryList { items, next: next.clone() }).into_response();
    paging::link(&mut response, &uri, next.as_deref());
    Ok(response)
}

/// Has a delivery that was made, or given up, sent once more.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/deliveries/{delivery}:resend", tag = "webhooks", params(
    ("id" = String, Path, description = "the webhook"),
    ("delivery" = String, Path, description = "the delivery"),
), responses(
    (status = 202, description = "it is sent as soon as may be"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn resend(
    State(state): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Query,
) -> Result<StatusCode, Problem> {
    query.done()?;
    let (id, delivery) = named(path)?;
    let webhook = find(&state, &id).await?;
    let known = is_id(&delivery)
        && state
            .store
            .webhooks()
            .again(&webhook.id, &delivery, state.clock.now())
            .await
            .map_err(|error| store::problem(&error))?;
    if known {
        state.outbox.send_modify(|count| *count += 1);
        return Ok(StatusCode::ACCEPTED);
    }
    let said = format!("{} has no delivery {}, or it waits already", webhook.id, crate::model::shown(&delivery));
    Err(Problem::new(Code::NoSuchDelivery, said))
}

//! `/webhooks/{id}/deliveries`: what is still to be told, what was told, and what was given up and may be sent again.

use super::super::input::Query;
use super::super::paging::{self, Asked};
use super::super::problem::{Code, Problem};
use super::super::{Shared, store};
use super::view::{DeliveryList, DeliveryView};
use super::{find, is_id, named};
use crate::store::DeliveryState;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;

/// What a webhook is, or was, to be told; the newest first.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", params(
    ("id" = String, Path, description = "the webhook"),
    ("state" = Option<String>, Query, pattern = "^(waiting|delivered|dead)$", description = "only those that are waiting, delivered or dead"),
    ("sort" = Option<String>, Query, pattern = "^-?at$", description = "at: the oldest first; -at, as where nothing is said: the newest"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "the most items of a page; 50 when not given"),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = DeliveryList, headers(("Link" = Option<String>, description = "the next page"))),
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
    let words = DeliveryState::ALL.map(DeliveryState::as_str);
    let wanted = query.choice("state", &words, |text| text.parse::<DeliveryState>().ok());
    let order = paging::by_time(&mut query).unwrap_or_default();
    let asked = Asked::take(&mut query);
    query.done()?;
    let id = named(path)?;
    let webhook = find(&state, &id).await?;
    let page = asked.check::<String>(format!("deliveries {id} {wanted:?} {order:?}"))?;
    let limit = u32::try_from(page.limit).unwrap_or(u32::MAX).saturating_add(1);
    let behind = page.after.as_deref();
    let found = state.store.webhooks().deliveries(&webhook.id, wanted, order, behind, limit).await;
    let found = found.map_err(|error| store::problem(&error))?;
    let more = found.len() > page.limit;
    let items: Vec<DeliveryView> = found.into_iter().take(page.limit).map(DeliveryView::of).collect();
    let next = items.last().filter(|_| more).and_then(|last| page.next(&last.id));
    Ok(paging::answer(DeliveryList { items, next: next.clone() }, next.as_deref(), &uri))
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

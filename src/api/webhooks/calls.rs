//! `/webhooks` and `/webhooks/{id}`.

use super::super::audit::Note;
use super::super::input::{Query, json_object};
use super::super::paging::{self, By, Orders, Page, Whole};
use super::super::problem::{Code, Problem};
use super::super::{Shared, store};
use super::input::{Checked, checked};
use super::view::{WebhookCreated, WebhookInput, WebhookList, WebhookView};
use super::{MOST, find, named};
use crate::identity::Caller;
use crate::store::Webhook;
use crate::webhooks::Secret;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderName, StatusCode, Uri};
use axum::response::Response;
use axum::{Extension, Json};

type NamePath = Result<Path<String>, PathRejection>;

static ORDERS: Orders<Webhook> = Orders {
    first: By { word: "created", place: |webhook| (webhook.created_at.as_millisecond(), webhook.id.clone()) },
    down: false,
    more: &[],
};

/// All webhooks, a page at a time.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", params(
    ("sort" = Option<String>, Query, pattern = "^-?created$", description = "created, as where nothing is said: the oldest first; -created: the newest"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same order"),
), responses(
    (status = 200, body = WebhookList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(state): Shared, uri: Uri, mut query: Query) -> Result<Response, Problem> {
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    let all = state.store.webhooks().list().await.map_err(|error| store::problem(&error))?;
    let Page { items, next } = asked.cut("webhooks", all)?;
    let items = items.iter().map(WebhookView::of).collect();
    Ok(paging::answer(WebhookList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// Makes a webhook. Its secret is in the answer, and is never shown again.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", request_body = WebhookInput, responses(
    (status = 201, description = "it was made; this is the only answer with its secret", body = WebhookCreated,
        headers(("Location" = String, description = "its path"))),
    (status = 400, description = "no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "there are a hundred already", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "mistakes in the body; all are told", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn create(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    query: Query,
    request: Request,
) -> Result<(StatusCode, [(HeaderName, String); 1], Extension<Note>, Json<WebhookCreated>), Problem> {
    query.done()?;
    let Checked { url, events, user, class, enabled } =
        checked(&json_object(request).await?, state.webhooks.allowed())?;
    let webhooks = state.store.webhooks();
    if webhooks.list().await.map_err(|error| store::problem(&error))?.len() >= MOST {
        let said = format!("there are {MOST} webhooks, which are the most; delete one that is not needed any more");
        return Err(Problem::new(Code::TooManyWebhooks, said));
    }
    let secret = Secret::random().map_err(|error| Problem::new(Code::StoreUnavailable, error.to_string()))?.reveal();
    let id = format!("wh_{:016x}", fastrand::u64(..));
    let (created_by, created_at) = (caller.subject, state.clock.now());
    let webhook = Webhook { id, url, events, user, class, secret, enabled, created_by, created_at };
    webhooks.create(&webhook).await.map_err(|error| store::problem(&error))?;
    let view = WebhookView::of(&webhook);
    let location = [(LOCATION, format!("/api/v1/webhooks/{}", webhook.id))];
    let note = Extension(note(&view));
    Ok((
        StatusCode::CREATED,
        location,
        note,
        Json(WebhookCreated { webhook: WebhookView { secret: webhook.secret, ..view } }),
    ))
}

/// One webhook.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(
    ("id" = String, Path, description = "its name"),
), responses(
    (status = 200, body = WebhookView),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn show(
    State(state): Shared,
    path: NamePath,
    query: Query,
) -> Result<Json<WebhookView>, Problem> {
    query.done()?;
    Ok(Json(WebhookView::of(&find(&state, &named(path)?).await?)))
}

/// Changes where, of what and whether a webhook is told. Its secret stays.
#[utoipa::path(put, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(
    ("id" = String, Path, description = "its name"),
), request_body = WebhookInput, responses(
    (status = 200, body = WebhookView),
    (status = 400, description = "no JSON", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "mistakes in the body; all are told", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn change(
    State(state): Shared,
    path: NamePath,
    query: Query,
    request: Request,
) -> Result<(Extension<Note>, Json<WebhookView>), Problem> {
    query.done()?;
    let id = named(path)?;
    let before = find(&state, &id).await?;
    let Checked { url, events, user, class, enabled } =
        checked(&json_object(request).await?, state.webhooks.allowed())?;
    let webhook = Webhook { url, events, user, class, enabled, ..before };
    let changed = state.store.webhooks().change(&webhook).await.map_err(|error| store::problem(&error))?;
    if !changed {
        find(&state, &id).await?;
    }
    let view = WebhookView::of(&webhook);
    Ok((Extension(note(&view)), Json(view)))
}

/// Takes a webhook away, with all that it was still to be told.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", params(
    ("id" = String, Path, description = "its name"),
), responses(
    (status = 204, description = "it is gone"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn delete(State(state): Shared, path: NamePath, query: Query) -> Result<StatusCode, Problem> {
    query.done()?;
    let webhook = find(&state, &named(path)?).await?;
    state.store.webhooks().delete(&webhook.id).await.map_err(|error| store::problem(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn note(view: &WebhookView) -> Note {
    Note { after: serde_json::to_value(view).ok(), said: None }
}

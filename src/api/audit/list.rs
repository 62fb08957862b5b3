//! `GET /audit`: what was done by whom, a page at a time, or all of it as CSV or JSON lines.

use super::super::input::Query;
use super::super::paging::{self, Asked};
use super::super::problem::Problem;
use super::super::{Shared, known, store};
use super::export::export;
use super::query::{self, Form};
use super::view::{AuditList, AuditRecord};
use crate::model::ClassName;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

/// What was done by whom: a page at a time, or all of it as CSV or JSON lines.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(
    ("subject" = Option<String>, Query, min_length = 1, max_length = 512, description = "who did it, by the name that never changes"),
    ("user" = Option<String>, Query, pattern = r"^[A-Za-z0-9]{1,32}$", description = "whose environment it was done to"),
    ("class" = Option<String>, Query, pattern = r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$", description = "to an environment of which class, or to which class"),
    ("action" = Option<String>, Query, min_length = 1, max_length = 512, description = "what was done, like PUT /environments/{user}/{class}"),
    ("result" = Option<String>, Query, pattern = "^(done|refused|failed|interrupted)$", description = "done, refused, failed or interrupted"),
    ("request" = Option<String>, Query, min_length = 1, max_length = 512, description = "the id of the request"),
    ("call" = Option<String>, Query, min_length = 1, max_length = 512, description = "the call"),
    ("from" = Option<String>, Query, format = DateTime, description = "not before this (RFC 3339)"),
    ("until" = Option<String>, Query, format = DateTime, description = "before this (RFC 3339)"),
    ("sort" = Option<String>, Query, pattern = "^-?at$", description = "at: the oldest first; -at, as where nothing is said: the newest"),
    ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", description = "the same in other words; not beside sort"),
    ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "the most items of a page; 50 when not given"),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
    ("format" = Option<String>, Query, pattern = "^(json|csv|jsonl)$", description = "json, or all of it as csv or jsonl; Accept says the same"),
), responses(
    (status = 200, description = "a page; or all of it as text/csv or application/jsonl", content(
        (AuditList = "application/json"), (String = "text/csv"), (AuditRecord = "application/jsonl"),
    ), headers(("Link" = Option<String>, description = "the next page"))),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(
    State(state): Shared,
    uri: Uri,
    headers: HeaderMap,
    mut query: Query,
) -> Result<Response, Problem> {
    let mut filter = query::filter(&mut query);
    let class = filter.class.as_deref().and_then(|class| class.parse::<ClassName>().ok());
    let asked = Asked::take(&mut query);
    let accepted = headers.get(ACCEPT).and_then(|field| field.to_str().ok()).map(Form::accepted);
    let form = query.choice("format", &["json", "csv", "jsonl"], |text| text.parse::<Form>().ok());
    let form = form.or(accepted).unwrap_or_default();
    query.done()?;
    if let Some(class) = class {
        known::audited_class(&state, &class).await?;
    }
    if let Some(action) = &filter.action {
        known::audited_action(&state, action).await?;
    }
    if form != Form::Page {
        let all = export(state.store.clone(), filter, form, state.shutdown.clone()).await;
        return all.map_err(|error| store::problem(&error));
    }
    let page = asked.check::<i64>(format!("audit {filter:?}"))?;
    filter.behind = page.after;
    // One more than asked for tells whether there is another page.
    let limit = u32::try_from(page.limit).unwrap_or(u32::MAX).saturating_add(1);
    let records = state.store.audit().list(&filter, limit).await.map_err(|error| store::problem(&error))?;
    let more = records.len() > page.limit;
    let items: Vec<AuditRecord> = records.into_iter().take(page.limit).map(AuditRecord::of).collect();
    let next = items.last().filter(|_| more).and_then(|last| page.next(&last.seq));
    Ok(paging::answer(AuditList { items, next: next.clone() }, next.as_deref(), &uri))
}

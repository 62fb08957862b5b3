//! All records that are asked for, as they are read: CSV, or a JSON object per line.

use super::csv;
use super::query::Form;
use super::view::AuditRecord;
use crate::store::{Filter, Store, StoreError};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use tokio_util::sync::CancellationToken;

/// How many records are read at once.
const PAGE: u32 = 500;

/// The answer. One that breaks off was not whole: the connection ends without the end of the body.
pub(super) async fn export(
    store: Store,
    filter: Filter,
    form: Form,
    end: CancellationToken,
) -> Result<Response, StoreError> {
    // The first page before the status: a store that is away is told as what it is.
    let first = store.audit().list(&filter, PAGE).await?;
    let (kind, name, header) = match form {
        Form::Csv => ("text/csv; charset=utf-8; header=present", "audit.csv", csv::HEADER),
        Form::JsonLines | Form::Page => ("application/jsonl", "audit.jsonl", ""),
    };
    let pages = stream::try_unfold((filter, Some(first)), move |(mut filter, page)| {
        let store = store.clone();
        async move {
            let page = match page {
                Some(page) => page,
                None => store.audit().list(&filter, PAGE).await?,
            };
            let Some(last) = page.last() else { return Ok::<_, StoreError>(None) };
            filter.behind = Some(last.seq);
            let lines: String = page.into_iter().map(|record| line(&AuditRecord::of(record), form)).collect();
            Ok(Some((Bytes::from(lines), (filter, None))))
        }
    });
    let header = stream::iter((!header.is_empty()).then(|| Ok(Bytes::from_static(header.as_bytes()))));
    let body = Body::from_stream(header.chain(pages).take_until(end.cancelled_owned()));
    let fields = [
        (CONTENT_TYPE, kind.to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((fields, body).into_response())
}

fn line(record: &AuditRecord, form: Form) -> String {
    match form {
        Form::Csv => csv::line(record),
        Form::JsonLines | Form::Page => format!("{}\n", serde_json::to_string(record).unwrap_or_default()),
    }
}

//! `GET /environments/{user}/{class}/watch`: an environment's changes as they happen, one JSON object per line.

use super::environment_view::EnvironmentView;
use super::input::{EnvironmentPath, Query};
use super::problem::Problem;
use super::{Shared, environments, news_stream};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::future::ready;
use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::watch_object;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::ToSchema;

/// What happened to the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It looks like this now.
    Changed,
    /// It is gone. Nothing follows.
    Deleted,
}

/// One line of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentChange {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: ChangeKind,
    /// The environment as it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentView>,
}

/// The state of an environment now and after each change, one JSON object per line, until the environment is deleted or
/// the caller goes.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/watch", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("timeout" = Option<u64>, Query, description = "end the stream after so many seconds", minimum = 1, maximum = 86400),
), responses(
    (status = 200, description = "one EnvironmentChange per line", body = EnvironmentChange, content_type = "application/x-ndjson"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn stream(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    mut query: Query,
) -> Result<Response, Problem> {
    let limit = news_stream::timeout(&mut query);
    query.done()?;
    environments::find(&state, &key).await?;
    let changes = changes(watch_object(environments::api(&state), &key.object_name()));
    let lines = changes.map(|change| Ok::<_, Infallible>(line(&change)));
    let body = Body::from_stream(news_stream::until(lines, limit, state.shutdown.clone().cancelled_owned()));
    Ok(([(CONTENT_TYPE, "application/x-ndjson"), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// Objects as changes, without repetitions. It ends after the deletion.
fn changes(
    objects: impl Stream<Item = kube::runtime::watcher::Result<Option<crate::resources::Environment>>>,
) -> impl Stream<Item = EnvironmentChange> {
    let told = objects.scan(None, |last, seen| {
        let changes = match seen {
            Ok(Some(object)) => {
                let environment = Some(EnvironmentView::of(&object));
                let news = *last != environment;
                last.clone_from(&environment);
                news.then_some(Some(EnvironmentChange { kind: ChangeKind::Changed, environment })).into_iter().collect()
            }
            // A watch of a name never ends by itself: the end stands behind the deletion.
            Ok(None) => vec![Some(EnvironmentChange { kind: ChangeKind::Deleted, environment: last.take() }), None],
            // The watch mends itself; the caller sees the next state.
            Err(error) => {
                tracing::warn!(%error, "a watch of an environment was interrupted");
                Vec::new()
            }
        };
        ready(Some(changes))
    });
    told.flat_map(futures::stream::iter).take_while(|change| ready(change.is_some())).filter_map(ready)
}

fn line(change: &EnvironmentChange) -> Bytes {
    let mut line = serde_json::to_vec(change).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

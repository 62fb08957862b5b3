//! `GET /environments`, `GET` and `DELETE /environments/{user}/{class}`.

use super::environment_view::{EnvironmentList, EnvironmentView};
use super::input::{EnvironmentPath, Query};
use super::problem::{Code, Problem};
use super::{ApiState, Shared, cluster};
use crate::identity::Caller;
use crate::model::{ClassName, EnvironmentKey, UserId};
use crate::resources::Environment;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use kube::Api;
use kube::api::{DeleteParams, ListParams};

/// How many objects are asked of the cluster at once.
const PAGE: u32 = 500;

/// All environments within the caller's reach, by user and class.
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments", params(
    ("user" = Option<String>, Query, description = "only this user's"),
    ("class" = Option<String>, Query, description = "only those of this class"),
    ("ready" = Option<bool>, Query, description = "only those that are ready, or are not"),
), responses(
    (status = 200, body = EnvironmentList),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "a mistake in the query", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    mut query: Query,
) -> Result<Json<EnvironmentList>, Problem> {
    let user = query.take::<UserId>("user", "a user id: 1 to 32 letters and digits");
    let class = query.take::<ClassName>("class", "the name of a class");
    let ready = query.switch("ready");
    query.done()?;
    let mut items = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api(&state).list(&page).await.map_err(|error| cluster::problem(&error))?;
        items.extend(list.items.iter().map(EnvironmentView::of));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    items.retain(|item| {
        item.user.parse().is_ok_and(|owner| caller.reaches(&owner))
            && user.as_ref().is_none_or(|user| user.as_str() == item.user)
            && class.as_ref().is_none_or(|class| class.as_str() == item.class)
            && ready.is_none_or(|ready| ready == item.ready)
    });
    items.sort_by(|a, b| (&a.user, &a.class).cmp(&(&b.user, &b.class)));
    Ok(Json(EnvironmentList { items }))
}

/// One environment.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), responses(
    (status = 200, body = EnvironmentView),
    (status = 400, description = "no user id or class name", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
) -> Result<Json<EnvironmentView>, Problem> {
    Ok(Json(EnvironmentView::of(&find(&state, &key).await?)))
}

/// Deletes an environment with its pods.
#[utoipa::path(delete, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), responses(
    (status = 202, description = "it is being deleted", body = EnvironmentView),
    (status = 204, description = "it is gone"),
    (status = 400, description = "no user id or class name", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(State(state): Shared, EnvironmentPath(key): EnvironmentPath) -> Result<Response, Problem> {
    // In the foreground: the name is free again only when nothing of the old environment is left.
    match api(&state).delete(&key.object_name(), &DeleteParams::foreground()).await {
        Ok(outcome) => Ok(match outcome.left() {
            Some(object) => (StatusCode::ACCEPTED, Json(EnvironmentView::of(&object))).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }),
        Err(error) if cluster::is_not_found(&error) => Err(no_such(&key)),
        Err(error) => Err(cluster::problem(&error)),
    }
}

pub(super) fn api(state: &ApiState) -> Api<Environment> {
    Api::namespaced(state.client.clone(), &state.namespace)
}

/// The Environment of `key`, or the problem that there is none.
pub(super) async fn find(state: &ApiState, key: &EnvironmentKey) -> Result<Environment, Problem> {
    let found = api(state).get_opt(&key.object_name()).await.map_err(|error| cluster::problem(&error))?;
    found.ok_or_else(|| no_such(key))
}

pub(super) fn no_such(key: &EnvironmentKey) -> Problem {
    Problem::new(Code::NoSuchEnvironment, format!("{} has no environment of class {}", key.user, key.class))
}

//! `GET /environments`, `GET` and `DELETE /environments/{user}/{class}`.

use super::environment_view::{EnvironmentList, EnvironmentView};
use super::etag::{Conditions, Tag};
use super::input::{EnvironmentPath, Query};
use super::problem::{Code, Problem};
use super::seen::{Item, Order};
use super::{ApiState, Shared, audit, cluster, known, paging};
use crate::identity::{Caller, Reach};
use crate::model::{ClassName, EnvironmentKey, UserId, nearest};
use crate::resources::Environment;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt as _};
use std::str::FromStr;
use utoipa::ToSchema;

/// The environments within the caller's reach, a page at a time.
///
/// `next` of a page is the `cursor` of the one that follows, and stands in a `Link` with `rel="next"` as well.
#[utoipa::path(get, path = "/api/v1/environments", tag = "environments", params(
    ("user" = Option<String>, Query, description = "only this user's", pattern = "^[A-Za-z0-9]{1,32}$"),
    ("class" = Option<String>, Query, description = "only those of this class", pattern = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$"),
    ("ready" = Option<bool>, Query, description = "only those that are ready, or are not"),
    ("stalled" = Option<bool>, Query, description = "only those that do not get better by themselves, or the others"),
    ("reason" = Option<String>, Query, description = "only those whose reason is this word, like Starting", pattern = "^[A-Za-z]{1,64}$"),
    ("sort" = Option<SortField>, Query, description = "the order: by user and class, or by age; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same filters and order"),
), responses(
    (status = 200, body = EnvironmentList, headers(("Link" = Option<String>, description = "the next page"))),
))]
pub(super) async fn list(
    State(state): Shared,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = Filter::take(&mut query, &caller);
    let words = ["name", "-name", "created", "-created"];
    let order = query.choice("sort", &words, |text| text.parse().ok()).unwrap_or(SortField::Name);
    let page = paging::Asked::take(&mut query);
    query.done()?;
    let page = page.check::<(i64, String)>(format!("environments {filter:?} {order:?}"))?;
    let after = page.after.as_ref();
    let after = after.and_then(|(made, name)| Some((*made, EnvironmentKey::from_object_name(name)?)));
    state.seen.complete().await?;
    filter.known(&state, "?").await?;
    let (items, more) = state.seen.page(order.into(), after.as_ref(), page.limit, |item| filter.takes(item));
    let last = items.last().filter(|_| more);
    let next = last.and_then(|item| page.next(&(item.created, item.key.object_name())));
    let items = items.iter().map(|item| item.view()).collect();
    Ok(paging::answer(EnvironmentList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// The order of a list of environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum SortField {
    Name,
    #[schema(rename = "-name")]
    NameDown,
    Created,
    #[schema(rename = "-created")]
    CreatedDown,
}

impl FromStr for SortField {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "name" => Ok(Self::Name),
            "-name" => Ok(Self::NameDown),
            "created" => Ok(Self::Created),
            "-created" => Ok(Self::CreatedDown),
            _ => Err(()),
        }
    }
}

impl From<SortField> for Order {
    fn from(field: SortField) -> Self {
        match field {
            SortField::Name => Self::Name,
            SortField::NameDown => Self::NameDown,
            SortField::Created => Self::Created,
            SortField::CreatedDown => Self::CreatedDown,
        }
    }
}

/// Which environments are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) user: Option<UserId>,
    pub(super) class: Option<ClassName>,
    pub(super) ready: Option<bool>,
    pub(super) stalled: Option<bool>,
    pub(super) reason: Option<String>,
    /// Whose they may be at all; nobody's where nothing is said.
    pub(super) reach: Reach,
}

impl Filter {
    fn take(query: &mut Query, caller: &Caller) -> Self {
        let word = |text: &String| (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphabetic());
        Self {
            user: query.take("user", "a user id: 1 to 32 letters and digits"),
            class: query.take("class", "the name of a class"),
            ready: query.switch("ready"),
            stalled: query.switch("stalled"),
            reason: query.take_checked("reason", "a word like Starting", word),
            reach: caller.reach.clone(),
        }
    }

    /// Refuses a class or a reason that nobody knows. `at` is where the fields were given.
    pub(super) async fn known(&self, state: &ApiState, at: &str) -> Result<(), Problem> {
        if let Some(class) = &self.class {
            known::class(state, class, &format!("{at}class")).await?;
        }
        match &self.reason {
            Some(reason) => known::reason(state, reason, &format!("{at}reason")),
            None => Ok(()),
        }
    }

    /// Whether an environment is meant.
    pub(super) fn takes(&self, item: &Item) -> bool {
        self.reach.has(&item.key.user)
            && self.user.as_ref().is_none_or(|user| *user == item.key.user)
            && self.class.as_ref().is_none_or(|class| *class == item.key.class)
            && self.ready.is_none_or(|ready| ready == item.standing().ready)
            && self.stalled.is_none_or(|stalled| stalled == item.standing().stalled)
            && self.reason.as_ref().is_none_or(|reason| *reason == item.standing().reason)
    }
}

/// One environment.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), responses(
    (status = 200, body = EnvironmentView, headers(("ETag" = String, description = "for If-Match and If-None-Match"))),
    (status = 304, description = "it is what If-None-Match names"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    query.done()?;
    let conditions = Conditions::of(&headers);
    let object = find(&state, &key).await?;
    Ok(conditions.answer(&Tag::of(&object), Json(EnvironmentView::of(&object))))
}

/// Deletes an environment with its pods.
#[utoipa::path(delete, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), responses(
    (status = 202, description = "it is being deleted", body = EnvironmentView),
    (status = 204, description = "it is gone"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    query.done()?;
    let conditions = Conditions::of(&headers);
    match remove(&state, &key, &conditions).await? {
        Some(object) => Ok((StatusCode::ACCEPTED, Json(EnvironmentView::of(&object))).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Deletes the Environment of `key`; gives what is left of it until its pods have ended.
pub(super) async fn remove(
    state: &ApiState,
    key: &EnvironmentKey,
    conditions: &Conditions,
) -> Result<Option<Environment>, Problem> {
    // In the foreground: the name is free again only when nothing of the old environment is left.
    let mut how = DeleteParams::foreground();
    if *conditions != Conditions::default() {
        let object = find(state, key).await?;
        conditions.check(Some(&Tag::of(&object)))?;
        // What was checked is what is deleted. The status may change meanwhile: that is no reason to keep it.
        how.preconditions = Some(Preconditions { uid: object.metadata.uid, resource_version: None });
    }
    match api(state).delete(&key.object_name(), &how).await {
        Ok(outcome) => {
            let left = outcome.left();
            audit::became(key, left.as_ref());
            match &left {
                Some(object) => state.seen.wrote(object),
                None => state.seen.forget(key, None),
            }
            Ok(left)
        }
        Err(error) if cluster::is_not_found(&error) => Err(no_such(state, key)),
        Err(error) => Err(cluster::problem(&error)),
    }
}

pub(super) fn api(state: &ApiState) -> Api<Environment> {
    Api::namespaced(state.client.clone(), &state.namespace)
}

/// The Environment of `key`, or the problem that there is none.
pub(super) async fn find(state: &ApiState, key: &EnvironmentKey) -> Result<Environment, Problem> {
    let found = api(state).get_opt(&key.object_name()).await.map_err(|error| cluster::problem(&error))?;
    found.ok_or_else(|| no_such(state, key))
}

/// That there is no such environment. Its class may be a slip of one that is there.
pub(super) fn no_such(state: &ApiState, key: &EnvironmentKey) -> Problem {
    let (user, class) = (&key.user, &key.class);
    let classes: Vec<String> = state.seen.classes().iter().map(|class| class.name_any()).collect();
    let is_there = classes.iter().any(|name| *name == class.as_str());
    let near = nearest(class.as_str(), classes.iter().map(String::as_str)).filter(|_| !is_there);
    let hint = near.map(|near| format!("; there is no such class; did you mean \"{near}\"?")).unwrap_or_default();
    Problem::new(Code::NoSuchEnvironment, format!("{user} has no environment of class {class}{hint}"))
}

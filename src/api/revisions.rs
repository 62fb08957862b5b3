//! The history of an environment: its revisions, what each of them changed, and `:rollback`.

use super::change::change;
use super::environment_view::EnvironmentView;
use super::etag::Conditions;
use super::input::{EnvironmentPath, NumberPath, Query, json_object, kind_of, refuse_unknown};
use super::paging::{self, By, Orders, Page, Whole};
use super::problem::{Code, FieldError, Problem};
use super::{ApiState, Shared, answers, classes, cluster, environments};
use crate::model::{EnvironmentKey, Parameters};
use crate::resources::{Environment, EnvironmentSpec};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// What ran once, or runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionView {
    /// Its number.
    #[schema(example = 3)]
    pub number: i64,
    /// Whether it is the one that is wanted now.
    pub current: bool,
    /// When its parameters were first given (RFC 3339).
    pub created_at: Option<String>,
    /// All parameters, with the defaults of the class.
    pub parameters: BTreeMap<String, String>,
    /// What it changed of the revision before it.
    pub changes: Vec<ParameterChange>,
}

/// A parameter that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParameterChange {
    /// Its name.
    #[schema(example = "TAG_FRONT")]
    pub name: String,
    /// What it was; null where it was not there.
    pub from: Option<String>,
    /// What it became; null where it is not there any more.
    pub to: Option<String>,
}

/// A page of the revisions of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionList {
    /// The revisions. The newest ten are kept.
    pub items: Vec<RevisionView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The difference of two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionDiff {
    /// The number of the one that is compared.
    pub from: i64,
    /// The number of the one that it is compared with.
    pub to: i64,
    /// What is different.
    pub changes: Vec<ParameterChange>,
}

static ORDERS: Orders<RevisionView> =
    Orders { first: By { word: "number", place: |revision| (revision.number, String::new()) }, down: true, more: &[] };

/// The revisions of an environment, the newest first, with what each of them changed.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/revisions", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("sort" = Option<String>, Query, pattern = "^-?number$", description = "number: the oldest first; -number, as where nothing is said: the newest"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same order"),
), responses(
    (status = 200, body = RevisionList, headers(("Link" = Option<String>, description = "the next page"))),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    uri: Uri,
    mut query: Query,
) -> Result<Response, Problem> {
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    let environment = environments::find(&state, &key).await?;
    let known = of_environment(&state, &key, &environment).await?;
    let Page { items, next } = asked.cut(&format!("revisions {key}"), known)?;
    Ok(paging::answer(RevisionList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// What is different between a revision and another one: the current one, where none is named.
#[utoipa::path(get, path = "/api/v1/environments/{user}/{class}/revisions/{number}/diff", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("number" = i64, Path, description = "the revision that is compared", minimum = 1),
    ("to" = Option<i64>, Query, description = "the revision that it is compared with", minimum = 1),
), responses(
    (status = 200, body = RevisionDiff),
    (status = 404, description = "no such environment or revision", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn diff(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    NumberPath(number): NumberPath,
    mut query: Query,
) -> Result<Json<RevisionDiff>, Problem> {
    let to = query.take_checked("to", "the number of a revision", |to: &i64| *to > 0);
    query.done()?;
    let environment = environments::find(&state, &key).await?;
    let known = of_environment(&state, &key, &environment).await?;
    let from = find(&known, &key, number)?;
    let to = match to {
        Some(to) => find(&known, &key, to)?,
        None => known.last().ok_or_else(|| none_yet(&key))?,
    };
    let changes = changes(Some(&from.parameters), &to.parameters);
    Ok(Json(RevisionDiff { from: from.number, to: to.number, changes }))
}

/// To which revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackInput {
    /// The number of the revision; the one before the current one, when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub revision: Option<i64>,
}

/// Goes back: the parameters of an older revision are applied again, as a new one.
#[utoipa::path(post, path = "/api/v1/environments/{user}/{class}:rollback", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), request_body = RollbackInput, responses(
    (status = 200, description = "it has these parameters already", body = EnvironmentView),
    (status = 202, description = "the older parameters are being applied", body = EnvironmentView),
    (status = 404, description = "no such environment or revision", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is being deleted, or the class does not take the older parameters any more", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn rollback(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    query.done()?;
    let conditions = Conditions::of(request.headers());
    let wanted = wanted(&json_object(request).await?)?;
    let environment = environments::find(&state, &key).await?;
    let known = of_environment(&state, &key, &environment).await?;
    let revision = match wanted {
        Some(number) => find(&known, &key, number)?,
        None => known.iter().rev().find(|revision| !revision.current).ok_or_else(|| none_yet(&key))?,
    };
    let class = classes::find(&state, &key.class).await?;
    if let Err(mistakes) = Parameters::check(class.name.as_str(), &class.parameters, &revision.parameters) {
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let (number, told) = (revision.number, told.join("; "));
        let said = format!("revision {number} cannot be applied again, as the class has changed since: {told}");
        return Err(Problem::new(Code::Conflict, said));
    }
    let edit = |spec: &mut EnvironmentSpec| {
        spec.parameters.clone_from(&revision.parameters);
        Ok(())
    };
    let changed = change(&state, &key, &conditions, edit).await?;
    let status = if changed.written { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(answers::environment(status, &key, &changed.object, EnvironmentView::of(&changed.object)))
}

fn wanted(body: &serde_json::Map<String, Value>) -> Result<Option<i64>, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["revision"], &mut errors);
    let wanted = body.get("revision").and_then(|value| {
        let number = value.as_i64().filter(|number| *number > 0);
        if number.is_none() {
            let said = format!("revision is {}; it has to be the number of one, like 3", given(value));
            errors.push(FieldError::new("/revision", said));
        }
        number
    });
    if errors.is_empty() { Ok(wanted) } else { Err(Problem::invalid(errors)) }
}

fn given(value: &Value) -> String {
    value.as_number().map_or_else(|| kind_of(value).to_owned(), ToString::to_string)
}

fn find<'r>(known: &'r [RevisionView], key: &EnvironmentKey, number: i64) -> Result<&'r RevisionView, Problem> {
    known.iter().find(|revision| revision.number == number).ok_or_else(|| {
        let numbers: Vec<String> = known.iter().map(|revision| revision.number.to_string()).collect();
        let kept = if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") };
        Problem::new(Code::NoSuchRevision, format!("{key} has no revision {number}; kept are {kept}"))
    })
}

fn none_yet(key: &EnvironmentKey) -> Problem {
    Problem::new(Code::NoSuchRevision, format!("{key} has no other revision yet, so there is nothing to go back to"))
}

/// The revisions of this very Environment, not of one of the same name before it; the newest is the last.
async fn of_environment(
    state: &ApiState,
    key: &EnvironmentKey,
    environment: &Environment,
) -> Result<Vec<RevisionView>, Problem> {
    let api: Api<ControllerRevision> = Api::namespaced(state.client.clone(), &state.namespace);
    let selected = ListParams::default().labels(&super::pods::selector(key));
    let mut known = api.list(&selected).await.map_err(|error| cluster::problem(&error))?.items;
    let uid = environment.uid().unwrap_or_default();
    known.retain(|revision| revision.owner_references().iter().any(|owner| owner.uid == uid));
    known.sort_by_key(|revision| revision.revision);
    let newest = known.last().map(|revision| revision.revision);
    let mut views: Vec<RevisionView> = Vec::with_capacity(known.len());
    for revision in &known {
        let parameters = parameters(revision);
        let changes = changes(views.last().map(|before| &before.parameters), &parameters);
        views.push(RevisionView {
            number: revision.revision,
            current: Some(revision.revision) == newest,
            created_at: revision.creation_timestamp().map(|time| time.0.to_string()),
            parameters,
            changes,
        });
    }
    Ok(views)
}

fn parameters(revision: &ControllerRevision) -> BTreeMap<String, String> {
    let data = revision.data.as_ref().and_then(|data| data.0.get("parameters")).and_then(Value::as_object);
    let texts = data.into_iter().flatten();
    texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn changes(before: Option<&BTreeMap<String, String>>, after: &BTreeMap<String, String>) -> Vec<ParameterChange> {
    let none = BTreeMap::new();
    let before = before.unwrap_or(&none);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differing
        .map(|name| ParameterChange {
            name: name.clone(),
            from: before.get(name).cloned(),
            to: after.get(name).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_diff_names_what_came_went_and_changed() {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let told =
            changes(Some(&map(&[("A", "1"), ("B", "2"), ("C", "3")])), &map(&[("A", "1"), ("B", "9"), ("D", "4")]));
        let told: Vec<_> = told.iter().map(|c| (c.name.as_str(), c.from.as_deref(), c.to.as_deref())).collect();
        assert_eq!(told, [("B", Some("2"), Some("9")), ("C", Some("3"), None), ("D", None, Some("4"))]);
    }

    #[test]
    fn the_number_of_a_revision_is_a_whole_one() {
        let read = |body: Value| wanted(body.as_object().unwrap()).map_err(|problem| problem.detail);
        assert_eq!(read(json!({})), Ok(None));
        assert_eq!(read(json!({"revision": 3})), Ok(Some(3)));
        for bad in [json!({"revision": 0}), json!({"revision": 1.5}), json!({"revision": "3"}), json!({"revison": 3})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}

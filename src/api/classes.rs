//! `GET /classes` and `GET /classes/{name}`, and how a class is told.

use super::class_mark::{going, is_going};
use super::environment_view::ConditionView;
use super::etag::{Conditions, Tag};
use super::input::Query;
use super::paging::{self, By, Orders, Page, Whole};
use super::problem::{Code, Problem};
use super::{ApiState, Shared, cluster};
use crate::model::{ClassName, InvalidClassName, did_you_mean, shown};
use crate::resources::{Class, ConditionType, EnvironmentClass};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use kube::{Api, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// A class of environments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassView {
    /// Its name.
    #[schema(example = "integration")]
    pub name: String,
    /// Its host names: a pattern.
    #[schema(example = "front{user}.int.{domain}")]
    pub host: String,
    /// The pattern with the domain of this installation.
    #[schema(example = "front{user}.int.localhost")]
    pub host_here: String,
    /// What it is for.
    pub description: String,
    /// What a deployment has to give, and may.
    pub parameters: Vec<ParameterView>,
    /// The port on which its pods listen.
    pub port: i32,
    /// How many pods an environment has.
    pub replicas: i32,
    /// Whether environments of it can be made.
    pub usable: bool,
    /// What is wrong with it, where it is not usable.
    pub message: Option<String>,
    /// Everything that the operator says of it.
    pub conditions: Vec<ConditionView>,
    /// The whole of it, as a PUT takes it. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub spec: Option<Value>,
}

/// A parameter of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterView {
    /// Its name.
    #[schema(example = "TAG_FRONT")]
    pub name: String,
    /// What the whole value must match: a regular expression.
    pub pattern: String,
    /// Whether a deployment must give it.
    pub required: bool,
    /// The value when none is given.
    pub default: Option<String>,
    /// What it means.
    pub description: String,
}

/// A page of classes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassList {
    /// The classes.
    pub items: Vec<ClassView>,
    /// The cursor of the page that follows; none on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

static ORDERS: Orders<Arc<EnvironmentClass>> = Orders {
    first: By { word: "name", place: |class| (0, class.name_any()) },
    down: false,
    more: &[By { word: "created", place: |class| (created(class), class.name_any()) }],
};

fn created(class: &EnvironmentClass) -> i64 {
    class.creation_timestamp().map_or(i64::MAX, |time| time.0.as_millisecond())
}

/// All classes, a page at a time.
#[utoipa::path(get, path = "/api/v1/classes", tag = "classes", params(
    ("sort" = Option<String>, Query, pattern = "^-?(name|created)$", description = "the order: by name, or by age; backwards with a minus"),
    ("limit" = Option<usize>, Query, description = "the most items of a page; 50 when not given", minimum = 1, maximum = 500),
    ("cursor" = Option<String>, Query, description = "next of the page before, with the same order"),
), responses(
    (status = 200, body = ClassList, headers(("Link" = Option<String>, description = "the next page"))),
))]
pub(super) async fn list(State(state): Shared, uri: Uri, mut query: Query) -> Result<Response, Problem> {
    let asked = Whole::take(&mut query, &ORDERS);
    query.done()?;
    state.seen.complete().await?;
    let Page { items, next } = asked.cut("classes", state.seen.classes())?;
    let items = items.iter().map(|class| ClassView::of(class, &state)).collect();
    Ok(paging::answer(ClassList { items, next: next.clone() }, next.as_deref(), &uri))
}

/// One class.
#[utoipa::path(get, path = "/api/v1/classes/{name}", tag = "classes", params(
    ("name" = String, Path, description = "the class"),
), responses(
    (status = 200, body = ClassView, headers(("ETag" = String, description = "for If-Match and If-None-Match"))),
    (status = 304, description = "it is what If-None-Match names"),
    (status = 404, description = "no such class; the nearest is named", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(state): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let name = named(&name)?;
    query.done()?;
    let conditions = Conditions::of(&headers);
    let object = wire(&state, &name).await?;
    Ok(conditions.answer(&Tag::of(&object), Json(ClassView::whole(&object, &state))))
}

/// The class's name in a path.
pub(super) fn named(text: &str) -> Result<ClassName, Problem> {
    text.parse().map_err(|error: InvalidClassName| Problem::new(Code::Malformed, error.to_string()))
}

/// The checked class `name`; the problem names the nearest one, or says what is wrong with the class.
pub(super) async fn find(state: &ApiState, name: &ClassName) -> Result<Class, Problem> {
    let object = wire(state, name).await?;
    let unusable = |why: String| Problem::new(Code::UnusableClass, format!("the class {name} cannot be used: {why}"));
    if is_going(&object, jiff::Timestamp::now()) {
        return Err(going(name));
    }
    let class = Class::try_from(&object).map_err(|error| unusable(error.to_string()))?;
    match refusal(&object) {
        Some(why) => Err(unusable(why)),
        None => Ok(class),
    }
}

pub(super) async fn wire(state: &ApiState, name: &ClassName) -> Result<EnvironmentClass, Problem> {
    let found = api(state).get_opt(name.as_str()).await.map_err(|error| cluster::problem(&error))?;
    found.ok_or_else(|| unknown(state, name))
}

/// That there is no such class, with the nearest name.
pub(super) fn unknown(state: &ApiState, name: &ClassName) -> Problem {
    let known = state.seen.classes();
    let hint = did_you_mean(name.as_str(), known.iter().filter_map(|class| class.metadata.name.as_deref()));
    Problem::new(Code::UnknownClass, format!("there is no class {}{hint}", shown(name.as_str())))
}

pub(super) fn api(state: &ApiState) -> Api<EnvironmentClass> {
    Api::all(state.client.clone())
}

/// What the operator says against the class: another one may have its host pattern.
fn refusal(object: &EnvironmentClass) -> Option<String> {
    let status = object.status.as_ref()?;
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())?;
    let current = status.observed_generation == object.metadata.generation;
    (current && ready.status == "False").then(|| ready.message.clone())
}

impl ClassView {
    /// With the whole spec, as a PUT takes it.
    pub(super) fn whole(object: &EnvironmentClass, state: &ApiState) -> Self {
        Self { spec: serde_json::to_value(&object.spec).ok(), ..Self::of(object, state) }
    }

    fn of(object: &EnvironmentClass, state: &ApiState) -> Self {
        let spec = &object.spec;
        let wrong = Class::try_from(object).err().map(|error| error.to_string()).or_else(|| refusal(object));
        let parameters = spec.parameters.iter().map(|parameter| ParameterView {
            name: parameter.name.clone(),
            pattern: parameter.pattern.clone(),
            required: parameter.required,
            default: parameter.default.clone(),
            description: parameter.description.clone(),
        });
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            host: spec.host.clone(),
            host_here: spec.host.replace("{domain}", state.domain.as_str()),
            description: spec.description.clone(),
            parameters: parameters.collect(),
            port: spec.port,
            replicas: spec.replicas,
            usable: wrong.is_none(),
            message: wrong,
            conditions: conditions.map(ConditionView::of).collect(),
            spec: None,
        }
    }
}

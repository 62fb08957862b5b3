//! `GET /classes` and `GET /classes/{name}`.

use super::environment_view::ConditionView;
use super::problem::{Code, Problem};
use super::{ApiState, Shared, cluster};
use crate::model::{ClassName, did_you_mean, shown};
use crate::resources::{Class, ConditionType, EnvironmentClass};
use axum::Json;
use axum::extract::{Path, State};
use kube::Api;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
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

/// Classes by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClassList {
    /// The classes.
    pub items: Vec<ClassView>,
}

/// All classes, by name.
#[utoipa::path(get, path = "/api/v1/classes", tag = "classes", responses(
    (status = 200, body = ClassList),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list(State(state): Shared) -> Result<Json<ClassList>, Problem> {
    let classes = api(&state).list(&ListParams::default()).await.map_err(|error| cluster::problem(&error))?;
    let mut items: Vec<ClassView> = classes.items.iter().map(|class| ClassView::of(class, &state)).collect();
    items.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(ClassList { items }))
}

/// One class.
#[utoipa::path(get, path = "/api/v1/classes/{name}", tag = "classes", params(
    ("name" = String, Path, description = "the class"),
), responses(
    (status = 200, body = ClassView),
    (status = 400, description = "no class name", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "no such class; the nearest is named", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(state): Shared, Path(name): Path<String>) -> Result<Json<ClassView>, Problem> {
    let name = name.parse::<ClassName>().map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
    Ok(Json(ClassView::of(&wire(&state, &name).await?, &state)))
}

/// The checked class `name`; the problem names the nearest one, or says what is wrong with the class.
pub(super) async fn find(state: &ApiState, name: &ClassName) -> Result<Class, Problem> {
    let object = wire(state, name).await?;
    let unusable = |why: String| Problem::new(Code::UnusableClass, format!("the class {name} cannot be used: {why}"));
    let class = Class::try_from(&object).map_err(|error| unusable(error.to_string()))?;
    match refusal(&object) {
        Some(why) => Err(unusable(why)),
        None => Ok(class),
    }
}

async fn wire(state: &ApiState, name: &ClassName) -> Result<EnvironmentClass, Problem> {
    let found = api(state).get_opt(name.as_str()).await.map_err(|error| cluster::problem(&error))?;
    match found {
        Some(class) => Ok(class),
        None => Err(unknown(state, name).await),
    }
}

async fn unknown(state: &ApiState, name: &ClassName) -> Problem {
    match api(state).list(&ListParams::default()).await {
        Ok(classes) => {
            let names: Vec<&str> = classes.items.iter().filter_map(|class| class.metadata.name.as_deref()).collect();
            let hint = did_you_mean(name.as_str(), names.iter().copied());
            Problem::new(Code::UnknownClass, format!("there is no class {}{hint}", shown(name.as_str())))
        }
        Err(error) => cluster::problem(&error),
    }
}

fn api(state: &ApiState) -> Api<EnvironmentClass> {
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
        }
    }
}

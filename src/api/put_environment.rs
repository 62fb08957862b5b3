//! `PUT /environments/{user}/{class}`: makes an environment, or gives it other parameters.

use super::classes;
use super::environment_view::EnvironmentView;
use super::environments::api;
use super::input::{EnvironmentPath, json_object, kind_of, pointer, refuse_unknown};
use super::problem::{Code, FieldError, Problem};
use super::{ApiState, Shared, cluster};
use crate::model::{EnvironmentKey, Parameters};
use crate::resources::labels::{API_FIELD_MANAGER, CLASS, USER};
use crate::resources::{Class, Environment, EnvironmentSpec};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use kube::api::PostParams;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// How often a write is tried again when somebody else writes the same object.
const ATTEMPTS: usize = 5;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentInput {
    /// All parameters, by name. One that is not given any more is dropped.
    #[schema(example = json!({"TAG_FRONT": "1.4.2", "TAG_ASSETS": "7", "VERSION": "3.1.0"}))]
    pub parameters: BTreeMap<String, String>,
}

/// Makes an environment, or replaces the parameters of one.
///
/// The parameters are checked against the class first: with a mistake in any of them, nothing is changed.
#[utoipa::path(put, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), request_body = EnvironmentInput, responses(
    (status = 200, description = "it was there and has these parameters now", body = EnvironmentView),
    (status = 201, description = "it was made", body = EnvironmentView),
    (status = 400, description = "no user id, class name or JSON", body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "no such class", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is being deleted, or the class is not usable", body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 415, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "mistakes in the parameters; all are told", body = Problem, content_type = "application/problem+json"),
    (status = 503, body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    request: Request,
) -> Result<(StatusCode, Json<EnvironmentView>), Problem> {
    let body = json_object(request).await?;
    let class = classes::find(&state, &key.class).await?;
    let parameters = checked(&class, &key, &body, &state)?;
    // It would stay as it is, and nobody would know why.
    if let Some(missing) = state.rights.borrow().blocking() {
        return Err(Problem::new(Code::MissingRight, format!("environments cannot be brought up: {missing}")));
    }
    let (status, stored) = store(&state, &key, parameters).await?;
    Ok((status, Json(EnvironmentView::of(&stored).with_address(&class, &key.user, &state))))
}

/// The parameters of the body, or every mistake that is in them.
fn checked(
    class: &Class,
    key: &EnvironmentKey,
    body: &Map<String, Value>,
    state: &ApiState,
) -> Result<BTreeMap<String, String>, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["parameters"], &mut errors);
    let (given, mistyped) = texts(body, &mut errors);
    if let Err(mistakes) = Parameters::check(class.name.as_str(), &class.parameters, &given) {
        // A value of the wrong JSON type was reported already; that it is missing too would be told twice.
        let told = mistakes.iter().filter(|mistake| !mistyped.contains(&mistake.name()));
        errors.extend(told.map(|mistake| FieldError::new(pointer("/parameters", mistake.name()), mistake.to_string())));
    }
    if let Err(error) = class.host.host(&key.user, &state.domain) {
        errors.push(FieldError::new("", format!("this user can have no host of class {}: {error}", class.name)));
    }
    if errors.is_empty() { Ok(given) } else { Err(Problem::invalid(errors)) }
}

/// The parameters that are strings, and the names of those that are not.
fn texts<'b>(body: &'b Map<String, Value>, errors: &mut Vec<FieldError>) -> (BTreeMap<String, String>, Vec<&'b str>) {
    let (mut texts, mut mistyped) = (BTreeMap::new(), Vec::new());
    match body.get("parameters") {
        None => {}
        Some(Value::Object(fields)) => {
            for (name, value) in fields {
                if let Value::String(text) = value {
                    texts.insert(name.clone(), text.clone());
                    continue;
                }
                mistyped.push(name.as_str());
                let said = format!("the value is {}; write it as a string, like \"1.4.2\"", kind_of(value));
                errors.push(FieldError::new(pointer("/parameters", name), said));
            }
        }
        Some(other) => {
            let said = format!("parameters is {}; it has to be an object of names and strings", kind_of(other));
            errors.push(FieldError::new("/parameters", said));
        }
    }
    (texts, mistyped)
}

/// Creates or replaces. Not a server-side apply: a parameter that somebody else owns as well (`kubectl apply`) would
/// survive an apply that leaves it out.
async fn store(
    state: &ApiState,
    key: &EnvironmentKey,
    parameters: BTreeMap<String, String>,
) -> Result<(StatusCode, Environment), Problem> {
    let (api, name) = (api(state), key.object_name());
    let by = PostParams { field_manager: Some(API_FIELD_MANAGER.to_owned()), ..PostParams::default() };
    for _ in 0..ATTEMPTS {
        let before = api.get_opt(&name).await.map_err(|error| cluster::problem(&error))?;
        let written = match before {
            None => api.create(&by, &fresh(key, &parameters)).await.map(|made| (StatusCode::CREATED, made)),
            Some(object) if object.metadata.deletion_timestamp.is_some() => return Err(deleting(key)),
            Some(object) if object.spec.parameters == parameters => return Ok((StatusCode::OK, object)),
            Some(mut object) => {
                object.spec.parameters.clone_from(&parameters);
                api.replace(&name, &by, &object).await.map(|changed| (StatusCode::OK, changed))
            }
        };
        match written {
            // Made, changed or deleted in between: look again.
            Err(error) if cluster::is_conflict(&error) || cluster::is_not_found(&error) => {}
            Err(error) => return Err(cluster::problem(&error)),
            Ok(written) => return Ok(written),
        }
    }
    let said = format!("the environment {key} was changed by others {ATTEMPTS} times in between; try again");
    Err(Problem::new(Code::Conflict, said))
}

fn fresh(key: &EnvironmentKey, parameters: &BTreeMap<String, String>) -> Environment {
    let (user, class) = (key.user.to_string(), key.class.to_string());
    let labels = BTreeMap::from([(USER.to_owned(), user.clone()), (CLASS.to_owned(), class.clone())]);
    let spec = EnvironmentSpec { user, class, parameters: parameters.clone(), ..EnvironmentSpec::default() };
    let mut object = Environment::new(&key.object_name(), spec);
    object.metadata.labels = Some(labels);
    object
}

fn deleting(key: &EnvironmentKey) -> Problem {
    let said = format!("the environment {key} is being deleted; deploy it again when it is gone");
    Problem::new(Code::EnvironmentDeleting, said)
}

//! `PUT` and `DELETE /classes/{name}`: a class is made, changed or taken away, and it is told first whom that touches.

mod going;
mod touch;

pub(super) use going::check_made;
pub use touch::{ClassTouch, HostChange};

use super::classes::{ClassView, api, named, wire};
use super::etag::{Conditions, Tag, tagged};
use super::input::{Query, json_object};
use super::problem::{FieldError, Problem};
use super::{ApiState, Shared, cluster};
use crate::config::{ConfigErrors, read_classes};
use crate::model::{ClassName, HostPattern};
use crate::resources::labels::API_FIELD_MANAGER;
use crate::resources::{Class, EnvironmentClass, InvalidClass};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use kube::api::PostParams;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A class after a change, or before one that was only asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassChange {
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The class as it is now; in a dry run, as it would be.
    pub class: ClassView,
    /// The environments that the change touches, by user. Those that it leaves as they are are not told.
    pub touches: Vec<ClassTouch>,
}

/// Makes a class, or changes one. It is told which environments that touches.
#[utoipa::path(put, path = "/api/v1/classes/{name}", tag = "classes", params(
    ("name" = String, Path, description = "the class"),
    ("dryRun" = Option<bool>, Query, description = "only tell what would be touched"),
), request_body(content = Object, description = "the spec of an EnvironmentClass"), responses(
    (status = 200, description = "it was there and is so now; or it was a dry run", body = ClassChange),
    (status = 201, description = "it was made", body = ClassChange),
    (status = 409, description = "somebody else changed it at the same time", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(state): Shared,
    Path(name): Path<String>,
    mut query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let name = named(&name)?;
    let dry_run = query.switch("dryRun").unwrap_or(false);
    query.done()?;
    let conditions = Conditions::of(request.headers());
    let (wire, class) = checked(&name, &json_object(request).await?)?;
    state.seen.complete().await?;
    refuse_taken_pattern(&state, &class)?;
    let before = api(&state).get_opt(name.as_str()).await.map_err(|error| cluster::problem(&error))?;
    conditions.check(before.as_ref().map(Tag::of).as_ref())?;
    let touches = match &before {
        Some(before) => touch::of_change(&state, before, &class),
        None => Vec::new(),
    };
    let made = before.is_none();
    let object = write(&state, &name, before, wire, dry_run).await?;
    let change = ClassChange { dry_run, class: ClassView::whole(&object, &state), touches };
    let status = if made && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    Ok(if dry_run { Json(change).into_response() } else { tagged(&Tag::of(&object), (status, Json(change))) })
}

async fn write(
    state: &ApiState,
    name: &ClassName,
    before: Option<EnvironmentClass>,
    wish: EnvironmentClass,
    dry_run: bool,
) -> Result<EnvironmentClass, Problem> {
    // The cluster's own checks belong to a dry run.
    let by = PostParams { field_manager: Some(API_FIELD_MANAGER.to_owned()), dry_run };
    let written = match before {
        None => api(state).create(&by, &wish).await,
        // With the version that was looked at: whoever wrote in between is not overwritten.
        Some(before) => {
            let object = EnvironmentClass { spec: wish.spec, ..before };
            api(state).replace(name.as_str(), &by, &object).await
        }
    };
    let object = written.map_err(|error| cluster::problem(&error))?;
    if !dry_run {
        state.seen.wrote_class(object.clone());
    }
    Ok(object)
}

/// Takes a class away, unless environments use it.
#[utoipa::path(delete, path = "/api/v1/classes/{name}", tag = "classes", params(
    ("name" = String, Path, description = "the class"),
), responses(
    (status = 204, description = "it is gone"),
    (status = 404, description = "no such class; the nearest is named", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "environments use it; they are named", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(state): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    query: Query,
) -> Result<StatusCode, Problem> {
    let name = named(&name)?;
    query.done()?;
    let conditions = Conditions::of(&headers);
    state.seen.complete().await?;
    let object = wire(&state, &name).await?;
    conditions.check(Some(&Tag::of(&object)))?;
    let users = state.seen.all(|item| item.key.class == name);
    if !users.is_empty() {
        let users: Vec<String> = users.iter().map(|item| item.key.user.to_string()).collect();
        return Err(going::in_use(&name, &users));
    }
    going::take_away(&state, &name, object).await?;
    state.seen.forget_class(name.as_str());
    Ok(StatusCode::NO_CONTENT)
}

/// The class of a body, or every mistake in it.
pub(super) fn checked(name: &ClassName, spec: &Map<String, Value>) -> Result<(EnvironmentClass, Class), Problem> {
    let manifest = json!({
        "apiVersion": "doorstep.dev/v1alpha1",
        "kind": "EnvironmentClass",
        "metadata": { "name": name.as_str() },
        "spec": spec,
    });
    // JSON is YAML, so that the one reader of classes says what is wrong.
    let read = read_classes(&manifest.to_string(), "the body");
    let none = || Problem::invalid(vec![FieldError::new("", "the body is no spec of a class")]);
    let wire = read.map_err(|errors| Problem::invalid(fields(&errors)))?.into_iter().next().ok_or_else(none)?;
    let wrong = |error: InvalidClass| Problem::invalid(vec![FieldError::new("", error.to_string())]);
    let class = Class::try_from(&wire).map_err(wrong)?;
    Ok((wire, class))
}

fn fields(errors: &ConfigErrors) -> Vec<FieldError> {
    errors.errors.iter().map(|error| FieldError::new(pointer(&error.path), error.message.clone())).collect()
}

/// `document 1.spec.parameters[0].name` as a pointer into the spec.
fn pointer(path: &str) -> String {
    let inside = path.strip_prefix("document 1").unwrap_or(path).trim_start_matches('.');
    let inside = inside.strip_prefix("spec").unwrap_or(inside).trim_start_matches('.');
    let parts = inside.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty());
    parts.map(|part| format!("/{part}")).collect()
}

/// Refuses a host pattern that may make hosts of another class: the operator would not use the newer of the two.
fn refuse_taken_pattern(state: &ApiState, class: &Class) -> Result<(), Problem> {
    let whole = |pattern: &HostPattern| {
        pattern.as_str().replace("{domain}", state.domain.as_str()).parse().unwrap_or_else(|_| pattern.clone())
    };
    let ours: HostPattern = whole(&class.host);
    for other in state.seen.classes() {
        let Ok(other) = Class::try_from(&*other) else { continue };
        if other.name != class.name && whole(&other.host).overlaps(&ours) {
            let said = format!(
                "the host pattern {} may make hosts of class {} ({}); give it one of its own",
                class.host, other.name, other.host
            );
            return Err(Problem::invalid(vec![FieldError::new("/host", said)]));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_mistake_is_a_pointer_into_the_body() {
        assert_eq!(pointer("document 1.spec.parameters[0].name"), "/parameters/0/name");
        assert_eq!(pointer("document 1.spec"), "");
        assert_eq!(pointer(""), "");
    }

    #[test]
    fn a_class_is_read_from_its_spec_alone() {
        let name: ClassName = "demo".parse().unwrap();
        let body = |value: Value| checked(&name, value.as_object().unwrap());
        let spec = json!({"host": "demo{user}.x.{domain}", "port": 80,
            "template": {"spec": {"containers": [{"name": "a", "image": "a:1"}]}}});
        assert_eq!(body(spec).unwrap().1.name, name);
        let problem = body(json!({"hst": "x", "port": "y"})).unwrap_err();
        let told: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert!(told.contains(&"/hst") && told.contains(&"/port"), "{told:?}");
    }
}

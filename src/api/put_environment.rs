//! `PUT /environments/{user}/{class}`: makes an environment, or gives it other parameters.

use super::change::make_or_change;
use super::class_changes::check_made;
use super::environment_view::EnvironmentView;
use super::etag::Conditions;
use super::input::{EnvironmentPath, Query, json_object, kind_of, refuse_unknown};
use super::json::pointer;
use super::problem::{Code, FieldError, Problem};
use super::times::{now, time};
use super::{ApiState, Shared, answers, classes, life_bounds, quotas};
use crate::model::{EnvironmentKey, Parameters};
use crate::resources::labels::{CLASS, USER};
use crate::resources::{Class, Environment, EnvironmentSpec};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentInput {
    /// All parameters, by name. One that is not given any more is dropped.
    #[schema(example = json!({"TAG_FRONT": "1.4.2", "TAG_ASSETS": "7", "VERSION": "3.1.0"}))]
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Whether it is to sleep. Not given: it is to run, as somebody deploys it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sleeping: Option<bool>,
    /// Whether it is kept from expiring, where its class allows that. Not given: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pinned: Option<bool>,
    /// Until when it is kept at least (RFC 3339): a time to come, within the bounds of its class. Not given: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2030-01-31T18:00:00Z")]
    pub expires_at: Option<String>,
}

/// What is asked for, checked.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    parameters: BTreeMap<String, String>,
    sleeping: bool,
    pinned: Option<bool>,
    expires_at: Option<Time>,
}

/// Makes an environment, or replaces the parameters of one.
///
/// The parameters are checked against the class first: with a mistake in any of them, nothing is changed. With
/// `Prefer: respond-async`, an environment that is not ready yet is answered with 202 and the place of its monitor. `If-Match`
/// makes the change depend on nobody else having asked for another one, `If-None-Match: *` on there being none.
#[utoipa::path(put, path = "/api/v1/environments/{user}/{class}", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
    ("Prefer" = Option<String>, Header, description = "respond-async: 202 where the work goes on", pattern = "^[ -~]{1,64}$"),
), request_body = EnvironmentInput, responses(
    (status = 200, description = "it was there and has these parameters now", body = EnvironmentView),
    (status = 201, description = "it was made", body = EnvironmentView),
    (status = 202, description = "it was made or changed; Location says where its progress is told", body = EnvironmentView),
    (status = 404, description = "no such class", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is being deleted, the class is not usable, or there is no room by a quota", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    query.done()?;
    let headers = request.headers().clone();
    let conditions = Conditions::of(&headers);
    let body = json_object(request).await?;
    let class = classes::find(&state, &key.class).await?;
    let wish = checked(&class, &key, &body, &state)?;
    // It would stay as it is, and nobody would know why.
    if let Some(missing) = state.rights.borrow().blocking() {
        return Err(Problem::new(Code::MissingRight, format!("environments cannot be brought up: {missing}")));
    }
    state.seen.complete().await?;
    let make = |key: &EnvironmentKey| {
        quotas::admit(&state, &class, key)?;
        Ok(fresh(key, &wish))
    };
    let edit = |spec: &mut EnvironmentSpec| {
        wish.write(spec);
        Ok(())
    };
    let changed = make_or_change(&state, &key, &conditions, make, edit).await?;
    if changed.before.is_none() {
        check_made(&state, &key, &changed.object).await?;
    }
    let status = if changed.before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    let view = EnvironmentView::of(&changed.object).with_address(&class, &key.user, &state);
    Ok(answers::as_preferred(&headers, status, &key, &changed.object, view))
}

impl Wish {
    fn write(&self, spec: &mut EnvironmentSpec) {
        spec.parameters.clone_from(&self.parameters);
        if !self.sleeping && spec.sleeping {
            spec.woken_at = Some(now());
        }
        spec.sleeping = self.sleeping;
        spec.pinned = self.pinned.unwrap_or(spec.pinned);
        if let Some(time) = &self.expires_at {
            spec.expires_at = Some(time.clone());
        }
    }
}

/// The parameters of the body, or every mistake that is in them.
fn checked(class: &Class, key: &EnvironmentKey, body: &Map<String, Value>, state: &ApiState) -> Result<Wish, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["parameters", "sleeping", "pinned", "expiresAt"], &mut errors);
    let (given, mistyped) = texts(body, &mut errors);
    if let Err(mistakes) = Parameters::check(class.name.as_str(), &class.parameters, &given) {
        // A value of the wrong JSON type was reported already; that it is missing too would be told twice.
        let told = mistakes.iter().filter(|mistake| !mistyped.contains(&mistake.name()));
        errors.extend(told.map(|mistake| FieldError::new(pointer("/parameters", mistake.name()), mistake.to_string())));
    }
    if let Err(error) = class.host.host(&key.user, &state.domain) {
        errors.push(FieldError::new("", format!("this user can have no host of class {}: {error}", class.name)));
    }
    let sleeping = switch(body, "sleeping", &mut errors).unwrap_or(false);
    let pinned = switch(body, "pinned", &mut errors);
    let expires_at = time(body, "expiresAt", &mut errors);
    if pinned == Some(true) {
        errors.extend(life_bounds::pin(class, "/pinned"));
    }
    errors.extend(expires_at.as_ref().and_then(|until| end(class, key, until.0, state)));
    if errors.is_empty() {
        Ok(Wish { parameters: given, sleeping, pinned, expires_at })
    } else {
        Err(Problem::invalid(errors))
    }
}

/// What is wrong with an end of the environment, if anything is. One that has passed would have it deleted at once, which nobody
/// means by a `PUT`; one behind the bounds of the class would silently have no effect.
fn end(class: &Class, key: &EnvironmentKey, until: Timestamp, state: &ApiState) -> Option<FieldError> {
    let now = state.clock.now();
    if until <= now {
        return Some(FieldError::new("/expiresAt", "expiresAt is in the past; give a time to come"));
    }
    let there = state.seen.all(|item| item.key == *key);
    let created = there.first().and_then(|item| Timestamp::from_millisecond(item.created).ok());
    life_bounds::extension(class, created.unwrap_or(now), until, "/expiresAt")
}

fn switch(body: &Map<String, Value>, name: &str, errors: &mut Vec<FieldError>) -> Option<bool> {
    match body.get(name)? {
        Value::Bool(value) => Some(*value),
        other => {
            let said = format!("{name} is {}; it has to be true or false", kind_of(other));
            errors.push(FieldError::new(pointer("", name), said));
            None
        }
    }
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

/// Made by a create, changed by a replace. Not a server-side apply: a parameter that somebody else owns as well
/// (`kubectl apply`) would survive an apply that leaves it out.
fn fresh(key: &EnvironmentKey, wish: &Wish) -> Environment {
    let (user, class) = (key.user.to_string(), key.class.to_string());
    let labels = BTreeMap::from([(USER.to_owned(), user.clone()), (CLASS.to_owned(), class.clone())]);
    let mut spec = EnvironmentSpec { user, class, ..EnvironmentSpec::default() };
    wish.write(&mut spec);
    let mut object = Environment::new(&key.object_name(), spec);
    object.metadata.labels = Some(labels);
    object
}

//! The verbs of an environment that change how it runs and keep its parameters: `:restart`, `:sleep`, `:wake`, `:pin`, `:unpin`,
//! `:extend`. Each only writes what is wished for; the operator acts.

use super::change::change;
use super::environment_view::EnvironmentView;
use super::etag::Conditions;
use super::input::{EnvironmentPath, Query, json_object, kind_of, no_body, refuse_unknown};
use super::problem::{FieldError, Problem};
use super::times::time;
use super::wish::{Extension, Verb};
use super::{ApiState, Shared, answers, life_bounds};
use crate::model::{EnvironmentKey, parse_duration, shown};
use crate::resources::{Environment, EnvironmentSpec};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use utoipa::ToSchema;

/// The longest time that one call may add. What the class allows is less, and the operator's to know.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Does a verb to one environment.
pub(super) async fn act(
    state: &ApiState,
    key: &EnvironmentKey,
    conditions: &Conditions,
    verb: &Verb,
) -> Result<(Environment, bool), Problem> {
    let expires = match verb {
        Verb::Extend(_) | Verb::Pin(true) => {
            let object = super::environments::find(state, key).await?;
            let expires = expiry(&object);
            life_bounds::check(state, &object, verb, expires)?;
            expires
        }
        Verb::Restart | Verb::Sleep | Verb::Wake | Verb::Pin(false) => None,
    };
    let edit = |spec: &mut EnvironmentSpec| {
        verb.write(spec, expires);
        Ok(())
    };
    let changed = change(state, key, conditions, edit).await?;
    Ok((changed.object, changed.written))
}

/// When it would expire as things are.
fn expiry(object: &Environment) -> Option<Timestamp> {
    let told = object.status.as_ref().and_then(|status| status.life.as_ref()?.expires_at.clone());
    told.max(object.spec.expires_at.clone()).map(|time| time.0)
}

async fn answer(
    state: &ApiState,
    key: &EnvironmentKey,
    conditions: &Conditions,
    verb: Verb,
) -> Result<Response, Problem> {
    let (object, written) = act(state, key, conditions, &verb).await?;
    let view = EnvironmentView::of(&object);
    let status = if written { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(answers::environment(status, key, &object, view))
}

macro_rules! verb_without_body {
    ($(#[$doc:meta])* $name:ident, $path:literal, $verb:expr, $accepted:literal) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "environments", params(
            ("user" = String, Path, description = "whose it is; folded to lower case"),
            ("class" = String, Path, description = "of which class it is"),
        ), responses(
            (status = 200, description = "it was so already", body = EnvironmentView),
            (status = 202, description = $accepted, body = EnvironmentView),
            (status = 404, body = Problem, content_type = "application/problem+json"),
            (status = 409, description = "it is being deleted", body = Problem, content_type = "application/problem+json"),
        ))]
        pub(super) async fn $name(
            State(state): Shared,
            EnvironmentPath(key): EnvironmentPath,
            query: Query,
            request: Request,
        ) -> Result<Response, Problem> {
            query.done()?;
            let conditions = Conditions::of(request.headers());
            no_body(request).await?;
            answer(&state, &key, &conditions, $verb).await
        }
    };
}

verb_without_body!(
    /// Makes the pods of an environment anew, with the same parameters.
    restart, "/api/v1/environments/{user}/{class}:restart", Verb::Restart, "its pods are being made anew"
);
verb_without_body!(
    /// Sends an environment to sleep: nothing of it runs, everything is kept.
    sleep, "/api/v1/environments/{user}/{class}:sleep", Verb::Sleep, "it is going to sleep"
);
verb_without_body!(
    /// Wakes an environment.
    wake, "/api/v1/environments/{user}/{class}:wake", Verb::Wake, "it is waking up"
);
verb_without_body!(
    /// Keeps an environment from expiring, where its class allows that.
    pin, "/api/v1/environments/{user}/{class}:pin", Verb::Pin(true), "it is pinned"
);
verb_without_body!(
    /// Lets an environment expire again.
    unpin, "/api/v1/environments/{user}/{class}:unpin", Verb::Pin(false), "it is not pinned any more"
);

/// How long an environment is to be kept: one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExtendInput {
    /// This much longer than it would be kept, like 90m, 12h or 14d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "24h", pattern = "^[1-9][0-9]{0,3}(s|m|h|d)$")]
    pub by: Option<String>,
    /// Until this time at least (RFC 3339). One that nothing would end has its end then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub until: Option<String>,
}

/// Keeps an environment longer, within the bounds of its class.
#[utoipa::path(post, path = "/api/v1/environments/{user}/{class}:extend", tag = "environments", params(
    ("user" = String, Path, description = "whose it is; folded to lower case"),
    ("class" = String, Path, description = "of which class it is"),
), request_body = ExtendInput, responses(
    (status = 200, description = "it was kept so long already", body = EnvironmentView),
    (status = 202, description = "it is kept longer", body = EnvironmentView),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "it is being deleted, or nothing ends it and no time was named", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn extend(
    State(state): Shared,
    EnvironmentPath(key): EnvironmentPath,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    query.done()?;
    let conditions = Conditions::of(request.headers());
    let extension = extension(&json_object(request).await?, "", &[])?;
    answer(&state, &key, &conditions, Verb::Extend(extension)).await
}

/// Reads `by` and `until` of a body that may have the fields `others` beside them.
pub(super) fn extension(body: &Map<String, Value>, at: &str, others: &[&str]) -> Result<Extension, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, at, &[&["by", "until"], others].concat(), &mut errors);
    let by = match body.get("by") {
        None => None,
        Some(Value::String(text)) => {
            let by = parse_duration(text).filter(|by| *by <= LONGEST);
            if by.is_none() {
                let said =
                    format!("by is {}; it has to be a duration of at most a year, like 90m, 12h or 14d", shown(text));
                errors.push(FieldError::new("/by", said));
            }
            by
        }
        Some(other) => {
            errors
                .push(FieldError::new("/by", format!("by is {}; it has to be a string, like \"24h\"", kind_of(other))));
            None
        }
    };
    let until = time(body, "until", &mut errors);
    if until.as_ref().is_some_and(|until| until.0 <= Timestamp::now()) {
        errors.push(FieldError::new("/until", "until is in the past; give a time to come"));
    }
    match (by, until) {
        (Some(by), None) if errors.is_empty() => return Ok(Extension::By(by)),
        (None, Some(until)) if errors.is_empty() => return Ok(Extension::Until(until)),
        (Some(_), Some(_)) => errors.push(FieldError::new("", "give either by or until")),
        (None, None) if errors.is_empty() => {
            errors.push(FieldError::new("", "neither by nor until is given; give one, like {\"by\": \"24h\"}"));
        }
        (Some(_), None) | (None, Some(_) | None) => {}
    }
    Err(Problem::invalid(errors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &Value) -> Result<Extension, Vec<String>> {
        extension(body.as_object().unwrap(), "", &[])
            .map_err(|problem| problem.errors.into_iter().map(|error| error.detail).collect())
    }

    #[test]
    fn an_extension_has_a_length_or_an_end() {
        assert_eq!(read(&json!({"by": "2h"})), Ok(Extension::By(Duration::from_secs(7200))));
        assert!(matches!(read(&json!({"until": "2999-01-01T00:00:00Z"})), Ok(Extension::Until(_))));
        for (body, said) in [
            (json!({}), "neither by nor until"),
            (json!({"by": "2h", "until": "2999-01-01T00:00:00Z"}), "either by or until"),
            (json!({"by": "2 h"}), "a duration"),
            (json!({"by": "9000d"}), "at most a year"),
            (json!({"by": 7}), "by is a number"),
            (json!({"until": "2001-01-01T00:00:00Z"}), "in the past"),
            (json!({"until": "tomorrow"}), "RFC 3339"),
            (json!({"untl": "x"}), "did you mean \"until\"?"),
        ] {
            let told = read(&body).unwrap_err();
            assert!(told.iter().any(|detail| detail.contains(said)), "{body}: {told:?}");
        }
    }
}

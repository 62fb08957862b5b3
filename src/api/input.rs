//! What comes from outside with a request: path, query, body. Each becomes a type here, or a problem.

use super::json::{self, pointer};
use super::problem::{Code, FieldError, Problem};
use super::{ApiState, MAX_BODY_BYTES};
use crate::model::{ClassName, EnvironmentKey, UserId, did_you_mean, nearest, shown};
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, RawQuery, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body::Body as _;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// How long a whole body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The `{user}/{class}` of a path. The user is folded to lower case.
pub(super) struct EnvironmentPath(pub(super) EnvironmentKey);

impl FromRequestParts<Arc<ApiState>> for EnvironmentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await;
        let Path(named) = path.map_err(|error| Problem::new(Code::Malformed, error.body_text()))?;
        let of = |name: &str| named.get(name).map(String::as_str).unwrap_or_default();
        let (user, class) = (of("user"), of("class"));
        let user = user.parse::<UserId>().map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
        let class = class.parse::<ClassName>().map_err(|error| Problem::new(Code::Malformed, error.to_string()))?;
        Ok(Self(EnvironmentKey::new(user, class)))
    }
}

/// The `{number}` of a path.
pub(super) struct NumberPath(pub(super) i64);

impl FromRequestParts<Arc<ApiState>> for NumberPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<ApiState>) -> Result<Self, Problem> {
        let path = Path::<BTreeMap<String, String>>::from_request_parts(parts, state).await;
        let Path(named) = path.map_err(|error| Problem::new(Code::Malformed, error.body_text()))?;
        let text = named.get("number").map(String::as_str).unwrap_or_default();
        let number = text.parse().ok().filter(|number| *number > 0);
        number
            .map(Self)
            .ok_or_else(|| Problem::new(Code::Malformed, format!("{} is not a number of 1 or more", shown(text))))
    }
}

/// The fields of a query, each to be taken once by name; what is left over is a mistake.
pub(super) struct Query {
    /// Their values; none of one that is only named, without `=`.
    given: BTreeMap<String, Option<String>>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state)
            .await
            .map_err(|never: std::convert::Infallible| match never {})?;
        Ok(Self::parse(query.as_deref().unwrap_or_default()))
    }
}

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        let (mut given, mut errors) = (BTreeMap::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value)));
            let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            let (name, value) = (decode(name), value.map(decode));
            if given.insert(name.clone(), value).is_some() {
                let said = format!("the query field {} is given twice; give it once", shown(&name));
                errors.push(FieldError::new(format!("?{name}"), said));
            }
        }
        Self { given, known: Vec::new(), errors }
    }

    /// The field `name`, if it is given. `wanted` says what it has to be.
    pub(super) fn take<T: FromStr>(&mut self, name: &'static str, wanted: &str) -> Option<T> {
        self.take_checked(name, wanted, |_| true)
    }

    /// The same, where not every value of the type will do.
    pub(super) fn take_checked<T: FromStr>(
        &mut self,
        name: &'static str,
        wanted: &str,
        check: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let text = self.given(name)?;
        let value = text.parse().ok().filter(check);
        if value.is_none() {
            self.wrong(name, &text, wanted);
        }
        value
    }

    /// The field `name`, which is one of `words`. What is none of them is told with the nearest.
    pub(super) fn choice<T>(
        &mut self,
        name: &'static str,
        words: &[&str],
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.given(name)?;
        let value = read(&text);
        if value.is_none() {
            let near = nearest(&text, words.iter().copied());
            let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            let wanted = match words.split_last() {
                Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                Some((one, _)) => (*one).to_owned(),
                None => String::new(),
            };
            self.wrong(name, &text, &format!("{wanted}{hint}"));
        }
        value
    }

    /// What is given as the field `name`; nothing where it is only named.
    fn given(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        self.given.remove(name).map(Option::unwrap_or_default)
    }

    fn wrong(&mut self, name: &str, text: &str, wanted: &str) {
        let is = if text.is_empty() { "has no value".to_owned() } else { format!("is {}", shown(text)) };
        self.mistake(name, format!("{name} {is}; it has to be {wanted}"));
    }

    /// Notes a mistake of the field `name` that only shows beside other fields.
    pub(super) fn mistake(&mut self, name: &str, said: impl Into<String>) {
        self.errors.push(FieldError::new(format!("?{name}"), said));
    }

    /// The switch `name`: `true` or `false`, and on when it has no value.
    pub(super) fn switch(&mut self, name: &'static str) -> Option<bool> {
        if let Some(value @ None) = self.given.get_mut(name) {
            *value = Some("true".to_owned());
        }
        self.take(name, "true or false")
    }

    /// Ends the reading: everything that is wrong with the query, at once.
    pub(super) fn done(mut self) -> Result<(), Problem> {
        for name in self.given.keys() {
            let hint = match self.known.is_empty() {
                true => "; this call takes none".to_owned(),
                false => did_you_mean(name, self.known.iter().copied()),
            };
            let said = format!("the query field {} is not known{hint}", shown(name));
            self.errors.push(FieldError::new(format!("?{name}"), said));
        }
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

/// Reads a body that has to be a JSON object.
pub(super) async fn json_object(request: Request) -> Result<Map<String, Value>, Problem> {
    let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let said = format!("the body is declared as {}; send Content-Type: application/json", shown(media_type));
        return Err(Problem::new(Code::UnsupportedMediaType, said));
    }
    let bytes = limited(request.into_body()).await?;
    match json::parse(&bytes) {
        Ok((Value::Object(fields), twice)) if twice.is_empty() => Ok(fields),
        Ok((Value::Object(_), twice)) => Err(Problem::invalid(twice.into_iter().map(given_twice).collect())),
        Ok(_) => {
            Err(Problem::new(Code::Malformed, "the body is JSON, but not an object; it begins with { and ends with }"))
        }
        Err(error) => Err(Problem::new(Code::Malformed, format!("the body is not JSON: {error}"))),
    }
}

fn given_twice(at: String) -> FieldError {
    let name = at.rsplit('/').next().unwrap_or_default();
    let said = format!("the field {} is given twice; give it once", shown(name));
    FieldError::new(at, said)
}

/// Refuses a body where none is read, so that nobody believes that it had an effect.
pub(super) async fn no_body(request: Request) -> Result<(), Problem> {
    match limited(request.into_body()).await?.as_ref() {
        [] => Ok(()),
        _ => Err(Problem::new(Code::Malformed, "this call takes no body; leave it out")),
    }
}

pub(super) async fn limited(body: Body) -> Result<bytes::Bytes, Problem> {
    use http_body_util::{BodyExt as _, LengthLimitError, Limited};
    let too_large = || Problem::new(Code::BodyTooLarge, format!("the body has more than {MAX_BODY_BYTES} bytes"));
    // One that says so itself is not read at all, nor asked for where it waits to be (100).
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY_BYTES).collect());
    let Ok(collected) = collected.await else {
        let said = format!("the body was not complete after {} seconds", BODY_TIME.as_secs());
        return Err(Problem::new(Code::BodyTooSlow, said));
    };
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(Code::Malformed, "the body ended before it was complete")),
    }
}

/// Reports the fields of an object that nobody knows, each with the nearest known name.
pub(super) fn refuse_unknown(fields: &Map<String, Value>, at: &str, known: &[&str], errors: &mut Vec<FieldError>) {
    for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = did_you_mean(name, known.iter().copied());
        errors.push(FieldError::new(pointer(at, name), format!("the field {} is not known{hint}", shown(name))));
    }
}

/// What kind of JSON a value is, for messages.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_tells_all_its_mistakes_at_once() {
        let mut query = Query::parse("tial=3&follow&since=x&follow=true&timeout&pod=");
        assert_eq!(query.switch("follow"), Some(true));
        assert_eq!(query.take::<u32>("tail", "a number of lines"), None);
        assert_eq!(query.take::<u32>("since", "a number of seconds"), None);
        assert_eq!(query.take::<u32>("timeout", "a number of seconds"), None);
        assert_eq!(query.choice("pod", &["a", "b"], |_| None::<()>), None);
        let said: Vec<String> = query.done().unwrap_err().errors.into_iter().map(|error| error.detail).collect();
        assert!(said[0].contains("given twice"), "{said:?}");
        assert_eq!(said[1], "since is \"x\"; it has to be a number of seconds");
        assert_eq!(said[2], "timeout has no value; it has to be a number of seconds");
        assert_eq!(said[3], "pod has no value; it has to be a or b");
        assert_eq!(said[4], "the query field \"tial\" is not known; did you mean \"tail\"?");
    }
}

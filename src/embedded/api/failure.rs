//! Why a call was refused, as the `Status` object that a Kubernetes API answers with.

use super::kinds::KindInfo;
use super::schema::FieldError;
use http::StatusCode;
use serde_json::{Value, json};

/// A refusal: HTTP status, machine-readable reason, sentence, details.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) code: StatusCode,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    /// Where a list can go on all the same.
    pub(crate) next: Option<String>,
}

/// What a call may come to.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, next: None }
    }

    fn about(mut self, kind: &KindInfo, name: &str) -> Self {
        self.details = Some(json!({"name": name, "group": kind.group, "kind": kind.plural}));
        self
    }

    pub(crate) fn not_found(kind: &KindInfo, name: &str) -> Self {
        let said = format!("{} \"{name}\" not found", kind.resource());
        Self::new(StatusCode::NOT_FOUND, "NotFound", said).about(kind, name)
    }

    pub(crate) fn no_such_path() -> Self {
        let said = "the server could not find the requested resource";
        let mut failure = Self::new(StatusCode::NOT_FOUND, "NotFound", said);
        failure.details = Some(json!({}));
        failure
    }

    pub(crate) fn already_exists(kind: &KindInfo, name: &str) -> Self {
        let said = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(StatusCode::CONFLICT, "AlreadyExists", said).about(kind, name)
    }

    pub(crate) fn conflict(kind: &KindInfo, name: &str, why: &str) -> Self {
        let said = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::new(StatusCode::CONFLICT, "Conflict", said).about(kind, name)
    }

    /// The caller's resource version is not the object's.
    pub(crate) fn modified(kind: &KindInfo, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    /// Fields that other appliers own.
    pub(crate) fn apply_conflict(causes: &[Value], message: String) -> Self {
        let mut failure = Self::new(StatusCode::CONFLICT, "Conflict", message);
        failure.details = Some(json!({"causes": causes}));
        failure
    }

    pub(crate) fn invalid(kind: &KindInfo, name: &str, errors: &[FieldError]) -> Self {
        let told: Vec<String> = errors.iter().map(told).collect();
        let told = match told.as_slice() {
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        let subject = if kind.group.is_empty() { kind.kind.clone() } else { format!("{}.{}", kind.kind, kind.group) };
        let said = format!("{subject} \"{name}\" is invalid: {told}");
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", said);
        let causes: Vec<Value> = errors
            .iter()
            .map(|e| json!({"reason": e.reason.as_str(), "message": e.message, "field": e.path}))
            .collect();
        failure.details = Some(json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes}));
        failure
    }

    /// A query parameter or an options object that does not hold.
    pub(crate) fn invalid_options(options: &str, field: &str, why: &str) -> Self {
        let said = format!("{options}.meta.k8s.io \"\" is invalid: {field}: {why}");
        let mut failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", said);
        failure.details = Some(json!({
            "group": "meta.k8s.io", "kind": options,
            "causes": [{"reason": "FieldValueInvalid", "message": why, "field": field}],
        }));
        failure
    }

    pub(crate) fn forbidden(kind: &KindInfo, name: &str, why: &str) -> Self {
        let said = format!("{} \"{name}\" is forbidden: {why}", kind.resource());
        Self::new(StatusCode::FORBIDDEN, "Forbidden", said).about(kind, name)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// A patch that does not fit the object.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let said = "the server does not allow this method on the requested resource";
        let mut failure = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", said);
        failure.details = Some(json!({}));
        failure
    }

    pub(crate) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        let said = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", said)
    }

    pub(crate) fn not_acceptable() -> Self {
        let said = "only the following media types are accepted: application/json, application/yaml";
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", said)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let said = format!("Request entity too large: limit is {limit}");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", said)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "Expired", message)
    }

    /// A resource version that was never given out here.
    pub(crate) fn too_large_revision(asked: u64, current: u64) -> Self {
        let said = format!("Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", format!("Timeout: {said}"));
        failure.details = Some(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        }));
        failure
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        let said = format!("Internal error occurred: {message}");
        let mut failure = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", said);
        failure.details = Some(json!({"causes": [{"message": message.to_string()}]}));
        failure
    }

    /// The `Status` object.
    pub(crate) fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code.as_u16(),
        });
        if let (Some(details), Some(map)) = (&self.details, status.as_object_mut()) {
            map.insert("details".to_owned(), details.clone());
        }
        if let Some(next) = &self.next {
            super::json::set(&mut status, &["metadata", "continue"], next.clone());
        }
        status
    }
}

fn told(error: &FieldError) -> String {
    if error.path.is_empty() { error.message.clone() } else { format!("{}: {}", error.path, error.message) }
}

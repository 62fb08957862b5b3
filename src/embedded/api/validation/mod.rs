//! Checks of a real API server that go beyond types.

use super::kinds::Kind;
use super::schema::{FieldError, FieldErrorReason};
use super::service::Api;
use serde_json::Value;

/// A value that does not hold.
pub(crate) fn invalid(path: &str, message: &str) -> FieldError {
    FieldError { path: path.to_owned(), reason: FieldErrorReason::Invalid, message: message.to_owned() }
}

/// All that is wrong with an object.
pub(crate) fn validate(_: &Api, _: &Kind, _: &Value, _: Option<&Value>) -> Vec<FieldError> {
    Vec::new()
}

//! Checks of a real API server that go beyond types, in its words.

mod endpoint_slice;
mod metadata;
mod pod;
mod service;
mod workload;

use super::json;
use super::kinds::Kind;
use super::schema::{FieldError, FieldErrorReason};
use super::service::Api;
use serde_json::Value;

/// A value that does not hold.
pub(crate) fn invalid(path: &str, message: &str) -> FieldError {
    error(path, FieldErrorReason::Invalid, message)
}

fn required(path: &str, why: &str) -> FieldError {
    let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
    error(path, FieldErrorReason::Required, &message)
}

fn forbidden(path: &str, why: &str) -> FieldError {
    error(path, FieldErrorReason::Forbidden, &format!("Forbidden: {why}"))
}

fn duplicate(path: &str, value: &str) -> FieldError {
    error(path, FieldErrorReason::Duplicate, &format!("Duplicate value: \"{value}\""))
}

fn unsupported(path: &str, value: &str, supported: &[&str]) -> FieldError {
    let supported: Vec<String> = supported.iter().map(|value| format!("\"{value}\"")).collect();
    let message = format!("Unsupported value: \"{value}\": supported values: {}", supported.join(", "));
    error(path, FieldErrorReason::NotSupported, &message)
}

fn error(path: &str, reason: FieldErrorReason, message: &str) -> FieldError {
    FieldError { path: path.to_owned(), reason, message: message.to_owned() }
}

/// Refuses a port outside of 1 to 65535; one that is not given is for others to miss.
fn port(path: &str, port: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(number) = port.and_then(Value::as_i64)
        && !(1..=65535).contains(&number)
    {
        let message = format!("Invalid value: {number}: must be between 1 and 65535, inclusive");
        errors.push(invalid(path, &message));
    }
}

/// All that is wrong with an object; `old` is what it replaces.
pub(crate) fn validate(api: &Api, kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    metadata::validate(kind, object, &mut errors);
    if kind.is_custom() {
        return errors;
    }
    match (kind.info.group.as_str(), kind.info.kind.as_str()) {
        ("", "Pod") => pod::validate(object, old, &mut errors),
        ("", "Service") => service::validate(object, old, &mut errors),
        ("", "ConfigMap") => content(object, old, &["data", "binaryData"], &mut errors),
        ("", "Secret") => {
            content(object, old, &["data"], &mut errors);
            unchanged(object, old, "type", &mut errors);
        }
        ("apps", "Deployment" | "ReplicaSet") => workload::validate(object, old, &mut errors),
        ("apps", "ControllerRevision") => unchanged(object, old, "data", &mut errors),
        ("discovery.k8s.io", "EndpointSlice") => {
            endpoint_slice::validate(object, old, api.allow_loopback_endpoints, &mut errors);
        }
        _ => {}
    }
    errors
}

/// A field that stays as it was made.
fn unchanged(object: &Value, old: Option<&Value>, field: &str, errors: &mut Vec<FieldError>) {
    if let Some(old) = old
        && old.get(field) != object.get(field)
    {
        let value = object.get(field).cloned().unwrap_or_default();
        errors.push(invalid(field, &format!("Invalid value: {value}: field is immutable")));
    }
}

/// At most this many bytes in a ConfigMap or a Secret.
const CONTENT_BYTES: usize = 1024 * 1024;

/// The content of a ConfigMap or a Secret.
fn content(object: &Value, old: Option<&Value>, fields: &[&str], errors: &mut Vec<FieldError>) {
    let mut bytes = 0;
    for field in fields {
        for (key, value) in json::map(object, &format!("/{field}")).into_iter().flatten() {
            bytes += value.as_str().map_or(0, str::len);
            let valid = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            if !valid || key.len() > 253 {
                let message = format!(
                    "Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', '_' \
                     or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                     '[-._a-zA-Z0-9]+')"
                );
                errors.push(invalid(&format!("{field}[{key}]"), &message));
            }
        }
        let frozen = old.is_some_and(|old| old.get("immutable").and_then(Value::as_bool) == Some(true));
        if frozen && old.and_then(|old| old.get(*field)) != object.get(*field) {
            errors.push(forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
    if bytes > CONTENT_BYTES {
        errors.push(error(
            "",
            FieldErrorReason::TooLong,
            &format!("Too long: may not be more than {CONTENT_BYTES} bytes"),
        ));
    }
}

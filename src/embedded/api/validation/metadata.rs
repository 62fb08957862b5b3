//! Names, labels, annotations and owners.

use super::super::json;
use super::super::kinds::Kind;
use super::super::schema::{FieldError, FieldErrorReason};
use super::{error, invalid, required};
use serde_json::Value;

/// At most this many bytes of annotations.
const ANNOTATION_BYTES: usize = 256 * 1024;

pub(super) fn validate(kind: &Kind, object: &Value, errors: &mut Vec<FieldError>) {
    let name = json::text(object, "/metadata/name");
    if name.is_empty() {
        errors.push(required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = wrong_name(kind, name) {
        errors.push(invalid("metadata.name", &format!("Invalid value: \"{name}\": {why}")));
    }
    labels(object, "metadata.labels", errors);
    let mut bytes = 0;
    for (key, value) in json::map(object, "/metadata/annotations").into_iter().flatten() {
        bytes += key.len() + value.as_str().map_or(0, str::len);
        if let Some(why) = wrong_key(&key.to_lowercase()) {
            errors.push(invalid("metadata.annotations", &format!("Invalid value: \"{key}\": {why}")));
        }
    }
    if bytes > ANNOTATION_BYTES {
        let message = format!("Too long: may not be more than {ANNOTATION_BYTES} bytes");
        errors.push(error("metadata.annotations", FieldErrorReason::TooLong, &message));
    }
    for (index, owner) in json::items(object, "/metadata/ownerReferences").iter().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if json::text(owner, &format!("/{field}")).is_empty() {
                let path = format!("metadata.ownerReferences[{index}].{field}");
                errors.push(invalid(&path, &format!("Invalid value: \"\": {field} must not be empty")));
            }
        }
    }
}

/// Checks the labels at a dotted path.
pub(super) fn labels(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pointer = format!("/{}", path.replace('.', "/"));
    for (key, value) in json::map(object, &pointer).into_iter().flatten() {
        if let Some(why) = wrong_key(key) {
            errors.push(invalid(path, &format!("Invalid value: \"{key}\": {why}")));
        }
        let value = value.as_str().unwrap_or_default();
        if let Some(why) = wrong_label_value(value) {
            errors.push(invalid(path, &format!("Invalid value: \"{value}\": {why}")));
        }
    }
}

fn wrong_name(kind: &Kind, name: &str) -> Option<String> {
    match (kind.info.group.as_str(), kind.info.kind.as_str()) {
        // Names of Services may begin with a digit since Kubernetes 1.36.
        ("", "Namespace" | "Service") => wrong_dns_label(name),
        _ => wrong_subdomain(name),
    }
}

fn alphanumeric_ends(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    end(text.chars().next()) && end(text.chars().next_back())
}

fn is_dns_label(text: &str) -> bool {
    alphanumeric_ends(text) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn wrong_subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters".to_owned());
    }
    (!name.split('.').all(is_dns_label)).then(|| {
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned()
    })
}

/// RFC 1123 labels: names of namespaces and containers.
pub(super) fn wrong_dns_label(name: &str) -> Option<String> {
    if name.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!is_dns_label(name)).then(|| {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
         with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    })
}

fn is_name_part(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    end(text.chars().next())
        && end(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

fn wrong_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        if prefix.is_empty() {
            return Some("prefix part must be non-empty".to_owned());
        }
        if let Some(why) = wrong_subdomain(prefix) {
            return Some(format!("prefix part {why}"));
        }
    }
    if name.is_empty() {
        return Some("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters".to_owned());
    }
    (!is_name_part(name)).then(|| {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
         alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
         '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
            .to_owned()
    })
}

fn wrong_label_value(value: &str) -> Option<String> {
    if value.len() > 63 {
        return Some("must be no more than 63 characters".to_owned());
    }
    (!value.is_empty() && !is_name_part(value)).then(|| {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
         and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for \
         validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            .to_owned()
    })
}

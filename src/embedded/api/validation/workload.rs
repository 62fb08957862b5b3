//! Deployments and ReplicaSets.

use super::super::json;
use super::super::schema::FieldError;
use super::{invalid, metadata, pod, required, unsupported};
use serde_json::Value;

pub(super) fn validate(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let replicas = json::integer(object, "/spec/replicas").unwrap_or_default();
    if replicas < 0 {
        let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        errors.push(invalid("spec.replicas", &message));
    }
    selector(object, old, errors);
    metadata::labels(object, "spec.template.metadata.labels", errors);
    pod::spec(object.pointer("/spec/template/spec").unwrap_or(&Value::Null), "spec.template.spec", errors);
    let policy = json::text(object, "/spec/template/spec/restartPolicy");
    if !["", "Always"].contains(&policy) {
        errors.push(unsupported("spec.template.spec.restartPolicy", policy, &["Always"]));
    }
    let strategy = json::text(object, "/spec/strategy/type");
    if !["", "Recreate", "RollingUpdate"].contains(&strategy) {
        errors.push(unsupported("spec.strategy.type", strategy, &["Recreate", "RollingUpdate"]));
    }
}

/// The selector is there, matches the template, and stays.
fn selector(object: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let selector = object.pointer("/spec/selector").cloned().unwrap_or_default();
    let labels = json::map(object, "/spec/template/metadata/labels");
    let wanted = json::map(&selector, "/matchLabels");
    let expressions = json::items(&selector, "/matchExpressions");
    if wanted.is_none_or(serde_json::Map::is_empty) && expressions.is_empty() {
        errors.push(required("spec.selector", ""));
        return;
    }
    let has = |key: &String, value: &Value| labels.and_then(|labels| labels.get(key)) == Some(value);
    if !wanted.into_iter().flatten().all(|(key, value)| has(key, value)) {
        let labels = labels.cloned().map_or(Value::Null, Value::Object);
        let message = format!("Invalid value: {labels}: `selector` does not match template `labels`");
        errors.push(invalid("spec.template.metadata.labels", &message));
    }
    if let Some(old) = old
        && old.pointer("/spec/selector") != Some(&selector)
    {
        errors.push(invalid("spec.selector", &format!("Invalid value: {selector}: field is immutable")));
    }
}

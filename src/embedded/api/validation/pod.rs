//! Pods and pod templates.

use super::super::json;
use super::super::schema::FieldError;
use super::{duplicate, forbidden, invalid, metadata, port, required, unsupported};
use serde_json::Value;
use std::collections::BTreeSet;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn validate(pod: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    spec(pod.pointer("/spec").unwrap_or(&Value::Null), "spec", errors);
    let policy = json::text(pod, "/spec/restartPolicy");
    if !["", "Always", "OnFailure", "Never"].contains(&policy) {
        errors.push(unsupported("spec.restartPolicy", policy, &["Always", "Never", "OnFailure"]));
    }
    if let Some(old) = old
        && changeable(old) != changeable(pod)
    {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,\
                   `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                   existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                   previously negative)";
        errors.push(forbidden("spec", why));
    }
    let bound = old.map(|old| json::text(old, "/spec/nodeName")).unwrap_or_default();
    if !bound.is_empty() && bound != json::text(pod, "/spec/nodeName") {
        errors.push(forbidden("spec.nodeName", "a pod stays on its node"));
    }
}

/// The spec without what may change.
fn changeable(pod: &Value) -> Value {
    let mut spec = pod.get("spec").cloned().unwrap_or_default();
    for list in ["/containers", "/initContainers"] {
        for container in json::items_mut(&mut spec, list) {
            json::remove(container, &["image"]);
            json::remove(container, &["imagePullPolicy"]);
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName"] {
        json::remove(&mut spec, &[field]);
    }
    spec
}

/// Checks a pod's spec that stands at `path`.
pub(super) fn spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let containers = json::items(spec, "/containers");
    if containers.is_empty() {
        errors.push(required(&format!("{path}.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for (list, containers) in [("containers", containers), ("initContainers", json::items(spec, "/initContainers"))] {
        for (index, found) in containers.iter().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            container(found, &path, errors);
            let name = json::text(found, "/name");
            if !name.is_empty() && !names.insert(name) {
                errors.push(duplicate(&format!("{path}.name"), name));
            }
        }
    }
    if let Some(seconds) = json::integer(spec, "/terminationGracePeriodSeconds")
        && seconds < 0
    {
        let message = format!("Invalid value: {seconds}: must be greater than or equal to 0");
        errors.push(invalid(&format!("{path}.terminationGracePeriodSeconds"), &message));
    }
}

fn container(container: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let name = json::text(container, "/name");
    if name.is_empty() {
        errors.push(required(&format!("{path}.name"), ""));
    } else if let Some(why) = metadata::wrong_dns_label(name) {
        errors.push(invalid(&format!("{path}.name"), &format!("Invalid value: \"{name}\": {why}")));
    }
    let image = json::text(container, "/image");
    if image.is_empty() {
        errors.push(required(&format!("{path}.image"), ""));
    } else if image.trim() != image {
        let message = format!("Invalid value: \"{image}\": must not have leading or trailing whitespace");
        errors.push(invalid(&format!("{path}.image"), &message));
    }
    for (index, found) in json::items(container, "/ports").iter().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if found.get("containerPort").is_none() {
            errors.push(required(&format!("{path}.containerPort"), ""));
        }
        port(&format!("{path}.containerPort"), found.get("containerPort"), errors);
        let protocol = json::text(found, "/protocol");
        if !PROTOCOLS.contains(&protocol) {
            errors.push(unsupported(&format!("{path}.protocol"), protocol, &PROTOCOLS));
        }
    }
    for (index, variable) in json::items(container, "/env").iter().enumerate() {
        if json::text(variable, "/name").is_empty() {
            errors.push(required(&format!("{path}.env[{index}].name"), ""));
        }
    }
}

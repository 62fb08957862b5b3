//! Services.

use super::super::json;
use super::super::schema::FieldError;
use super::{duplicate, invalid, metadata, port, required, unsupported};
use serde_json::Value;
use std::collections::BTreeSet;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

pub(super) fn validate(service: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let kind = json::text(service, "/spec/type");
    if !TYPES.contains(&kind) {
        errors.push(unsupported("spec.type", kind, &TYPES));
    }
    metadata::labels(service, "spec.selector", errors);
    let external = kind == "ExternalName";
    if external && json::text(service, "/spec/externalName").is_empty() {
        errors.push(required("spec.externalName", ""));
    }
    let ports = json::items(service, "/spec/ports");
    let headless = json::text(service, "/spec/clusterIP") == "None";
    if ports.is_empty() && !external && !headless {
        errors.push(required("spec.ports", ""));
    }
    let mut names = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        service_port(found, &path, errors);
        let name = json::text(found, "/name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(required(&format!("{path}.name"), ""));
        } else if !name.is_empty() && !names.insert(name) {
            errors.push(duplicate(&format!("{path}.name"), name));
        } else if let Some(why) = metadata::wrong_dns_label(name).filter(|_| !name.is_empty()) {
            errors.push(invalid(&format!("{path}.name"), &format!("Invalid value: \"{name}\": {why}")));
        }
    }
    let address = json::text(service, "/spec/clusterIP");
    let before = old.filter(|old| json::text(old, "/spec/type") != "ExternalName");
    let before = before.map(|old| json::text(old, "/spec/clusterIP")).unwrap_or_default();
    if !before.is_empty() && !external && before != address {
        let message = format!("Invalid value: [\"{address}\"]: may not change once set");
        errors.push(invalid("spec.clusterIPs[0]", &message));
    }
}

fn service_port(found: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let number = found.get("port").cloned().unwrap_or_else(|| Value::from(0));
    port(&format!("{path}.port"), Some(&number), errors);
    port(&format!("{path}.targetPort"), found.get("targetPort"), errors);
    let protocol = json::text(found, "/protocol");
    if !PROTOCOLS.contains(&protocol) {
        errors.push(unsupported(&format!("{path}.protocol"), protocol, &PROTOCOLS));
    }
}

//! The container that serves: the first one of the template, completed with port, variables, probe and resources.
//!
//! What the template says itself wins over what is added here.

use super::{Values, escape};
use crate::operator::Workload;
use crate::operator::plan::Plan;
use crate::resources::LocalCommand;
use serde_json::{Map, Value, json};

/// Completes the first container. Returns the Service's target port.
pub(super) fn complete(
    template: &mut Value,
    plan: &Plan,
    workload: Workload,
    values: &Values<'_>,
) -> Result<Value, String> {
    let first = template.pointer_mut("/spec/containers/0");
    let Some(container) = first.and_then(Value::as_object_mut) else {
        return Err("spec.template.spec.containers: there is no container; the first one is the one that serves".into());
    };
    container.entry("name").or_insert_with(|| json!("front"));
    let target_port = port(container, plan.class.spec.port);
    if workload == Workload::Local {
        let Some(local) = &plan.class.spec.local else {
            let said = "spec.local: it is not given, and this node runs no images but local commands; \
                        one that works is `local: {command: [doorstep, sample-front]}`";
            return Err(said.to_owned());
        };
        run_locally(container, local, values)?;
    }
    let list = container.entry("env").or_insert_with(|| json!([]));
    let Value::Array(given) = list else { return Err("spec.template.spec.containers[0].env: it is no list".into()) };
    *given = variables(plan, std::mem::take(given));
    container.entry("readinessProbe").or_insert_with(|| probe(plan, &target_port));
    if let Some(resources) = &plan.class.spec.resources {
        container.entry("resources").or_insert_with(|| json!(resources));
    }
    Ok(target_port)
}

/// The name of the container's port that carries the class's number, or the number where it has no name. A named port
/// is found in each pod by itself, so pods of a class before and after a change of `port` are reached both.
fn port(container: &mut Map<String, Value>, number: i32) -> Value {
    let list = container.entry("ports").or_insert_with(|| json!([]));
    let Value::Array(ports) = list else { return json!(number) };
    let is_tcp = |port: &&Value| port.get("protocol").is_none_or(|protocol| protocol == "TCP");
    let same = |port: &&Value| port.get("containerPort").and_then(Value::as_i64) == Some(number.into());
    if let Some(found) = ports.iter().filter(is_tcp).find(same) {
        return found.get("name").cloned().unwrap_or_else(|| json!(number));
    }
    let taken = ports.iter().any(|port| port.get("name").is_some_and(|name| name == "http"));
    let name = if taken { "doorstep-http" } else { "http" };
    // The list is merged by port and protocol; without the protocol, server-side apply cannot name the entry.
    ports.push(json!({ "name": name, "containerPort": number, "protocol": "TCP" }));
    json!(name)
}

/// Puts the local command in the place of the container's own.
fn run_locally(container: &mut Map<String, Value>, local: &LocalCommand, values: &Values<'_>) -> Result<(), String> {
    let command: Vec<String> = local.command.iter().map(|word| values.fill_expanded(word)).collect::<Result<_, _>>()?;
    container.insert("command".to_owned(), json!(command));
    container.remove("args");
    match &local.working_dir {
        Some(folder) => container.insert("workingDir".to_owned(), json!(values.fill(folder)?)),
        // A folder of the image is none of this machine.
        None => container.remove("workingDir"),
    };
    let list = container.entry("env").or_insert_with(|| json!([]));
    let Value::Array(env) = list else { return Ok(()) };
    for variable in &local.env {
        let value = json!({ "name": variable.name, "value": values.fill_expanded(&variable.value)? });
        match env.iter_mut().find(|known| name_of(known) == Some(variable.name.as_str())) {
            Some(known) => *known = value,
            None => env.push(value),
        }
    }
    Ok(())
}

/// The variables that every container gets, then those of the template, which win. Ours come first so that the
/// template's may refer to them by `$(PORT)`.
fn variables(plan: &Plan, given: Vec<Value>) -> Vec<Value> {
    let from_field =
        |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let mut all = vec![
        json!({ "name": "PORT", "value": plan.class.spec.port.to_string() }),
        from_field("HOST", "status.podIP"),
        from_field("POD_NAME", "metadata.name"),
        json!({ "name": "DOORSTEP_USER", "value": plan.key.user.as_str() }),
        json!({ "name": "DOORSTEP_CLASS", "value": plan.key.class.as_str() }),
    ];
    for (name, value) in plan.parameters.iter() {
        // A parameter cannot move the port or lie about whose environment it is.
        if !all.iter().any(|known| name_of(known) == Some(name)) {
            all.push(json!({ "name": name, "value": escape(value) }));
        }
    }
    all.retain(|ours| !given.iter().any(|known| name_of(known) == name_of(ours)));
    all.extend(given);
    all
}

fn name_of(variable: &Value) -> Option<&str> {
    variable.get("name")?.as_str()
}

/// The readiness probe of the class; without one, that the port accepts a connection.
fn probe(plan: &Plan, target_port: &Value) -> Value {
    let readiness = plan.class.spec.readiness.clone().unwrap_or_default();
    let mut fields = Map::new();
    match &readiness.path {
        Some(path) => fields.insert("httpGet".to_owned(), json!({ "path": path, "port": target_port })),
        None => fields.insert("tcpSocket".to_owned(), json!({ "port": target_port })),
    };
    // Ten seconds, as Kubernetes has it, would be most of the time that a person waits for a new environment.
    fields.insert("periodSeconds".to_owned(), json!(readiness.period_seconds.unwrap_or(1)));
    if let Some(seconds) = readiness.timeout_seconds {
        fields.insert("timeoutSeconds".to_owned(), json!(seconds));
    }
    if let Some(count) = readiness.failure_threshold {
        fields.insert("failureThreshold".to_owned(), json!(count));
    }
    Value::Object(fields)
}

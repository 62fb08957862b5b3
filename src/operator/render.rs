//! What should be there: the Deployment and the Service of an environment, with only the fields that we mean.
//!
//! Both are written by server-side apply. A field that is not rendered belongs to whoever sets it.

mod container;

use super::Workload;
use super::plan::{Plan, Refusal};
use crate::model::{Hostname, reasons, substitute};
use crate::resources::{Environment, labels};
use kube::Resource;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The objects of an environment as they should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The Deployment.
    pub deployment: Value,
    /// The Service.
    pub service: Value,
    /// Hash of the pod template: pods that carry it in [`labels::REVISION`] are of this rendering.
    pub revision: String,
    /// Pods that are wanted.
    pub replicas: i32,
}

/// Renders `plan`, which was made from `environment`.
pub fn render(
    plan: &Plan,
    environment: &Environment,
    workload: Workload,
    domain: &Hostname,
) -> Result<Rendered, Refusal> {
    let invalid = |message: String| Refusal { reason: reasons::INVALID_CLASS, message };
    let values = Values { plan, domain };
    let mut template = Value::Object(plan.class.spec.template.0.clone());
    fill(&mut template, &values, &mut Vec::new()).map_err(invalid)?;
    let target_port = container::complete(&mut template, plan, workload, &values).map_err(invalid)?;
    let revision = hash(&template);
    // Not part of the revision: to make pods anew is no other revision of the environment.
    let restarted = environment.spec.restarted_at.as_ref().map(|time| time.0.to_string());
    let template = label_template(template, plan, &revision, restarted);

    let owner = environment.controller_owner_ref(&());
    let identity = json!({ labels::USER: plan.key.user.as_str(), labels::CLASS: plan.key.class.as_str() });
    let metadata = |name: String| {
        json!({
            "name": name,
            "namespace": environment.metadata.namespace,
            "labels": {
                labels::USER: plan.key.user.as_str(),
                labels::CLASS: plan.key.class.as_str(),
                labels::MANAGED_BY: labels::MANAGED_BY_VALUE,
            },
            "ownerReferences": owner.iter().collect::<Vec<_>>(),
        })
    };
    let mut deployment_metadata = metadata(plan.key.deployment_name());
    if let Some(found) = deployment_metadata.pointer_mut("/labels").and_then(Value::as_object_mut) {
        found.insert(labels::REVISION.to_owned(), json!(revision));
    }
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": deployment_metadata,
        "spec": {
            "replicas": plan.class.spec.replicas,
            "selector": { "matchLabels": identity },
            // A new pod is ready before an old one goes: even one replica has no gap.
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } },
            "template": template,
        },
    });
    let mut service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(plan.key.object_name()),
        "spec": {
            "selector": identity,
            "ports": [{ "name": "http", "port": 80, "protocol": "TCP", "targetPort": target_port }],
        },
    });
    if let (Some(wait), Some(metadata)) =
        (plan.class.spec.wait_seconds, service.pointer_mut("/metadata").and_then(Value::as_object_mut))
    {
        metadata.insert("annotations".to_owned(), json!({ labels::WAIT: format!("{wait}s") }));
    }
    let mut rendered = Rendered { deployment, service, revision, replicas: plan.class.spec.replicas };
    rendered.seal();
    Ok(rendered)
}

impl Rendered {
    /// The same environment with no pods: everything of it is kept.
    pub fn put_to_sleep(&mut self) {
        self.replicas = 0;
        if let Some(replicas) = self.deployment.pointer_mut("/spec/replicas") {
            *replicas = json!(0);
        }
        self.seal();
    }

    /// Marks both with a hash of all that is rendered of them: one that differs and carries the same mark was changed by
    /// somebody else.
    fn seal(&mut self) {
        for object in [&mut self.deployment, &mut self.service] {
            let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
            let mut annotations = into_object(metadata.remove("annotations").unwrap_or_default());
            annotations.remove(labels::RENDERING);
            let rendering = hash(&json!([&annotations, object.get("spec")]));
            annotations.insert(labels::RENDERING.to_owned(), json!(rendering));
            if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("annotations".to_owned(), Value::Object(annotations));
            }
        }
    }
}

/// What the placeholders stand for.
struct Values<'p> {
    plan: &'p Plan,
    domain: &'p Hostname,
}

impl Values<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        match name {
            "user" => Some(self.plan.key.user.as_str()),
            "class" => Some(self.plan.key.class.as_str()),
            "host" => Some(self.plan.host.as_str()),
            "domain" => Some(self.domain.as_str()),
            _ => match self.plan.parameters.value(name) {
                Some(value) => Some(value),
                // Declared, optional and not given.
                None => self.plan.class.parameters.iter().any(|known| known.name.as_str() == name).then_some(""),
            },
        }
    }

    /// `text` with its placeholders replaced.
    fn fill(&self, text: &str) -> Result<String, String> {
        substitute(text, |name| self.value(name)).map_err(|error| error.to_string())
    }

    /// The same for a place where the kubelet expands `$(NAME)`: what a person gave must arrive as it was given, so its
    /// dollars are doubled, which is how Kubernetes writes one.
    fn fill_expanded(&self, text: &str) -> Result<String, String> {
        let escaped: std::collections::BTreeMap<&str, String> =
            self.plan.parameters.iter().map(|(name, value)| (name, escape(value))).collect();
        let value = |name: &str| escaped.get(name).map(String::as_str).or_else(|| self.value(name));
        substitute(text, value).map_err(|error| error.to_string())
    }
}

/// `value` as it has to be written where the kubelet expands `$(NAME)`.
fn escape(value: &str) -> String {
    value.replace('$', "$$")
}

/// Replaces the placeholders in every string of `value`. The values are data: they are never parsed again.
fn fill(value: &mut Value, values: &Values<'_>, path: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::String(text) => {
            *text = if is_expanded(path) { values.fill_expanded(text)? } else { values.fill(text)? };
        }
        Value::Array(items) => {
            for item in items {
                fill(item, values, path)?;
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                path.push(name.clone());
                fill(field, values, path)?;
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// Whether the kubelet expands `$(NAME)` at this path of a pod template.
fn is_expanded(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let ["spec", "containers" | "initContainers", rest @ ..] = path.as_slice() else { return false };
    matches!(
        rest,
        ["command" | "args"]
            | ["env", "value"]
            | ["volumeMounts", "subPathExpr"]
            | ["livenessProbe" | "readinessProbe" | "startupProbe", "exec", "command"]
    )
}

/// The labels by which everything finds the pods, and when they were asked to be made anew. Unlike the rest of the template, these are not the class's to choose.
fn label_template(template: Value, plan: &Plan, revision: &str, restarted: Option<String>) -> Value {
    let mut template = into_object(template);
    let mut metadata = into_object(template.remove("metadata").unwrap_or_default());
    let mut labels = into_object(metadata.remove("labels").unwrap_or_default());
    let ours = [
        (labels::USER, plan.key.user.as_str()),
        (labels::CLASS, plan.key.class.as_str()),
        (labels::MANAGED_BY, labels::MANAGED_BY_VALUE),
        (labels::REVISION, revision),
    ];
    labels.extend(ours.map(|(name, value)| (name.to_owned(), json!(value))));
    metadata.insert("labels".to_owned(), Value::Object(labels));
    if let Some(restarted) = restarted {
        let mut annotations = into_object(metadata.remove("annotations").unwrap_or_default());
        annotations.insert(labels::RESTARTED_AT.to_owned(), json!(restarted));
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    template.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(template)
}

fn into_object(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value { fields } else { Map::new() }
}

/// Ten hexadecimal digits of the content. Maps are sorted, so equal content gives an equal hash.
fn hash(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;

//! `EnvironmentClass`: what environments of a class look like. Wire form, and its checked form [`Class`].
#![allow(clippy::duplicated_attributes, reason = "two columns of a table may have one type")]

use super::{ClassDns, ClassLife, ClassQuota, ClassRollout, Expired, Life, Quota, Rollout, RolloutStatus};
use crate::model::{ClassName, HostPattern, ParameterDeclaration, UnknownPlaceholder, shown, substitute};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What environments of this class look like.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "doorstep.dev",
    version = "v1alpha1",
    kind = "EnvironmentClass",
    plural = "environmentclasses",
    shortname = "envclass",
    category = "doorstep",
    status = "EnvironmentClassStatus",
    derive = "PartialEq",
    doc = "What environments of a class look like: host names, parameters, pods.",
    printcolumn(name = "Host", type_ = "string", json_path = ".spec.host"),
    printcolumn(name = "Port", type_ = "integer", json_path = ".spec.port"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentClassSpec {
    /// The host names of this class: a pattern with {user} once in its first label, like front{user}.int.{domain}.
    #[schemars(length(min = 8, max = 253), extend("x-kubernetes-validations" = [{"rule": "self.contains('{user}')", "message": "a host pattern holds {user}, like front{user}.int.{domain}"}]))]
    pub host: String,
    /// What the class is for, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub description: String,
    /// The parameters of a deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"], "maxItems" = 64))]
    pub parameters: Vec<ParameterSpec>,
    /// The port on which the container listens; it is given to it as PORT.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// How many pods an environment has.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: i32,
    /// When a pod may get requests. Without it: when its port accepts a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// How many seconds a request without content waits for a pod before it is told that there is none; 5 if not given, 0 for
    /// not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 60))]
    pub wait_seconds: Option<i32>,
    /// Requests and limits of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ClassResources>,
    /// Which DNS records lead to the hosts of this class. What is not given here is as in the manager's file of DNS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<ClassDns>,
    /// How long environments live, and when they sleep. Without it: until somebody deletes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub life: Option<Box<ClassLife>>,
    /// How much environments may take. Without it: as much as there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<ClassQuota>>,
    /// How a change of the class rolls through its environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<ClassRollout>,
    /// The pod template of the Deployment, with placeholders such as {TAG_FRONT}, {user}, {class}, {host} and {domain}.
    pub template: ClassTemplate,
    /// What a node of local processes runs instead of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<LocalCommand>,
}

fn one() -> i32 {
    1
}

/// One declared parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParameterSpec {
    /// Its name, as an environment variable is named.
    #[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"), length(min = 1, max = 63))]
    pub name: String,
    /// A regular expression that the whole value must match.
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: String,
    /// Whether a deployment must give it.
    #[serde(default)]
    pub required: bool,
    /// The value when none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub default: Option<String>,
    /// What it means, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub description: String,
}

/// How a pod shows that it may get requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Readiness {
    /// Path of an HTTP GET that is answered with a 2xx or 3xx. Without it, the port has to accept a connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub path: Option<String>,
    /// Seconds between two probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub period_seconds: Option<i32>,
    /// Seconds until a probe has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub timeout_seconds: Option<i32>,
    /// Failures in a row that make a pod unready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub failure_threshold: Option<i32>,
}

/// Requests and limits, as in a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassResources {
    /// What the scheduler sets aside.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("additionalProperties" = quantity_schema(), "maxProperties" = 32))]
    pub requests: BTreeMap<String, Quantity>,
    /// What the container may not exceed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("additionalProperties" = quantity_schema(), "maxProperties" = 32))]
    pub limits: BTreeMap<String, Quantity>,
}

/// The schema that the type itself gives has a page of description.
pub(super) fn quantity_schema() -> serde_json::Value {
    serde_json::json!({
        "description": "A quantity, like 500m or 256Mi.",
        "x-kubernetes-int-or-string": true,
        "pattern": r"^[0-9]+(\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$",
    })
}

/// The pod template: a `PodTemplateSpec` as Kubernetes knows it, its first container being the one that `port`,
/// `readiness` and `resources` are put into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassTemplate(pub serde_json::Map<String, serde_json::Value>);

impl JsonSchema for ClassTemplate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClassTemplate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "A PodTemplateSpec whose strings may hold placeholders.",
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// A command for the node of local processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalCommand {
    /// The program and its arguments, with placeholders. `doorstep` is the running binary itself.
    #[schemars(length(min = 1, max = 256))]
    pub command: Vec<String>,
    /// Variables of its environment, beside PORT, HOST and those of the pod template's container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"], "maxItems" = 256))]
    pub env: Vec<NameValue>,
    /// The folder in which it runs; the pod's own folder when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub working_dir: Option<String>,
}

/// A variable and its value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameValue {
    /// The variable.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its value, with placeholders.
    #[schemars(length(max = 32768))]
    pub value: String,
}

/// What the operator says of a class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentClassStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: the class is valid and its host pattern is its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// How far the newest generation is with the environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<RolloutStatus>>,
    /// Environments that have expired, by namespace and name; their hosts say so.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expired: BTreeMap<String, Expired>,
}

/// A class whose every part was checked.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: ClassName,
    /// Its host names.
    pub host: HostPattern,
    /// Its parameters, in the order of the class.
    pub parameters: Vec<ParameterDeclaration>,
    /// How long its environments live.
    pub life: Life,
    /// How much they may take.
    pub quota: Quota,
    /// How a change of it rolls through them.
    pub rollout: Rollout,
    /// The rest, as it was written.
    pub spec: EnvironmentClassSpec,
}

/// All that is wrong with a class: a JSON path and a sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(|(path, said)| format!("{path}: {said}")).collect::<Vec<_>>().join("; "))]
pub struct InvalidClass(pub Vec<(String, String)>);

/// The placeholders that every template may use beside the class's own parameters.
pub const BUILT_IN_PLACEHOLDERS: [&str; 4] = ["user", "class", "host", "domain"];

impl TryFrom<&EnvironmentClass> for Class {
    type Error = InvalidClass;

    fn try_from(wire: &EnvironmentClass) -> Result<Self, InvalidClass> {
        let mut errors = Vec::new();
        let spec = &wire.spec;
        let name = wire.metadata.name.clone().unwrap_or_default().parse::<ClassName>();
        let name = name.map_err(|error| errors.push(("metadata.name".to_owned(), error.to_string()))).ok();
        let host = spec.host.parse::<HostPattern>();
        let host = host.map_err(|error| errors.push(("spec.host".to_owned(), error.to_string()))).ok();
        let parameters = declarations(&spec.parameters, &mut errors);
        if !(1..=65535).contains(&spec.port) {
            errors.push(("spec.port".to_owned(), format!("{} is not a port; 1 to 65535 are", spec.port)));
        }
        if let Some(wait) = spec.wait_seconds.filter(|wait| !(0..=60).contains(wait)) {
            errors.push(("spec.waitSeconds".to_owned(), format!("{wait} is out of bounds; 0 to 60 are not")));
        }
        let dns = spec.dns.as_ref().map(ClassDns::mistakes).unwrap_or_default();
        errors.extend(dns.into_iter().map(|(field, said)| (format!("spec.dns.{field}"), said)));
        let life = Life::check(spec.life.as_deref(), "spec.life", &mut errors);
        let quota = Quota::check(spec.quota.as_deref(), "spec.quota", &mut errors);
        let rollout = Rollout::check(spec.rollout.as_ref(), "spec.rollout", &mut errors);
        check_container(spec, &mut errors);
        check_placeholders(spec, &mut errors);
        match (name, host) {
            (Some(name), Some(host)) if errors.is_empty() => {
                Ok(Self { name, host, parameters, life, quota, rollout, spec: spec.clone() })
            }
            _ => Err(InvalidClass(errors)),
        }
    }
}

fn declarations(specs: &[ParameterSpec], errors: &mut Vec<(String, String)>) -> Vec<ParameterDeclaration> {
    let mut seen = BTreeSet::new();
    let mut declared = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let path = format!("spec.parameters[{index}]");
        if !seen.insert(&spec.name) || BUILT_IN_PLACEHOLDERS.contains(&spec.name.as_str()) {
            errors.push((format!("{path}.name"), format!("{} is taken already", shown(&spec.name))));
            continue;
        }
        let declaration =
            spec.name.parse().and_then(|name| ParameterDeclaration::new(name, &spec.pattern, spec.required));
        match declaration {
            Ok(mut declaration) => {
                declaration.description.clone_from(&spec.description);
                declaration.default.clone_from(&spec.default);
                if let Some(default) = &spec.default
                    && !declaration.pattern.is_match(default)
                {
                    let said =
                        format!("{} does not match the parameter's own pattern {}", shown(default), spec.pattern);
                    errors.push((format!("{path}.default"), said));
                }
                declared.push(declaration);
            }
            Err(error) => errors.push((path, error.to_string())),
        }
    }
    declared
}

/// The first container is the one that serves; without it there is nothing to run.
fn check_container(spec: &EnvironmentClassSpec, errors: &mut Vec<(String, String)>) {
    let containers = spec.template.0.get("spec").and_then(|pod| pod.get("containers"));
    if !containers.and_then(|list| list.get(0)).is_some_and(serde_json::Value::is_object) {
        let said = "there is no container; the first one is the one that serves".to_owned();
        errors.push(("spec.template.spec.containers".to_owned(), said));
    }
    if spec.local.as_ref().is_some_and(|local| local.command.first().is_none_or(String::is_empty)) {
        let said = "there is no program; one that works is [doorstep, sample-front]".to_owned();
        errors.push(("spec.local.command".to_owned(), said));
    }
}

/// Every placeholder in the template and the local command must be a parameter of the class or built in.
fn check_placeholders(spec: &EnvironmentClassSpec, errors: &mut Vec<(String, String)>) {
    let known = |name: &str| {
        let declared = spec.parameters.iter().any(|p| p.name == name);
        (declared || BUILT_IN_PLACEHOLDERS.contains(&name)).then_some("")
    };
    let mut report = |path: String, result: Result<String, UnknownPlaceholder>| {
        if let Err(error) = result {
            errors.push((path, error.to_string()));
        }
    };
    each_string("spec.template", &serde_json::Value::Object(spec.template.0.clone()), &mut |path, text| {
        report(path.to_owned(), substitute(text, known));
    });
    if let Some(local) = &spec.local {
        for (index, word) in local.command.iter().enumerate() {
            report(format!("spec.local.command[{index}]"), substitute(word, known));
        }
        for (index, variable) in local.env.iter().enumerate() {
            report(format!("spec.local.env[{index}].value"), substitute(&variable.value, known));
        }
    }
}

fn each_string(path: &str, value: &serde_json::Value, visit: &mut impl FnMut(&str, &str)) {
    match value {
        serde_json::Value::String(text) => visit(path, text),
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_string(&format!("{path}[{index}]"), item, visit);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, field) in fields {
                each_string(&format!("{path}.{name}"), field, visit);
            }
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

//! The built-in kinds, and the extensions (`x-kubernetes-list-type`, `-map-type`, `-patch-strategy`) that generated schemas lack.

use super::compile::{Compiler, Place};
use super::node::{ListType, Node};
use k8s_openapi::api::{apps::v1 as apps, coordination::v1 as coordination, core::v1 as core};
use k8s_openapi::api::{discovery::v1 as discovery, events::v1 as events, networking::v1 as networking};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A built-in kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Builtin {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) status: bool,
    schema: fn(&mut SchemaGenerator) -> schemars::Schema,
}

const fn kind<T: JsonSchema>(
    (group, version): (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
    status: bool,
) -> Builtin {
    Builtin { group, version, kind, plural, namespaced, status, schema: SchemaGenerator::subschema_for::<T> }
}

/// Every kind that is known without a definition.
pub(crate) const BUILTINS: [Builtin; 17] = [
    kind::<core::Namespace>(("", "v1"), "Namespace", "namespaces", false, true),
    kind::<core::Node>(("", "v1"), "Node", "nodes", false, true),
    kind::<core::Pod>(("", "v1"), "Pod", "pods", true, true),
    kind::<core::Service>(("", "v1"), "Service", "services", true, true),
    kind::<core::ConfigMap>(("", "v1"), "ConfigMap", "configmaps", true, false),
    kind::<core::Secret>(("", "v1"), "Secret", "secrets", true, false),
    kind::<core::ServiceAccount>(("", "v1"), "ServiceAccount", "serviceaccounts", true, false),
    kind::<core::Event>(("", "v1"), "Event", "events", true, false),
    kind::<events::Event>(("events.k8s.io", "v1"), "Event", "events", true, false),
    kind::<apps::Deployment>(("apps", "v1"), "Deployment", "deployments", true, true),
    kind::<apps::ReplicaSet>(("apps", "v1"), "ReplicaSet", "replicasets", true, true),
    kind::<apps::ControllerRevision>(("apps", "v1"), "ControllerRevision", "controllerrevisions", true, false),
    kind::<discovery::EndpointSlice>(("discovery.k8s.io", "v1"), "EndpointSlice", "endpointslices", true, false),
    kind::<networking::Ingress>(("networking.k8s.io", "v1"), "Ingress", "ingresses", true, true),
    kind::<networking::IngressClass>(("networking.k8s.io", "v1"), "IngressClass", "ingressclasses", false, false),
    kind::<coordination::Lease>(("coordination.k8s.io", "v1"), "Lease", "leases", true, false),
    kind::<apiextensions::CustomResourceDefinition>(
        ("apiextensions.k8s.io", "v1"),
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
        true,
    ),
];

/// The generated schemas of all built-in kinds: `$defs` by definition name, and the definition's name by kind.
pub(crate) struct Document {
    pub(crate) document: Value,
    pub(crate) names: BTreeMap<(&'static str, &'static str, &'static str), String>,
}

/// The definition of object metadata.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The generated schemas, made once.
pub(crate) static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut names = BTreeMap::new();
    for builtin in BUILTINS {
        let schema = (builtin.schema)(&mut generator);
        let target = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let name = target.rsplit('/').next().unwrap_or_default().to_owned();
        names.insert((builtin.group, builtin.version, builtin.kind), name);
    }
    generator.subschema_for::<ObjectMeta>();
    let definitions = generator.take_definitions(true);
    Document {
        document: Value::Object([("$defs".to_owned(), Value::Object(definitions))].into_iter().collect()),
        names,
    }
});

/// The compiled schemas by definition name.
static COMPILED: LazyLock<BTreeMap<String, Arc<Node>>> = LazyLock::new(|| {
    let mut compiler = Compiler::new(&DOCUMENT.document);
    let names = DOCUMENT.names.values().map(String::as_str).chain([OBJECT_META]);
    let reference = |name: &str| serde_json::json!({ "$ref": format!("#/$defs/{name}") });
    names.filter_map(|name| Some((name.to_owned(), compiler.compile(&reference(name), Place::root()).ok()?))).collect()
});

/// The node of a built-in kind, and whether the kind has a status of its own.
pub(crate) fn node(group: &str, version: &str, kind: &str) -> Option<(Arc<Node>, bool)> {
    let found = BUILTINS.iter().find(|b| (b.group, b.version, b.kind) == (group, version, kind))?;
    let name = DOCUMENT.names.get(&(found.group, found.version, found.kind))?;
    Some((COMPILED.get(name)?.clone(), found.status))
}

/// The node of object metadata.
pub(crate) fn object_meta() -> Arc<Node> {
    COMPILED.get(OBJECT_META).cloned().unwrap_or_else(|| Arc::new(Node::anything()))
}

/// What the generated schemas do not say of a type or a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extension {
    /// A list of objects: the keys of apply, and the key of a strategic merge.
    Keyed(&'static [&'static str], Option<&'static str>),
    /// As `Keyed`, and the patch may say `$retainKeys`.
    KeyedRetain(&'static [&'static str], &'static str),
    /// An atomic list for apply that a strategic merge merges by this key.
    AtomicMerge(&'static str),
    /// A set of scalars; whether a strategic merge merges it.
    Set(bool),
    /// An object that is one value.
    Atomic,
    /// A strategic merge of it may say `$retainKeys`.
    Retain,
    /// A default that takes part in keys.
    Default(&'static str),
}

impl Extension {
    /// Puts what it says on a node.
    pub(crate) fn put_on(&self, node: &mut Node) {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        match self {
            Self::Keyed(keys, merge) => {
                node.list = ListType::Map(owned(keys));
                node.patch.merge = merge.is_some();
                node.patch.key = merge.map(str::to_owned);
            }
            Self::KeyedRetain(keys, merge) => {
                Self::Keyed(keys, Some(merge)).put_on(node);
                node.patch.retain_keys = true;
            }
            Self::AtomicMerge(key) => {
                node.patch.merge = true;
                node.patch.key = Some((*key).to_owned());
            }
            Self::Set(merge) => {
                node.list = ListType::Set;
                node.patch.merge = *merge;
            }
            Self::Atomic => node.atomic = true,
            Self::Retain => node.patch.retain_keys = true,
            Self::Default(value) => node.default = Some(Value::String((*value).to_owned())),
        }
    }

    /// The extension's fields in an OpenAPI document.
    pub(crate) fn document(&self) -> Vec<(&'static str, Value)> {
        let keyed = |keys: &[&str]| {
            vec![
                ("x-kubernetes-list-type", Value::from("map")),
                ("x-kubernetes-list-map-keys", Value::from(keys.to_vec())),
            ]
        };
        let merge = |strategy: &str, key: &str| {
            vec![
                ("x-kubernetes-patch-strategy", Value::from(strategy)),
                ("x-kubernetes-patch-merge-key", Value::from(key)),
            ]
        };
        match self {
            Self::Keyed(keys, None) => keyed(keys),
            Self::Keyed(keys, Some(key)) => [keyed(keys), merge("merge", key)].concat(),
            Self::KeyedRetain(keys, key) => [keyed(keys), merge("merge,retainKeys", key)].concat(),
            Self::AtomicMerge(key) => {
                [vec![("x-kubernetes-list-type", Value::from("atomic"))], merge("merge", key)].concat()
            }
            Self::Set(false) => vec![("x-kubernetes-list-type", Value::from("set"))],
            Self::Set(true) => vec![
                ("x-kubernetes-list-type", Value::from("set")),
                ("x-kubernetes-patch-strategy", Value::from("merge")),
            ],
            Self::Atomic => vec![("x-kubernetes-map-type", Value::from("atomic"))],
            Self::Retain => vec![("x-kubernetes-patch-strategy", Value::from("retainKeys"))],
            Self::Default(value) => vec![("default", Value::from(*value))],
        }
    }
}

const BY_NAME: Extension = Extension::Keyed(&["name"], Some("name"));
const BY_TYPE: Extension = Extension::Keyed(&["type"], Some("type"));

/// Extensions by type and field; an empty field means the type itself.
const EXTENSIONS: &[(&str, &str, Extension)] = &[
    ("meta.v1.ObjectMeta", "ownerReferences", Extension::Keyed(&["uid"], Some("uid"))),
    ("meta.v1.ObjectMeta", "finalizers", Extension::Set(true)),
    ("meta.v1.OwnerReference", "", Extension::Atomic),
    ("meta.v1.LabelSelector", "", Extension::Atomic),
    ("core.v1.PodSpec", "containers", BY_NAME),
    ("core.v1.PodSpec", "initContainers", BY_NAME),
    ("core.v1.PodSpec", "ephemeralContainers", BY_NAME),
    ("core.v1.PodSpec", "volumes", Extension::KeyedRetain(&["name"], "name")),
    ("core.v1.PodSpec", "resourceClaims", Extension::KeyedRetain(&["name"], "name")),
    ("core.v1.PodSpec", "imagePullSecrets", BY_NAME),
    ("core.v1.PodSpec", "schedulingGates", BY_NAME),
    ("core.v1.PodSpec", "hostAliases", Extension::Keyed(&["ip"], Some("ip"))),
    ("core.v1.PodSpec", "nodeSelector", Extension::Atomic),
    (
        "core.v1.PodSpec",
        "topologySpreadConstraints",
        Extension::Keyed(&["topologyKey", "whenUnsatisfiable"], Some("topologyKey")),
    ),
    ("core.v1.PodStatus", "conditions", BY_TYPE),
    ("core.v1.PodStatus", "podIPs", Extension::Keyed(&["ip"], Some("ip"))),
    ("core.v1.PodStatus", "hostIPs", Extension::AtomicMerge("ip")),
    ("core.v1.PodStatus", "resourceClaimStatuses", Extension::KeyedRetain(&["name"], "name")),
    ("core.v1.Container", "ports", Extension::Keyed(&["containerPort", "protocol"], Some("containerPort"))),
    ("core.v1.Container", "env", BY_NAME),
    ("core.v1.Container", "volumeMounts", Extension::Keyed(&["mountPath"], Some("mountPath"))),
    ("core.v1.Container", "volumeDevices", Extension::Keyed(&["devicePath"], Some("devicePath"))),
    ("core.v1.EphemeralContainer", "ports", Extension::Keyed(&["containerPort", "protocol"], Some("containerPort"))),
    ("core.v1.EphemeralContainer", "env", BY_NAME),
    ("core.v1.EphemeralContainer", "volumeMounts", Extension::Keyed(&["mountPath"], Some("mountPath"))),
    ("core.v1.EphemeralContainer", "volumeDevices", Extension::Keyed(&["devicePath"], Some("devicePath"))),
    ("core.v1.ContainerPort", "protocol", Extension::Default("TCP")),
    ("core.v1.ResourceRequirements", "claims", Extension::Keyed(&["name"], None)),
    ("core.v1.ServiceSpec", "ports", Extension::Keyed(&["port", "protocol"], Some("port"))),
    ("core.v1.ServiceSpec", "selector", Extension::Atomic),
    ("core.v1.ServicePort", "protocol", Extension::Default("TCP")),
    ("core.v1.ServiceStatus", "conditions", BY_TYPE),
    ("core.v1.ServiceAccount", "secrets", BY_NAME),
    ("core.v1.NodeSpec", "podCIDRs", Extension::Set(true)),
    ("core.v1.NodeStatus", "conditions", BY_TYPE),
    ("core.v1.NodeStatus", "addresses", BY_TYPE),
    ("core.v1.NamespaceStatus", "conditions", BY_TYPE),
    ("core.v1.NodeSelector", "", Extension::Atomic),
    ("core.v1.NodeSelectorTerm", "", Extension::Atomic),
    ("core.v1.SecretKeySelector", "", Extension::Atomic),
    ("core.v1.ConfigMapKeySelector", "", Extension::Atomic),
    ("core.v1.FileKeySelector", "", Extension::Atomic),
    ("core.v1.ObjectFieldSelector", "", Extension::Atomic),
    ("core.v1.ResourceFieldSelector", "", Extension::Atomic),
    ("core.v1.LocalObjectReference", "", Extension::Atomic),
    ("core.v1.ObjectReference", "", Extension::Atomic),
    ("core.v1.TypedLocalObjectReference", "", Extension::Atomic),
    ("core.v1.ContainerStatus", "volumeMounts", Extension::Keyed(&["mountPath"], Some("mountPath"))),
    ("apps.v1.DeploymentSpec", "strategy", Extension::Retain),
    ("apps.v1.DeploymentStatus", "conditions", BY_TYPE),
    ("apps.v1.ReplicaSetStatus", "conditions", BY_TYPE),
    ("discovery.v1.Endpoint", "addresses", Extension::Set(false)),
    ("apiextensions.v1.CustomResourceDefinitionStatus", "conditions", Extension::Keyed(&["type"], None)),
];

/// What is known of a field of a definition such as `io.k8s.api.core.v1.PodSpec`.
pub(crate) fn extension(definition: &str, field: &str) -> Option<&'static Extension> {
    let of_type = |(name, of, _): &&(&str, &str, Extension)| {
        *of == field && definition.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
    };
    EXTENSIONS.iter().find(of_type).map(|(_, _, extension)| extension)
}

/// The types and fields that have extensions.
#[cfg(test)]
pub(crate) fn extended() -> impl Iterator<Item = (&'static str, &'static str)> {
    EXTENSIONS.iter().map(|(name, field, _)| (*name, *field))
}

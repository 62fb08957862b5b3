//! The kinds that this API serves.

use super::EmbeddedError;
use super::schema::KindSchema;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use std::sync::Arc;

/// A kind, as discovery tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindInfo {
    /// API group; empty for the core group.
    pub group: String,
    /// Version in the group.
    pub version: String,
    /// Kind, in camel case.
    pub kind: String,
    /// Plural name, as in paths.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names, as people type them.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What an object serves beside itself.
    pub subresources: Vec<Subresource>,
    /// Groups of kinds that can be listed together, such as `all`.
    pub categories: Vec<String>,
}

/// A part of an object with a path of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subresource {
    /// `status`: what controllers write.
    Status,
    /// `scale`: the number of replicas.
    Scale,
    /// `log`: what a container wrote.
    Log,
    /// `binding`: the node of a pod.
    Binding,
    /// `finalize`: the finalizers in a namespace's spec.
    Finalize,
}

impl Subresource {
    /// The last part of its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Scale => "scale",
            Self::Log => "log",
            Self::Binding => "binding",
            Self::Finalize => "finalize",
        }
    }
}

impl KindInfo {
    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The resource with its group, as messages name it: `pods`, `deployments.apps`.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether it has such a subresource.
    pub fn has(&self, subresource: Subresource) -> bool {
        self.subresources.contains(&subresource)
    }

    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group == group && self.kind == kind
    }
}

/// A kind with all that the verbs need to know of it.
pub(crate) struct Kind {
    pub(crate) info: KindInfo,
    pub(crate) schema: KindSchema,
    /// The definition, where the kind is a custom resource.
    pub(crate) definition: Option<CustomResourceDefinition>,
    /// The printer columns of a custom resource.
    pub(crate) columns: Vec<CustomResourceColumnDefinition>,
    /// Where its objects are kept. The two groups of Event share one place.
    pub(crate) storage: usize,
}

impl Kind {
    pub(crate) fn is_custom(&self) -> bool {
        self.definition.is_some()
    }

    /// Whether its objects are the definitions of custom resources.
    pub(crate) fn is_definition(&self) -> bool {
        self.info.is("apiextensions.k8s.io", "CustomResourceDefinition")
    }
}

/// All kinds.
pub(crate) struct Registry {
    kinds: Vec<Arc<Kind>>,
    /// The name of each storage in the database.
    storages: Vec<String>,
}

impl Registry {
    /// The built-in kinds and the given custom ones.
    pub(crate) fn new(definitions: &[CustomResourceDefinition]) -> Result<Self, EmbeddedError> {
        let mut registry = Self { kinds: Vec::new(), storages: Vec::new() };
        for info in builtin() {
            // Events are kept in the form of the core group, whichever group they come through.
            let group = if info.group == "events.k8s.io" { "" } else { info.group.as_str() };
            let schema = KindSchema::builtin(group, &info.version, &info.kind)
                .ok_or_else(|| EmbeddedError::Schema { kind: info.kind.clone(), why: "no such type".to_owned() })?;
            registry.add(info, schema, None);
        }
        for definition in definitions {
            let info = custom(definition);
            let schema = KindSchema::custom(definition)
                .map_err(|error| EmbeddedError::Schema { kind: info.kind.clone(), why: error.to_string() })?;
            registry.add(info, schema, Some(definition.clone()));
        }
        Ok(registry)
    }

    fn add(&mut self, info: KindInfo, schema: KindSchema, definition: Option<CustomResourceDefinition>) {
        let name = if info.group == "events.k8s.io" { info.plural.clone() } else { info.resource() };
        let storage = self.storages.iter().position(|known| *known == name).unwrap_or(self.storages.len());
        if storage == self.storages.len() {
            self.storages.push(name);
        }
        let version = definition.as_ref().and_then(|d| d.spec.versions.first());
        let columns = version.and_then(|v| v.additional_printer_columns.clone()).unwrap_or_default();
        self.kinds.push(Arc::new(Kind { info, schema, definition, columns, storage }));
    }

    pub(crate) fn storages(&self) -> &[String] {
        &self.storages
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter()
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.info.group == group && k.info.version == version && k.info.plural == plural)
    }

    pub(crate) fn by_kind(&self, group: &str, kind: &str) -> Option<&Arc<Kind>> {
        self.kinds.iter().find(|k| k.info.is(group, kind))
    }

    /// The kinds whose objects live in a namespace, each storage once.
    pub(crate) fn namespaced(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.iter().filter(|k| k.info.namespaced && k.info.group != "events.k8s.io")
    }
}

fn custom(definition: &CustomResourceDefinition) -> KindInfo {
    let spec = &definition.spec;
    let version = spec.versions.first();
    let status = version.and_then(|v| v.subresources.as_ref()).is_some_and(|s| s.status.is_some());
    KindInfo {
        group: spec.group.clone(),
        version: version.map(|v| v.name.clone()).unwrap_or_default(),
        kind: spec.names.kind.clone(),
        plural: spec.names.plural.clone(),
        singular: spec.names.singular.clone().unwrap_or_else(|| spec.names.kind.to_lowercase()),
        short_names: spec.names.short_names.clone().unwrap_or_default(),
        namespaced: spec.scope == "Namespaced",
        subresources: if status { vec![Subresource::Status] } else { Vec::new() },
        categories: spec.names.categories.clone().unwrap_or_default(),
    }
}

/// Group, version, kind, plural, short names, namespaced, subresources, categories.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    bool,
    &'static [Subresource],
    &'static [&'static str],
);

const BUILTIN: &[Row] = &[
    ("", "v1", "Namespace", "namespaces", &["ns"], false, &[Subresource::Status, Subresource::Finalize], &[]),
    ("", "v1", "Node", "nodes", &["no"], false, &[Subresource::Status], &[]),
    ("", "v1", "Pod", "pods", &["po"], true, &[Subresource::Status, Subresource::Log, Subresource::Binding], &["all"]),
    ("", "v1", "Service", "services", &["svc"], true, &[Subresource::Status], &["all"]),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], true, &[], &[]),
    ("", "v1", "ConfigMap", "configmaps", &["cm"], true, &[], &[]),
    ("", "v1", "Secret", "secrets", &[], true, &[], &[]),
    ("", "v1", "Event", "events", &["ev"], true, &[], &[]),
    (
        "apps",
        "v1",
        "Deployment",
        "deployments",
        &["deploy"],
        true,
        &[Subresource::Status, Subresource::Scale],
        &["all"],
    ),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], true, &[Subresource::Status, Subresource::Scale], &["all"]),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", &[], true, &[], &[]),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], true, &[], &[]),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[], true, &[], &[]),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], true, &[Subresource::Status], &[]),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", &[], false, &[], &[]),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], true, &[], &[]),
    (
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        &["crd", "crds"],
        false,
        &[Subresource::Status],
        &["api-extensions"],
    ),
];

fn builtin() -> impl Iterator<Item = KindInfo> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    BUILTIN.iter().map(move |(group, version, kind, plural, short, namespaced, subresources, categories)| KindInfo {
        group: (*group).to_owned(),
        version: (*version).to_owned(),
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
        singular: kind.to_lowercase(),
        short_names: owned(short),
        namespaced: *namespaced,
        subresources: subresources.to_vec(),
        categories: owned(categories),
    })
}

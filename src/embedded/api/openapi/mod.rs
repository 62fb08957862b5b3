//! The OpenAPI documents that `kubectl explain`, `apply` and `diff` read. They are made once, from the schemas of the
//! built-in kinds and from our definitions.

mod paths;
mod schemas;
#[cfg(test)]
mod tests;

use crate::embedded::api::schema::builtin::BUILTINS;
use crate::resources;
use schemas::Dialect;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// A kind, as its paths need it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Served {
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespaced: bool,
    status: bool,
    /// Strategic merge patches are for built-in kinds alone.
    custom: bool,
    /// The name of its schema.
    definition: String,
}

impl Served {
    /// `api/v1`, `apis/apps/v1`.
    fn group_version(&self) -> String {
        if self.group.is_empty() {
            format!("api/{}", self.version)
        } else {
            format!("apis/{}/{}", self.group, self.version)
        }
    }

    fn gvk(&self) -> Value {
        json!({"group": self.group, "version": self.version, "kind": self.kind})
    }
}

/// Every kind that has documents.
fn served() -> Vec<Served> {
    let names = schemas::builtin_names();
    let builtin = BUILTINS.iter().filter_map(|builtin| {
        Some(Served {
            group: builtin.group.to_owned(),
            version: builtin.version.to_owned(),
            kind: builtin.kind.to_owned(),
            plural: builtin.plural.to_owned(),
            namespaced: builtin.namespaced,
            status: builtin.status,
            custom: false,
            definition: names.get(&(builtin.group, builtin.version, builtin.kind))?.clone(),
        })
    });
    let custom = resources::definitions().into_iter().flat_map(|crd| {
        let spec = crd.spec;
        let reversed = spec.group.split('.').rev().collect::<Vec<_>>().join(".");
        spec.versions.into_iter().map(move |version| Served {
            group: spec.group.clone(),
            definition: format!("{reversed}.{}.{}", version.name, spec.names.kind),
            version: version.name,
            kind: spec.names.kind.clone(),
            plural: spec.names.plural.clone(),
            namespaced: spec.scope == "Namespaced",
            status: version.subresources.is_some_and(|subresources| subresources.status.is_some()),
            custom: true,
        })
    });
    builtin.chain(custom).collect()
}

/// The documents of version 3, by group version.
static DOCUMENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let all = served();
    let versions: BTreeSet<String> = all.iter().map(Served::group_version).collect();
    let document = |version: String| {
        let kinds: Vec<&Served> = all.iter().filter(|kind| kind.group_version() == version).collect();
        let roots = kinds.iter().map(|kind| kind.definition.clone()).collect();
        let mut paths = Map::new();
        for kind in &kinds {
            paths.extend(paths::of(kind, Dialect::V3));
        }
        let document = json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "v1.36.0"},
            "paths": paths,
            "components": {"schemas": schemas::reachable(&all, roots, Dialect::V3)},
        });
        (version, document)
    };
    versions.into_iter().map(document).collect()
});

/// The document of version 2.
static DOCUMENT_V2: LazyLock<Value> = LazyLock::new(|| {
    let all = served();
    let mut paths = Map::new();
    for kind in &all {
        paths.extend(paths::of(kind, Dialect::V2));
    }
    let roots = all.iter().map(|kind| kind.definition.clone()).collect();
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": schemas::reachable(&all, roots, Dialect::V2),
    })
});

/// The index at `/openapi/v3`: where each group version's document is, with a hash of it for caches.
pub fn v3_index() -> Value {
    static INDEX: LazyLock<Value> = LazyLock::new(|| {
        let entry = |(version, document): (&String, &Value)| {
            let digest = Sha256::digest(document.to_string());
            let hash: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
            (version.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{version}?hash={hash}")}))
        };
        json!({"paths": DOCUMENTS.iter().map(entry).collect::<Map<_, _>>()})
    });
    INDEX.clone()
}

/// The document of a group version such as `api/v1` or `apis/doorstep.dev/v1alpha1`.
pub fn v3_document(group_version: &str) -> Option<Value> {
    DOCUMENTS.get(group_version).cloned()
}

/// The one document at `/openapi/v2`.
pub fn v2_document() -> Value {
    DOCUMENT_V2.clone()
}

//! What an object of a kind may hold: structural schemas of custom kinds with their CEL rules, and those of the built-in kinds.

pub(crate) mod builtin;
mod compile;
pub(crate) mod depth;
mod error;
mod fill;
mod format;
pub(crate) mod node;
mod rules;
#[cfg(test)]
mod tests;
mod validate;

pub use error::{FieldError, FieldErrorReason, SchemaError};

use compile::{Compiler, Place};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use node::{Node, Shape};
use serde_json::Value;
use std::sync::Arc;

/// The schema of one kind in one version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct KindSchema {
    root: Arc<Node>,
    /// Fields decode into typed structs, so that a null means absence.
    typed: bool,
    /// The status is written through its own subresource.
    status: bool,
}

impl KindSchema {
    /// The structural schema of a definition's stored version, its CEL rules compiled.
    pub fn custom(crd: &CustomResourceDefinition) -> Result<Self, SchemaError> {
        let none = || SchemaError::NoSchema { name: crd.metadata.name.clone().unwrap_or_default() };
        let version = crd.spec.versions.iter().find(|version| version.storage).ok_or_else(none)?;
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref()).ok_or_else(none)?;
        let schema = serde_json::to_value(schema).map_err(|_| none())?;
        let mut root = Compiler::new(&schema).compile(&schema, Place::root())?;
        let object = Arc::make_mut(&mut root);
        if object.shape != Shape::Object {
            let said = "must have the type object at its root".to_owned();
            return Err(SchemaError::NotStructural { path: String::new(), said });
        }
        let text = Arc::new(Node { shape: Shape::String, ..Node::default() });
        object.properties.insert("apiVersion".to_owned(), text.clone());
        object.properties.insert("kind".to_owned(), text);
        object.properties.insert("metadata".to_owned(), builtin::object_meta());
        let status = version.subresources.as_ref().is_some_and(|subresources| subresources.status.is_some());
        Ok(Self { root, typed: false, status })
    }

    /// The schema of a built-in kind, where the embedded cluster knows it.
    pub fn builtin(group: &str, version: &str, kind: &str) -> Option<Self> {
        let (root, status) = builtin::node(group, version, kind)?;
        Some(Self { root, typed: true, status })
    }

    /// The paths that the schema does not know, for `strict decoding error: unknown field "spec.foo"`.
    pub fn unknown_fields(&self, object: &Value) -> Vec<String> {
        fill::unknown_fields(&self.root, object)
    }

    /// Takes out what the schema does not know.
    pub fn prune(&self, object: &mut Value) {
        fill::prune(&self.root, object, self.typed);
        if let Some(metadata) = object.get_mut("metadata") {
            fill::prune(self.root.field("metadata"), metadata, true);
        }
    }

    /// Puts in the schema's defaults.
    pub fn default(&self, object: &mut Value) {
        fill::default(&self.root, object);
    }

    /// All that is wrong with `object`; `old` is what it replaces, for transition rules and for what was wrong before.
    pub fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        validate::validate(&self.root, object, old)
    }

    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    pub(crate) fn is_typed(&self) -> bool {
        self.typed
    }

    pub(crate) fn has_status(&self) -> bool {
        self.status
    }
}

//! The schemas of the documents: generated ones with the extensions that they lack, and those of our definitions.

use super::Served;
use crate::embedded::api::schema::builtin::{DOCUMENT, OBJECT_META, extension};
use crate::resources;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Which OpenAPI it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V2,
    V3,
}

impl Dialect {
    /// A reference to a schema.
    pub(super) fn reference(self, name: &str) -> String {
        match self {
            Self::V2 => format!("#/definitions/{name}"),
            Self::V3 => format!("#/components/schemas/{name}"),
        }
    }
}

/// The schema names of the built-in kinds by group, version and kind.
pub(super) fn builtin_names() -> &'static BTreeMap<(&'static str, &'static str, &'static str), String> {
    &DOCUMENT.names
}

/// The schemas of `roots` and all that they refer to.
pub(super) fn reachable(all: &[Served], roots: BTreeSet<String>, dialect: Dialect) -> Map<String, Value> {
    let mut found = Map::new();
    let mut open: Vec<String> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let kind = all.iter().find(|kind| kind.definition == name);
        let Some(source) = source(&name, kind) else { continue };
        let mut references = BTreeSet::new();
        let mut schema = converted(&source, &name, dialect, &mut references);
        if let (Some(kind), Value::Object(schema)) = (kind, &mut schema) {
            schema.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind.gvk()]));
        }
        found.insert(name, schema);
        open.extend(references);
    }
    found
}

/// A schema as it is written before it is put into a dialect.
fn source(name: &str, kind: Option<&Served>) -> Option<Value> {
    match kind {
        Some(kind) if kind.custom => custom(kind),
        Some(_) | None => DOCUMENT.document.get("$defs")?.get(name).cloned(),
    }
}

/// The schema of one of our definitions, with the metadata that every object has.
fn custom(kind: &Served) -> Option<Value> {
    let crd = resources::definitions().into_iter().find(|crd| crd.spec.names.kind == kind.kind)?;
    let version = crd.spec.versions.into_iter().find(|version| version.name == kind.version)?;
    let mut schema = serde_json::to_value(version.schema?.open_api_v3_schema?).ok()?;
    let properties = schema.get_mut("properties")?.as_object_mut()?;
    let text = |said: &str| json!({"type": "string", "description": said});
    properties.insert("apiVersion".to_owned(), text("The versioned schema of this representation of an object."));
    properties.insert("kind".to_owned(), text("The kind of REST resource that this object represents."));
    let metadata = json!({"$ref": format!("#/$defs/{OBJECT_META}"), "description": "Standard object's metadata."});
    properties.insert("metadata".to_owned(), metadata);
    Some(schema)
}

/// A schema in a dialect. `owner` is the definition that holds it.
fn converted(schema: &Value, owner: &str, dialect: Dialect, references: &mut BTreeSet<String>) -> Value {
    let Value::Object(fields) = schema else { return schema.clone() };
    if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or(target).to_owned();
        let reference = json!({ "$ref": dialect.reference(&name) });
        references.insert(name);
        return beside(reference, fields, dialect);
    }
    let mut result = Map::new();
    for (name, value) in fields {
        let value = match name.as_str() {
            "properties" => properties(value, owner, dialect, references),
            "items" | "additionalProperties" | "not" => converted(value, owner, dialect, references),
            "allOf" | "anyOf" | "oneOf" => match value.as_array() {
                Some(all) => all.iter().map(|one| converted(one, owner, dialect, references)).collect(),
                None => value.clone(),
            },
            _ => value.clone(),
        };
        result.insert(name.clone(), value);
    }
    if let Some(own) = extension(owner, "").filter(|_| fields.contains_key("properties")) {
        result.extend(own.document().into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    Value::Object(result)
}

/// A reference with what stands beside it. OpenAPI 3.0 ignores all that stands beside a `$ref`, so it goes into `allOf`.
fn beside(reference: Value, fields: &Map<String, Value>, dialect: Dialect) -> Value {
    let mut others: Map<String, Value> =
        fields.iter().filter(|(name, _)| *name != "$ref").map(|(name, value)| (name.clone(), value.clone())).collect();
    match (dialect, reference) {
        (Dialect::V3, reference) if !others.is_empty() => {
            others.insert("allOf".to_owned(), json!([reference]));
        }
        (Dialect::V2 | Dialect::V3, Value::Object(reference)) => others.extend(reference),
        (Dialect::V2 | Dialect::V3, _) => {}
    }
    Value::Object(others)
}

fn properties(value: &Value, owner: &str, dialect: Dialect, references: &mut BTreeSet<String>) -> Value {
    let mut result = Map::new();
    for (name, property) in value.as_object().into_iter().flatten() {
        let mut property = converted(property, owner, dialect, references);
        if let (Some(found), Value::Object(property)) = (extension(owner, name), &mut property) {
            property.extend(found.document().into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        result.insert(name.clone(), property);
    }
    Value::Object(result)
}

//! From a JSON schema, as a definition or a generator writes it, to nodes.

use super::builtin::extension;
use super::error::SchemaError;
use super::node::{Limits, ListType, Node, Pattern, Range, Shape};
use super::rules;
use regex::Regex;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Deeper schemas are refused: everything that walks them recurses.
const DEEPEST: usize = 64;

/// Compiles one document; definitions that several fields refer to become one node.
pub(crate) struct Compiler<'a> {
    definitions: Option<&'a Map<String, Value>>,
    compiled: HashMap<String, Arc<Node>>,
}

/// Where the compiler is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    path: &'a str,
    /// The definition that holds the node, for the table of extensions.
    owner: &'a str,
    depth: usize,
    /// Whether an old value can be found for the node: not below atomic lists and sets.
    correlatable: bool,
}

impl Place<'_> {
    pub(crate) fn root() -> Place<'static> {
        Place { path: "", owner: "", depth: 0, correlatable: true }
    }
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(document: &'a Value) -> Self {
        Self { definitions: document.get("$defs").and_then(Value::as_object), compiled: HashMap::new() }
    }

    /// The node of `schema`.
    pub(crate) fn compile(&mut self, schema: &Value, place: Place<'_>) -> Result<Arc<Node>, SchemaError> {
        let Value::Object(schema) = schema else {
            return Ok(Arc::new(Node::anything()));
        };
        if place.depth > DEEPEST {
            return Err(not_structural(place, "is nested too deeply"));
        }
        match schema.get("$ref").and_then(Value::as_str) {
            Some(target) => self.reference(target, place),
            None => self.node(schema, place).map(Arc::new),
        }
    }

    fn reference(&mut self, target: &str, place: Place<'_>) -> Result<Arc<Node>, SchemaError> {
        let name = target.rsplit('/').next().unwrap_or(target);
        if let Some(node) = self.compiled.get(name) {
            return Ok(node.clone());
        }
        // The schema of schemas refers to itself. What it says is checked when a definition is compiled.
        if name.contains("JSONSchemaProps") {
            return Ok(Arc::new(Node { shape: Shape::Any, ..Node::anything() }));
        }
        let Some(Value::Object(schema)) = self.definitions.and_then(|all| all.get(name)) else {
            return Err(not_structural(place, "has a $ref that leads nowhere; structural schemas have none"));
        };
        let mut node = self.node(schema, Place { owner: name, depth: place.depth + 1, ..place })?;
        if let Some(found) = extension(name, "") {
            found.put_on(&mut node);
        }
        if name.ends_with(".RawExtension") || name.ends_with(".FieldsV1") || name.ends_with(".v1.JSON") {
            node.preserve_unknown = true;
        }
        let node = Arc::new(node);
        self.compiled.insert(name.to_owned(), node.clone());
        Ok(node)
    }

    fn node(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Result<Node, SchemaError> {
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let shape = shape(schema, place)?;
        let list = list_type(schema, shape, place)?;
        let correlatable = place.correlatable && (shape != Shape::Array || matches!(list, ListType::Map(_)));
        let inside = Place { correlatable, depth: place.depth + 1, ..place };
        let node = Node {
            shape,
            nullable: flag("nullable") || lists_null(schema),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            properties: self.properties(schema, inside)?,
            additional: self.additional(schema, inside)?,
            items: self.child(schema, "items", inside)?,
            list,
            atomic: schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
            limits: self.limits(schema, inside)?,
            default: schema.get("default").filter(|value| !value.is_null()).cloned(),
            rules: rules::compile(schema, place.path, place.correlatable)?,
            ..Node::default()
        };
        if matches!(&node.list, ListType::Map(keys) if keys.is_empty()) {
            return Err(not_structural(
                place,
                "has x-kubernetes-list-type map, which needs x-kubernetes-list-map-keys",
            ));
        }
        Ok(node)
    }

    fn properties(
        &mut self,
        schema: &Map<String, Value>,
        place: Place<'_>,
    ) -> Result<BTreeMap<String, Arc<Node>>, SchemaError> {
        let mut properties = BTreeMap::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{}.properties[{name}]", place.path);
            let mut node = self.compile(property, Place { path: &path, ..place })?;
            if let Some(found) = extension(place.owner, name) {
                found.put_on(Arc::make_mut(&mut node));
            }
            properties.insert(name.clone(), node);
        }
        Ok(properties)
    }

    fn additional(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Result<Option<Arc<Node>>, SchemaError> {
        match schema.get("additionalProperties") {
            None | Some(Value::Bool(false) | Value::Null) => Ok(None),
            Some(Value::Bool(true)) => Ok(Some(Arc::new(Node::anything()))),
            Some(other) => {
                let path = format!("{}.additionalProperties", place.path);
                self.compile(other, Place { path: &path, ..place }).map(Some)
            }
        }
    }

    fn child(
        &mut self,
        schema: &Map<String, Value>,
        name: &str,
        place: Place<'_>,
    ) -> Result<Option<Arc<Node>>, SchemaError> {
        let Some(child) = schema.get(name).filter(|child| child.is_object()) else {
            return Ok(None);
        };
        let path = format!("{}.{name}", place.path);
        self.compile(child, Place { path: &path, ..place }).map(Some)
    }

    fn children(
        &mut self,
        schema: &Map<String, Value>,
        name: &str,
        place: Place<'_>,
    ) -> Result<Vec<Arc<Node>>, SchemaError> {
        let Some(Value::Array(children)) = schema.get(name) else {
            return Ok(Vec::new());
        };
        let mut nodes = Vec::new();
        for (index, child) in children.iter().enumerate() {
            let path = format!("{}.{name}[{index}]", place.path);
            nodes.push(self.compile(child, Place { path: &path, ..place })?);
        }
        Ok(nodes)
    }

    fn limits(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Result<Limits, SchemaError> {
        let count = |name: &str| schema.get(name).and_then(Value::as_u64);
        let number = |name: &str| schema.get(name).and_then(Value::as_f64);
        let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let required = required.filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let pattern = text("pattern").map(|text| {
            let said = |error: regex::Error| not_structural(place, &format!("has a pattern that is none: {error}"));
            Regex::new(text).map(|regex| Pattern { text: text.to_owned(), regex }).map_err(said)
        });
        Ok(Limits {
            required,
            pattern: pattern.transpose()?,
            format: text("format").map(str::to_owned),
            allowed: schema.get("enum").and_then(Value::as_array).cloned(),
            length: Range { min: count("minLength"), max: count("maxLength") },
            items: Range { min: count("minItems"), max: count("maxItems") },
            properties: Range { min: count("minProperties"), max: count("maxProperties") },
            number: Range { min: number("minimum"), max: number("maximum") },
            exclusive_min: flag("exclusiveMinimum"),
            exclusive_max: flag("exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            any_of: self.children(schema, "anyOf", place)?,
            one_of: self.children(schema, "oneOf", place)?,
            all_of: self.children(schema, "allOf", place)?,
            not: self.child(schema, "not", place)?,
        })
    }
}

fn not_structural(place: Place<'_>, said: &str) -> SchemaError {
    SchemaError::NotStructural { path: place.path.to_owned(), said: said.to_owned() }
}

fn shape(schema: &Map<String, Value>, place: Place<'_>) -> Result<Shape, SchemaError> {
    if schema.get("x-kubernetes-int-or-string").and_then(Value::as_bool) == Some(true) {
        return Ok(Shape::IntOrString);
    }
    let name = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) | None => None,
    };
    Ok(match name {
        None => Shape::Any,
        Some("object") => Shape::Object,
        Some("array") => Shape::Array,
        Some("string") => Shape::String,
        Some("integer") => Shape::Integer,
        Some("number") => Shape::Number,
        Some("boolean") => Shape::Boolean,
        Some(other) => {
            let said =
                format!("has the type {other:?}; array, boolean, integer, number, object and string are the types");
            return Err(not_structural(place, &said));
        }
    })
}

fn lists_null(schema: &Map<String, Value>) -> bool {
    matches!(schema.get("type"), Some(Value::Array(names)) if names.iter().any(|name| name == "null"))
}

fn list_type(schema: &Map<String, Value>, shape: Shape, place: Place<'_>) -> Result<ListType, SchemaError> {
    let Some(name) = schema.get("x-kubernetes-list-type").and_then(Value::as_str) else {
        return Ok(ListType::Atomic);
    };
    if shape != Shape::Array {
        return Err(not_structural(place, "has x-kubernetes-list-type, which only an array may have"));
    }
    match name {
        "atomic" => Ok(ListType::Atomic),
        "set" => Ok(ListType::Set),
        "map" => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
            Ok(ListType::Map(keys.filter_map(|key| key.as_str().map(str::to_owned)).collect()))
        }
        other => {
            let said = format!("has x-kubernetes-list-type {other:?}; atomic, map and set are the list types");
            Err(not_structural(place, &said))
        }
    }
}

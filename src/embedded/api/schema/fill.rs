//! Unknown fields, pruning, and defaults.

use super::node::{Node, Shape};
use serde_json::{Map, Value};

/// The paths of the fields that the schema does not know.
pub(crate) fn unknown_fields(node: &Node, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    unknown_below(node, value, &mut String::new(), &mut found);
    found
}

fn unknown_below(node: &Node, value: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(fields) if node.shape == Shape::Object || node.keeps_unknown() => {
            for (name, field) in fields {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                match node.known_field(name) {
                    Some(known) => unknown_below(known, field, path, found),
                    None if node.keeps_unknown() => {}
                    None => found.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        Value::Array(items) if node.shape == Shape::Array => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                unknown_below(node.item(), item, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Takes out what the schema does not know, and nulls where `drop_nulls` says that a null means absence.
pub(crate) fn prune(node: &Node, value: &mut Value, drop_nulls: bool) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, field| match node.known_field(name) {
                Some(known) => !(field.is_null() && drop_nulls && known.shape != Shape::Any),
                None => node.keeps_unknown(),
            });
            for (name, field) in fields.iter_mut() {
                if let Some(known) = node.known_field(name) {
                    prune(known, field, drop_nulls);
                }
            }
        }
        Value::Array(items) if node.shape == Shape::Array => {
            items.iter_mut().for_each(|item| prune(node.item(), item, drop_nulls));
        }
        _ => {}
    }
}

/// Puts in defaults; a null where null is not allowed gives way to its default.
pub(crate) fn default(node: &Node, value: &mut Value) {
    match value {
        Value::Object(fields) => default_fields(node, fields),
        Value::Array(items) if node.shape == Shape::Array => {
            items.iter_mut().for_each(|item| default(node.item(), item));
        }
        _ => {}
    }
}

fn default_fields(node: &Node, fields: &mut Map<String, Value>) {
    for (name, property) in &node.properties {
        if let Some(preset) = &property.default {
            let absent = fields.get(name).is_none_or(|field| field.is_null() && !property.nullable);
            if absent {
                fields.insert(name.clone(), preset.clone());
            }
        }
    }
    for (name, field) in fields.iter_mut() {
        if let Some(known) = node.known_field(name) {
            default(known, field);
        }
    }
}

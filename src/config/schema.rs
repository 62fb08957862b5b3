//! Plain data against the schema of its kind, so that all mistakes are told and not only the first.

use super::fields::{Mistakes, join, kind};
use crate::model::{did_you_mean, shown};
use serde_json::{Map, Value};

/// Adds what the schema does not allow in `value`: fields nobody knows, fields that are missing, other types than wanted,
/// numbers out of range. Patterns and rules are left to those who know what they mean.
pub(super) fn check(value: &Value, schema: &Value, path: &str, mistakes: &mut Mistakes) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(wanted) = schema["type"].as_str()
        && !is_a(value, wanted)
    {
        mistakes.add(path, format!("it is {}; it should be {}", kind(value), in_words(wanted)));
        return;
    }
    match value {
        Value::Object(fields) => check_fields(fields, schema, path, mistakes),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(item, &schema["items"], &format!("{path}[{index}]"), mistakes);
            }
        }
        Value::Number(number) => {
            let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
            let given = number.as_f64().unwrap_or(f64::NAN);
            if least.is_some_and(|least| given < least) || most.is_some_and(|most| given > most) {
                let (least, most) = (least.unwrap_or(f64::NEG_INFINITY), most.unwrap_or(f64::INFINITY));
                mistakes.add(path, format!("{number} is out of range; {least} to {most} is in it"));
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn check_fields(fields: &Map<String, Value>, schema: &Value, path: &str, mistakes: &mut Mistakes) {
    let Some(known) = schema["properties"].as_object() else {
        // A map of names that people choose, or data that is not ours to know.
        let values = &schema["additionalProperties"];
        fields.iter().for_each(|(name, value)| check(value, values, &join(path, name), mistakes));
        return;
    };
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => check(value, schema, &join(path, name), mistakes),
            None if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
            None => {
                let hint = did_you_mean(name, known.keys().map(String::as_str));
                mistakes.add(&join(path, name), format!("the field {} is not known{hint}", shown(name)));
            }
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            mistakes.add(&join(path, name), "it is missing");
        }
    }
}

fn is_a(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn in_words(wanted: &str) -> &'static str {
    match wanted {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

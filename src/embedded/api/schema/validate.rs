//! Whether an object is as its schema has it, in the words of a Kubernetes API server.

use super::depth::{DEEPEST, is_too_deep};
use super::error::{FieldError, FieldErrorReason};
use super::format;
use super::node::{ListType, Node, Shape};
use super::rules::Scope;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

/// Nobody reads more than this; a list of ten thousand wrong items must not become a status of megabytes.
const MOST_ERRORS: usize = 100;

/// All that is wrong with `value`, with `old` being what it replaces.
pub(crate) fn validate(node: &Node, value: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut walk = Walk { errors: Vec::new(), path: String::new(), faults: 0 };
    if is_too_deep(value) {
        walk.report(FieldErrorReason::Invalid, format!("Invalid value: the object nests deeper than {DEEPEST} levels"));
        return walk.errors;
    }
    walk.visit(node, value, Old { value: old, unchanged: false });
    walk.errors
}

/// The value that was there before.
#[derive(Clone, Copy)]
struct Old<'a> {
    value: Option<&'a Value>,
    /// Nothing changed here or above: what was wrong before may stay (validation ratcheting).
    unchanged: bool,
}

impl<'a> Old<'a> {
    fn below(self, value: Option<&'a Value>) -> Self {
        Self { value, ..self }
    }
}

struct Walk {
    errors: Vec<FieldError>,
    path: String,
    /// Breaches of the schema itself, without those of its rules.
    faults: usize,
}

impl Walk {
    fn report(&mut self, reason: FieldErrorReason, message: String) {
        self.faults += 1;
        if self.errors.len() < MOST_ERRORS {
            let path = if self.path.is_empty() { "<nil>".to_owned() } else { self.path.clone() };
            self.errors.push(FieldError { path, reason, message });
        }
    }

    fn invalid(&mut self, value: &Value, said: &str) {
        let message = format!("Invalid value: {}: {} in body {said}", shown(value), self.path);
        self.report(FieldErrorReason::Invalid, message);
    }

    fn within(&mut self, step: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        visit(self);
        self.path.truncate(length);
    }

    fn field(&mut self, name: &str, visit: impl FnOnce(&mut Self)) {
        let step = if self.path.is_empty() { name.to_owned() } else { format!(".{name}") };
        self.within(&step, visit);
    }

    fn visit(&mut self, node: &Node, value: &Value, old: Old<'_>) {
        let unchanged = old.unchanged || old.value == Some(value);
        let old = Old { unchanged, ..old };
        let before = self.faults;
        if value.is_null() {
            if !node.nullable && node.shape != Shape::Any && !unchanged {
                self.wrong_type(node, value);
            }
            return;
        }
        if !fits(node.shape, value) {
            if !unchanged {
                self.wrong_type(node, value);
            }
            return;
        }
        if !unchanged {
            self.limits(node, value);
        }
        match value {
            Value::Object(fields) => self.object(node, fields, old),
            Value::Array(items) => self.list(node, items, old),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        // A rule may take for granted what the schema says, so it runs only on a value that keeps it.
        if self.faults == before {
            self.rules(node, value, old);
        }
    }

    fn wrong_type(&mut self, node: &Node, value: &Value) {
        let found = type_name(value);
        let wanted = node.shape.name();
        let message =
            format!("Invalid value: \"{found}\": {} in body must be of type {wanted}: \"{found}\"", self.path);
        self.report(FieldErrorReason::TypeInvalid, message);
    }

    fn object(&mut self, node: &Node, fields: &Map<String, Value>, old: Old<'_>) {
        if !old.unchanged {
            for name in &node.limits.required {
                if !fields.contains_key(name) {
                    self.field(name, |walk| walk.report(FieldErrorReason::Required, "Required value".to_owned()));
                }
            }
        }
        for (name, field) in fields {
            if let Some(known) = node.known_field(name) {
                let before = old.value.and_then(|old| old.get(name));
                let named = node.names(name);
                let visit = |walk: &mut Self| walk.visit(known, field, old.below(before));
                if named || !name.contains(['.', '/', '[', ']']) {
                    self.field(name, visit);
                } else {
                    self.within(&format!("[{name}]"), visit);
                }
            }
        }
    }

    fn list(&mut self, node: &Node, items: &[Value], old: Old<'_>) {
        let keys = match &node.list {
            ListType::Atomic => None,
            ListType::Set => Some(&[] as &[String]),
            ListType::Map(keys) => Some(keys.as_slice()),
        };
        if let Some(keys) = keys
            && !old.unchanged
        {
            self.duplicates(node, keys, items);
        }
        let before: HashMap<String, &Value> = match (&node.list, old.value) {
            (ListType::Map(keys), Some(Value::Array(before))) => {
                before.iter().map(|item| (identity(node.item(), keys, item), item)).collect()
            }
            _ => HashMap::new(),
        };
        for (index, item) in items.iter().enumerate() {
            let was = match &node.list {
                ListType::Map(keys) if !before.is_empty() => before.get(&identity(node.item(), keys, item)).copied(),
                ListType::Map(_) | ListType::Set | ListType::Atomic => None,
            };
            self.within(&format!("[{index}]"), |walk| walk.visit(node.item(), item, old.below(was)));
        }
    }

    fn duplicates(&mut self, node: &Node, keys: &[String], items: &[Value]) {
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            if keys.is_empty() || item.is_object() {
                self.within(&format!("[{index}]"), |walk| {
                    if !seen.insert(identity(node.item(), keys, item)) {
                        let shown = shown(&identifying(keys, item));
                        walk.report(FieldErrorReason::Duplicate, format!("Duplicate value: {shown}"));
                    }
                });
            }
        }
    }

    fn rules(&mut self, node: &Node, value: &Value, old: Old<'_>) {
        let due = |rule: &&super::rules::Rule| if rule.transition { old.value.is_some() } else { !old.unchanged };
        let due: Vec<_> = node.rules.iter().filter(due).collect();
        if due.is_empty() {
            return;
        }
        let scope = Scope::new(node, value, old.value, self.path.is_empty());
        for rule in due {
            if let Some(said) = rule.broken(&scope) {
                let at = rule.field_path.clone().unwrap_or_default();
                let at = if self.path.is_empty() { at.trim_start_matches('.') } else { &at }.to_owned();
                let kind = if node.shape == Shape::Any { type_name(value) } else { node.shape.name() };
                let message = match rule.reason {
                    FieldErrorReason::Required => format!("Required value: {said}"),
                    FieldErrorReason::Forbidden => format!("Forbidden: {said}"),
                    FieldErrorReason::Duplicate => format!("Duplicate value: \"{kind}\""),
                    _ => format!("Invalid value: \"{kind}\": {said}"),
                };
                let faults = self.faults;
                self.within(&at, |walk| walk.report(rule.reason, message));
                self.faults = faults;
            }
        }
    }

    fn limits(&mut self, node: &Node, value: &Value) {
        match value {
            Value::String(text) => self.text(node, text, value),
            Value::Number(number) => self.number(node, number.as_f64().unwrap_or(f64::NAN), value),
            Value::Array(items) => {
                let count = items.len() as u64;
                self.count(node.limits.items.max, count);
                if node.limits.items.min.is_some_and(|least| count < least) {
                    let least = node.limits.items.min.unwrap_or_default();
                    self.invalid(&count.into(), &format!("should have at least {least} items"));
                }
            }
            Value::Object(fields) => {
                let count = fields.len() as u64;
                self.count(node.limits.properties.max, count);
                if node.limits.properties.min.is_some_and(|least| count < least) {
                    let least = node.limits.properties.min.unwrap_or_default();
                    self.invalid(&count.into(), &format!("should have at least {least} properties"));
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
        if let Some(allowed) = &node.limits.allowed
            && !allowed.contains(value)
        {
            let supported = allowed.iter().map(shown).collect::<Vec<_>>().join(", ");
            let message = format!("Unsupported value: {}: supported values: {supported}", shown(value));
            self.report(FieldErrorReason::NotSupported, message);
        }
        self.combinations(node, value);
    }

    fn count(&mut self, most: Option<u64>, count: u64) {
        if let Some(most) = most.filter(|most| count > *most) {
            let message = format!("Too many: {count}: must have at most {most} items");
            self.report(FieldErrorReason::Invalid, message);
        }
    }

    fn text(&mut self, node: &Node, text: &str, value: &Value) {
        let limits = &node.limits;
        let length = if limits.length.min.or(limits.length.max).is_some() { text.chars().count() as u64 } else { 0 };
        if let Some(most) = limits.length.max.filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.report(FieldErrorReason::TooLong, message);
        }
        if let Some(least) = limits.length.min.filter(|least| length < *least) {
            self.invalid(value, &format!("should be at least {least} chars long"));
        }
        if let Some(pattern) = limits.pattern.as_ref().filter(|pattern| !pattern.regex.is_match(text)) {
            self.invalid(value, &format!("should match '{}'", pattern.text));
        }
        if let Some(name) = limits.format.as_deref().filter(|name| !format::text_fits(name, text)) {
            self.invalid(value, &format!("must be of type {name}: {}", shown(value)));
        }
    }

    fn number(&mut self, node: &Node, number: f64, value: &Value) {
        let limits = &node.limits;
        if let Some(most) = limits.number.max {
            if limits.exclusive_max && number >= most {
                self.invalid(value, &format!("should be less than {most}"));
            } else if number > most {
                self.invalid(value, &format!("should be less than or equal to {most}"));
            }
        }
        if let Some(least) = limits.number.min {
            if limits.exclusive_min && number <= least {
                self.invalid(value, &format!("should be greater than {least}"));
            } else if number < least {
                self.invalid(value, &format!("should be greater than or equal to {least}"));
            }
        }
        if let Some(step) = limits.multiple_of.filter(|step| *step > 0.0 && (number / step).fract() != 0.0) {
            self.invalid(value, &format!("should be a multiple of {step}"));
        }
        if let Some(name) = limits.format.as_deref().filter(|name| !format::number_fits(name, value)) {
            self.invalid(value, &format!("must be of type {name}: {}", shown(value)));
        }
    }

    fn combinations(&mut self, node: &Node, value: &Value) {
        let limits = &node.limits;
        let holds = |node: &std::sync::Arc<Node>| validate(node, value, None).is_empty();
        if !limits.all_of.iter().all(holds) {
            self.invalid(value, "must validate all the schemas (allOf)");
        }
        if !limits.any_of.is_empty() && !limits.any_of.iter().any(holds) {
            self.invalid(value, "must validate at least one schema (anyOf)");
        }
        if !limits.one_of.is_empty() && limits.one_of.iter().filter(|node| holds(node)).count() != 1 {
            self.invalid(value, "must validate one and only one schema (oneOf)");
        }
        if limits.not.as_ref().is_some_and(holds) {
            self.invalid(value, "must not validate the schema (not)");
        }
    }
}

fn fits(shape: Shape, value: &Value) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Object => value.is_object(),
        Shape::Array => value.is_array(),
        Shape::String => value.is_string(),
        Shape::Integer => is_whole(value),
        Shape::Number => value.is_number(),
        Shape::Boolean => value.is_boolean(),
        Shape::IntOrString => value.is_string() || value.is_number(),
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if is_whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as messages quote it, cut where it is long.
fn shown(value: &Value) -> String {
    const LONGEST: usize = 256;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What tells an item of a set or a list map from others.
fn identity(node: &Node, keys: &[String], item: &Value) -> String {
    if keys.is_empty() {
        return item.to_string();
    }
    let part = |key: &String| item.get(key).or(node.field(key).default.as_ref()).map(Value::to_string);
    keys.iter().map(|key| part(key).unwrap_or_default()).collect::<Vec<_>>().join(",")
}

fn identifying(keys: &[String], item: &Value) -> Value {
    if keys.is_empty() {
        return item.clone();
    }
    keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect::<Map<_, _>>().into()
}

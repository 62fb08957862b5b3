//! Walks of objects beside their schema: which fields there are, what differs, what a merge and a removal leave.

use super::fields::{FieldSet, Step};
use crate::embedded::api::schema::node::{ListType, Node, Shape};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A list whose items cannot be told apart: where, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {said}")]
pub(crate) struct Unkeyed {
    path: String,
    said: String,
}

impl Unkeyed {
    fn new(said: String) -> Self {
        Self { path: String::new(), said }
    }

    fn below(self, step: &Step) -> Self {
        Self { path: format!("{step}{}", self.path), said: self.said }
    }
}

/// A part of a value that may have an owner of its own.
struct Part<'a> {
    step: Step,
    node: &'a Node,
    value: &'a Value,
    /// The schema names the field. Named fields are owned through what is inside them.
    named: bool,
}

/// The parts of a value; None for a value that is owned as a whole: a scalar, an atomic, a null, an empty container.
fn parts<'a>(node: &'a Node, value: &'a Value) -> Result<Option<Vec<Part<'a>>>, Unkeyed> {
    match value {
        Value::Object(fields) if !node.atomic && !fields.is_empty() && holds_fields(node) => {
            let part = |(name, value): (&'a String, &'a Value)| Part {
                step: Step::Field(name.clone()),
                node: node.field(name),
                value,
                named: node.names(name),
            };
            Ok(Some(fields.iter().map(part).collect()))
        }
        Value::Array(items) if node.list != ListType::Atomic && !items.is_empty() => {
            let part = |value| Ok(Part { step: item_step(node, value)?, node: node.item(), value, named: false });
            items.iter().map(part).collect::<Result<_, _>>().map(Some)
        }
        _ => Ok(None),
    }
}

fn holds_fields(node: &Node) -> bool {
    matches!(node.shape, Shape::Object | Shape::Any)
}

/// The step of an item of a set or a list map.
fn item_step(node: &Node, item: &Value) -> Result<Step, Unkeyed> {
    match &node.list {
        ListType::Map(keys) => {
            let Value::Object(fields) = item else {
                return Err(Unkeyed::new(format!(
                    "associative list with keys has an element that is no object: {item}"
                )));
            };
            let inside = node.item();
            let part = |key: &'_ String| fields.get(key).or(inside.field(key).default.as_ref()).is_some();
            if !keys.iter().any(part) {
                let said = format!("associative list with keys has an element that omits key field {}", quoted(keys));
                return Err(Unkeyed::new(said));
            }
            let mut found = BTreeMap::new();
            for key in keys {
                if let Some(value) = fields.get(key).or(inside.field(key).default.as_ref()) {
                    if value.is_object() || value.is_array() {
                        return Err(Unkeyed::new(format!("key field {key:?} is no scalar")));
                    }
                    found.insert(key.as_str(), value);
                }
            }
            Ok(Step::key(&found))
        }
        ListType::Set | ListType::Atomic => match item {
            Value::Object(_) | Value::Array(_) => Err(Unkeyed::new("an item of a set is no scalar".to_owned())),
            scalar => Ok(Step::Value(scalar.to_string())),
        },
    }
}

fn quoted(keys: &[String]) -> String {
    keys.iter().map(|key| format!("{key:?}")).collect::<Vec<_>>().join(", ")
}

/// Every field of `value`, as an apply owns them. Refuses lists whose items cannot be told apart or stand twice.
pub(crate) fn field_set(node: &Node, value: &Value) -> Result<FieldSet, Unkeyed> {
    let mut set = FieldSet::default();
    let is_list = value.is_array();
    let mut seen = HashSet::new();
    for part in parts(node, value)?.unwrap_or_default() {
        if is_list && !seen.insert(part.step.clone()) {
            return Err(Unkeyed::new(format!("duplicate entries for key {}", part.step)));
        }
        let leaf = is_leaf(part.node, part.value).map_err(|fault| fault.below(&part.step))?;
        let below = field_set(part.node, part.value).map_err(|fault| fault.below(&part.step))?;
        set.insert(part.step, leaf || !part.named, below);
    }
    Ok(set)
}

fn is_leaf(node: &Node, value: &Value) -> Result<bool, Unkeyed> {
    parts(node, value).map(|parts| parts.is_none())
}

/// What differs between two values.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// Fields that are new or have another value.
    pub(crate) changed: FieldSet,
    /// Fields that are gone.
    pub(crate) removed: FieldSet,
}

/// Compares two values. A list whose items cannot be told apart counts as one value.
pub(crate) fn compare(node: &Node, before: &Value, after: &Value) -> Difference {
    let mut difference = Difference::default();
    let mut old: BTreeMap<Step, Part<'_>> = by_step(node, before);
    for (step, part) in by_step(node, after) {
        match old.remove(&step) {
            None => difference.changed.insert(step, true, everything(part.node, part.value)),
            Some(was) if equal(was.value, part.value) => {}
            Some(was) => {
                let below = compare(part.node, was.value, part.value);
                let whole = is_whole(part.node, was.value, part.value);
                difference.changed.insert(step.clone(), whole, below.changed);
                difference.removed.insert(step, false, below.removed);
            }
        }
    }
    for (step, part) in old {
        difference.removed.insert(step, true, everything(part.node, part.value));
    }
    difference
}

/// Whether two different values differ as wholes: at least one of them is no container of parts, nor an empty one.
fn is_whole(node: &Node, before: &Value, after: &Value) -> bool {
    let has_parts = |value: &Value| !is_leaf(node, value).unwrap_or(true);
    let same_kind = before.is_object() == after.is_object() && before.is_array() == after.is_array();
    !(same_kind && (has_parts(before) || has_parts(after)))
}

fn by_step<'a>(node: &'a Node, value: &'a Value) -> BTreeMap<Step, Part<'a>> {
    let parts = parts(node, value).ok().flatten().unwrap_or_default();
    let mut found = BTreeMap::new();
    for part in parts {
        // Of items that stand twice the first one counts.
        found.entry(part.step.clone()).or_insert(part);
    }
    found
}

/// Every path below a value, containers too.
fn everything(node: &Node, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    for (step, part) in by_step(node, value) {
        set.insert(step, true, everything(part.node, part.value));
    }
    set
}

/// Equality of values; `1` and `1.0` are one number.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

/// `live` with `applied` merged in by the schema. Nothing is removed.
pub(crate) fn merge(node: &Node, live: &Value, applied: &Value) -> Value {
    match (live, applied) {
        (Value::Object(live), Value::Object(applied)) if !node.atomic && holds_fields(node) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                let value = live.get(name).map_or_else(|| value.clone(), |was| merge(node.field(name), was, value));
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(applied)) if node.list != ListType::Atomic => {
            merge_items(node, live, applied).unwrap_or_else(|_| Value::Array(applied.clone()))
        }
        _ if equal(live, applied) => live.clone(),
        _ => applied.clone(),
    }
}

/// Items of both come in the order of `applied`; an item of `live` alone stays behind the one that it was behind.
fn merge_items(node: &Node, live: &[Value], applied: &[Value]) -> Result<Value, Unkeyed> {
    let steps = |items: &[Value]| items.iter().map(|item| item_step(node, item)).collect::<Result<Vec<_>, _>>();
    let (live_steps, applied_steps) = (steps(live)?, steps(applied)?);
    let wanted: HashSet<&Step> = applied_steps.iter().collect();
    let mut matches: HashMap<&Step, &Value> = HashMap::new();
    for (step, item) in live_steps.iter().zip(live) {
        matches.entry(step).or_insert(item);
    }
    let mut merged = Vec::with_capacity(live.len() + applied.len());
    let mut rest = live_steps.iter().zip(live).peekable();
    let mut done = HashSet::new();
    for (step, item) in applied_steps.iter().zip(applied) {
        while let Some((at, own)) = rest.next_if(|(at, _)| !wanted.contains(at) || done.contains(at)) {
            if !wanted.contains(at) {
                merged.push(own.clone());
            }
        }
        merged.push(matches.get(step).map_or_else(|| item.clone(), |was| merge(node.item(), was, item)));
        done.insert(step);
    }
    merged.extend(rest.filter(|(step, _)| !wanted.contains(step)).map(|(_, own)| own.clone()));
    Ok(Value::Array(merged))
}

/// Takes out of `value` what `last` has and `keep` has not. A named field belongs to a set that has anything inside it.
pub(crate) fn remove(node: &Node, value: &mut Value, last: &FieldSet, keep: Option<&FieldSet>) {
    let goes = |step: &Step, named: bool| {
        let in_set = |set: &FieldSet| set.has(step) || (named && set.below(step).is_some());
        in_set(last) && !keep.is_some_and(in_set)
    };
    match value {
        Value::Object(fields) if !node.atomic && holds_fields(node) => {
            remove_fields(node, fields, last, keep, goes);
        }
        Value::Array(items) if node.list != ListType::Atomic => {
            items.retain_mut(|item| {
                let Ok(step) = item_step(node, item) else { return true };
                if goes(&step, false) {
                    return false;
                }
                if let Some(below) = last.below(&step) {
                    remove(node.item(), item, below, keep.and_then(|keep| keep.below(&step)));
                }
                true
            });
        }
        _ => {}
    }
}

fn remove_fields(
    node: &Node,
    fields: &mut Map<String, Value>,
    last: &FieldSet,
    keep: Option<&FieldSet>,
    goes: impl Fn(&Step, bool) -> bool,
) {
    fields.retain(|name, field| {
        let step = Step::Field(name.clone());
        if goes(&step, node.names(name)) {
            return false;
        }
        let Some(below) = last.below(&step) else { return true };
        let was_empty = is_empty(field);
        remove(node.field(name), field, below, keep.and_then(|keep| keep.below(&step)));
        // A container that lost all it had goes too, unless somebody wants it empty.
        was_empty || !is_empty(field) || keep.is_some_and(|keep| keep.has(&step))
    });
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

//! Strategic merge patch: maps merge by field, lists by the key that their kind's schema names, and directives
//! (`$patch`, `$retainKeys`, `$setElementOrder`, `$deleteFromPrimitiveList`) say the rest.

use super::PatchError;
use crate::embedded::api::schema::KindSchema;
use crate::embedded::api::schema::node::Node;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

/// `target` with `patch` merged in by the schema's merge keys and the patch's directives.
pub fn strategic_merge_patch(kind: &KindSchema, target: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Object(changes) = patch else {
        return Err(PatchError::Malformed("a strategic merge patch is an object".to_owned()));
    };
    let empty = Map::new();
    let fields = target.as_object().unwrap_or(&empty);
    merge_fields(kind.root(), fields, changes, false).map(Value::Object)
}

fn malformed(said: String) -> PatchError {
    PatchError::Malformed(said)
}

/// What `$patch` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

fn directive(changes: &Map<String, Value>) -> Result<Directive, PatchError> {
    match changes.get(DIRECTIVE).map(Value::as_str) {
        None | Some(Some("merge")) => Ok(Directive::Merge),
        Some(Some("replace")) => Ok(Directive::Replace),
        Some(Some("delete")) => Ok(Directive::Delete),
        Some(Some(other)) => {
            Err(malformed(format!("unknown patch type found: {other:?}; delete, merge and replace are known")))
        }
        Some(None) => Err(malformed(format!("the value of {DIRECTIVE} is a string"))),
    }
}

/// Merges an object. `retain` says whether its field understands `$retainKeys`.
fn merge_fields(
    node: &Node,
    fields: &Map<String, Value>,
    changes: &Map<String, Value>,
    retain: bool,
) -> Result<Map<String, Value>, PatchError> {
    match directive(changes)? {
        Directive::Delete => return Ok(Map::new()),
        Directive::Replace => {
            return Ok(changes
                .iter()
                .filter(|(name, _)| *name != DIRECTIVE)
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect());
        }
        Directive::Merge => {}
    }
    let mut merged = fields.clone();
    if let Some(kept) = changes.get(RETAIN_KEYS) {
        retain_keys(&mut merged, changes, kept, retain)?;
    }
    for (name, gone) in directives(changes, DELETE_FROM) {
        delete_from(&mut merged, name, gone)?;
    }
    for (name, change) in changes {
        if name.starts_with('$') && is_directive(name) {
            continue;
        }
        if change.is_null() {
            merged.remove(name);
            continue;
        }
        let field = node.field(name);
        let order = changes.get(&format!("{SET_ORDER}{name}"));
        let value = merge_field(field, merged.get(name), change, order)?;
        merged.insert(name.clone(), value);
    }
    for (name, order) in directives(changes, SET_ORDER) {
        let untouched = !changes.contains_key(name);
        if let (true, Some(items)) = (untouched, merged.get(name)) {
            let ordered = merge_field(node.field(name), Some(items), &Value::Array(Vec::new()), Some(order))?;
            merged.insert(name.to_owned(), ordered);
        }
    }
    Ok(merged)
}

fn is_directive(name: &str) -> bool {
    name == DIRECTIVE || name == RETAIN_KEYS || name.starts_with(SET_ORDER) || name.starts_with(DELETE_FROM)
}

/// The directives of one sort, by the field that they are about.
fn directives<'a>(changes: &'a Map<String, Value>, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let prefix = prefix.to_owned();
    changes.iter().filter_map(move |(name, value)| Some((name.strip_prefix(&prefix)?, value)))
}

fn retain_keys(
    merged: &mut Map<String, Value>,
    changes: &Map<String, Value>,
    kept: &Value,
    understood: bool,
) -> Result<(), PatchError> {
    if !understood {
        return Err(malformed(format!(
            "{RETAIN_KEYS} is not allowed here: the field's patch strategy is not retainKeys"
        )));
    }
    let Value::Array(kept) = kept else {
        return Err(malformed(format!("the value of {RETAIN_KEYS} is a list of field names")));
    };
    let kept: HashSet<&str> = kept.iter().filter_map(Value::as_str).collect();
    let set = |(name, change): &(&String, &Value)| !is_directive(name) && !change.is_null();
    if let Some((stray, _)) = changes.iter().filter(set).find(|(name, _)| !kept.contains(name.as_str())) {
        return Err(malformed(format!("the patch sets {stray:?}, which its {RETAIN_KEYS} leaves out")));
    }
    merged.retain(|name, _| kept.contains(name.as_str()));
    Ok(())
}

fn delete_from(merged: &mut Map<String, Value>, name: &str, gone: &Value) -> Result<(), PatchError> {
    let Value::Array(gone) = gone else {
        return Err(malformed(format!("the value of {DELETE_FROM}{name} is a list")));
    };
    let gone: HashSet<String> = gone.iter().map(Value::to_string).collect();
    if let Some(Value::Array(items)) = merged.get_mut(name) {
        items.retain(|item| !gone.contains(&item.to_string()));
    }
    Ok(())
}

fn merge_field(node: &Node, was: Option<&Value>, change: &Value, order: Option<&Value>) -> Result<Value, PatchError> {
    let (no_fields, no_items) = (Map::new(), Vec::new());
    match change {
        Value::Object(changes) => {
            let fields = was.and_then(Value::as_object).unwrap_or(&no_fields);
            merge_fields(node, fields, changes, node.patch.retain_keys).map(Value::Object)
        }
        Value::Array(changes) if node.patch.merge => {
            let items = was.and_then(Value::as_array).unwrap_or(&no_items);
            let merged = match &node.patch.key {
                Some(key) => merge_objects(node, key, items, changes)?,
                None => merge_scalars(items, changes)?,
            };
            match order {
                Some(order) => ordered(node.patch.key.as_deref(), items, changes, merged, order),
                None => Ok(Value::Array(merged)),
            }
        }
        Value::Array(changes) => {
            Ok(Value::Array(changes.iter().filter(|item| !is_replace_marker(item)).cloned().collect()))
        }
        scalar => Ok(scalar.clone()),
    }
}

/// An item that is nothing but `$patch: replace`: the list is replaced by the patch's other items.
fn is_replace_marker(item: &Value) -> bool {
    item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")
}

fn merge_scalars(items: &[Value], changes: &[Value]) -> Result<Vec<Value>, PatchError> {
    let mut seen: HashSet<String> = items.iter().map(Value::to_string).collect();
    let mut merged = items.to_vec();
    for change in changes {
        if change.is_object() || change.is_array() {
            return Err(malformed("a list of scalars got an item that is none".to_owned()));
        }
        if seen.insert(change.to_string()) {
            merged.push(change.clone());
        }
    }
    Ok(merged)
}

fn merge_objects(node: &Node, key: &str, items: &[Value], changes: &[Value]) -> Result<Vec<Value>, PatchError> {
    if changes.iter().any(is_replace_marker) {
        return Ok(changes.iter().filter(|item| !is_replace_marker(item)).cloned().collect());
    }
    let mut merged: Vec<Option<Value>> = items.iter().cloned().map(Some).collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(value) = item.get(key) {
            places.entry(value.to_string()).or_insert(index);
        }
    }
    for change in changes {
        let Value::Object(fields) = change else {
            return Err(malformed(format!("a list that merges by {key:?} got an item that is no object: {change}")));
        };
        let Some(value) = fields.get(key) else {
            return Err(malformed(format!("map: {change} does not contain declared merge key: {key}")));
        };
        let place = places.get(&value.to_string()).copied();
        let slot = place.and_then(|place| merged.get_mut(place));
        if directive(fields)? == Directive::Delete {
            if let Some(slot) = slot {
                *slot = None;
            }
            continue;
        }
        let no_fields = Map::new();
        let was = slot.as_ref().and_then(|slot| slot.as_ref()).and_then(Value::as_object).unwrap_or(&no_fields);
        let item = Value::Object(merge_fields(node.item(), was, fields, node.patch.retain_keys)?);
        match slot {
            Some(slot) => *slot = Some(item),
            None => {
                places.insert(value.to_string(), merged.len());
                merged.push(Some(item));
            }
        }
    }
    Ok(merged.into_iter().flatten().collect())
}

/// Puts merged items into the order of `$setElementOrder`; items that it leaves out stay before the first listed item
/// that they stood before.
fn ordered(
    key: Option<&str>,
    before: &[Value],
    changes: &[Value],
    merged: Vec<Value>,
    order: &Value,
) -> Result<Value, PatchError> {
    let Value::Array(order) = order else {
        return Err(malformed(format!("the value of {SET_ORDER} is a list")));
    };
    let identity = |item: &Value| key.map_or(Some(item), |key| item.get(key)).map(Value::to_string);
    let wanted: HashMap<String, usize> =
        order.iter().enumerate().filter_map(|(index, item)| Some((identity(item)?, index))).collect();
    let is_set = |change: &&Value| change.get(DIRECTIVE).is_none();
    if let Some(stray) =
        changes.iter().filter(is_set).find(|change| identity(change).is_none_or(|it| !wanted.contains_key(&it)))
    {
        return Err(malformed(format!("the item {stray} is not in the patch's $setElementOrder list")));
    }
    let stood: HashMap<String, usize> =
        before.iter().enumerate().filter_map(|(index, item)| Some((identity(item)?, index))).collect();
    let place = |item: &Value| identity(item).and_then(|it| stood.get(&it).copied());
    let rank = |item: &Value| identity(item).and_then(|it| wanted.get(&it).copied());
    let (mut listed, rest): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| rank(item).is_some());
    listed.sort_by_key(rank);
    let mut rest = rest.into_iter().peekable();
    let mut result = Vec::with_capacity(listed.len() + rest.len());
    for item in listed {
        while let Some(own) =
            rest.next_if(|own| matches!((place(own), place(&item)), (Some(own), Some(it)) if own < it))
        {
            result.push(own);
        }
        result.push(item);
    }
    result.extend(rest);
    Ok(Value::Array(result))
}

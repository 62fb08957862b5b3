//! Small accessors for objects kept as JSON.

use serde_json::{Map, Value};

/// The text at a JSON pointer, or the empty string.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The integer at a JSON pointer.
pub(crate) fn integer(value: &Value, pointer: &str) -> Option<i64> {
    value.pointer(pointer).and_then(Value::as_i64)
}

/// The items of the list at a JSON pointer; none where there is no list.
pub(crate) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The map at a JSON pointer.
pub(crate) fn map<'a>(value: &'a Value, pointer: &str) -> Option<&'a Map<String, Value>> {
    value.pointer(pointer).and_then(Value::as_object)
}

/// The map at `path`, made where it is missing. What is not a map on the way is replaced.
pub(crate) fn map_mut<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Map<String, Value> {
    let mut place = value;
    for name in path {
        place = as_map(place).entry((*name).to_owned()).or_insert_with(|| Value::Object(Map::new()));
    }
    as_map(place)
}

fn as_map(place: &mut Value) -> &mut Map<String, Value> {
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    match place {
        Value::Object(map) => map,
        _ => unreachable!("made a map above"),
    }
}

/// Puts `item` at `path`.
pub(crate) fn set(value: &mut Value, path: &[&str], item: impl Into<Value>) {
    if let Some((last, front)) = path.split_last() {
        map_mut(value, front).insert((*last).to_owned(), item.into());
    }
}

/// Puts `item` at `path` unless something other than `null` is there.
pub(crate) fn set_default(value: &mut Value, path: &[&str], item: impl Into<Value>) {
    if let Some((last, front)) = path.split_last() {
        let map = map_mut(value, front);
        if map.get(*last).is_none_or(Value::is_null) {
            map.insert((*last).to_owned(), item.into());
        }
    }
}

/// Takes away what is at `path`, and makes nothing on the way.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, front) = path.split_last()?;
    let mut place = value;
    for name in front {
        place = place.get_mut(*name)?;
    }
    place.as_object_mut()?.remove(*last)
}

/// The list of maps at `path`, to be changed in place; empty where there is none.
pub(crate) fn items_mut<'a>(value: &'a mut Value, pointer: &str) -> &'a mut [Value] {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).map(Vec::as_mut_slice).unwrap_or_default()
}

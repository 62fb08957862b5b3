//! Tables of custom resources: the printer columns of their definition.

use super::super::kinds::Kind;
use super::{Column, age};
use serde_json::Value;

pub(super) fn columns(kind: &Kind) -> Vec<Column> {
    let mut columns = vec![Column::new("Name", 0)];
    columns.extend(kind.columns.iter().map(|column| Column {
        name: column.name.clone(),
        kind: match column.type_.as_str() {
            "integer" => "integer",
            "number" => "number",
            "boolean" => "boolean",
            "date" => "date",
            _ => "string",
        },
        format: "",
        priority: column.priority.unwrap_or_default(),
        description: column.description.clone().unwrap_or_default(),
    }));
    if kind.columns.is_empty() {
        columns.push(Column { kind: "date", ..Column::new("Age", 0) });
    }
    columns
}

pub(super) fn cells(kind: &Kind, object: &Value) -> Vec<Value> {
    let mut cells = vec![Value::from(super::json::text(object, "/metadata/name"))];
    for column in &kind.columns {
        let found = at(object, &column.json_path);
        cells.push(match (column.type_.as_str(), found) {
            ("date", Some(Value::String(_))) => age(object, &pointer(&column.json_path)),
            ("integer" | "number" | "boolean", Some(value)) => value.clone(),
            (_, Some(Value::String(text))) => Value::from(text.as_str()),
            (_, Some(value)) => Value::from(value.to_string()),
            (_, None) => Value::Null,
        });
    }
    if kind.columns.is_empty() {
        cells.push(age(object, "/metadata/creationTimestamp"));
    }
    cells
}

fn pointer(path: &str) -> String {
    path.replace('.', "/")
}

/// A value by the JSON paths that printer columns use: fields, and `[?(@.field=="value")]` in lists.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let mut place = object;
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(filter) = rest.strip_prefix("[?(@.") {
            let (condition, after) = filter.split_once(")]")?;
            let (field, wanted) = condition.split_once("==")?;
            let wanted = wanted.trim().trim_matches(['"', '\'']);
            let found = |item: &&Value| item.get(field.trim()).and_then(Value::as_str) == Some(wanted);
            place = place.as_array()?.iter().find(found)?;
            rest = after;
        } else if let Some(index) = rest.strip_prefix('[') {
            let (index, after) = index.split_once(']')?;
            place = place.get(index.parse::<usize>().ok()?)?;
            rest = after;
        } else {
            let name = rest.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            place = place.get(name)?;
            rest = after;
        }
    }
    (!place.is_null()).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::at;
    use serde_json::json;

    #[test]
    fn a_condition_is_found_by_its_type() {
        let object =
            json!({"status": {"conditions": [{"type": "A", "status": "no"}, {"type": "Ready", "status": "True"}]}});
        let path = ".status.conditions[?(@.type==\"Ready\")].status";
        assert_eq!(at(&object, path), Some(&json!("True")));
        assert_eq!(at(&json!({}), path), None);
    }
}

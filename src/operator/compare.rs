//! Whether an object in the cluster still is as we rendered it.

use crate::model::milli;
use serde_json::Value;

/// The path of the first field in `desired` that `live` has otherwise or not at all. What `live` has beyond that is
/// other people's.
pub fn first_difference(desired: &Value, live: &Value) -> Option<String> {
    let mut path = Vec::new();
    differs(desired, live, &mut path).then(|| path.join("."))
}

fn differs(desired: &Value, live: &Value, path: &mut Vec<String>) -> bool {
    match (desired, live) {
        (Value::Object(wanted), Value::Object(there)) => wanted.iter().any(|(name, value)| {
            path.push(name.clone());
            let found = differs(value, there.get(name).unwrap_or(&Value::Null), path);
            if !found {
                path.pop();
            }
            found
        }),
        (Value::Array(wanted), Value::Array(there)) => match merge_key(wanted) {
            Some(key) => wanted.iter().any(|item| {
                let same = there.iter().find(|other| other.get(key) == item.get(key)).unwrap_or(&Value::Null);
                differs(item, same, path)
            }),
            None => {
                wanted.len() != there.len() || wanted.iter().zip(there).any(|(item, other)| differs(item, other, path))
            }
        },
        (Value::Array(items), Value::Null) => !items.is_empty(),
        (Value::Object(fields), Value::Null) => !fields.is_empty(),
        // The typed live object leaves an empty text out, where it is the default.
        (Value::String(text), Value::Null) => !text.is_empty(),
        (Value::String(wanted), Value::String(there)) if is_quantity(path) => {
            wanted != there && milli(wanted).is_none_or(|wanted| milli(there) != Some(wanted))
        }
        _ => desired != live,
    }
}

/// The field by which items of such a list are told apart, for lists that others may add to.
fn merge_key(items: &[Value]) -> Option<&'static str> {
    ["uid", "name", "containerPort", "mountPath", "port"]
        .into_iter()
        .find(|key| !items.is_empty() && items.iter().all(|item| item.get(key).is_some()))
}

/// Quantities are rewritten by the API server: `1000m` becomes `1`.
fn is_quantity(path: &[String]) -> bool {
    path.iter().rev().nth(1).is_some_and(|parent| parent == "requests" || parent == "limits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_others_add_is_no_difference_and_what_they_change_is_one() {
        let desired =
            json!({"spec": {"replicas": 1, "containers": [{"name": "a", "env": [{"name": "X", "value": ""}]}]}});
        let added = json!({"spec": {"replicas": 1, "paused": false, "containers": [
            {"name": "side"}, {"name": "a", "image": "i", "env": [{"name": "Y"}, {"name": "X"}]}]}});
        assert_eq!(first_difference(&desired, &added), None);
        let changed = json!({"spec": {"replicas": 3, "containers": [{"name": "a", "env": [{"name": "X"}]}]}});
        assert_eq!(first_difference(&desired, &changed).as_deref(), Some("spec.replicas"));
        let gone = json!({"spec": {"replicas": 1, "containers": [{"name": "side"}]}});
        assert_eq!(first_difference(&desired, &gone).as_deref(), Some("spec.containers"));
    }

    #[test]
    fn quantities_are_compared_by_what_they_mean() {
        let of = |cpu: &str| json!({"limits": {"cpu": cpu}});
        for (a, b) in [("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1k", "1000")] {
            assert_eq!(first_difference(&of(a), &of(b)), None, "{a} {b}");
        }
        assert!(first_difference(&of("1"), &of("2")).is_some());
    }
}

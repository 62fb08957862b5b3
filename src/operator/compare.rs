//! Whether an object in the cluster still is as we rendered it.

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
            wanted != there && quantity(wanted).is_none_or(|wanted| quantity(there) != Some(wanted))
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

/// A quantity in thousandths. `None` for what is none, or is written with an exponent.
fn quantity(text: &str) -> Option<i128> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction: i128 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let milli = whole.parse::<i128>().ok()?.checked_mul(1000)?.checked_add(fraction)?;
    let factor: i128 = match suffix {
        "" => 1,
        "m" => return Some(milli / 1000),
        "k" => 1000,
        "M" => 1000_i128.pow(2),
        "G" => 1000_i128.pow(3),
        "T" => 1000_i128.pow(4),
        "Ki" => 1024,
        "Mi" => 1024_i128.pow(2),
        "Gi" => 1024_i128.pow(3),
        "Ti" => 1024_i128.pow(4),
        _ => return None,
    };
    milli.checked_mul(factor)
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

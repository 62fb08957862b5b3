//! How deep an object nests. All that walks objects recurses, so that depth is checked before.

use serde_json::Value;

/// The most levels that an object may have: what is stored is read again by a parser that takes no more.
pub(crate) const DEEPEST: usize = 126;

/// The levels below a value (a scalar has none) and about how many bytes it takes. Does not recurse.
pub(crate) fn measure(value: &Value) -> (usize, usize) {
    let (mut deepest, mut bytes) = (0, 0_usize);
    let mut open = vec![(value, 0_usize)];
    while let Some((value, depth)) = open.pop() {
        deepest = deepest.max(depth);
        bytes = bytes.saturating_add(2);
        match value {
            Value::String(text) => bytes = bytes.saturating_add(text.len()),
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => {
                for (name, field) in fields {
                    bytes = bytes.saturating_add(name.len() + 2);
                    open.push((field, depth + 1));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => bytes = bytes.saturating_add(4),
        }
    }
    (deepest, bytes)
}

/// Whether a value nests too deeply to be walked.
pub(crate) fn is_too_deep(value: &Value) -> bool {
    measure(value).0 > DEEPEST
}

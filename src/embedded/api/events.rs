//! Events have two groups and one storage: they are kept in the form of the core group.

use super::kinds::Kind;
use serde_json::{Map, Value};

/// Fields of `events.k8s.io/v1` that have another name in `v1`: new name, old name.
const RENAMED: [(&str, &str); 5] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
];

/// Whether objects of this kind are to be read and written as `events.k8s.io/v1`.
pub(crate) fn is_new_group(kind: &Kind) -> bool {
    kind.info.group == "events.k8s.io"
}

/// From `v1` to `events.k8s.io/v1`.
pub(crate) fn to_new_group(event: &Value) -> Value {
    let pairs = RENAMED.map(|(new, old)| (old, new));
    let names = [("count", "deprecatedCount"), ("reportingComponent", "reportingController")];
    renamed(event, pairs.into_iter().chain(names), "events.k8s.io/v1")
}

/// From `events.k8s.io/v1` to `v1`.
pub(crate) fn to_core(event: &Value) -> Value {
    let names = [("deprecatedCount", "count"), ("reportingController", "reportingComponent")];
    renamed(event, RENAMED.into_iter().chain(names), "v1")
}

fn renamed(event: &Value, names: impl Iterator<Item = (&'static str, &'static str)>, api_version: &str) -> Value {
    let mut out: Map<String, Value> = event.as_object().cloned().unwrap_or_default();
    for (from, to) in names {
        if let Some(value) = out.remove(from) {
            out.insert(to.to_owned(), value);
        }
    }
    out.insert("apiVersion".to_owned(), Value::String(api_version.to_owned()));
    Value::Object(out)
}

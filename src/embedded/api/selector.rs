//! Which objects of a resource are meant: by label and by field.

use super::failure::{Failure, Outcome};
use super::json;
use super::kinds::KindInfo;
use super::request::Query;
use super::store::ObjectKey;
use serde_json::Value;

/// Namespace, name, labels and fields that an object must have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    labels: Vec<Requirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldRequirement {
    pointer: String,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads the selectors of a request for objects of a kind.
    pub(crate) fn read(kind: &KindInfo, namespace: Option<&str>, name: Option<&str>, query: &Query) -> Outcome<Self> {
        let mut selector = Self {
            namespace: namespace.map(ToOwned::to_owned),
            name: name.map(ToOwned::to_owned),
            labels: labels(query.text("labelSelector"))?,
            fields: Vec::new(),
        };
        for (field, value, equal) in fields(query.text("fieldSelector"))? {
            match (field.as_str(), equal) {
                ("metadata.name", true) if selector.name.is_none() => selector.name = Some(value),
                ("metadata.namespace", true) if selector.namespace.is_none() && kind.namespaced => {
                    selector.namespace = Some(value);
                }
                _ => selector.fields.push(FieldRequirement { pointer: pointer(kind, &field)?, value, equal }),
            }
        }
        Ok(selector)
    }

    /// Whether it depends on more than namespace and name, which never change.
    pub(crate) fn by_content(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    pub(crate) fn key_matches(&self, key: &ObjectKey) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }

    pub(crate) fn content_matches(&self, object: &Value) -> bool {
        let labels = json::map(object, "/metadata/labels");
        self.labels.iter().all(|requirement| {
            let value = labels.and_then(|labels| labels.get(&requirement.key)).and_then(Value::as_str);
            match (&requirement.operator, value) {
                (Operator::In(values), Some(value)) => values.iter().any(|wanted| wanted == value),
                (Operator::NotIn(values), Some(value)) => values.iter().all(|unwanted| unwanted != value),
                (Operator::Exists, value) => value.is_some(),
                (Operator::DoesNotExist, value) => value.is_none(),
                (Operator::In(_), None) => false,
                (Operator::NotIn(_), None) => true,
            }
        }) && self.fields.iter().all(|requirement| {
            let found = match object.pointer(&requirement.pointer) {
                Some(Value::String(text)) => *text == requirement.value,
                Some(Value::Null) | None => requirement.value.is_empty(),
                Some(Value::Bool(flag)) => requirement.value.parse() == Ok(*flag),
                Some(Value::Number(number)) => {
                    requirement.value.parse().is_ok_and(|wanted: i64| number.as_i64() == Some(wanted))
                }
                Some(Value::Array(_) | Value::Object(_)) => false,
            };
            found == requirement.equal
        })
    }
}

fn labels(text: &str) -> Outcome<Vec<Requirement>> {
    let unparsable = |part: &str| Failure::bad_request(format!("unable to parse requirement: {part}"));
    let mut requirements = Vec::new();
    for part in outer_split(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let requirement = if let Some(key) = part.strip_prefix('!') {
            Requirement { key: key.trim().to_owned(), operator: Operator::DoesNotExist }
        } else if let Some((key, values)) = set_part(part, " notin ").or_else(|| set_part(part, " notin(")) {
            Requirement { key, operator: Operator::NotIn(values) }
        } else if let Some((key, values)) = set_part(part, " in ").or_else(|| set_part(part, " in(")) {
            Requirement { key, operator: Operator::In(values) }
        } else if let Some((key, value)) = part.split_once("!=") {
            Requirement { key: key.trim().to_owned(), operator: Operator::NotIn(vec![value.trim().to_owned()]) }
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            Requirement { key: key.trim().to_owned(), operator: Operator::In(vec![value.trim().to_owned()]) }
        } else {
            Requirement { key: part.to_owned(), operator: Operator::Exists }
        };
        if requirement.key.is_empty() || requirement.key.contains(|c: char| c.is_whitespace() || "()<>".contains(c)) {
            return Err(unparsable(part));
        }
        requirements.push(requirement);
    }
    Ok(requirements)
}

/// Splits at commas that are not inside of parentheses.
fn outer_split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

fn set_part(part: &str, operator: &str) -> Option<(String, Vec<String>)> {
    let (key, values) = part.split_once(operator)?;
    let values = values.trim().trim_start_matches('(').strip_suffix(')')?;
    Some((key.trim().to_owned(), values.split(',').map(|value| value.trim().to_owned()).collect()))
}

fn fields(text: &str) -> Outcome<Vec<(String, String, bool)>> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                let said = format!("invalid selector: '{text}'; can't understand '{part}'");
                return Err(Failure::bad_request(said));
            };
            Ok((field.trim().to_owned(), value.trim().to_owned(), equal))
        })
        .collect()
}

fn pointer(kind: &KindInfo, field: &str) -> Outcome<String> {
    let known: &[&str] = match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "type",
            "source",
        ],
        ("events.k8s.io", "Event") => &["regarding.kind", "regarding.namespace", "regarding.name", "reason", "type"],
        ("", "Secret") => &["type"],
        ("", "Namespace") => &["status.phase"],
        ("", "Node") => &["spec.unschedulable"],
        ("apps", "ReplicaSet") => &["status.replicas"],
        _ => &[],
    };
    let common = ["metadata.name", "metadata.namespace"];
    if !known.contains(&field) && !common.contains(&field) {
        return Err(Failure::bad_request(format!("field label not supported: {field}")));
    }
    let field = match field {
        "source" => "source.component",
        // Events are kept in the form of the core group.
        other => other,
    };
    Ok(format!("/{}", field.replace("regarding.", "involvedObject.").replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matches(selector: &str, object: &Value) -> bool {
        let selector = Selector { labels: labels(selector).unwrap(), ..Selector::default() };
        selector.content_matches(object)
    }

    #[test]
    fn every_operator_of_a_label_selector_is_known() {
        let object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
        for yes in ["", "a", "!c", "a=1", "a==1", "a!=2", "c!=1", "a in (1,2),b", "a notin (3)", "c notin (1)"] {
            assert!(matches(yes, &object), "{yes}");
        }
        for no in ["c", "!a", "a=2", "a!=1", "a in (2,3)", "c in (1)", "a notin (1,2)", "a=1,b=3"] {
            assert!(!matches(no, &object), "{no}");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_read_is_refused() {
        assert!(labels("a b").is_err());
        assert!(fields("a").is_err());
    }
}

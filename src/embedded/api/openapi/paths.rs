//! The paths of a kind, with the verbs and the query parameters that clients look for.

use super::Served;
use super::schemas::Dialect;
use serde_json::{Map, Value, json};

/// One operation on a path.
struct Operation {
    method: &'static str,
    action: &'static str,
    query: &'static [&'static str],
    body: Body,
}

/// What a request carries.
#[derive(Clone, Copy)]
enum Body {
    None,
    Object,
    Patch,
}

const READ: &[&str] = &["pretty"];
const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "pretty"];
const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force", "pretty"];
const DELETE: &[&str] = &["dryRun", "gracePeriodSeconds", "orphanDependents", "pretty", "propagationPolicy"];

const COLLECTION: [Operation; 3] = [
    Operation { method: "get", action: "list", query: LIST, body: Body::None },
    Operation { method: "post", action: "post", query: WRITE, body: Body::Object },
    Operation { method: "delete", action: "deletecollection", query: DELETE, body: Body::None },
];
const ITEM: [Operation; 4] = [
    Operation { method: "get", action: "get", query: READ, body: Body::None },
    Operation { method: "put", action: "put", query: WRITE, body: Body::Object },
    Operation { method: "patch", action: "patch", query: PATCH, body: Body::Patch },
    Operation { method: "delete", action: "delete", query: DELETE, body: Body::None },
];

/// The paths of a kind.
pub(super) fn of(kind: &Served, dialect: Dialect) -> Map<String, Value> {
    let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let collection = format!("/{}{scope}/{}", kind.group_version(), kind.plural);
    let item = format!("{collection}/{{name}}");
    let mut paths = Map::new();
    paths.insert(collection, path(kind, &COLLECTION, false, dialect));
    if kind.namespaced {
        let everywhere = format!("/{}/{}", kind.group_version(), kind.plural);
        let list = COLLECTION.iter().filter(|operation| operation.action == "list");
        let operations = list.map(|list| (list.method.to_owned(), operation(kind, list, dialect)));
        paths.insert(everywhere, Value::Object(operations.collect()));
    }
    if kind.status {
        let status = ITEM.iter().filter(|operation| operation.action != "delete");
        let mut operations: Map<String, Value> =
            status.map(|one| (one.method.to_owned(), operation(kind, one, dialect))).collect();
        operations.insert("parameters".to_owned(), place(kind, true, dialect));
        paths.insert(format!("{item}/status"), Value::Object(operations));
    }
    paths.insert(item, path(kind, &ITEM, true, dialect));
    paths
}

fn path(kind: &Served, operations: &[Operation], named: bool, dialect: Dialect) -> Value {
    let mut path: Map<String, Value> =
        operations.iter().map(|one| (one.method.to_owned(), operation(kind, one, dialect))).collect();
    path.insert("parameters".to_owned(), place(kind, named, dialect));
    Value::Object(path)
}

/// The parameters in the path itself.
fn place(kind: &Served, named: bool, dialect: Dialect) -> Value {
    let name = named.then_some("name");
    let namespace = kind.namespaced.then_some("namespace");
    name.into_iter().chain(namespace).map(|name| parameter(name, "path", dialect)).collect()
}

fn parameter(name: &str, place: &str, dialect: Dialect) -> Value {
    let kind = match name {
        "limit" | "timeoutSeconds" | "gracePeriodSeconds" => "integer",
        "watch" | "allowWatchBookmarks" | "sendInitialEvents" | "force" | "orphanDependents" => "boolean",
        _ => "string",
    };
    let mut parameter = json!({"name": name, "in": place});
    if let Value::Object(parameter) = &mut parameter {
        match dialect {
            Dialect::V2 => parameter.insert("type".to_owned(), json!(kind)),
            Dialect::V3 => parameter.insert("schema".to_owned(), json!({"type": kind, "uniqueItems": true})),
        };
        if place == "path" {
            parameter.insert("required".to_owned(), json!(true));
        }
    }
    parameter
}

fn operation(kind: &Served, operation: &Operation, dialect: Dialect) -> Value {
    let mut parameters: Vec<Value> = operation.query.iter().map(|name| parameter(name, "query", dialect)).collect();
    let object = json!({"$ref": dialect.reference(&kind.definition)});
    let content = match operation.body {
        Body::None => None,
        Body::Object => Some((vec!["application/json", "application/yaml"], object.clone())),
        Body::Patch => Some((patches(kind), json!({"type": "object"}))),
    };
    let mut result = json!({
        "operationId": format!("{}{}", operation.action, kind.kind),
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": kind.gvk(),
    });
    let Value::Object(fields) = &mut result else { return result };
    let answer = match dialect {
        Dialect::V2 => json!({"200": {"description": "OK", "schema": object}}),
        Dialect::V3 => json!({"200": {"description": "OK", "content": {"application/json": {"schema": object}}}}),
    };
    fields.insert("responses".to_owned(), answer);
    match (dialect, content) {
        (_, None) => {}
        (Dialect::V2, Some((media, schema))) => {
            parameters.push(json!({"name": "body", "in": "body", "required": true, "schema": schema}));
            fields.insert("consumes".to_owned(), json!(media));
        }
        (Dialect::V3, Some((media, schema))) => {
            let content: Map<String, Value> =
                media.into_iter().map(|media| (media.to_owned(), json!({"schema": schema}))).collect();
            fields.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
    }
    fields.insert("parameters".to_owned(), Value::Array(parameters));
    result
}

/// The media types of patches that a kind takes.
fn patches(kind: &Served) -> Vec<&'static str> {
    let strategic = (!kind.custom).then_some("application/strategic-merge-patch+json");
    ["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"]
        .into_iter()
        .chain(strategic)
        .collect()
}

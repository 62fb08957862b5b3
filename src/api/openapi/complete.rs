//! What all calls have in common is written here once, not at each of them: the problems that any call may be answered with,
//! the fields of conditions and of repeated calls, the patterns of names, and unique names of the operations.
#![allow(
    clippy::indexing_slicing,
    reason = "what is made from our own code is made of objects, and a missing place is made"
)]

use crate::model::ParameterName;
use crate::resources::EnvironmentClassSpec;
use serde_json::{Map, Value, json};

const USER: &str = "^[A-Za-z0-9]{1,32}$";
const CLASS: &str = "^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$";
const KEY: &str = "^[!-~]{1,128}$";
const REQUEST_ID: &str = "^[A-Za-z0-9._-]{1,64}$";

/// Completes the description.
pub(super) fn complete(document: &mut Value) {
    let Some(paths) = document.pointer_mut("/paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths.iter_mut() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(operation, method, path);
            }
        }
    }
    links(paths);
    let stream = "/get/responses/200/content/text~1event-stream/schema";
    if let Some(schema) = paths.get_mut("/api/v1/events").and_then(|item| item.pointer_mut(stream)) {
        *schema = json!({
            "type": "object",
            "description": "one event of the stream",
            "properties": {
                "id": {"type": "string"},
                "event": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json"},
                "retry": {"type": "integer"},
            },
        });
    }
    components(document);
}

fn complete_operation(operation: &mut Map<String, Value>, method: &str, path: &str) {
    operation.insert("operationId".to_owned(), json!(name(method, path)));
    let has_body = operation.contains_key("requestBody");
    let writes = method != "get";
    let versioned = writes && is_versioned(path);
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    if let Some(parameters) = parameters.as_array_mut() {
        parameters.iter_mut().for_each(|parameter| narrow(parameter, path));
        let mut field = |name: &str, pattern: &str, said: &str| {
            let any = json!({"type": "string"});
            let schema = if pattern.is_empty() { any } else { json!({"type": "string", "pattern": pattern}) };
            let known = |it: &Value| it["in"] == "header" && it["name"] == name;
            if !parameters.iter().any(known) {
                parameters.push(
                    json!({"name": name, "in": "header", "required": false, "description": said, "schema": schema}),
                );
            }
        };
        field(
            "X-Request-Id",
            "",
            "the name of the call in problems and logs; one is made where none, or no sane one, is given",
        );
        if versioned {
            field("If-Match", "", "only if it is still what this ETag was of, or * for anything that is there");
            field("If-None-Match", "", "only if it is not what this ETag is of; * for nothing being there");
        } else if !writes && (path.ends_with("/{class}") || path.ends_with("/classes/{name}")) {
            field("If-None-Match", "", "answer 304 where it is still what this ETag is of");
        }
        if writes && !matches!(path, "/api/v1/explain" | "/api/v1/routes:preview") {
            field("Idempotency-Key", KEY, "the same key with the same request again is answered as the first time");
        }
    }
    let mut common = vec!["400", "401", "403", "421", "422", "429", "502", "503"];
    if has_body {
        common.extend(["413", "415"]);
    }
    if writes {
        // A body that is not wanted is read as well, to be refused.
        common.extend(["408", "409", "413"]);
    }
    if versioned {
        common.push("412");
    }
    let responses = operation.entry("responses").or_insert_with(|| json!({}));
    for (status, response) in responses.as_object_mut().into_iter().flatten() {
        if status.starts_with('4') || status.starts_with('5') {
            response["content"] =
                json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        }
        with_request_id(response);
    }
    for status in common {
        if let Some(responses) = responses.as_object_mut() {
            let shared = json!({"$ref": format!("#/components/responses/Problem{status}")});
            responses.entry(status).or_insert(shared);
        }
    }
}

/// Calls that change one thing that has an `ETag`.
fn is_versioned(path: &str) -> bool {
    path.contains("/environments/{user}/{class}") || path == "/api/v1/classes/{name}"
}

/// A name that no other operation has: the method and the words of the path.
fn name(method: &str, path: &str) -> String {
    let words = path.strip_prefix("/api/v1").unwrap_or(path).split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).fold(method.to_owned(), |name, word| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        name + &first.into_iter().chain(letters).collect::<String>()
    })
}

/// Says of the names in a path what they look like.
fn narrow(parameter: &mut Value, path: &str) {
    let pattern = match (parameter["in"].as_str(), parameter["name"].as_str()) {
        (Some("path"), Some("user")) => USER,
        (Some("path"), Some("class")) => CLASS,
        (Some("path"), Some("name")) if path.starts_with("/api/v1/classes/") => CLASS,
        _ => return,
    };
    parameter["schema"]["pattern"] = json!(pattern);
}

fn with_request_id(response: &mut Value) {
    let header = json!({"description": "the name of the call", "required": true, "schema": {"type": "string", "pattern": REQUEST_ID}});
    response["headers"]["X-Request-Id"] = header;
}

/// Where an answer leads: for those who follow the description.
fn links(paths: &mut Map<String, Value>) {
    let one = json!({"user": "$request.path.user", "class": "$request.path.class"});
    let to = |operation: &str| json!({"operationId": operation, "parameters": one});
    let numbered = |operation: &str| {
        let mut link = to(operation);
        link["parameters"]["number"] = json!("$response.body#/generation");
        link
    };
    for status in ["200", "201", "202"] {
        if let Some(response) = paths
            .get_mut("/api/v1/environments/{user}/{class}")
            .and_then(|item| item.pointer_mut(&format!("/put/responses/{status}")))
        {
            response["links"] = json!({
                "Environment": to("getEnvironmentsUserClass"),
                "Pods": to("getEnvironmentsUserClassPods"),
                "Revisions": to("getEnvironmentsUserClassRevisions"),
                "Restart": to("postEnvironmentsUserClassRestart"),
                "Sleep": to("postEnvironmentsUserClassSleep"),
                "Wake": to("postEnvironmentsUserClassWake"),
                "Pin": to("postEnvironmentsUserClassPin"),
                "Unpin": to("postEnvironmentsUserClassUnpin"),
                "Rollback": to("postEnvironmentsUserClassRollback"),
                "Extend": to("postEnvironmentsUserClassExtend"),
                "Access": to("getEnvironmentsUserClassAccess"),
                "Events": to("getEnvironmentsUserClassEvents"),
                "Logs": to("getEnvironmentsUserClassLogs"),
                "Watch": to("getEnvironmentsUserClassWatch"),
                "Delete": to("deleteEnvironmentsUserClass"),
                "Monitor": numbered("getEnvironmentsUserClassGenerationsNumber"),
                "Wait": numbered("getEnvironmentsUserClassGenerationsNumberWait"),
                "Diff": numbered("getEnvironmentsUserClassRevisionsNumberDiff"),
            });
        }
    }
    if let Some(response) = paths.get_mut("/api/v1/classes").and_then(|item| item.pointer_mut("/get/responses/200")) {
        let class = json!("$response.body#/items/0/name");
        response["links"] = json!({
            "Deploy": {"operationId": "putEnvironmentsUserClass", "parameters": {"class": class}},
            "Class": {"operationId": "getClassesName", "parameters": {"name": class}},
        });
    }
}

fn components(document: &mut Value) {
    let responses: Map<String, Value> = PROBLEMS
        .iter()
        .map(|(status, said)| {
            let mut response = json!({
                "description": said,
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            });
            with_request_id(&mut response);
            match *status {
                "401" => response["headers"]["WWW-Authenticate"] = text_field("how to authenticate"),
                "429" | "503" => response["headers"]["Retry-After"] = text_field("after how many seconds to try again"),
                _ => {}
            }
            (format!("Problem{status}"), response)
        })
        .collect();
    document["components"]["responses"] = Value::Object(responses);
    let settings = schemars::generate::SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<EnvironmentClassSpec>();
    document["components"]["schemas"]["EnvironmentClassSpec"] = schema.to_value();
    let parameters = json!({"type": "string", "maxLength": 1024});
    if let Some(schema) = document.pointer_mut("/components/schemas/EnvironmentInput/properties/parameters") {
        schema["additionalProperties"] = parameters;
        schema["propertyNames"] = json!({"type": "string", "pattern": ParameterName::PATTERN});
    }
    let body =
        document.pointer_mut("/paths/~1api~1v1~1classes~1{name}/put/requestBody/content/application~1json/schema");
    if let Some(schema) = body {
        *schema = json!({"$ref": "#/components/schemas/EnvironmentClassSpec"});
    }
}

fn text_field(said: &str) -> Value {
    json!({"description": said, "schema": {"type": "string"}})
}

/// The problems that any call may be answered with.
const PROBLEMS: &[(&str, &str)] = &[
    ("400", "the path, a field or the JSON cannot be read"),
    ("401", "no token, or a wrong one"),
    ("403", "the caller may not do this"),
    ("408", "the body does not come fast enough"),
    ("409", "it cannot be done as things are"),
    ("412", "what is there is not what If-Match or If-None-Match asks for"),
    ("413", "the body is too large"),
    ("415", "the body is not declared as JSON"),
    ("421", "the Host is not one of this API"),
    ("422", "mistakes in the request; all of them are told"),
    ("429", "too many calls"),
    ("502", "the cluster refused, or the manager lacks a right in it"),
    ("503", "the cluster or the store does not answer; try again"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_answers_every_common_problem() {
        let document = crate::api::openapi_document();
        let mut names = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(names.insert(operation["operationId"].to_string()), "{method} {path}");
                for status in ["400", "401", "403", "422", "503"] {
                    assert!(operation["responses"].get(status).is_some(), "{method} {path}: {status}");
                }
            }
        }
        assert_eq!(name("post", "/api/v1/environments/{user}/{class}:restart"), "postEnvironmentsUserClassRestart");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            match value {
                Value::Object(fields) => {
                    if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
                        assert!(document.pointer(place.trim_start_matches('#')).is_some(), "{place}");
                    }
                    fields.values().for_each(|field| check(document, field));
                }
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let document = crate::api::openapi_document();
        check(document, document);
    }
}

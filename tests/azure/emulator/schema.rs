//! A check against the JSON schemas of `tests/data/azure`. It knows the keywords that these use, and refuses others.

use serde_json::Value;
use std::path::Path;

/// Everything about `body` that the schema of `name` forbids.
pub fn mistakes(name: &str, body: &Value) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/azure").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let root: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    check(&root, &root, body, "", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "definitions" | "x-known-values" => {}
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(pointer).unwrap(), value, at, found);
            }
            "allOf" => rule.as_array().unwrap().iter().for_each(|one| check(root, one, value, at, found)),
            "type" if !has_type(value, rule.as_str().unwrap()) => found.push(format!("{at} is no {rule}")),
            "type" => {}
            "const" if value != rule => found.push(format!("{at} is not {rule}")),
            "const" => {}
            // What the service alone writes has no place in a request.
            "readOnly" if rule == true => found.push(format!("{at} is read-only")),
            "readOnly" => {}
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}/{index}"), found);
                }
            }
            "properties" => {}
            "additionalProperties" => {
                for (name, item) in value.as_object().into_iter().flatten() {
                    let at = format!("{at}/{name}");
                    match schema.get("properties").and_then(|known| known.get(name)) {
                        Some(known) => check(root, known, item, &at, found),
                        None if rule == false => found.push(format!("{at} is unknown")),
                        None => check(root, rule, item, &at, found),
                    }
                }
            }
            other => panic!("the check knows no keyword {other}"),
        }
    }
}

fn has_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("the check knows no type {other}"),
    }
}

#[test]
fn the_check_refuses_the_wrong_case_unknown_fields_types_and_what_is_read_only() {
    use serde_json::json;
    let private = "Microsoft.Network.privateDnsZones.A@2024-06-01";
    let of = |properties: Value| mistakes(private, &json!({"properties": properties}));
    assert_eq!(of(json!({"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.1"}]})), Vec::<String>::new());
    assert_eq!(of(json!({"TTL": 60})), ["/properties/TTL is unknown"]);
    assert_eq!(of(json!({"ttl": "60"})), ["/properties/ttl is no \"integer\""]);
    assert_eq!(of(json!({"fqdn": "x."})), ["/properties/fqdn is read-only"]);
    assert_eq!(of(json!({"metadata": {"a": 1}})), ["/properties/metadata/a is no \"string\""]);
    assert_eq!(
        mistakes("Microsoft.Network.dnsZones.A@2018-05-01", &json!({"properties": {"aRecords": []}})),
        ["/properties/aRecords is unknown"]
    );
}

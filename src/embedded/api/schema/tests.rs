//! Tests of schemas.

#![expect(clippy::needless_pass_by_value, reason = "tables read better with values")]

use super::*;
use crate::resources::definitions;
use proptest::prelude::*;
use serde_json::json;

fn ours(kind: &str) -> KindSchema {
    let crd = definitions().into_iter().find(|crd| crd.spec.names.kind == kind).expect("a definition");
    KindSchema::custom(&crd).expect("a structural schema")
}

fn custom(schema: Value) -> Result<KindSchema, SchemaError> {
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]
        }
    });
    KindSchema::custom(&serde_json::from_value(crd).expect("a definition"))
}

fn spec(schema: Value) -> KindSchema {
    custom(json!({"type": "object", "properties": {"spec": schema}})).expect("a structural schema")
}

fn said(kind: &KindSchema, object: Value) -> Vec<String> {
    kind.validate(&object, None).iter().map(ToString::to_string).collect()
}

fn environment(user: &str, class: &str) -> Value {
    json!({"apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
        "metadata": {"name": format!("{user}-{class}"), "namespace": "default"}, "spec": {"user": user, "class": class}})
}

#[test]
fn every_built_in_kind_has_a_schema() {
    for builtin in builtin::BUILTINS {
        assert!(KindSchema::builtin(builtin.group, builtin.version, builtin.kind).is_some(), "{builtin:?}");
    }
    assert!(KindSchema::builtin("apps", "v1", "StatefulSet").is_none());
}

#[test]
fn every_extension_names_a_type_and_a_field_that_exist() {
    let definitions = builtin::DOCUMENT.document["$defs"].as_object().expect("definitions");
    for (name, field) in builtin::extended() {
        let found = definitions.iter().find(|(definition, _)| definition.ends_with(&format!(".{name}")));
        let Some((_, schema)) = found else { panic!("{name} is no definition") };
        assert!(field.is_empty() || schema["properties"].get(field).is_some(), "{name} has no {field}");
    }
}

#[test]
fn our_definitions_are_structural_and_their_rules_hold_for_a_right_object() {
    assert_eq!(said(&ours("Environment"), environment("haimaz", "integration")), Vec::<String>::new());
    assert_eq!(
        said(
            &ours("EnvironmentClass"),
            json!({
                "apiVersion": "doorstep.dev/v1alpha1", "kind": "EnvironmentClass", "metadata": {"name": "integration"},
                "spec": {"host": "front{user}.int.{domain}", "port": 8080, "replicas": 1, "template": {"spec": {"x": [1]}},
                    "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}
            })
        ),
        Vec::<String>::new()
    );
}

#[test]
fn faults_are_worded_as_an_api_server_words_them() {
    let kind = ours("Environment");
    assert_eq!(
        said(&kind, environment("a-b", "integration")),
        ["spec.user: Invalid value: \"a-b\": spec.user in body should match '^[a-z0-9]{1,32}$'"]
    );
    assert_eq!(
        said(&kind, json!({"metadata": {"name": "x"}, "spec": {"class": "integration"}})),
        ["spec.user: Required value"]
    );
    assert_eq!(
        said(&kind, json!({"metadata": {"name": "x"}, "spec": {"user": 1, "class": "integration"}})),
        ["spec.user: Invalid value: \"integer\": spec.user in body must be of type string: \"integer\""]
    );
    let mut other = environment("a", "b");
    other["metadata"]["name"] = json!("other");
    assert_eq!(
        said(&kind, other),
        ["<nil>: Invalid value: \"object\": the name of an Environment is <spec.user>-<spec.class>"]
    );
}

#[test]
fn a_transition_rule_runs_only_where_there_is_an_old_value() {
    let kind = ours("Environment");
    let (before, mut after) = (environment("a", "b"), environment("c", "b"));
    assert!(kind.validate(&after, None).is_empty());
    let errors = kind.validate(&after, Some(&before));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0].path, "spec.user");
    assert!(errors[0].message.starts_with("Invalid value: \"string\": spec.user never changes"), "{errors:?}");
    // A broken rule does not keep the rules above it from running.
    after["metadata"]["name"] = json!("a-b");
    let paths: Vec<String> = kind.validate(&after, Some(&before)).into_iter().map(|error| error.path).collect();
    assert_eq!(paths, ["spec.user", "<nil>"]);
}

#[test]
fn limits_are_kept() {
    let cases = [
        (
            json!({"type": "integer", "maximum": 5}),
            json!(6),
            "Invalid value: 6: spec.a in body should be less than or equal to 5",
        ),
        (
            json!({"type": "integer", "minimum": 5, "exclusiveMinimum": true}),
            json!(5),
            "Invalid value: 5: spec.a in body should be greater than 5",
        ),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_u64),
            "Invalid value: 3000000000: spec.a in body must be of type int32: 3000000000",
        ),
        (json!({"type": "string", "maxLength": 2}), json!("äöü"), "Too long: may not be more than 2 bytes"),
        (
            json!({"type": "string", "minLength": 1}),
            json!(""),
            "Invalid value: \"\": spec.a in body should be at least 1 chars long",
        ),
        (
            json!({"type": "string", "enum": ["x", "y"]}),
            json!("z"),
            "Unsupported value: \"z\": supported values: \"x\", \"y\"",
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("noon"),
            "Invalid value: \"noon\": spec.a in body must be of type date-time: \"noon\"",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            "Too many: 2: must have at most 1 items",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1}),
            json!({"a": "", "b": ""}),
            "Too many: 2: must have at most 1 items",
        ),
        (
            json!({"type": "string"}),
            json!(null),
            "Invalid value: \"null\": spec.a in body must be of type string: \"null\"",
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            "Invalid value: \"boolean\": spec.a in body must be of type integer,string: \"boolean\"",
        ),
    ];
    for (schema, value, message) in cases {
        let kind = spec(json!({"type": "object", "properties": {"a": schema}}));
        assert_eq!(said(&kind, json!({"spec": {"a": value}})), [format!("spec.a: {message}")]);
    }
    let nullable = spec(json!({"type": "object", "properties": {"a": {"type": "string", "nullable": true}}}));
    assert_eq!(said(&nullable, json!({"spec": {"a": null}})), Vec::<String>::new());
}

#[test]
fn items_of_sets_and_list_maps_stand_once() {
    let kind = spec(json!({"type": "object", "properties": {
        "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}
    }}));
    assert_eq!(said(&kind, json!({"spec": {"set": ["a", "b", "a"]}})), ["spec.set[2]: Duplicate value: \"a\""]);
    assert_eq!(
        said(&kind, json!({"spec": {"map": [{"name": "a"}, {"name": "a"}]}})),
        ["spec.map[1]: Duplicate value: {\"name\":\"a\"}"]
    );
    assert_eq!(
        said(&kind, json!({"spec": {"map": ["a", {}]}})),
        [
            "spec.map[0]: Invalid value: \"string\": spec.map[0] in body must be of type object: \"string\"",
            "spec.map[1].name: Required value"
        ]
    );
}

#[test]
fn what_was_wrong_before_may_stay_when_it_does_not_change() {
    let kind = spec(
        json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}, "b": {"type": "string"}}}),
    );
    let (before, after) = (json!({"spec": {"a": "long", "b": "x"}}), json!({"spec": {"a": "long", "b": "y"}}));
    assert!(kind.validate(&after, Some(&before)).is_empty());
    assert_eq!(kind.validate(&after, None).len(), 1);
}

#[test]
fn a_rule_that_does_not_compile_is_an_error_of_the_schema() {
    for rule in ["self.", "slef == 1", "oldSlef == self", "self.all(x, y > 1)", "self.unheardOf()", "unheardOf(self)"] {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "array", "items": {"type": "integer"},
            "x-kubernetes-validations": [{"rule": rule}]}}});
        assert!(matches!(custom(schema), Err(SchemaError::Rule { .. })), "{rule}");
    }
    let below_a_set = json!({"type": "object", "properties": {"spec": {"type": "array", "items": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}});
    assert!(matches!(custom(below_a_set), Err(SchemaError::Rule { .. })));
}

#[test]
fn rules_see_fields_maps_and_lists() {
    let schema = |rule: &str| {
        json!({"type": "object", "x-kubernetes-validations": [{"rule": rule, "message": "broken"}],
        "properties": {
            "n": {"type": "integer"}, "f": {"type": "number"}, "s": {"type": "string"}, "in": {"type": "string"}, "a-b": {"type": "integer"},
            "list": {"type": "array", "items": {"type": "integer"}},
            "map": {"type": "object", "additionalProperties": {"type": "string"}}
        }})
    };
    let value =
        json!({"spec": {"n": 3, "f": 2, "s": "abc", "in": "x", "a-b": 1, "list": [1, 2, 3], "map": {"x-y": "z"}}});
    let hold = [
        "self.n == 3 && self.n > 2",
        "self.f > 1.5",
        "self.s.startsWith('a') && size(self.s) == 3",
        "self.s.matches('^[a-c]+$')",
        "self.list.all(x, x > 0)",
        "self.list.exists(x, x == 2)",
        "self.map.all(key, key.size() < 9)",
        "self.map['x-y'] == 'z'",
        "has(self.n) && !has(self.list) || true",
        "self.__in__ == 'x'",
        "self.a__dash__b == 1",
        "self.list.filter(x, x > 1).size() == 2",
        "self.list.map(x, x * 2) == [2, 4, 6]",
        "'x-y' in self.map",
        "self.n in self.list",
        "math.greatest(self.n, 1) == 3",
        "self.s.upperAscii() == 'ABC'",
        "self.list.exists_one(x, x == 1)",
        "type(self.n) == int",
        "string(self.n) == '3'",
        "self.s.split('b').size() == 2",
        "self.?missing.orValue(1) == 1",
    ];
    for rule in hold {
        assert_eq!(said(&spec(schema(rule)), value.clone()), Vec::<String>::new(), "{rule}");
    }
    let broken = [
        ("self.n > 3", "spec: Invalid value: \"object\": broken"),
        ("self.missing == 1", "evaluating rule: broken"),
        ("self.n", "not a bool"),
        ("self.s.startsWith(1)", "evaluating rule: broken"),
    ];
    for (rule, message) in broken {
        let said = said(&spec(schema(rule)), value.clone());
        assert!(said.len() == 1 && said[0].contains(message), "{rule}: {said:?}");
    }
}

#[test]
fn a_message_may_be_an_expression() {
    let kind = spec(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [
        {"rule": "self.n < 3", "messageExpression": "'n is ' + string(self.n)", "fieldPath": ".n", "reason": "FieldValueForbidden"}]}));
    assert_eq!(said(&kind, json!({"spec": {"n": 5}})), ["spec.n: Forbidden: n is 5"]);
}

#[test]
fn unknown_fields_are_found_and_pruned() {
    let kind = ours("Environment");
    let mut object = environment("a", "b");
    object["spec"]["foo"] = json!(1);
    object["metadata"]["labels"] = json!({"anything/goes": "x"});
    object["metadata"]["nope"] = json!(1);
    object["spec"]["parameters"] = json!({"TAG": "1"});
    assert_eq!(kind.unknown_fields(&object), ["metadata.nope", "spec.foo"]);
    kind.prune(&mut object);
    assert!(kind.unknown_fields(&object).is_empty());
    assert_eq!(object["metadata"]["labels"]["anything/goes"], "x");
    assert_eq!(object["spec"]["parameters"]["TAG"], "1");

    let class = ours("EnvironmentClass");
    let object = json!({"spec": {"template": {"spec": {"containers": [{"x": 1}]}}, "readiness": {"pth": "/"}}});
    assert_eq!(class.unknown_fields(&object), ["spec.readiness.pth"]);

    let pod = KindSchema::builtin("", "v1", "Pod").expect("pods");
    let object = json!({"spec": {"containers": [{"name": "a", "imagee": "x", "env": [{"name": "X", "vaule": ""}]}]}});
    assert_eq!(pod.unknown_fields(&object), ["spec.containers[0].env[0].vaule", "spec.containers[0].imagee"]);
}

#[test]
fn nulls_of_built_in_kinds_mean_absence() {
    let kind = KindSchema::builtin("apps", "v1", "Deployment").expect("deployments");
    let mut object = json!({"metadata": {"creationTimestamp": null}, "spec": {"template": {"metadata": {"creationTimestamp": null}}, "replicas": null}});
    kind.prune(&mut object);
    assert_eq!(object, json!({"metadata": {}, "spec": {"template": {"metadata": {}}}}));
}

#[test]
fn defaults_come_in_and_validation_stays_the_same() {
    let kind = ours("EnvironmentClass");
    let mut object = json!({"metadata": {"name": "x"}, "spec": {"host": "front{user}.int.{domain}", "port": 80, "template": {},
        "parameters": [{"name": "A", "pattern": "."}]}});
    kind.default(&mut object);
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(object["spec"]["parameters"][0]["required"], false);
    let once = object.clone();
    kind.default(&mut object);
    assert_eq!(object, once);
    assert_eq!(said(&kind, object), Vec::<String>::new());
}

#[test]
fn type_faults_of_built_in_kinds_are_found() {
    let kind = KindSchema::builtin("apps", "v1", "Deployment").expect("deployments");
    let object =
        json!({"spec": {"replicas": "3", "selector": {}, "template": {"spec": {"containers": [{"image": "x"}]}}}});
    let said = said(&kind, object);
    assert!(
        said.contains(
            &"spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\""
                .to_owned()
        ),
        "{said:?}"
    );
    assert!(said.contains(&"spec.template.spec.containers[0].name: Required value".to_owned()), "{said:?}");
}

#[test]
fn ten_thousand_items_are_checked_in_no_time() {
    let kind = KindSchema::builtin("", "v1", "Pod").expect("pods");
    let env: Vec<Value> = (0..10_000).map(|n| json!({"name": format!("V{n}"), "value": "x"})).collect();
    let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "a", "env": env}]}});
    let started = std::time::Instant::now();
    assert!(kind.validate(&pod, Some(&pod)).is_empty());
    assert!(kind.validate(&pod, None).is_empty());
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn odd_keys_and_wrong_shapes_give_errors_and_no_panic() {
    let kind = KindSchema::builtin("", "v1", "Pod").expect("pods");
    for object in [
        json!(null),
        json!([]),
        json!("x"),
        json!({"spec": []}),
        json!({"spec": {"containers": {}}}),
        json!({"spec": {"containers": [1, null, [], "x"]}}),
        json!({"metadata": {"labels": {"": "", "~": "/", "a.b/c": 1}}}),
    ] {
        let mut object = object;
        kind.unknown_fields(&object);
        kind.validate(&object, None);
        kind.default(&mut object);
        kind.prune(&mut object);
    }
    let labels = said(&kind, json!({"metadata": {"labels": {"a.b/c": 1}}, "spec": {"containers": []}}));
    assert!(labels[0].starts_with("metadata.labels[a.b/c]: "), "{labels:?}");
}

fn any_class() -> impl Strategy<Value = Value> {
    let odd = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1..70_000_i64).prop_map(Value::from),
        "[a-z{}~/]{0,9}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({"name": "x"})),
        Just(json!([{"name": "A", "pattern": "."}, {"name": "A"}, 7])),
    ];
    let names = prop_oneof!["host", "port", "replicas", "parameters", "template", "local", "readiness", "other"];
    proptest::collection::btree_map(names, odd, 0..8).prop_map(
        |spec| json!({"metadata": {"name": "x"}, "spec": spec.into_iter().collect::<serde_json::Map<_, _>>()}),
    )
}

proptest! {
    #[test]
    fn defaults_and_pruning_settle_at_once(object in any_class()) {
        let kind = ours("EnvironmentClass");
        let mut once = object;
        kind.prune(&mut once);
        kind.default(&mut once);
        let mut twice = once.clone();
        kind.default(&mut twice);
        kind.prune(&mut twice);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(kind.validate(&once, None), kind.validate(&twice, None));
        prop_assert!(kind.unknown_fields(&once).is_empty());
        // What does not change is never refused.
        prop_assert!(kind.validate(&twice, Some(&once)).is_empty());
    }
}

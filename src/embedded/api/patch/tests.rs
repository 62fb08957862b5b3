//! Tests of patches.

#![expect(clippy::needless_pass_by_value, reason = "tables read better with values")]

use super::*;
use crate::embedded::api::schema::KindSchema;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn pod() -> KindSchema {
    KindSchema::builtin("", "v1", "Pod").expect("pods")
}

fn strategic(target: Value, patch: Value) -> Value {
    strategic_merge_patch(&pod(), &target, &patch).expect("a patch that fits")
}

fn containers(items: Value) -> Value {
    json!({"spec": {"containers": items}})
}

#[test]
fn merge_patch_does_what_the_table_of_rfc_7386_says() {
    for (target, patch, result) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "b"}), json!(["c"]), json!(["c"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"a": "foo"}), json!("bar"), json!("bar")),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        assert_eq!(merge_patch(&target, &patch), result, "{target} + {patch}");
    }
}

#[test]
fn json_patch_does_all_or_nothing() {
    let target = json!({"a": {"b/c": 1, "d~e": 2, "": 3}, "list": [1, 2]});
    let patch = json!([
        {"op": "test", "path": "/a/b~1c", "value": 1},
        {"op": "replace", "path": "/a/d~0e", "value": 4},
        {"op": "remove", "path": "/a/"},
        {"op": "add", "path": "/list/-", "value": 3},
        {"op": "move", "from": "/list/0", "path": "/first"},
        {"op": "copy", "from": "/first", "path": "/again"}
    ]);
    assert_eq!(
        json_patch(&target, &patch),
        Ok(json!({"a": {"b/c": 1, "d~e": 4}, "list": [2, 3], "first": 1, "again": 1}))
    );
    for refused in [
        json!([{"op": "test", "path": "/list/0", "value": 2}]),
        json!([{"op": "remove", "path": "/nowhere"}]),
        json!([{"op": "add", "path": "/list/9", "value": 1}]),
        json!([{"op": "replace", "path": "/x/y", "value": 1}]),
    ] {
        assert!(matches!(json_patch(&target, &refused), Err(PatchError::DoesNotApply(_))), "{refused}");
    }
    for malformed in [
        json!({}),
        json!("x"),
        json!([{"op": "frobnicate", "path": "/"}]),
        json!([{"op": "add", "path": "no slash", "value": 1}]),
    ] {
        assert!(matches!(json_patch(&target, &malformed), Err(PatchError::Malformed(_))), "{malformed}");
    }
    let many: Vec<Value> = (0..10_001).map(|_| json!({"op": "add", "path": "/x", "value": 1})).collect();
    assert!(matches!(json_patch(&target, &Value::Array(many)), Err(PatchError::DoesNotApply(_))));
}

#[test]
fn a_json_patch_cannot_grow_without_bound() {
    let copy = |from: &str, path: &str| json!({"op": "copy", "from": from, "path": path});
    let doubling: Vec<Value> = (0..100).map(|n| copy("", &format!("/c{n}"))).collect();
    let error = json_patch(&json!({"a": "x".repeat(100)}), &Value::Array(doubling)).expect_err("refused");
    assert!(error.to_string().contains("copies more than"), "{error}");
    let deeper: Vec<Value> = (0..200).map(|n| copy("/a", &"/a".repeat(n + 2))).collect();
    let error = json_patch(&json!({"a": {}}), &Value::Array(deeper)).expect_err("refused");
    assert!(error.to_string().contains("nest deeper"), "{error}");
    let third = json!([{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/b"}]);
    let error = json_patch(&json!({"a": 1}), &third).expect_err("refused");
    assert!(error.to_string().starts_with("operation '/1' failed at path '/b'"), "{error}");
}

#[test]
fn lists_merge_by_their_key() {
    let target = containers(json!([
        {"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}], "ports": [{"containerPort": 80, "name": "http"}]},
        {"name": "b", "image": "2", "args": ["x", "y"]}
    ]));
    let patch = containers(json!([
        {"name": "a", "image": "3", "env": [{"name": "Y", "value": "2"}], "ports": [{"containerPort": 80, "hostPort": 8080}]},
        {"name": "b", "args": ["z"]},
        {"name": "c", "image": "4"}
    ]));
    assert_eq!(
        strategic(target, patch),
        containers(json!([
            {"name": "a", "image": "3", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                "ports": [{"containerPort": 80, "name": "http", "hostPort": 8080}]},
            {"name": "b", "image": "2", "args": ["z"]},
            {"name": "c", "image": "4"}
        ]))
    );
}

#[test]
fn directives_delete_and_replace() {
    let two = || containers(json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]));
    let cases = [
        (json!([{"name": "a", "$patch": "delete"}]), json!([{"name": "b", "image": "2"}])),
        (json!([{"name": "a", "$patch": "replace"}, {"name": "c"}]), json!([{"name": "c"}])),
        (json!([{"$patch": "replace"}, {"name": "c"}]), json!([{"name": "c"}])),
        (json!([{"name": "x", "$patch": "delete"}]), json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}])),
        (json!([{"name": "a", "image": null}]), json!([{"name": "a"}, {"name": "b", "image": "2"}])),
        (
            json!([{"name": "c", "image": null, "env": [{"name": "E", "$patch": "delete"}]}]),
            json!([{"name": "a", "image": "1"}, {"name": "b", "image": "2"}, {"name": "c", "env": []}]),
        ),
    ];
    for (patch, result) in cases {
        assert_eq!(strategic(two(), containers(patch.clone())), containers(result), "{patch}");
    }
    let labels = || json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    assert_eq!(
        strategic(labels(), json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}})),
        json!({"metadata": {"labels": {"c": "3"}}})
    );
    assert_eq!(
        strategic(labels(), json!({"metadata": {"labels": {"$patch": "delete"}}})),
        json!({"metadata": {"labels": {}}})
    );
    assert_eq!(strategic(labels(), json!({"metadata": {"labels": null}})), json!({"metadata": {}}));
}

#[test]
fn scalars_merge_and_are_deleted_by_value() {
    let target = json!({"metadata": {"finalizers": ["a/a", "b/b"]}});
    assert_eq!(
        strategic(target.clone(), json!({"metadata": {"finalizers": ["b/b", "c/c"]}})),
        json!({"metadata": {"finalizers": ["a/a", "b/b", "c/c"]}})
    );
    assert_eq!(
        strategic(
            target,
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/a"], "$setElementOrder/finalizers": ["c/c", "b/b"], "finalizers": ["c/c"]}})
        ),
        json!({"metadata": {"finalizers": ["c/c", "b/b"]}})
    );
}

#[test]
fn an_order_is_kept_and_others_items_stay_where_they_stood() {
    let target = containers(json!([{"name": "sidecar"}, {"name": "a"}, {"name": "b"}, {"name": "late"}]));
    let patch = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "n"}, {"name": "a"}],
        "containers": [{"name": "n", "image": "x"}]}});
    assert_eq!(
        strategic(target.clone(), patch),
        containers(
            json!([{"name": "sidecar"}, {"name": "b"}, {"name": "n", "image": "x"}, {"name": "a"}, {"name": "late"}])
        )
    );
    let order_alone = json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}});
    assert_eq!(
        strategic(target, order_alone),
        containers(json!([{"name": "sidecar"}, {"name": "b"}, {"name": "a"}, {"name": "late"}]))
    );
}

#[test]
fn retain_keys_leaves_out_the_other_arms_of_a_union() {
    let target = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
    let patch =
        json!({"spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}});
    assert_eq!(strategic(target, patch), json!({"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}}));
    let deployment = KindSchema::builtin("apps", "v1", "Deployment").expect("deployments");
    let target = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    assert_eq!(
        strategic_merge_patch(&deployment, &target, &patch),
        Ok(json!({"spec": {"strategy": {"type": "Recreate"}}}))
    );
}

#[test]
fn hostile_patches_are_errors_and_no_panics() {
    let target = containers(json!([{"name": "a"}, "odd", {"image": "keyless"}]));
    for patch in [
        json!([]),
        json!("x"),
        json!(null),
        containers(json!([1])),
        containers(json!([{"image": "x"}])),
        containers(json!([{"name": "a", "$patch": "frobnicate"}])),
        containers(json!([{"name": "a", "$patch": 1}])),
        json!({"$patch": "nope"}),
        json!({"spec": {"$retainKeys": ["x"]}}),
        json!({"spec": {"$setElementOrder/containers": 1, "containers": []}}),
        json!({"spec": {"$setElementOrder/containers": [], "containers": [{"name": "n"}]}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": 1}}),
        json!({"metadata": {"finalizers": [[]]}}),
    ] {
        assert!(strategic_merge_patch(&pod(), &target, &patch).is_err(), "{patch}");
    }
    assert_eq!(strategic(json!([]), json!({"metadata": {"": {"~": 1}}})), json!({"metadata": {"": {"~": 1}}}));
}

#[test]
fn ten_thousand_items_are_merged_in_no_time() {
    let env =
        |value: &str| -> Vec<Value> { (0..10_000).map(|n| json!({"name": format!("V{n}"), "value": value})).collect() };
    let order: Vec<Value> = (0..10_000).rev().map(|n| json!({"name": format!("V{n}")})).collect();
    let started = std::time::Instant::now();
    let merged = strategic(
        containers(json!([{"name": "a", "env": env("x")}])),
        containers(json!([{"name": "a", "$setElementOrder/env": order, "env": env("y")}])),
    );
    assert_eq!(merged["spec"]["containers"][0]["env"][0], json!({"name": "V9999", "value": "y"}));
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..5).prop_map(Value::from),
        "[a-c~/]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]{0,1}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Unique by name, as a list map is; an image may be taken out by null.
fn any_items(nulls: bool) -> impl Strategy<Value = Vec<Value>> {
    let image = if nulls {
        prop_oneof![Just(Value::Null), "[x-z]".prop_map(Value::from)].boxed()
    } else {
        "[x-z]".prop_map(Value::from).boxed()
    };
    proptest::collection::btree_map("[a-f]", (proptest::option::of(image), any::<bool>()), 0..6).prop_map(
        move |items| {
            let item = |(name, (image, gone)): (String, (Option<Value>, bool))| {
                let mut item = json!({"name": name});
                if let Some(image) = image {
                    item["image"] = image;
                }
                if gone && nulls {
                    item["$patch"] = json!("delete");
                }
                item
            };
            items.into_iter().map(item).collect()
        },
    )
}

/// The obvious way: look through the whole list for every item.
fn oracle(target: &[Value], patch: &[Value]) -> Vec<Value> {
    let apply = |was: Value, change: &Value| {
        let mut was = was.as_object().cloned().unwrap_or_default();
        for (name, value) in change.as_object().into_iter().flatten() {
            if value.is_null() {
                was.remove(name)
            } else {
                was.insert(name.clone(), value.clone())
            };
        }
        Value::Object(was)
    };
    let mut result = Vec::new();
    for item in target {
        match patch.iter().find(|change| change["name"] == item["name"]) {
            None => result.push(item.clone()),
            Some(change) if change.get("$patch").is_some() => {}
            Some(change) => result.push(apply(item.clone(), change)),
        }
    }
    for change in patch {
        if change.get("$patch").is_none() && target.iter().all(|item| item["name"] != change["name"]) {
            result.push(apply(Value::Object(Map::new()), change));
        }
    }
    result
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, v)| !v.is_null())
            .map(|(n, v)| (n.clone(), without_nulls(v)))
            .collect::<Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn a_merge_patch_twice_is_a_merge_patch_once(target in any_json(), patch in any_json()) {
        let once = merge_patch(&target, &patch);
        prop_assert_eq!(merge_patch(&once, &patch), once);
    }

    #[test]
    fn an_empty_merge_patch_changes_no_object(target in any_json()) {
        if target.is_object() {
            prop_assert_eq!(merge_patch(&target, &json!({})), target);
        }
    }

    #[test]
    fn a_merge_patch_of_nothing_is_the_patch_without_nulls(patch in any_json()) {
        prop_assert_eq!(merge_patch(&json!({}), &patch), without_nulls(&patch));
    }

    #[test]
    fn strategic_lists_merge_as_the_obvious_way_does(target in any_items(false), patch in any_items(true)) {
        let merged = strategic(containers(json!(target)), containers(json!(patch)));
        prop_assert_eq!(merged, containers(json!(oracle(&target, &patch))));
    }

    #[test]
    fn a_strategic_patch_of_unknown_fields_is_a_merge_patch(target in any_json(), patch in any_json()) {
        if target.is_object() && patch.is_object() {
            let (target, patch) = (json!({"data": target}), json!({"data": patch}));
            prop_assert_eq!(strategic(target.clone(), patch.clone()), merge_patch(&target, &patch));
        }
    }
}

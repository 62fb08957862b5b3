//! Tests of server-side apply.

#![expect(clippy::needless_pass_by_value, reason = "tables read better with values")]

use super::*;
use crate::embedded::api::schema::KindSchema;
use proptest::prelude::*;
use serde_json::json;

const T1: &str = "2026-01-01T00:00:01Z";
const T2: &str = "2026-01-01T00:00:02Z";

fn deployment() -> KindSchema {
    KindSchema::builtin("apps", "v1", "Deployment").expect("deployments")
}

fn config(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "default"}, "spec": spec})
}

fn containers(containers: Value) -> Value {
    config(json!({"template": {"spec": {"containers": containers}}}))
}

fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Value {
    apply(&deployment(), live, config, manager, false, "", T1).expect("no conflict")
}

fn tracked(before: &Value, change: impl FnOnce(&mut Value), manager: &str) -> Value {
    let mut after = before.clone();
    change(&mut after);
    track(&deployment(), Some(before), &mut after, manager, "", T2);
    after
}

fn conflicts(live: &Value, config: &Value, manager: &str) -> Vec<Conflict> {
    match apply(&deployment(), Some(live), config, manager, false, "", T2) {
        Err(ApplyError::Conflicts(conflicts)) => conflicts,
        other => panic!("conflicts expected, not {other:?}"),
    }
}

/// The fields of a manager; null when it has no entry.
fn owned(object: &Value, manager: &str) -> Value {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    entries.into_iter().find(|entry| entry["manager"] == manager).map_or(Value::Null, |entry| entry["fieldsV1"].clone())
}

#[test]
fn a_first_apply_owns_what_it_says() {
    let object =
        applied(None, &containers(json!([{"name": "front", "image": "a", "ports": [{"containerPort": 80}]}])), "me");
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{"manager": "me", "operation": "Apply", "apiVersion": "apps/v1", "time": T1, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"front\"}": {
            ".": {}, "f:name": {}, "f:image": {},
            "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}
        }}}}}}}])
    );
}

#[test]
fn an_apply_that_changes_nothing_gives_back_the_live_object() {
    let config = containers(json!([{"name": "front", "image": "a", "env": [{"name": "A", "value": "1"}]}]));
    let mut live = applied(None, &config, "me");
    // What the API adds later on belongs to nobody.
    live["metadata"]["uid"] = json!("u");
    live["spec"]["replicas"] = json!(1);
    let again = apply(&deployment(), Some(&live), &config, "me", false, "", T2).expect("no conflict");
    assert_eq!(again, live);
}

#[test]
fn a_conflict_names_the_field_and_its_manager() {
    let live = applied(None, &containers(json!([{"name": "front", "image": "a"}])), "one");
    let found = conflicts(&live, &containers(json!([{"name": "front", "image": "b"}])), "two");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, ".spec.template.spec.containers[name=\"front\"].image");
    assert_eq!(found[0].manager, "one");
    assert_eq!(
        ApplyError::Conflicts(found).to_string(),
        "Apply failed with 1 conflict: conflict with \"one\": .spec.template.spec.containers[name=\"front\"].image"
    );
    let edited = tracked(&live, |object| object["spec"]["replicas"] = json!(3), "kubectl-edit");
    let found = conflicts(
        &edited,
        &config(json!({"replicas": 4, "template": {"spec": {"containers": [{"name": "front", "image": "b"}]}}})),
        "two",
    );
    assert_eq!(
        ApplyError::Conflicts(found).to_string(),
        "Apply failed with 2 conflicts: conflicts with \"kubectl-edit\" using apps/v1:\n- .spec.replicas\n\
         conflicts with \"one\":\n- .spec.template.spec.containers[name=\"front\"].image"
    );
}

#[test]
fn force_takes_the_field_over() {
    let live = applied(None, &config(json!({"replicas": 1, "paused": true})), "one");
    let taken =
        apply(&deployment(), Some(&live), &config(json!({"replicas": 2})), "two", true, "", T2).expect("forced");
    assert_eq!(taken["spec"], json!({"replicas": 2, "paused": true}));
    assert_eq!(owned(&taken, "one"), json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(owned(&taken, "two"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn equal_values_are_owned_together() {
    let config = config(json!({"replicas": 1}));
    let live = applied(None, &config, "one");
    let both = applied(Some(&live), &config, "two");
    assert_eq!(owned(&both, "one"), owned(&both, "two"));
    // Neither can take it away alone.
    let given_up = applied(Some(&both), &super::tests::config(json!({})), "one");
    assert_eq!(given_up["spec"]["replicas"], 1);
    assert_eq!(owned(&given_up, "one"), json!({"f:spec": {}}));
}

#[test]
fn what_its_only_owner_gives_up_is_removed() {
    let live = applied(
        None,
        &containers(json!([{"name": "a", "image": "a", "tty": true}, {"name": "b", "image": "b"}])),
        "me",
    );
    let live = tracked(&live, |object| object["spec"]["replicas"] = json!(2), "scaler");
    let less = applied(Some(&live), &containers(json!([{"name": "a", "image": "a"}])), "me");
    assert_eq!(
        less["spec"],
        json!({"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}})
    );
    let nothing = applied(Some(&less), &config(json!({})), "me");
    assert_eq!(nothing["spec"], json!({"replicas": 2}));
    assert_eq!(owned(&nothing, "me"), json!({"f:spec": {}}));
}

#[test]
fn labels_of_others_stay_when_mine_go() {
    let mut mine = config(json!({}));
    mine["metadata"]["labels"] = json!({"mine": "1"});
    let live = applied(None, &mine, "me");
    let live = tracked(&live, |object| object["metadata"]["labels"]["theirs"] = json!("2"), "kubectl-label");
    let after = applied(Some(&live), &config(json!({})), "me");
    assert_eq!(after["metadata"]["labels"], json!({"theirs": "2"}));
    assert_eq!(owned(&after, "kubectl-label"), json!({"f:metadata": {"f:labels": {"f:theirs": {}}}}));
}

#[test]
fn a_named_struct_goes_with_its_defaults_and_stays_with_anothers_field() {
    let mut live = applied(None, &config(json!({"strategy": {"type": "RollingUpdate"}})), "me");
    live["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": "25%"});
    let gone = applied(Some(&live), &config(json!({})), "me");
    assert_eq!(gone["spec"].get("strategy"), None);
    let live = tracked(&live, |object| object["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = json!(1), "other");
    let kept = applied(Some(&live), &config(json!({})), "me");
    assert_eq!(kept["spec"]["strategy"], json!({"rollingUpdate": {"maxSurge": 1}}));
}

#[test]
fn atomic_values_are_owned_and_replaced_as_one() {
    let selector = |labels: Value| config(json!({"selector": {"matchLabels": labels}}));
    let live = applied(None, &selector(json!({"a": "1"})), "me");
    assert_eq!(owned(&live, "me"), json!({"f:spec": {"f:selector": {}}}));
    let other = applied(Some(&live), &selector(json!({"b": "2"})), "me");
    assert_eq!(other["spec"]["selector"], json!({"matchLabels": {"b": "2"}}));
    assert_eq!(conflicts(&live, &selector(json!({"a": "2"})), "two")[0].field, ".spec.selector");
}

#[test]
fn finalizers_are_a_set() {
    let with = |names: Value| {
        let mut config = config(json!({}));
        config["metadata"]["finalizers"] = names;
        config
    };
    let live = applied(None, &with(json!(["a.b/c"])), "one");
    let live = applied(Some(&live), &with(json!(["d.e/f"])), "two");
    assert_eq!(live["metadata"]["finalizers"], json!(["a.b/c", "d.e/f"]));
    assert_eq!(owned(&live, "two"), json!({"f:metadata": {"f:finalizers": {"v:\"d.e/f\"": {}}}, "f:spec": {}}));
    let live = applied(Some(&live), &config(json!({})), "one");
    assert_eq!(live["metadata"]["finalizers"], json!(["d.e/f"]));
}

#[test]
fn items_keep_the_order_of_the_live_list_but_for_those_applied() {
    let names = |object: &Value| -> Vec<String> {
        let items = object["spec"]["template"]["spec"]["containers"].as_array().expect("containers");
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    };
    let live = applied(None, &containers(json!([{"name": "a"}, {"name": "b"}, {"name": "c"}])), "one");
    let after = applied(Some(&live), &containers(json!([{"name": "c"}, {"name": "d"}, {"name": "a"}])), "two");
    assert_eq!(names(&after), ["c", "d", "a", "b"].map(str::to_owned));
}

#[test]
fn status_is_applied_and_owned_apart() {
    let kind = deployment();
    let live = applied(None, &config(json!({"replicas": 1})), "me");
    let status = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "labels": {"a": "b"}},
        "spec": {"replicas": 9}, "status": {"conditions": [{"type": "Available", "status": "True"}]}});
    let after = apply(&kind, Some(&live), &status, "me", false, "status", T2).expect("no conflict");
    assert_eq!(after["spec"]["replicas"], 1);
    assert_eq!(after["metadata"].get("labels"), None);
    let entries = after["metadata"]["managedFields"].as_array().expect("entries");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1]["subresource"], "status");
    assert_eq!(
        entries[1]["fieldsV1"],
        json!({"f:status": {"f:conditions": {"k:{\"type\":\"Available\"}": {".": {}, "f:type": {}, "f:status": {}}}}})
    );
    // Through the object itself a status does not count.
    let mut both = config(json!({"replicas": 1}));
    both["status"] = json!({"replicas": 7});
    assert_eq!(applied(Some(&after), &both, "me"), after);
}

#[test]
fn an_update_takes_what_it_changes_and_nothing_else() {
    let live = applied(None, &config(json!({"replicas": 1, "paused": true})), "me");
    let after = tracked(&live, |object| object["spec"]["replicas"] = json!(2), "kubectl-edit");
    assert_eq!(owned(&after, "me"), json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(owned(&after, "kubectl-edit"), json!({"f:spec": {"f:replicas": {}}}));
    let same = tracked(&after, |_| (), "kubectl-edit");
    assert_eq!(same, after);
    let removed = tracked(&after, |object| drop(object["spec"].as_object_mut().expect("spec").remove("paused")), "x");
    assert_eq!(owned(&removed, "me"), Value::Null);
    assert_eq!(owned(&removed, "x"), Value::Null);
}

#[test]
fn a_created_object_belongs_to_its_creator() {
    let mut object = config(json!({"replicas": 1}));
    object["metadata"]["labels"] = json!({"a": "b"});
    track(&deployment(), None, &mut object, "kubectl-create", "", T1);
    assert_eq!(
        owned(&object, "kubectl-create"),
        json!({"f:metadata": {"f:labels": {".": {}, "f:a": {}}}, "f:spec": {"f:replicas": {}}})
    );
}

#[test]
fn one_empty_entry_resets_ownership_and_an_empty_list_does_not() {
    let live = applied(None, &config(json!({"replicas": 1})), "me");
    let kept = tracked(&live, |object| object["metadata"]["managedFields"] = json!([]), "x");
    assert_eq!(kept, live);
    let reset = tracked(&live, |object| object["metadata"]["managedFields"] = json!([{}]), "x");
    assert_eq!(reset["metadata"].get("managedFields"), None);
}

#[test]
fn many_updaters_are_folded_into_one() {
    let mut live = config(json!({}));
    for n in 0..30 {
        let label = format!("l{n}");
        let mut after = live.clone();
        after["metadata"]["labels"][&label] = json!("x");
        track(&deployment(), Some(&live), &mut after, &format!("m{n}"), "", &format!("2026-01-01T00:00:{n:02}Z"));
        live = after;
    }
    let entries = live["metadata"]["managedFields"].as_array().expect("entries");
    assert_eq!(entries.len(), 10);
    let ancient = owned(&live, "ancient-changes");
    assert_eq!(ancient["f:metadata"]["f:labels"].as_object().expect("labels").len(), 22);
}

#[test]
fn lists_whose_items_cannot_be_told_apart_are_refused() {
    for (items, said) in [
        (json!([{"image": "x"}]), "omits key field \"name\""),
        (json!([{"name": "a"}, {"name": "a"}]), "duplicate entries for key [name=\"a\"]"),
        (json!(["a"]), "an element that is no object"),
        (json!([null]), "an element that is no object"),
        (json!([{"name": {"a": 1}}]), "is no scalar"),
    ] {
        let error = apply(&deployment(), None, &containers(items), "me", false, "", T1).expect_err("refused");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.to_string().contains(".spec.template.spec.containers"), "{error}");
    }
    for odd in [json!(null), json!([]), json!("x"), json!({"metadata": []}), json!({"spec": {"template": []}})] {
        let _ = apply(&deployment(), None, &odd, "me", false, "", T1);
        let mut after = odd;
        track(&deployment(), None, &mut after, "me", "", T1);
    }
    let deep = (0..5_000).fold(json!(1), |inner, _| json!({"a": inner}));
    let deep = std::mem::ManuallyDrop::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": deep}));
    let error = apply(&deployment(), None, &deep, "me", false, "", T1).expect_err("refused");
    assert!(error.to_string().contains("nests deeper"), "{error}");
    let mut managed = config(json!({}));
    managed["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    assert!(matches!(apply(&deployment(), None, &managed, "me", false, "", T1), Err(ApplyError::Invalid(_))));
}

#[test]
fn odd_keys_are_owned_and_given_up() {
    let with = |labels: Value| {
        let mut config = config(json!({}));
        config["metadata"]["annotations"] = labels;
        config
    };
    let live = applied(None, &with(json!({"": "a", "~": "b", "x/y.z": "c", "\"": "d"})), "me");
    assert_eq!(
        owned(&live, "me")["f:metadata"]["f:annotations"],
        json!({"f:": {}, "f:~": {}, "f:x/y.z": {}, "f:\"": {}})
    );
    let after = applied(Some(&live), &with(json!({"~": "b"})), "me");
    assert_eq!(after["metadata"]["annotations"], json!({"~": "b"}));
}

#[test]
fn ten_thousand_items_are_applied_in_no_time() {
    let env: Vec<Value> = (0..10_000).map(|n| json!({"name": format!("V{n}"), "value": "x"})).collect();
    let config = containers(json!([{"name": "a", "env": env}]));
    let started = std::time::Instant::now();
    let live = applied(None, &config, "one");
    assert_eq!(applied(Some(&live), &config, "one"), live);
    tracked(
        &live,
        |object| object["spec"]["template"]["spec"]["containers"][0]["env"][5000]["value"] = json!("y"),
        "x",
    );
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?}", started.elapsed());
}

fn any_config() -> impl Strategy<Value = Value> {
    let env = proptest::collection::btree_map("[A-C]", "[x-z]", 0..3);
    let container = (proptest::option::of("[i-k]"), env);
    let labels = proptest::collection::btree_map("[a-c]", "[x-z]", 0..3);
    (proptest::collection::btree_map("[f-h]", container, 0..3), labels, proptest::option::of(0..3)).prop_map(
        |(containers, labels, replicas)| {
            let containers: Vec<Value> = containers
                .into_iter()
                .map(|(name, (image, env))| {
                    let env: Vec<Value> =
                        env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
                    let mut container = json!({"name": name, "env": env});
                    if let Some(image) = image {
                        container["image"] = json!(image);
                    }
                    container
                })
                .collect();
            let mut config = super::tests::containers(Value::Array(containers));
            config["metadata"]["labels"] = json!(labels);
            if let Some(replicas) = replicas {
                config["spec"]["replicas"] = json!(replicas);
            }
            config
        },
    )
}

/// Every scalar below `config` stands in `object`, list items found by name.
fn holds(object: &Value, config: &Value) -> bool {
    match config {
        Value::Object(fields) => {
            fields.iter().all(|(name, field)| object.get(name).is_some_and(|it| holds(it, field)) || is_empty(field))
        }
        Value::Array(items) => items.iter().all(|item| {
            let found = object.as_array().and_then(|all| all.iter().find(|other| other["name"] == item["name"]));
            found.is_some_and(|found| holds(found, item))
        }),
        scalar => object == scalar,
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn applying_twice_is_applying_once(first in any_config(), second in any_config(), config in any_config()) {
        let kind = deployment();
        let live = apply(&kind, None, &first, "one", true, "", T1).expect("forced");
        let live = apply(&kind, Some(&live), &second, "two", true, "", T1).expect("forced");
        let once = apply(&kind, Some(&live), &config, "one", true, "", T1).expect("forced");
        let twice = apply(&kind, Some(&once), &config, "one", true, "", T2).expect("forced");
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn two_managers_never_lose_each_others_fields(a in any_config(), b in any_config(), c in any_config()) {
        let kind = deployment();
        let live = apply(&kind, None, &a, "one", false, "", T1).expect("nobody else");
        if let Ok(both) = apply(&kind, Some(&live), &b, "two", false, "", T1) {
            prop_assert!(holds(&both, &a), "{} lost of {}", both, a);
            prop_assert!(holds(&both, &b));
            if let Ok(third) = apply(&kind, Some(&both), &c, "one", false, "", T2) {
                prop_assert!(holds(&third, &b), "{} lost of {}", third, b);
                prop_assert!(holds(&third, &c));
            }
        }
    }

    #[test]
    fn what_all_give_up_is_gone(a in any_config(), b in any_config()) {
        let kind = deployment();
        let live = apply(&kind, None, &a, "one", true, "", T1).expect("forced");
        let live = apply(&kind, Some(&live), &b, "two", true, "", T1).expect("forced");
        let nothing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}});
        let live = apply(&kind, Some(&live), &nothing, "one", false, "", T1).expect("nothing to fight for");
        let live = apply(&kind, Some(&live), &nothing, "two", false, "", T1).expect("nothing to fight for");
        prop_assert_eq!(live.get("spec"), None);
        prop_assert_eq!(live["metadata"].get("labels"), None);
        prop_assert_eq!(live["metadata"].get("managedFields"), None);
    }
}

//! Tests of the rendering.

use super::*;
use crate::operator::classes::ClassBook;
use crate::operator::plan::plan;
use crate::operator::shipped::{SHIPPED, parse};
use crate::resources::{EnvironmentClass, EnvironmentSpec};
use std::sync::Arc;

fn domain() -> Hostname {
    "localhost".parse().unwrap()
}

fn environment(parameters: &[(&str, &str)]) -> Environment {
    let parameters = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let spec = EnvironmentSpec {
        user: "haimaz".into(),
        class: "integration".into(),
        parameters,
        ..EnvironmentSpec::default()
    };
    let mut environment = Environment::new("haimaz-integration", spec);
    environment.metadata.namespace = Some("default".into());
    environment.metadata.uid = Some("u-1".into());
    environment
}

const GOOD: [(&str, &str); 3] = [("TAG_FRONT", "1.4.2"), ("TAG_ASSETS", "7"), ("VERSION", "3.1.0")];

fn class(change: impl FnOnce(&mut Value)) -> EnvironmentClass {
    let mut class = serde_json::to_value(parse(SHIPPED[0].1).unwrap()).unwrap();
    change(&mut class);
    serde_json::from_value(class).unwrap()
}

fn rendered(class: EnvironmentClass, parameters: &[(&str, &str)], workload: Workload) -> Result<Rendered, Refusal> {
    let book = ClassBook::judge(vec![Arc::new(class)], &domain());
    let environment = environment(parameters);
    let plan = plan(&environment, &book, &domain())?;
    render(&plan, &environment, workload, &domain())
}

fn container(rendered: &Rendered) -> &Value {
    rendered.deployment.pointer("/spec/template/spec/containers/0").unwrap()
}

fn variable<'r>(rendered: &'r Rendered, name: &str) -> Option<&'r Value> {
    container(rendered)["env"].as_array().unwrap().iter().find(|v| v["name"] == name)
}

#[test]
fn the_objects_hold_what_we_mean() {
    let it = rendered(class(|_| {}), &GOOD, Workload::Image).unwrap();
    assert_eq!(it.deployment["metadata"]["name"], "haimaz-integration-deployment");
    assert_eq!(it.deployment["metadata"]["ownerReferences"][0]["uid"], "u-1");
    assert_eq!(it.deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    assert_eq!(container(&it)["image"], "registry.example.com/front:1.4.2");
    assert_eq!(container(&it)["ports"][0]["containerPort"], 8080);
    assert_eq!(container(&it)["readinessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(variable(&it, "PORT").unwrap()["value"], "8080");
    assert_eq!(variable(&it, "HOST").unwrap()["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP");
    assert_eq!(variable(&it, "TAG_ASSETS").unwrap()["value"], "7");
    assert_eq!(variable(&it, "ASSETS_URL").unwrap()["value"], "https://assets.example.com/7/");
    let labels = it.deployment.pointer("/spec/template/metadata/labels").unwrap();
    assert_eq!(labels[labels::REVISION], it.revision.as_str());
    assert_eq!(it.service["metadata"]["name"], "haimaz-integration");
    assert_eq!(
        it.service["spec"]["ports"],
        json!([{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}])
    );
    let text = it.deployment.to_string() + &it.service.to_string();
    assert!(!text.contains("null"), "server-side apply would own a null: {text}");
}

#[test]
fn the_typed_kinds_take_what_is_rendered() {
    let it = rendered(class(|_| {}), &GOOD, Workload::Local).unwrap();
    let deployment: k8s_openapi::api::apps::v1::Deployment = serde_json::from_value(it.deployment.clone()).unwrap();
    let again = serde_json::to_value(deployment).unwrap();
    assert_eq!(crate::operator::compare::first_difference(&it.deployment, &again), None);
    let service: k8s_openapi::api::core::v1::Service = serde_json::from_value(it.service.clone()).unwrap();
    let again = serde_json::to_value(service).unwrap();
    assert_eq!(crate::operator::compare::first_difference(&it.service, &again), None);
}

#[test]
fn hostile_values_are_refused_by_the_shipped_pattern() {
    for bad in ["1 2", "1\n2", "'1'", "\"", "$(id)", "", "{user}", &"1".repeat(10_000)] {
        let given = [("TAG_FRONT", bad), ("TAG_ASSETS", "7"), ("VERSION", "3")];
        let refusal = rendered(class(|_| {}), &given, Workload::Image).unwrap_err();
        assert_eq!(refusal.reason, "InvalidParameters", "{bad:?}");
        assert!(refusal.message.starts_with("parameter TAG_FRONT: "), "{}", refusal.message);
        assert!(refusal.message.len() < 400, "{}", refusal.message);
    }
}

#[test]
fn what_a_permissive_pattern_lets_through_arrives_as_it_is() {
    let permissive = |class: &mut Value| {
        class["spec"]["parameters"][0]["pattern"] = json!("(?s).*");
        class["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["--tag={TAG_FRONT}"]);
        class["spec"]["template"]["metadata"] = json!({"annotations": {"example.com/tag": "{TAG_FRONT}"}});
    };
    let hostile = "a b\n\"'`$(PORT) $$ {user} {{ }} \\ é";
    let given = [("TAG_FRONT", hostile), ("TAG_ASSETS", "7"), ("VERSION", "3")];
    let it = rendered(class(permissive), &given, Workload::Image).unwrap();
    // The kubelet makes one dollar of two, so that `$(PORT)` is not expanded.
    let doubled = hostile.replace('$', "$$");
    assert_eq!(variable(&it, "TAG_FRONT").unwrap()["value"], doubled.as_str());
    assert_eq!(container(&it)["args"][0], format!("--tag={doubled}"));
    assert_eq!(container(&it)["image"], format!("registry.example.com/front:{hostile}"));
    let annotation = it.deployment.pointer("/spec/template/metadata/annotations/example.com~1tag").unwrap();
    assert_eq!(annotation, hostile);
}

#[test]
fn an_optional_parameter_without_a_value_is_empty_and_is_no_variable() {
    let optional = class(|class| class["spec"]["parameters"][1]["required"] = json!(false));
    let it = rendered(optional, &[("TAG_FRONT", "1"), ("VERSION", "3")], Workload::Image).unwrap();
    assert_eq!(variable(&it, "ASSETS_URL").unwrap()["value"], "https://assets.example.com//");
    assert_eq!(variable(&it, "TAG_ASSETS"), None);
}

#[test]
fn the_template_wins_over_what_we_add_but_not_over_the_identity() {
    let own = |class: &mut Value| {
        let container = &mut class["spec"]["template"]["spec"]["containers"][0];
        container["readinessProbe"] = json!({"exec": {"command": ["true"]}});
        container["ports"] = json!([{"name": "web", "containerPort": 8080}]);
        container["env"] = json!([{"name": "PORT", "value": "1"}]);
        class["spec"]["template"]["metadata"] = json!({"labels": {"doorstep.dev/user": "other", "team": "a"}});
    };
    let it = rendered(class(own), &GOOD, Workload::Image).unwrap();
    assert_eq!(container(&it)["readinessProbe"], json!({"exec": {"command": ["true"]}}));
    assert_eq!(it.service["spec"]["ports"][0]["targetPort"], "web");
    assert_eq!(variable(&it, "PORT").unwrap()["value"], "1");
    let labels = it.deployment.pointer("/spec/template/metadata/labels").unwrap();
    assert_eq!((&labels["doorstep.dev/user"], &labels["team"]), (&json!("haimaz"), &json!("a")));
}

#[test]
fn a_local_workload_runs_the_local_command() {
    let own = |class: &mut Value| {
        class["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["x"]);
        class["spec"]["local"] = json!({"command": ["serve", "{TAG_FRONT}"], "workingDir": "/srv/{user}",
            "env": [{"name": "ASSETS_URL", "value": "http://localhost/{TAG_ASSETS}"}]});
    };
    let it = rendered(class(own), &GOOD, Workload::Local).unwrap();
    assert_eq!(container(&it)["command"], json!(["serve", "1.4.2"]));
    assert_eq!((container(&it).get("args"), &container(&it)["workingDir"]), (None, &json!("/srv/haimaz")));
    assert_eq!(variable(&it, "ASSETS_URL").unwrap()["value"], "http://localhost/7");
    let none = class(|class| {
        class["spec"].as_object_mut().unwrap().remove("local");
    });
    let refusal = rendered(none, &GOOD, Workload::Local).unwrap_err();
    assert!(refusal.message.starts_with("spec.local: "), "{}", refusal.message);
}

#[test]
fn only_a_change_of_the_pods_changes_the_revision() {
    let first = rendered(class(|_| {}), &GOOD, Workload::Image).unwrap();
    let more = rendered(class(|class| class["spec"]["replicas"] = json!(3)), &GOOD, Workload::Image).unwrap();
    assert_eq!(first.revision, more.revision);
    let other = [("TAG_FRONT", "1.4.3"), ("TAG_ASSETS", "7"), ("VERSION", "3.1.0")];
    assert_ne!(first.revision, rendered(class(|_| {}), &other, Workload::Image).unwrap().revision);
}

#[test]
fn to_make_pods_anew_or_put_them_to_sleep_is_no_other_revision() {
    let book = ClassBook::judge(vec![Arc::new(class(|_| {}))], &domain());
    let mut environment = environment(&GOOD);
    let of = |environment: &Environment| {
        let plan = plan(environment, &book, &domain()).unwrap();
        render(&plan, environment, Workload::Image, &domain()).unwrap()
    };
    let mark = |it: &Rendered| it.deployment["metadata"]["annotations"][labels::RENDERING].clone();
    let before = of(&environment);
    let time = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time("2026-03-02T08:00:00Z".parse().unwrap());
    environment.spec.restarted_at = Some(time);
    let mut after = of(&environment);
    assert_eq!(before.revision, after.revision);
    let annotations = after.deployment.pointer("/spec/template/metadata/annotations").unwrap();
    assert_eq!(annotations[labels::RESTARTED_AT], "2026-03-02T08:00:00Z");
    let awake = mark(&after);
    assert_ne!(mark(&before), awake);
    after.put_to_sleep();
    assert_eq!((&after.deployment["spec"]["replicas"], after.replicas), (&json!(0), 0));
    assert_ne!(mark(&after), awake);
}

//! What the chart makes of some sets of values.

use super::helm::{self, find, name, objects, root, template, template_text};
use super::values::same;
use serde_json::Value;

#[test]
fn the_defaults_make_both_roles_with_what_guards_them() {
    let objects = template(&[]);
    for wanted in [
        "Deployment/doorstep-gateway",
        "Deployment/doorstep-manager",
        "Service/doorstep-gateway",
        "Service/doorstep-gateway-admin",
        "Service/doorstep-manager",
        "PodDisruptionBudget/doorstep-gateway",
        "PodDisruptionBudget/doorstep-manager",
        "NetworkPolicy/doorstep-gateway",
        "NetworkPolicy/doorstep-manager",
        "ServiceAccount/doorstep-gateway",
        "ServiceAccount/doorstep-manager",
        "Secret/doorstep-api-token",
        "Lease/doorstep-manager",
        "PersistentVolumeClaim/doorstep-manager",
        "IngressClass/doorstep",
        "CustomResourceDefinition/environments.doorstep.dev",
        "CustomResourceDefinition/environmentclasses.doorstep.dev",
        "CustomResourceDefinition/environmentuses.doorstep.dev",
    ] {
        find(&objects, wanted);
    }
    for absent in ["ServiceMonitor", "HorizontalPodAutoscaler", "ConfigMap", "Namespace", "EnvironmentClass"] {
        assert!(!objects.iter().any(|object| object["kind"] == absent), "{absent} has to be asked for");
    }
}

#[test]
fn every_object_says_whose_it_is_and_where() {
    for sets in helm::SETS {
        for object in template(sets) {
            let labels = &object["metadata"]["labels"];
            assert_eq!(labels["app.kubernetes.io/instance"], "doorstep", "{sets:?}: {}", name(&object));
            assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{sets:?}: {}", name(&object));
            let placed = object["metadata"].get("namespace").and_then(Value::as_str).is_some();
            let cluster_wide = CLUSTER_WIDE.contains(&object["kind"].as_str().unwrap());
            assert_ne!(placed, cluster_wide, "{sets:?}: {}: its namespace", name(&object));
        }
    }
}

const CLUSTER_WIDE: [&str; 8] = [
    "CustomResourceDefinition",
    "IngressClass",
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "EnvironmentClass",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
];

#[test]
fn a_daemon_set_has_the_nodes_ports_and_nothing_that_needs_replicas() {
    let objects = template(&["gateway.kind=DaemonSet"]);
    let gateway = find(&objects, "DaemonSet/doorstep-gateway");
    let ports = gateway.pointer("/spec/template/spec/containers/0/ports").unwrap();
    let host: Vec<&Value> = ports.as_array().unwrap().iter().filter_map(|port| port.get("hostPort")).collect();
    assert_eq!(host, [&Value::from(80), &Value::from(443)]);
    assert!(gateway["spec"].get("replicas").is_none());
    assert!(!objects.iter().any(|object| name(object) == "PodDisruptionBudget/doorstep-gateway"));
}

#[test]
fn a_scaled_gateway_leaves_its_replicas_to_the_autoscaler() {
    let objects = template(&["gateway.autoscaling.enabled=true"]);
    assert!(find(&objects, "Deployment/doorstep-gateway")["spec"].get("replicas").is_none());
    let scaler = find(&objects, "HorizontalPodAutoscaler/doorstep-gateway");
    assert_eq!(scaler["spec"]["scaleTargetRef"]["name"], "doorstep-gateway");
}

#[test]
fn the_admin_pages_are_for_the_manager_and_for_the_monitors_that_are_named() {
    let peers = |sets: &[&str]| {
        let objects = template(sets);
        let policy = find(&objects, "NetworkPolicy/doorstep-gateway").clone();
        let rules = policy["spec"]["ingress"].as_array().unwrap().clone();
        let admin = rules.iter().find(|rule| rule["ports"][0]["port"] == "admin");
        admin.map(|rule| rule["from"].as_array().unwrap().clone()).unwrap_or_default()
    };
    let of = "/podSelector/matchLabels/app.kubernetes.io~1component";
    let alone = peers(&[]);
    assert_eq!((alone.len(), alone[0].pointer(of)), (1, Some(&Value::from("manager"))), "{alone:?}");
    let monitor = "networkPolicy.monitoringFrom[0].namespaceSelector.matchLabels.team=monitoring";
    assert_eq!(peers(&[monitor]).len(), 2);
    assert_eq!(peers(&[monitor, "manager.enabled=false"]).len(), 1);
    assert_eq!(peers(&["manager.enabled=false"]).len(), 0, "nobody");
    let objects = template(&[]);
    let service = find(&objects, "Service/doorstep-gateway");
    assert!(!service["spec"]["ports"].to_string().contains("admin"), "the load balancer does not open them");
}

#[test]
fn the_manager_asks_each_gateway_and_may_do_so() {
    for sets in
        [&[][..], &["gateway.kind=DaemonSet", "gateway.ports.admin=9191"], &["namespaced=true", "namespace=team"]]
    {
        let objects = template(sets);
        let port = if sets.len() == 2 && sets[1].contains("9191") { 9191 } else { 9090 };
        let manager =
            find(&objects, "Deployment/doorstep-manager").pointer("/spec/template/spec/containers/0").unwrap();
        let wanted = format!("--gateway=doorstep/doorstep-gateway-admin:{port}");
        assert!(manager["args"].as_array().unwrap().contains(&Value::from(wanted.as_str())), "{wanted} in {manager}");
        let admin = find(&objects, "Service/doorstep-gateway-admin");
        assert_eq!(admin["spec"]["selector"]["app.kubernetes.io/component"], "gateway", "{sets:?}");
        let egress = &find(&objects, "NetworkPolicy/doorstep-manager")["spec"]["egress"][0];
        let of = "/to/0/podSelector/matchLabels/app.kubernetes.io~1component";
        assert_eq!((egress.pointer(of), &egress["ports"][0]["port"]), (Some(&Value::from("gateway")), &port.into()));
        let own = objects.iter().filter(|object| name(object) == "Role/doorstep-manager-gateways");
        let own: Vec<&Value> = own.map(|role| &role["metadata"]["namespace"]).collect();
        let wanted = if sets.contains(&"namespaced=true") { vec!["doorstep"] } else { vec![] };
        assert_eq!(own, wanted, "{sets:?}");
    }
    let one = template(&["namespaced=true", "namespace=team"]);
    let told = "--publish-service=doorstep/doorstep-gateway";
    assert!(
        find(&one, "Deployment/doorstep-manager").to_string().contains(told),
        "its address is told in one namespace too"
    );
    let alone = template(&["gateway.enabled=false"]);
    assert!(!find(&alone, "Deployment/doorstep-manager").to_string().contains("--gateway="), "there is none to ask");
}

#[test]
fn the_manager_may_reach_its_store_and_who_leads_to_it_may_reach_the_manager() {
    let policy = |sets: &[&str]| find(&template(sets), "NetworkPolicy/doorstep-manager")["spec"].clone();
    let ports = |sets: &[&str]| policy(sets)["egress"].to_string().matches(r#""port":5432"#).count();
    assert_eq!(ports(&["manager.store.existingSecret=store"]), 1);
    assert_eq!(ports(&[]), 0, "a file is reached by no network");
    let by_name = [
        "networkPolicy.apiFrom[0].namespaceSelector.matchLabels.team=a",
        "manager.service.annotations.doorstep\\.dev/host=api.example.com",
    ];
    let gateway = Value::from("gateway");
    let of = "/ingress/0/from/1/podSelector/matchLabels/app.kubernetes.io~1component";
    assert_eq!(policy(&by_name).pointer(of), Some(&gateway));
    assert_eq!(policy(&by_name[..1]).pointer(of), None, "the gateway does not lead to it");
}

#[test]
fn what_is_made_anew_at_an_update_has_no_bounds_of_a_rolling_one() {
    let sets = ["gateway.updateStrategy.type=Recreate", "manager.updateStrategy.type=Recreate"];
    let objects = template(&[&sets[..], &["manager.store.existingSecret=store"]].concat());
    for role in ["Deployment/doorstep-gateway", "Deployment/doorstep-manager"] {
        assert_eq!(find(&objects, role)["spec"]["strategy"], serde_json::json!({"type": "Recreate"}), "{role}");
    }
}

#[test]
fn tokens_of_the_cluster_are_reviewed_only_where_they_are_taken() {
    let reviews = |sets: &[&str]| template(sets).iter().any(|object| object.to_string().contains("tokenreviews"));
    assert!(!reviews(&[]));
    assert!(!reviews(&["manager.identity.tokens.maxLifetime=30d"]));
    assert!(reviews(&["manager.identity.kubernetes.audiences={doorstep}"]));
}

#[test]
fn the_definitions_and_classes_of_the_chart_are_those_of_the_project() {
    let rendered = objects(
        &template_text(&[
            "--api-versions=doorstep.dev/v1alpha1/EnvironmentClass",
            "--set=classes={integration,staging,production,production-2}",
        ])
        .unwrap(),
    );
    for folder in ["deploy/crds", "config/classes"] {
        for entry in root().join(folder).read_dir().unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            let original: Value = serde_saphyr::from_str(&text).unwrap();
            let found = find(&rendered, &name(&original));
            assert!(whole(&found["spec"]) == whole(&original["spec"]), "{}: {}", name(&original), found["spec"]);
            assert_eq!(found["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{}", name(&original));
        }
    }
}

/// With 1.0 written as 1, which YAML does not tell apart.
fn whole(value: &Value) -> Value {
    match value {
        Value::Number(number) => number
            .as_f64()
            .filter(|number| number.fract() == 0.0)
            .map_or_else(|| value.clone(), |number| Value::from(number as i64)),
        Value::Array(items) => items.iter().map(whole).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), whole(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    let text = template_text(&["--values", "deploy/manifests/values.yaml"]).unwrap();
    assert!(!text.contains("kind: Secret\n"), "no token stands in a file");
    let head = "# Rendered from deploy/chart with deploy/manifests/values.yaml; docs/install.md says how to apply it.\n\
                # DOORSTEP_UPDATE=1 cargo test --test deploy writes it anew.\n";
    same(&format!("{head}{text}"), "deploy/manifests/doorstep.yaml");
}

#[test]
fn chart_and_program_have_one_version() {
    let chart = std::fs::read_to_string(root().join("deploy/chart/Chart.yaml")).unwrap();
    let chart: Value = serde_saphyr::from_str(&chart).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

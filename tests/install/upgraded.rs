//! A running chart, upgraded with changed values under load.

use super::balancer::Balancer;
use super::cluster::{all_kinds, apply, cluster, delete, entered, there};
use super::helm;
use super::on_the_node::{kubeconfig, node, rendered, text};
use super::support::{ControlPlane, Wrk, curl, texts, wait_for};
use serde_json::Value;

/// Each changes the pods of both roles, and something else besides.
const UPGRADES: [&[&str]; 3] = [
    &["gateway.podAnnotations.round=first", "manager.podAnnotations.round=first", "gateway.replicas=3"],
    &[
        "gateway.resources.requests.memory=256Mi",
        "manager.resources.requests.memory=256Mi",
        "log=debug",
        "gateway.replicas=2",
    ],
    &["gateway.accessLog=off", "manager.replicas=1", "networkPolicy.enabled=false"],
];

#[test]
fn upgrading_a_running_chart_drops_no_request() {
    if !entered("upgraded::upgrading_a_running_chart_drops_no_request") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster();
    let before = (all_kinds(&cluster), there(&cluster, &all_kinds(&cluster), &[]));
    let _node = node(&cluster, folder.path());
    // Two managers, as with a store that they share.
    let values = ["gateway.shutdownDelaySeconds=3", "manager.replicas=2", "manager.store.existingSecret=store"];
    let chart = rendered(&values, folder.path());
    let accounts = chart.iter().filter(|object| object["kind"] == "ServiceAccount");
    apply(&cluster, &text(accounts));
    for account in ["doorstep-gateway", "doorstep-manager"] {
        kubeconfig(&cluster, account, folder.path());
    }
    apply(&cluster, &text(&chart));
    rolled_out(&cluster);

    let balancer = Balancer::start(&cluster.kubeconfig, "doorstep", "doorstep-gateway");
    deploy(&cluster);
    wait_for("the environment", || is_ready(&cluster));
    answers(&balancer);

    let mut load = Wrk::start(balancer.address, "fronthaimaz.int.localhost", 600);
    let mut last = chart;
    for upgrade in UPGRADES {
        let old = balancer.endpoints();
        last = rendered(&[&values, upgrade].concat(), folder.path());
        apply(&cluster, &text(&last));
        rolled_out(&cluster);
        wait_for("gateways that are all new", || {
            let now = balancer.endpoints();
            let replaced = now.iter().all(|endpoint| !old.contains(endpoint));
            if replaced && !now.is_empty() { Ok(()) } else { Err(format!("{old:?} became {now:?}")) }
        });
        assert!(load.runs(), "the load goes on");
    }
    let requests = load.stop().without_failure();
    println!("{} upgrades of a running chart: {requests} requests by 64 connections, 0 failed", UPGRADES.len());

    // The order of docs/install.md.
    cluster.kubectl_ok(&["delete", "environments", "--all", "--all-namespaces"]);
    wait_for("the end of the environment's objects", || {
        match there(&cluster, "deployments,services,pods", &["-l", "doorstep.dev/class"]) {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        }
    });
    delete(&cluster, &text(&last));
    delete_leftovers_of_earlier_values(&cluster);
    wait_for("that nothing is left", || {
        let kinds = all_kinds(&cluster);
        let left: Vec<String> =
            there(&cluster, &kinds, &[]).into_iter().filter(|one| !before.1.contains(one)).collect();
        let left: Vec<&String> = left.iter().filter(|one| !is_the_nodes(one)).collect();
        if kinds == before.0 && left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// `kubectl apply` takes nothing away that a later rendering leaves out, as `helm upgrade` would.
fn delete_leftovers_of_earlier_values(cluster: &ControlPlane) {
    let _gone = cluster.kubectl(&["delete", "networkpolicy", "--all", "--namespace", "doorstep"], "");
}

fn is_the_nodes(object: &str) -> bool {
    ["Node/", "Lease/"].iter().any(|kind| object.strip_prefix(kind).is_some_and(|name| !name.contains("doorstep")))
}

/// Waits until both roles run in their newest form.
pub fn rolled_out(cluster: &ControlPlane) {
    for role in ["deployment/doorstep-gateway", "deployment/doorstep-manager"] {
        let output = cluster.kubectl(&["rollout", "status", role, "--namespace", "doorstep", "--timeout=90s"], "");
        let pods = || cluster.kubectl_ok(&["get", "pods", "--namespace", "doorstep", "-o", "wide"]);
        assert!(output.status.success(), "{role}: {:?}: {}", texts(&output), pods());
    }
}

/// Makes the environment of haimaz.
pub fn deploy(cluster: &ControlPlane) {
    let class = helm::root().join("config/classes/integration.yaml");
    cluster.kubectl_ok(&["apply", "--server-side", "-f", class.to_str().unwrap()]);
    apply(
        cluster,
        r#"{"apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
            "metadata": {"name": "haimaz-integration", "namespace": "environments"},
            "spec": {"user": "haimaz", "class": "integration", "parameters": {"TAG_FRONT": "1", "TAG_ASSETS": "1", "VERSION": "1"}}}"#,
    );
}

/// Whether it is ready, or what is told of it.
pub fn is_ready(cluster: &ControlPlane) -> Result<(), String> {
    let text = cluster.kubectl_ok(&["get", "environment", "haimaz-integration", "-n", "environments", "-o", "json"]);
    let found: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
    if ready { Ok(()) } else { Err(found["status"].to_string()) }
}

/// Waits until every gateway leads to the environment: one whose watch was just broken off hears of it a second later.
fn answers(balancer: &Balancer) {
    wait_for("an answer by each gateway", || {
        let endpoints = balancer.endpoints();
        for endpoint in endpoints.iter().chain([&balancer.address]) {
            let url = format!("http://{endpoint}/");
            let host = "Host: fronthaimaz.int.localhost";
            let output = curl().args(["--fail", "--header", host, &url]).output().unwrap();
            if !output.status.success() {
                return Err(format!("{endpoint}: {}", texts(&output).1));
            }
        }
        if endpoints.is_empty() { Err("there is no gateway".to_owned()) } else { Ok(()) }
    });
}

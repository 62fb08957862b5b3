//! What the API server says of each value of the chart, and what the chart's policy has it say.

use super::cluster::{apply, cluster, entered};
use super::helm::{self, objects, template_text};
use super::on_the_node::text;
use super::support::{texts, wait_for};
use super::values_turned::{TURNED, arguments};
use serde_json::{Value, json};

/// Kinds whose definitions are not in this cluster.
const FOREIGN: [&str; 3] = ["monitoring.coreos.com/v1", "azmonitoring.coreos.com/v1", "cert-manager.io/v1"];

#[test]
fn each_value_of_the_chart_turned_once_is_accepted() {
    if !entered("turned::each_value_of_the_chart_turned_once_is_accepted") {
        return;
    }
    let cluster = cluster();
    let definitions = helm::template(&[]).into_iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    apply(&cluster, &text(&definitions.collect::<Vec<Value>>()));
    let mut different = 0;
    for one in TURNED {
        let (with, without) = arguments(one);
        let render = |arguments: &[String]| {
            objects(&template_text(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).unwrap())
        };
        let without = render(&without);
        let changed: Vec<Value> = render(&with).into_iter().filter(|object| !without.contains(object)).collect();
        let ours = |object: &&Value| object["apiVersion"].as_str().is_some_and(|group| !FOREIGN.contains(&group));
        let changed: Vec<&Value> = changed.iter().filter(ours).collect();
        if changed.is_empty() {
            continue;
        }
        different += changed.len();
        let output = cluster.kubectl(&["apply", "--server-side", "--dry-run=server", "-f", "-"], &text(changed));
        // Host ports are what the restricted profile forbids, as docs/install.md says.
        let warned = !output.stderr.is_empty() && !format!("{one:?}").contains("DaemonSet");
        assert!(output.status.success() && !warned, "{one:?}: {:?}", texts(&output));
    }
    println!("{} values turned: {different} objects that differ, all accepted", TURNED.len());
}

#[test]
fn a_class_with_environments_is_kept_from_kubectl_and_not_from_the_manager() {
    if !entered("turned::a_class_with_environments_is_kept_from_kubectl_and_not_from_the_manager") {
        return;
    }
    let cluster = cluster();
    let chart = helm::template(&["namespace=environments"]);
    apply(&cluster, &text(chart.iter().filter(|object| object["kind"] == "CustomResourceDefinition")));
    apply(&cluster, &text(&chart));
    let class = helm::root().join("config/classes/integration.yaml");
    cluster.kubectl_ok(&["apply", "--server-side", "-f", class.to_str().unwrap()]);
    let told = |total: i32| {
        let rollout = json!({"generation": 1, "total": total, "done": total, "inFlight": 0, "pending": 0, "failed": 0,
            "failures": [], "stopped": false});
        let patch = json!({"status": {"rollout": rollout}}).to_string();
        let subresource = ["patch", "environmentclass", "integration", "--subresource=status", "--type=merge", "-p"];
        cluster.kubectl_ok(&[&subresource[..], &[patch.as_str()]].concat());
    };
    let delete = |more: &[&str]| {
        let output = cluster.kubectl(&[&["delete", "environmentclass", "integration"], more].concat(), "");
        if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
    };
    told(2);
    let wanted = "the class integration stays, as there are environments of it: 2";
    // A policy counts from when the API server has read it.
    wait_for(wanted, || match delete(&["--dry-run=server"]) {
        Err(said) if said.contains(wanted) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(delete(&[]).is_err());
    let manager = "--as=system:serviceaccount:doorstep:doorstep-manager";
    assert_eq!(delete(&["--dry-run=server", manager]), Ok(()), "its API has asked already");
    told(0);
    assert_eq!(delete(&[]), Ok(()));
}

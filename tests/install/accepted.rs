//! What the API server says of the chart as it is rendered.

use super::cluster::{all_kinds, apply, cluster, delete, entered, there};
use super::helm;
use super::support::{ControlPlane, texts, wait_for};

#[test]
fn the_rendered_chart_is_accepted_under_the_restricted_profile_and_leaves_nothing() {
    if !entered("accepted::the_rendered_chart_is_accepted_under_the_restricted_profile_and_leaves_nothing") {
        return;
    }
    let cluster = cluster();
    let before = (all_kinds(&cluster), there(&cluster, &all_kinds(&cluster), &[]));
    for sets in helm::SETS.iter().filter(|sets| !sets.iter().any(|set| set.contains("DaemonSet"))) {
        let text = rendered(sets);
        apply(&cluster, &text);
        for workload in helm::workloads(&helm::objects(&text)) {
            // With an autoscaler there is one pod until it has measured something.
            let replicas = workload["spec"]["replicas"].as_u64().unwrap_or(1);
            let selector = format!(
                "app.kubernetes.io/component={}",
                workload["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap()
            );
            wait_for(&format!("{replicas} pods of {} with {sets:?}", helm::name(workload)), || {
                let pods = there(&cluster, "pods", &["-l", &selector]);
                if pods.len() as u64 == replicas { Ok(()) } else { Err(format!("{pods:?}")) }
            });
        }
        let refused =
            cluster.kubectl_ok(&["get", "events", "-A", "-o", "jsonpath={.items[?(@.type==\"Warning\")].reason}"]);
        assert!(!refused.contains("FailedCreate"), "{sets:?}: {refused}");
        delete(&cluster, &text);
        gone(&cluster, &before);
    }
}

/// The chart with some values, but for what needs a definition that this cluster does not have.
fn rendered(sets: &[&str]) -> String {
    let arguments: Vec<&str> =
        sets.iter().filter(|set| !set.starts_with("serviceMonitor")).flat_map(|set| ["--set", *set]).collect();
    helm::template_text(&arguments).unwrap()
}

/// Waits until the cluster holds what it held before: kinds and objects.
fn gone(cluster: &ControlPlane, before: &(String, Vec<String>)) {
    wait_for("that nothing is left", || {
        let kinds = all_kinds(cluster);
        if kinds != before.0 {
            return Err(kinds);
        }
        let left: Vec<String> = there(cluster, &kinds, &[]).into_iter().filter(|one| !before.1.contains(one)).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

#[test]
fn host_ports_are_refused_where_the_restricted_profile_is_enforced() {
    if !entered("accepted::host_ports_are_refused_where_the_restricted_profile_is_enforced") {
        return;
    }
    let cluster = cluster();
    let text = rendered(&["gateway.kind=DaemonSet"]);
    let (_, said) = texts(&cluster.kubectl(&["apply", "--server-side", "-f", "-"], &text));
    assert!(
        said.contains("would violate PodSecurity \"restricted:latest\": hostPort"),
        "as docs/install.md says: {said}"
    );
}

#[test]
fn helm_installs_upgrades_and_uninstalls() {
    if !entered("accepted::helm_installs_upgrades_and_uninstalls") {
        return;
    }
    let cluster = cluster();
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let chart = helm::chart().display().to_string();
    let helm = |arguments: &[&str]| {
        let output = helm::helm(&[arguments, &["--kubeconfig", &kubeconfig, "--namespace", "doorstep"]].concat());
        assert!(output.status.success(), "{arguments:?}: {:?}", texts(&output));
        texts(&output).0
    };
    let token = || {
        cluster.kubectl_ok(&["get", "secret", "-n", "doorstep", "doorstep-api-token", "-o", "jsonpath={.data.token}"])
    };
    let classes = || there(&cluster, "environmentclasses", &[]);
    let volumes = || there(&cluster, "persistentvolumeclaims", &[]);

    let notes = helm(&["install", "doorstep", &chart, "--set", "namespace=environments,classes={integration,staging}"]);
    assert!(notes.contains("integration, staging were left out"), "{notes}");
    assert!(notes.contains("its store is a file on the volume doorstep-manager"), "{notes}");
    let first = token();
    assert!(first.len() > 32);
    helm(&["upgrade", "doorstep", &chart, "--reuse-values", "--set", "gateway.replicas=3"]);
    assert_eq!(token(), first, "an upgrade keeps the token");
    helm(&["upgrade", "doorstep", &chart, "--reuse-values", "--set", "gateway.autoscaling.enabled=true"]);
    let gateway = ["get", "deployment", "doorstep-gateway", "-n", "doorstep", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(cluster.kubectl_ok(&gateway), "3", "an autoscaler that has measured nothing yet takes no pod away");
    assert_eq!(classes(), ["EnvironmentClass/integration", "EnvironmentClass/staging"]);

    helm(&["uninstall", "doorstep"]);
    assert_eq!(classes().len(), 2, "what people made outlives the release");
    assert_eq!(volumes(), ["PersistentVolumeClaim/doorstep-manager"], "and so does what they did");
    let all = "crds.keep=false,manager.store.persistence.keep=false";
    helm(&["install", "doorstep", &chart, "--set", all, "--take-ownership"]);
    helm(&["uninstall", "doorstep"]);
    wait_for("that it goes too where that is asked for", || match [there(&cluster, "crd", &[]), volumes()].concat() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("{left:?}")),
    });

    let notes = helm(&["install", "doorstep", &chart, "--set", "manager.store.persistence.enabled=false"]);
    assert!(notes.contains("WARNING: audit, tokens and webhooks go with its pod"), "{notes}");
}

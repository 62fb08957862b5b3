//! A control plane with what an administrator has made before the chart comes.

use super::helm;
use super::support::{ControlPlane, texts};
use serde_json::Value;
use std::process::{Command, Output};

/// Whether this process is in the namespaces that a control plane needs. If not, the test `name` is run there, and must pass.
pub fn entered(name: &str) -> bool {
    if std::env::var_os("DOORSTEP_TEST_NAMESPACE").is_some() {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let enter = helm::root().join("tests/cluster/enter");
    let output = Command::new(enter).arg(own).args([name, "--exact", "--nocapture"]).output().unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{name}: {out}{err}");
    assert!(out.contains("test result: ok. 1 passed"), "{name} did not run: {out}{err}");
    print!("{out}");
    false
}

/// A fresh cluster with the namespace `doorstep`, which enforces the restricted profile, and `environments`.
pub fn cluster() -> ControlPlane {
    let cluster = ControlPlane::start();
    for namespace in ["doorstep", "environments"] {
        cluster.kubectl_ok(&["create", "namespace", namespace]);
    }
    cluster.kubectl_ok(&["label", "namespace", "doorstep", "pod-security.kubernetes.io/enforce=restricted"]);
    cluster
}

/// `kubectl apply --server-side`, which must succeed without a warning.
pub fn apply(cluster: &ControlPlane, text: &str) {
    let (out, err) = texts(&run(cluster, &["apply", "--server-side", "-f", "-"], text));
    assert!(err.is_empty(), "{err}{out}");
}

/// `kubectl delete` of what was applied, which must succeed.
pub fn delete(cluster: &ControlPlane, text: &str) {
    let (_, err) = texts(&run(cluster, &["delete", "-f", "-"], text));
    // Definitions and namespaces are not namespaced, which kubectl remarks.
    let err: Vec<&str> = err.lines().filter(|line| !line.contains("deleting cluster-scoped resources")).collect();
    assert!(err.is_empty(), "{err:?}");
}

fn run(cluster: &ControlPlane, arguments: &[&str], text: &str) -> Output {
    let output = cluster.kubectl(arguments, text);
    assert!(output.status.success(), "kubectl {arguments:?}: {:?}", texts(&output));
    output
}

/// The objects of some kinds, everywhere, as `kind/name`.
pub fn there(cluster: &ControlPlane, kinds: &str, selector: &[&str]) -> Vec<String> {
    let arguments = [&["get", kinds, "--all-namespaces", "--ignore-not-found", "-o", "json"], selector].concat();
    let text = texts(&run(cluster, &arguments, "")).0;
    let list: Value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    list["items"].as_array().into_iter().flatten().map(helm::name).collect()
}

/// Every kind of object that the cluster can list, but for events, which go by themselves.
pub fn all_kinds(cluster: &ControlPlane) -> String {
    let text = cluster.kubectl_ok(&["api-resources", "--verbs=list", "-o", "name"]);
    let kinds: Vec<&str> = text.lines().map(str::trim).filter(|kind| !kind.starts_with("events")).collect();
    kinds.join(",")
}

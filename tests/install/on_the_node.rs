//! The chart's pods on a node of local processes: what has no meaning there is taken away, and nothing else.

use super::helm;
use super::support::{ControlPlane, Program};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A node for the cluster's pods.
pub fn node(cluster: &ControlPlane, folder: &Path) -> Program {
    let pki = cluster.pki.display().to_string();
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let arguments =
        ["--kubeconfig", &kubeconfig, "--addresses", &cluster.network, "--listen", "127.0.0.1:0", "--pki", &pki];
    Program::start("node", &folder.join("node"), &folder.join("node.log"), arguments)
}

/// A kubeconfig for a ServiceAccount of the chart: what its pods would find mounted.
pub fn kubeconfig(cluster: &ControlPlane, account: &str, folder: &Path) -> PathBuf {
    let token = cluster.kubectl_ok(&["create", "token", account, "--namespace", "doorstep", "--duration", "1h"]);
    let text = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = folder.join(format!("{account}.kubeconfig"));
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// The chart with some values, for that node. Processes share its network, so each listens on its pod's address; they have
/// no image, no volumes, and no mounted token.
pub fn rendered(sets: &[&str], folder: &Path) -> Vec<Value> {
    let path = |account: &str| folder.join(format!("{account}.kubeconfig")).display().to_string();
    let own = [
        "listenAddress=$(POD_IP)".to_owned(),
        "namespace=environments".to_owned(),
        "domain=localhost".to_owned(),
        format!("gateway.extraArgs={{--kubeconfig={}}}", path("doorstep-gateway")),
        format!("manager.extraArgs={{--kubeconfig={},--local-commands}}", path("doorstep-manager")),
    ];
    let all: Vec<&str> = own.iter().map(String::as_str).chain(sets.iter().copied()).collect();
    let mut objects = helm::template(&all);
    for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
        let pod = object.pointer_mut("/spec/template/spec").unwrap();
        pod["automountServiceAccountToken"] = json!(false);
        pod.as_object_mut().unwrap().remove("volumes");
        let container = pod.pointer_mut("/containers/0").unwrap();
        container["command"] = json!(["doorstep"]);
        container.as_object_mut().unwrap().remove("volumeMounts");
        // What they name is in a volume.
        let variables = container["env"].as_array_mut().unwrap();
        let in_a_volume = ["DOORSTEP_DATA", "DOORSTEP_TOKEN_FILE", "DOORSTEP_STORE_FILE"];
        variables.retain(|one| !in_a_volume.iter().any(|name| one["name"] == *name));
    }
    objects
}

/// One text of several objects.
pub fn text<'a>(objects: impl IntoIterator<Item = &'a Value>) -> String {
    objects.into_iter().map(|object| format!("{object}\n---\n")).collect()
}

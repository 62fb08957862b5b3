//! Ready is what every gateway of the chart says.

use super::cluster::{apply, cluster, entered};
use super::on_the_node::{kubeconfig, node, rendered, text};
use super::support::{ControlPlane, curl, signal, texts, wait_for};
use super::upgraded::{deploy, is_ready, rolled_out};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Command;

#[test]
fn ready_waits_for_the_gateway_that_does_not_answer_and_names_it() {
    if !entered("every_gateway::ready_waits_for_the_gateway_that_does_not_answer_and_names_it") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = cluster();
    let _node = node(&cluster, folder.path());
    // In one namespace, which is not the gateways': the narrowest rights with which it has to work.
    let name_server = ["manager.dnsAuthority.enabled=true", "manager.dnsAuthority.addresses={203.0.113.10}"];
    let mut chart = rendered(&[&["namespaced=true"], &name_server[..]].concat(), folder.path());
    for object in chart.iter_mut().filter(|object| object["metadata"]["name"] == "doorstep-gateway") {
        // It is to be stopped, and neither taken out of the Service nor started anew for that.
        if let Some(container) = object.pointer_mut("/spec/template/spec/containers/0") {
            for probe in ["readinessProbe", "livenessProbe"] {
                container[probe]["failureThreshold"] = json!(1000);
            }
        }
    }
    apply(&cluster, &text(chart.iter().filter(|object| object["kind"] == "ServiceAccount")));
    for account in ["doorstep-gateway", "doorstep-manager"] {
        kubeconfig(&cluster, account, folder.path());
    }
    apply(&cluster, &text(&chart));
    rolled_out(&cluster);

    let gateways = pods(&cluster, "gateway");
    assert_eq!(gateways.len(), 2, "{gateways:?}");
    let (stopped, address) = &gateways[0];
    let pid = process(*address);
    signal(pid, "STOP");
    deploy(&cluster);
    let wanted = format!("the gateway {stopped} (http://{address}:9090) does not tell whether it leads to them");
    wait_for(&wanted, || match is_ready(&cluster) {
        Err(told) if told.contains(&wanted) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let (_, manager) = &pods(&cluster, "manager")[0];
    wait_for("the metrics to tell", || {
        let metrics = texts(&curl().arg(format!("http://{manager}:8081/metrics")).output().unwrap()).0;
        let all = ["doorstep_gateways_silent 1", "doorstep_gateway_hosts_unconfirmed 1"];
        if all.iter().all(|metric| metrics.contains(metric)) { Ok(()) } else { Err(metrics) }
    });
    signal(pid, "CONT");
    wait_for("the environment", || is_ready(&cluster));
    for (name, address) in &gateways {
        let url = format!("http://{address}:8080/");
        let output = curl().args(["--fail", "--header", "Host: fronthaimaz.int.localhost", &url]).output().unwrap();
        assert!(output.status.success(), "{name}, once it is ready: {:?}", texts(&output));
    }
    is_told_by_the_name_server(*manager);
}

/// What is ready has a name where the chart's own name server is asked, by UDP and by TCP.
fn is_told_by_the_name_server(manager: IpAddr) {
    let at = format!("@{manager}");
    for transport in ["+notcp", "+tcp"] {
        wait_for("the address", || {
            let ask = ["-p", "5353", "+short", "+tries=1", "+time=5", transport, "fronthaimaz.int.localhost"];
            let dig = Command::new("dig").arg(&at).args(ask).output();
            match texts(&dig.expect("dig (Debian package bind9-dnsutils) runs")) {
                (answer, _) if answer.trim() == "203.0.113.10" => Ok(()),
                other => Err(format!("{transport}: {other:?}")),
            }
        });
    }
}

/// Names and addresses of a role's pods.
fn pods(cluster: &ControlPlane, role: &str) -> Vec<(String, IpAddr)> {
    let selector = format!("app.kubernetes.io/component={role}");
    let text = cluster.kubectl_ok(&["get", "pods", "-n", "doorstep", "-l", &selector, "-o", "json"]);
    let pods: Value = serde_json::from_str(&text).unwrap();
    let told = |pod: &Value| {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap().to_owned();
        (text("/metadata/name"), text("/status/podIP").parse().unwrap())
    };
    pods["items"].as_array().unwrap().iter().map(told).collect()
}

/// The gateway's process whose admin pages are at this address.
fn process(address: IpAddr) -> u32 {
    let wanted = format!("--admin={address}:9090");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split('\0').skip(1);
        if words.next() == Some("gateway") && words.any(|word| word == wanted) {
            found.push(pid);
        }
    }
    assert_eq!(found.len(), 1, "one process with {wanted}: {found:?}");
    found[0]
}

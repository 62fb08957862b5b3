//! The pods of the chart: what the restricted profile wants, and what `doorstep` itself takes.

use super::helm::{SETS, find, name, template, workloads};
use serde_json::{Value, json};
use std::process::Command;

/// The rules of the restricted profile (Pod Security Standards) that a pod of ours could break.
#[test]
fn every_pod_is_restricted_probed_and_bounded() {
    for sets in SETS {
        for workload in workloads(&template(sets)) {
            let said = format!("{sets:?}: {}", name(workload));
            let pod = workload.pointer("/spec/template/spec").unwrap();
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{said}");
            assert_ne!(pod["securityContext"]["runAsUser"], 0, "{said}");
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{said}");
            for volume in pod["volumes"].as_array().unwrap() {
                assert!(volume.get("emptyDir").or(volume.get("secret")).is_some(), "{said}: {volume}");
            }
            for container in pod["containers"].as_array().unwrap() {
                let context = &container["securityContext"];
                assert_eq!(context["allowPrivilegeEscalation"], false, "{said}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{said}");
                assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}), "{said}");
                assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz", "{said}");
                assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez", "{said}");
                assert!(container["resources"]["requests"]["cpu"].is_string(), "{said}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{said}");
                let image = container["image"].as_str().unwrap();
                let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{said}: {image} has a tag")).1;
                assert!(!tag.is_empty() && tag != "latest", "{said}: {image}");
            }
        }
    }
}

/// A flag that was renamed is found here, not in somebody's cluster.
#[test]
fn doorstep_takes_the_arguments_of_every_container() {
    for sets in SETS {
        for workload in workloads(&template(sets)) {
            let container = workload.pointer("/spec/template/spec/containers/0").unwrap();
            assert_eq!(container["command"], json!(["/doorstep"]));
            let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
            // Help is given once all before it was understood.
            let output = Command::new(env!("CARGO_BIN_EXE_doorstep")).args(arguments).arg("--help").output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{sets:?}: {}: {said}", name(workload));
        }
    }
}

#[test]
fn a_rolling_update_has_a_new_pod_ready_before_an_old_one_goes() {
    let objects = template(&[]);
    for role in ["Deployment/doorstep-gateway", "Deployment/doorstep-manager"] {
        let strategy = &find(&objects, role)["spec"]["strategy"];
        assert_eq!(strategy["rollingUpdate"], json!({"maxSurge": 1, "maxUnavailable": 0}), "{role}");
    }
}

#[test]
fn a_gateway_has_the_time_to_say_goodbye() {
    let objects = template(&["gateway.shutdownDelaySeconds=20", "gateway.drainSeconds=60"]);
    let pod = find(&objects, "Deployment/doorstep-gateway").pointer("/spec/template/spec").unwrap();
    assert_eq!(pod["terminationGracePeriodSeconds"], Value::from(85));
}

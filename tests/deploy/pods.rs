//! The pods of the chart: what the restricted profile wants, and what `doorstep` itself takes.

use super::helm::{SETS, find, name, objects, root, template, template_text, workloads};
use doorstep::config::{read_dns, read_identity, read_prices};
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
                let kinds = ["emptyDir", "secret", "configMap", "persistentVolumeClaim"];
                assert!(kinds.iter().any(|kind| volume.get(kind).is_some()), "{said}: {volume}");
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

/// The shipped examples as values: what the chart makes of them is what the manager reads.
#[test]
fn the_managers_files_come_as_they_are_written_in_the_values() {
    let text = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let example = |path: &str| serde_saphyr::from_str::<Value>(&text(path)).unwrap();
    let values = json!({"manager": {
        "identity": example("config/identity/example.yaml"),
        "dns": example("config/dns/example.yaml"),
        "prices": example("config/prices.yaml"),
        "extraVolumes": [{"name": "zone", "secret": {"secretName": "zone"}}],
        "extraVolumeMounts": [{"name": "zone", "mountPath": "/etc/doorstep/dns", "readOnly": true}],
    }});
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let objects = objects(&template_text(&["--values", file.path().to_str().unwrap()]).unwrap());
    let files = &find(&objects, "ConfigMap/doorstep-manager")["data"];
    let file = |name: &str| files[name].as_str().unwrap_or_else(|| panic!("no {name} in {files}")).to_owned();
    let identity = text("config/identity/example.yaml");
    assert_eq!(
        format!("{:?}", read_identity(&file("identity.yaml"), "identity.yaml").unwrap()),
        format!("{:?}", read_identity(&identity, "identity.yaml").unwrap())
    );
    let dns = text("config/dns/example.yaml");
    assert_eq!(read_dns(&file("dns.yaml"), "dns.yaml").unwrap(), read_dns(&dns, "dns.yaml").unwrap());
    read_prices(&file("prices.yaml"), "prices.yaml").unwrap();
    let manager = find(&objects, "Deployment/doorstep-manager").pointer("/spec/template").unwrap();
    let container = manager.pointer("/spec/containers/0").unwrap();
    for (flag, name) in [("identity", "identity"), ("dns", "dns"), ("prices", "prices")] {
        let argument = json!(format!("--{flag}=/etc/doorstep/files/{name}.yaml"));
        assert!(container["args"].as_array().unwrap().contains(&argument), "{argument} in {container}");
    }
    for name in ["files", "zone"] {
        let named = |list: &Value| list.as_array().unwrap().iter().any(|item| item["name"] == name);
        assert!(named(&container["volumeMounts"]) && named(&manager["spec"]["volumes"]), "{name} is mounted");
    }
    // They are read at the start, so other files need other pods.
    assert!(manager.pointer("/metadata/annotations").is_some_and(|all| all["checksum/files"].is_string()), "{manager}");
}

#[test]
fn a_rolling_update_has_a_new_pod_ready_before_an_old_one_goes() {
    let objects = template(&["manager.replicas=2", "manager.store.existingSecret=store"]);
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
    // Another manager can be called meanwhile where there may be several, and nowhere else.
    for (sets, delay, grace) in
        [(&["manager.store.existingSecret=a"][..], 5, 35), (&["manager.shutdownDelaySeconds=9"], 0, 30)]
    {
        let objects = template(sets);
        let pod = find(&objects, "Deployment/doorstep-manager").pointer("/spec/template/spec").unwrap();
        assert_eq!(pod["terminationGracePeriodSeconds"], Value::from(grace), "{sets:?}");
        let wanted = Value::from(format!("--shutdown-delay={delay}"));
        assert!(pod["containers"][0]["args"].as_array().unwrap().contains(&wanted), "{wanted}: {sets:?}");
    }
}

//! kubectl against the cluster.

use crate::harness::{Doorstep, texts, wait_for};

#[test]
fn kubectl_gets_describes_applies_waits_and_deletes() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1.4.2");

    let table = doorstep.kubectl_ok(&["get", "environments"]);
    let mut lines = table.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["NAME", "USER", "CLASS", "READY", "REASON", "URL", "LIFE", "AGE"], "{table}");
    let row: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..4], ["haimaz-integration", "haimaz", "integration", "True"], "{table}");
    assert_eq!(row[5], doorstep.url("fronthaimaz.int.localhost", "/"), "{table}");

    let pods = doorstep.kubectl_ok(&["get", "pods"]);
    assert!(pods.contains("READY") && pods.contains("1/1") && pods.contains("Running"), "{pods}");
    let all =
        doorstep.kubectl_ok(&["get", "deployments,replicasets,services,endpointslices,nodes,envclass", "-o", "wide"]);
    assert!(all.contains("deployment.apps/haimaz-integration-deployment"), "{all}");

    let described = doorstep.kubectl_ok(&["describe", "environment", "haimaz-integration"]);
    for part in ["TAG_FRONT", "1.4.2", "Conditions:", "Events:"] {
        assert!(described.contains(part), "no {part} in {described}");
    }
    let pod = doorstep.kubectl_ok(&["get", "pods", "-o", "jsonpath={.items[0].metadata.name}"]);
    assert!(doorstep.kubectl_ok(&["describe", "pod", &pod]).contains("Ready"));
    assert!(doorstep.kubectl_ok(&["logs", &pod]).contains("listening"), "the front end says where it listens");

    doorstep.kubectl_ok(&["wait", "--for=condition=Ready", "environment/haimaz-integration", "--timeout=60s"]);
    doorstep.kubectl_ok(&["delete", "environment", "haimaz-integration", "--timeout=60s"]);
    wait_for("the end of the pods", || match texts(&doorstep.kubectl(&["get", "pods", "-o", "name"])).0 {
        none if none.trim().is_empty() => Ok(()),
        some => Err(some),
    });
    doorstep.stop();
}

#[test]
fn a_changed_class_is_applied_both_ways_and_rolls_its_environments() {
    let doorstep = Doorstep::start();
    let url = doorstep.deploy("haimaz", "integration", "1");
    let class = doorstep.kubectl_ok(&["get", "environmentclass", "integration", "-o", "json"]);
    let mut class: serde_json::Value = serde_json::from_str(&class).unwrap();
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
        class["metadata"].as_object_mut().unwrap().remove(field);
    }
    class.as_object_mut().unwrap().remove("status");
    for (way, marker) in [
        (&["apply", "-f", "-"][..], "by-client"),
        (&["apply", "--server-side", "--force-conflicts", "-f", "-"], "by-server"),
    ] {
        class["spec"]["local"]["env"] = serde_json::json!([{"name": "VERSION", "value": marker}]);
        let applied = doorstep.kubectl_with(way, &class.to_string());
        assert!(applied.status.success(), "{:?}", texts(&applied));
        wait_for("the changed class on the page", || match doorstep.curl(&[&url]) {
            page if page.contains(marker) => Ok(()),
            page => Err(page),
        });
        doorstep.kubectl_ok(&["wait", "--for=condition=Ready", "environment/haimaz-integration", "--timeout=60s"]);
    }
    let unknown = r#"{"apiVersion":"doorstep.dev/v1alpha1","kind":"Environment","metadata":{"name":"x-integration"},"spec":{"user":"x","class":"integration","parametres":{}}}"#;
    let refused = doorstep.kubectl_with(&["apply", "-f", "-"], unknown);
    assert!(texts(&refused).1.contains("unknown field \"spec.parametres\""), "{:?}", texts(&refused));
    let misnamed = unknown.replace("x-integration", "y-integration").replace(",\"parametres\":{}", "");
    let refused = doorstep.kubectl_with(&["apply", "-f", "-"], &misnamed);
    assert!(texts(&refused).1.contains("<spec.user>-<spec.class>"), "{:?}", texts(&refused));
    doorstep.stop();
}

#[test]
fn owned_objects_that_somebody_changes_or_deletes_are_repaired() {
    let doorstep = Doorstep::start();
    let url = doorstep.deploy("haimaz", "integration", "1");
    doorstep.kubectl_ok(&["delete", "service", "haimaz-integration"]);
    doorstep.kubectl_ok(&["delete", "deployment", "haimaz-integration-deployment"]);
    wait_for("the page again", || match doorstep.curl(&["-o", "/dev/null", "-w", "%{http_code}", &url]) {
        status if status == "200" => Ok(()),
        status => Err(status),
    });
    doorstep.kubectl_ok(&["scale", "deployment", "haimaz-integration-deployment", "--replicas=3"]);
    wait_for("one pod again", || {
        let replicas = doorstep.kubectl_ok(&[
            "get",
            "deployment",
            "haimaz-integration-deployment",
            "-o",
            "jsonpath={.spec.replicas}",
        ]);
        if replicas == "1" { Ok(()) } else { Err(replicas) }
    });
    doorstep.stop();
}

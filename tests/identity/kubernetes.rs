//! Tokens of the cluster, reviewed by a real kube-apiserver.

use crate::Person;
use crate::harness::{ControlPlane, Program, alone, namespace, texts, wait_for};
use std::path::Path;

const NAME: &str = "kubernetes::a_real_cluster_reviews_its_tokens_where_the_manager_may_ask";

#[test]
fn a_real_cluster_reviews_its_tokens_where_the_manager_may_ask() {
    if namespace::is_inside() {
        return reviewed();
    }
    let _turn = alone();
    let status =
        namespace::command().args(["--exact", NAME, "--nocapture"]).status().expect("tests/cluster/enter runs");
    assert!(status.success(), "{NAME} failed in its namespaces; its words are above");
}

/// `doorstep whoami` with `token`: its exit code and all that it said.
fn whoami(person: &Person, token: &str) -> (Option<i32>, String) {
    let output = person.command(&["whoami"]).env("DOORSTEP_TOKEN", token.trim()).output().unwrap();
    let (out, err) = texts(&output);
    (output.status.code(), out + &err)
}

fn manager(folder: &Path, kubeconfig: &Path, identity: &Path) -> (Program, Person) {
    let kubeconfig = kubeconfig.to_str().unwrap();
    let arguments = ["--kubeconfig", kubeconfig, "--api", "127.0.0.1:0", "--identity", identity.to_str().unwrap()];
    std::fs::create_dir(folder).unwrap();
    let mut manager = Program::start("manager", folder, &folder.join("log"), arguments);
    let said = manager.addresses();
    (manager, Person::of(format!("http://{}", said["api"].as_str().unwrap())))
}

fn reviewed() {
    let control_plane = ControlPlane::start();
    control_plane.install();
    let kubectl = |arguments: &[&str]| control_plane.kubectl_ok(arguments);
    for account in ["reporter", "stranger", "poor-manager"] {
        kubectl(&["create", "serviceaccount", account]);
    }
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity.yaml");
    let rule = r#"{role: viewer, when: [{claim: username, equals: "system:serviceaccount:default:reporter"}]}"#;
    std::fs::write(&identity, format!("kubernetes: {{audiences: [doorstep], grants: [{rule}]}}")).unwrap();
    let good = kubectl(&["create", "token", "reporter", "--audience", "doorstep"]);

    // The administrator may ask.
    let (_running, person) = manager(&folder.path().join("rich"), &control_plane.kubeconfig, &identity);
    let (code, said) = whoami(&person, &good);
    assert!(code == Some(0) && said.contains("viewer"), "{said}");
    for (token, part) in [
        (kubectl(&["create", "token", "reporter"]), "the cluster does not know the token"),
        (kubectl(&["create", "token", "stranger", "--audience", "doorstep"]), "no rule gives a role"),
        (format!("{}AAAAA", &good.trim()[..good.trim().len() - 5]), "the cluster does not know the token"),
    ] {
        let (code, said) = whoami(&person, &token);
        assert!(code == Some(4) && said.contains(part), "{said}");
    }

    // A manager without the right lets nobody in, and takes the token as soon as it has it, as docs/identity.md says.
    let poor = control_plane.service_account("default", "poor-manager");
    let (_running, person) = manager(&folder.path().join("poor"), &poor, &identity);
    let (code, said) = whoami(&person, &good);
    assert!(code == Some(1) && said.contains("the cluster does not review tokens"), "{said}");
    let account = "--serviceaccount=default:poor-manager";
    kubectl(&["create", "clusterrolebinding", "token-review", "--clusterrole=system:auth-delegator", account]);
    wait_for("the right to review", || match whoami(&person, &good) {
        (Some(0), _) => Ok(()),
        (_, said) => Err(said),
    });
}

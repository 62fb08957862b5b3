//! Ingresses with their certificates: routed, told about, and never at a person's cost.

use crate::harness::{Doorstep, texts, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CLASS: &str = "networking.k8s.io/v1";

fn apply(doorstep: &Doorstep, object: &Value) {
    let output = doorstep.kubectl_with(&["apply", "-f", "-"], &object.to_string());
    assert!(output.status.success(), "{:?}", texts(&output));
}

fn class(doorstep: &Doorstep) {
    let spec = json!({"controller": "doorstep.dev/gateway"});
    let metadata = json!({"name": "doorstep"});
    apply(doorstep, &json!({"apiVersion": CLASS, "kind": "IngressClass", "metadata": metadata, "spec": spec}));
}

/// An Ingress of the class `doorstep` for one host and path, to the port `http` of a Service.
fn ingress(name: &str, host: &str, path: &str, service: &str) -> Value {
    let backend = json!({"service": {"name": service, "port": {"number": 80}}});
    let paths = json!([{"path": path, "pathType": "Prefix", "backend": backend}]);
    json!({
        "apiVersion": CLASS, "kind": "Ingress", "metadata": {"name": name},
        "spec": {"ingressClassName": "doorstep", "rules": [{"host": host, "http": {"paths": paths}}]},
    })
}

/// A new certificate for `host` in the Secret `name`; gives the file that a client trusts it by.
fn secret(doorstep: &Doorstep, name: &str, host: &str) -> PathBuf {
    let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
    let data = json!({"tls.crt": made.cert.pem(), "tls.key": made.signing_key.serialize_pem()});
    let metadata = json!({"name": name});
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "stringData": data});
    apply(doorstep, &object);
    let file = doorstep.folder.join(format!("{name}-{}.pem", fastrand::u32(..)));
    std::fs::write(&file, made.cert.pem()).unwrap();
    file
}

/// Whether a client that trusts `certificate` alone gets an answer from `host` by TLS.
fn is_served(doorstep: &Doorstep, host: &str, certificate: &Path) -> Result<(), String> {
    let port = doorstep.https.port();
    let resolve = format!("{host}:{port}:127.0.0.1");
    let file = certificate.to_str().unwrap();
    let output =
        doorstep.curl_output(&["--cacert", file, "--resolve", &resolve, &format!("https://{host}:{port}/shop")]);
    if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
}

fn events(doorstep: &Doorstep, name: &str) -> String {
    let selector = format!("involvedObject.name={name}");
    doorstep.kubectl_ok(&["get", "events", "--field-selector", &selector, "-o", "jsonpath={.items[*].message}"])
}

fn until(what: &str, mut look: impl FnMut() -> String, part: &str) {
    wait_for(what, || {
        let seen = look();
        if seen.contains(part) { Ok(()) } else { Err(seen) }
    });
}

#[test]
fn an_ingress_is_routed_and_told_about() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1");
    let service = "haimaz-integration";
    apply(&doorstep, &ingress("early", "early.example.test", "/", service));
    class(&doorstep);
    apply(&doorstep, &ingress("shop", "shop.example.test", "/bytes", service));
    let asked = |host: &str, path: &str| doorstep.ask(host, path, &["-s", "-o", "/dev/null", "-w", "%{http_code}"]);
    until("the route", || asked("shop.example.test", "/bytes/5"), "200");
    until("the route of the one before its class", || asked("early.example.test", "/"), "200");
    assert_eq!(asked("shop.example.test", "/other"), "404");
    let explained = doorstep.cli_ok(&["explain", "http://shop.example.test/bytes/5"]);
    assert!(explained.contains("Ingress default/shop takes it"), "{explained}");

    let address = |name: &str| {
        doorstep.kubectl_ok(&["get", "ingress", name, "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"])
    };
    until("the gateway's address", || address("shop"), "127.0.0.1");

    // Somebody else's host and match, a person's host, and a Service that is not there: each is told, and changes nothing.
    apply(&doorstep, &ingress("thief", "shop.example.test", "/bytes", "nothing"));
    until("the conflict", || events(&doorstep, "thief"), "answered by Ingress default/shop, which is older");
    apply(&doorstep, &ingress("zone", "frontevil.int.localhost", "/", service));
    until("the refusal", || events(&doorstep, "zone"), "belongs to the environments of class integration");
    apply(&doorstep, &ingress("lost", "lost.example.test", "/", "nothing"));
    until("what is missing", || events(&doorstep, "lost"), "there is no Service default/nothing");
    assert_eq!(asked("lost.example.test", "/"), "503");
    let metadata = json!({"name": "names", "labels": {"kubernetes.io/service-name": service}});
    let endpoints = json!([{"addresses": ["metadata.google.internal"]}]);
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "FQDN", "endpoints": endpoints, "ports": []});
    apply(&doorstep, &slice);
    until("the refused slice", || events(&doorstep, "names"), "its addresses are names");
    assert_eq!(asked("shop.example.test", "/bytes/5"), "200");

    // It becomes another controller's: neither routes nor the address stay.
    doorstep.kubectl_ok(&[
        "patch",
        "ingress",
        "shop",
        "--type=merge",
        "-p",
        r#"{"spec":{"ingressClassName":"other"}}"#,
    ]);
    wait_for("the end of the address", || match address("shop").as_str() {
        "" => Ok(()),
        other => Err(other.to_owned()),
    });
    assert_eq!(asked("shop.example.test", "/bytes/5"), "503", "now it is that of the younger one");
    doorstep.stop();
}

#[test]
fn certificates_come_from_secrets_are_replaced_and_outlive_them() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1");
    class(&doorstep);
    let mut shop = ingress("shop", "shop.example.test", "/", "haimaz-integration");
    shop["spec"]["tls"] = json!([{"secretName": "shop", "hosts": ["shop.example.test"]}]);
    apply(&doorstep, &shop);
    until("what is missing", || events(&doorstep, "shop"), "there is no Secret default/shop");
    let first = secret(&doorstep, "shop", "shop.example.test");
    wait_for("the certificate", || is_served(&doorstep, "shop.example.test", &first));
    let explained = doorstep.cli_ok(&["explain", "https://shop.example.test/"]);
    assert!(explained.contains("from Secret default/shop"), "{explained}");

    let second = secret(&doorstep, "shop", "shop.example.test");
    wait_for("the new certificate", || is_served(&doorstep, "shop.example.test", &second));
    assert!(is_served(&doorstep, "shop.example.test", &first).is_err(), "the old one is still served");

    let garbage = json!({"stringData": {"tls.crt": "garbage"}}).to_string();
    doorstep.kubectl_ok(&["patch", "secret", "shop", "--type=merge", "-p", &garbage]);
    until("the complaint", || events(&doorstep, "shop"), "the certificate that it held before is served on");
    is_served(&doorstep, "shop.example.test", &second).unwrap();
    doorstep.kubectl_ok(&["delete", "secret", "shop"]);
    until("the loss", || doorstep.cli_ok(&["explain", "https://shop.example.test/"]), "it is gone");
    is_served(&doorstep, "shop.example.test", &second).unwrap();
    doorstep.stop();
}

#[test]
fn a_solver_answers_for_a_person_and_the_rest_of_the_host_stays_his() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1");
    class(&doorstep);
    let (host, token) = ("frontanna.int.localhost", "/.well-known/acme-challenge/abc_DEF-1");
    let mut solver = ingress("cm-acme-http-solver", host, token, "haimaz-integration");
    solver["metadata"]["labels"] = json!({"acme.cert-manager.io/http01-solver": "true"});
    solver["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = "ImplementationSpecific".into();
    apply(&doorstep, &solver);
    // The front end knows no such path, and says so itself.
    until("the answer", || doorstep.ask(host, token, &["-s"]), "this front end knows");
    let page = doorstep.ask(host, "/", &["-s"]);
    assert!(page.contains("NoEnvironment"), "no state page: {page}");
    doorstep.stop();
}

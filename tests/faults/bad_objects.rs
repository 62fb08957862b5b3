//! Objects that should not exist: each loses its own routes alone and is told so, and the rest goes on under load.

use crate::support::{Doorstep, Wrk, texts, wait_for};
use crate::world::LONG_SECONDS;
use serde_json::json;

/// An object, and what is told of it: the kind and name that the event is about, its reason, and a part of its sentence.
struct Bad {
    object: String,
    about: (&'static str, &'static str),
    reason: &'static str,
    sentence: &'static str,
}

faults! {
    fn objects_that_should_not_exist_lose_only_their_own_routes_and_are_told() {
        let mut doorstep = Doorstep::start();
        doorstep.deploy("haimaz", "integration", "first");
        doorstep.kubectl_ok(&["create", "namespace", "other"]);
        apply(&doorstep, &ingress_class()).unwrap();
        let load = Wrk::start(doorstep.http, "fronthaimaz.int.localhost", LONG_SECONDS);
        let bad = objects();
        for bad in &bad {
            apply(&doorstep, &bad.object).unwrap_or_else(|error| panic!("{:?}: {error}", bad.about));
        }
        // These a real API server does not take at all, and says why.
        for (object, said) in refused() {
            let error = apply(&doorstep, &object).expect_err(&object);
            assert!(error.contains(said), "no {said} in {error}");
        }
        for Bad { about: (kind, name), reason, sentence, .. } in &bad {
            wait_for(&format!("the event on {kind} {name}"), || {
                let of = format!("involvedObject.kind={kind},involvedObject.name={name}");
                let arguments = ["get", "events", "-A", "--field-selector", &of, "-o", "json"];
                let events = doorstep.kubectl_ok(&arguments);
                if events.contains(reason) && events.contains(sentence) { Ok(()) } else { Err(events) }
            });
            println!("{kind} {name}: {reason}: …{sentence}…");
        }
        a_condition_on_the_service(&doorstep);
        nobody_else_lost_anything(&doorstep);
        let requests = load.stop().without_failure();
        println!("{requests} requests, 0 failed");
        doorstep.kill();
    }
}

fn apply(doorstep: &Doorstep, object: &str) -> Result<(), String> {
    let output = doorstep.kubectl_with(&["apply", "--server-side", "-f", "-"], object);
    if output.status.success() { Ok(()) } else { Err(texts(&output).1) }
}

fn a_condition_on_the_service(doorstep: &Doorstep) {
    wait_for("the condition on the Service with foreign labels", || {
        let conditions = ["get", "service", "-n", "other", "stolen", "-o", "jsonpath={.status.conditions}"];
        let conditions = doorstep.kubectl_ok(&conditions);
        if conditions.contains("ForeignLabels") { Ok(()) } else { Err(conditions) }
    });
}

fn nobody_else_lost_anything(doorstep: &Doorstep) {
    let status = |host: &str| doorstep.ask(host, "/", &["-o", "/dev/null", "-w", "%{http_code}"]);
    // What the bad objects wanted is not theirs; what lies beside it in the same object is.
    assert_eq!(status("fronthaimaz.int.localhost"), "200");
    assert_eq!(status("frontvictim.int.localhost"), "404", "nobody's environment was made by a label");
    assert_eq!(status("metadata.test"), "503", "a host whose only endpoint is refused has none");
    wait_for("the good rule beside a bad one", || match status("beside.test") {
        status if status == "200" => Ok(()),
        status => Err(status),
    });
    doorstep.deploy("chanigo", "staging", "after");
    assert_eq!(status("frontchanigo.dev.localhost"), "200");
}

fn ingress_class() -> String {
    let class = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "doorstep"},
        "spec": {"controller": "doorstep.dev/gateway"},
    });
    class.to_string()
}

fn service(namespace: &str, name: &str, labels: &serde_json::Value, annotations: &serde_json::Value) -> String {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "annotations": annotations},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    });
    service.to_string()
}

fn slice(name: &str, service: &str, kind: &str, address: &str) -> String {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": kind,
        "metadata": {"namespace": "other", "name": name, "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
    });
    slice.to_string()
}

fn ingress(
    namespace: &str,
    name: &str,
    hosts: &[&str],
    secret: Option<&str>,
    annotations: &serde_json::Value,
) -> String {
    let rule = |host: &&str| {
        let backend = json!({"service": {"name": "haimaz-integration", "port": {"number": 80}}});
        json!({"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}})
    };
    let tls: Vec<_> = secret.iter().map(|secret| json!({"hosts": hosts, "secretName": secret})).collect();
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"namespace": namespace, "name": name, "annotations": annotations},
        "spec": {"ingressClassName": "doorstep", "tls": tls, "rules": hosts.iter().map(rule).collect::<Vec<_>>()},
    });
    ingress.to_string()
}

fn objects() -> Vec<Bad> {
    let none = json!({});
    let bad = |object, about, reason, sentence| Bad { object, about, reason, sentence };
    let victim = json!({"doorstep.dev/user": "victim", "doorstep.dev/class": "integration"});
    let garbage = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"namespace": "default", "name": "garbage"}, "stringData": {"tls.crt": "\u{1}\u{2}", "tls.key": "x"},
    });
    let long = json!({"doorstep.dev/host": format!("{}.test", "x".repeat(64 * 1024))});
    vec![
        bad(service("other", "stolen", &victim, &none), ("Service", "stolen"), "ForeignLabels", "victim"),
        bad(service("other", "long", &none, &long), ("Service", "long"), "Invalid", "xxx"),
        bad(
            service("other", "metadata", &none, &json!({"doorstep.dev/host": "metadata.test"})),
            ("EndpointSlice", "metadata-6"),
            "EndpointRefused",
            "metadata service",
        ),
        bad(garbage.to_string(), ("Secret", "garbage"), "CertificateUnusable", "it holds no certificate in PEM form"),
        bad(
            ingress("default", "claims", &["frontvictim.int.localhost", "beside.test"], Some("garbage"), &none),
            ("Ingress", "claims"),
            "HostReserved",
            "int.localhost",
        ),
    ]
    .into_iter()
    .chain([
        bad(
            slice("metadata-6", "metadata", "IPv6", "fd00:ec2::254"),
            ("EndpointSlice", "metadata-6"),
            "EndpointRefused",
            "metadata service",
        ),
        bad(
            slice("multicast", "metadata", "IPv4", "239.1.2.3"),
            ("EndpointSlice", "multicast"),
            "EndpointRefused",
            "multicast",
        ),
        bad(
            slice("names", "metadata", "FQDN", "metadata.google.internal"),
            ("EndpointSlice", "names"),
            "EndpointRefused",
            "its addresses are names",
        ),
    ])
    .collect()
}

/// What the API server itself refuses, and what it says.
fn refused() -> Vec<(String, &'static str)> {
    let of = |address: &str| slice("refused", "metadata", if address.contains(':') { "IPv6" } else { "IPv4" }, address);
    let path_type = ingress("default", "refused", &["a.test"], None, &json!({})).replace("Prefix", "Fuzzy");
    vec![
        (of("169.254.169.254"), "link-local"),
        (of("127.0.0.1"), "loopback"),
        (of("::1"), "loopback"),
        (of("::ffff:169.254.169.254"), "IPv6"),
        (of("0.0.0.0"), "unspecified"),
        (path_type, "pathType"),
        (slice("refused", "metadata", "IPv5", "10.0.0.1"), "addressType"),
    ]
}

//! `explain` says what the gateway then does.

use crate::harness::{Doorstep, texts, wait_for};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

/// Gives the hosts of `names` the certificate of a Secret; its subject is the Secret's name.
fn label_certificate(doorstep: &Doorstep, name: &str, names: &str) {
    let mut params = CertificateParams::new([names.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": name, "labels": {"doorstep.dev/certificate": "true"}},
        "stringData": {"tls.crt": certificate.pem(), "tls.key": key.serialize_pem()},
    });
    let output = doorstep.kubectl_with(&["apply", "-f", "-"], &object.to_string());
    assert!(output.status.success(), "{:?}", texts(&output));
}

#[test]
fn explain_names_winner_losers_pods_and_certificate_and_agrees_with_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.yaml");
    std::fs::write(
        &routes,
        r#"
routes:
- hosts: [shop.example.test]
  rules:
  - match: {path: {prefix: /}}
    backends: [{address: "127.0.0.1:1"}]
  - match: {path: {prefix: /cart}, method: POST}
    backends: [{address: "127.0.0.1:2"}]
  - match: {path: {exact: /cart}, headers: {x-beta: "yes"}}
    backends: [{address: "127.0.0.1:3"}]
"#,
    )
    .unwrap();
    let doorstep = Doorstep::start_with(&["--routes", routes.to_str().unwrap()]);
    let url = doorstep.deploy("haimaz", "integration", "1");

    let explained = doorstep.cli_ok(&["explain", &url]);
    let pod = doorstep.kubectl_ok(&["get", "pods", "-o", "jsonpath={.items[0].status.podIP}"]);
    for part in ["Service default/haimaz-integration", "haimaz-integration-deployment-", &pod] {
        assert!(explained.contains(part), "no {part} in {explained}");
    }
    // One that a gateway made for itself is known to that gateway alone; one of a Secret, to every process.
    label_certificate(&doorstep, "zone-int", "*.int.localhost");
    let secure = doorstep.secure_url("fronthaimaz.int.localhost", "/");
    wait_for("the certificate's name", || {
        let explained = doorstep.cli_ok(&["explain", &secure]);
        let named = explained.contains("*.int.localhost") && explained.contains("zone-int");
        if named { Ok(()) } else { Err(explained) }
    });
    wait_for("the certificate itself", || {
        let served = texts(&doorstep.curl_output(&["-kv", "--http1.1", &secure])).1;
        if served.contains("CN=zone-int") { Ok(()) } else { Err(served) }
    });

    // Each of these leads to a port where nobody listens; the access of the gateway names the endpoint that it tried.
    for (arguments, curl, port) in [
        (&[][..], &[][..], 1),
        (&["-X", "POST"], &["-X", "POST"], 2),
        (&["-H", "X-Beta: yes"], &["-H", "X-Beta: yes"], 3),
    ] {
        let explained =
            doorstep.cli_ok(&[&["explain", "http://shop.example.test/cart", "-o", "json"], arguments].concat());
        let explained: Value = serde_json::from_str(&explained).unwrap();
        let winner = explained["winner"].to_string();
        assert!(explained.to_string().contains(&format!("127.0.0.1:{port}")), "{explained}");
        assert!(!winner.is_empty() && explained["losers"].as_array().is_some_and(|l| l.len() == 2), "{explained}");
        for loser in explained["losers"].as_array().unwrap() {
            assert!(loser["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{loser}");
        }
        let answer = doorstep.ask("shop.example.test", "/cart", &[&["-i"], curl].concat());
        let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").trim().to_owned();
        let record = wait_for("the record of the request", || {
            let records = doorstep.access_log();
            records.into_iter().find(|record| record["request_id"] == id.as_str()).ok_or_else(|| answer.clone())
        });
        assert_eq!(record["endpoint"], format!("127.0.0.1:{port}"), "the gateway tried another one: {record}");
    }
    let nobody = doorstep.cli_ok(&["explain", "http://nobody.example.test/"]);
    assert!(nobody.contains("no route"), "{nobody}");
    doorstep.stop();
}

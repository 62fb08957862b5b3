//! `explain` says what the gateway then does.

use crate::harness::{Cluster, Doorstep, cluster, texts, wait_for};
use serde_json::Value;

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
    let secure = doorstep.secure_url("fronthaimaz.int.localhost", "/");
    let explained = doorstep.cli_ok(&["explain", &secure]);
    // One that a gateway made for itself is known to that gateway alone, not to a manager in another process.
    if cluster() == Cluster::Embedded {
        assert!(explained.contains("*.int.localhost"), "the certificate is not named: {explained}");
    }
    let served = doorstep.curl_output(&["-v", "--http1.1", &secure]);
    assert!(texts(&served).1.contains("*.int.localhost"), "{:?}", texts(&served));

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

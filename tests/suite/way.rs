//! A request's whole way: every class, every protocol, and what a person is told when nobody answers.

use crate::harness::{Doorstep, texts, wait_for};
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

const CLASSES: [(&str, &str); 4] = [
    ("integration", "front{user}.int.localhost"),
    ("staging", "front{user}.dev.localhost"),
    ("production", "front{user}.prod.localhost"),
    ("production-2", "front{user}-2.prod.localhost"),
];

#[test]
fn one_deploy_is_a_page_at_once() {
    let doorstep = Doorstep::start();
    let url = doorstep.deploy("HaimAZ", "integration", "1.4.2");
    assert_eq!(url, doorstep.url("fronthaimaz.int.localhost", "/"));
    let page = doorstep.curl(&[&url]);
    for shown in ["haimaz", "integration", "1.4.2", "3.1.0", "haimaz-integration-deployment-"] {
        assert!(page.contains(shown), "{shown} is not on the page: {page}");
    }
    doorstep.stop();
}

#[test]
fn two_users_and_four_classes_over_every_protocol_beside_a_shared_service() {
    let doorstep = Doorstep::start();
    let environments: Vec<(String, String)> = ["haimaz", "chanigo"]
        .iter()
        .flat_map(|user| CLASSES.map(|(class, host)| (format!("{user} {class}"), host.replace("{user}", user))))
        .collect();
    for (index, (name, _)) in environments.iter().enumerate() {
        let (user, class) = name.split_once(' ').unwrap();
        doorstep.deploy(user, class, &format!("tag-{index}"));
    }
    let mut pods = std::collections::BTreeSet::new();
    for (index, (name, host)) in environments.iter().enumerate() {
        let (user, class) = name.split_once(' ').unwrap();
        let tag = format!("tag-{index}");
        let (plain, secure) = (doorstep.url(host, "/"), doorstep.secure_url(host, "/"));
        for (protocol, url, version) in
            [("--http1.1", &plain, "1.1"), ("--http2-prior-knowledge", &plain, "2"), ("--http2", &secure, "2")]
        {
            let page = doorstep.curl(&[protocol, "-w", "\nversion=%{http_version}", url]);
            for shown in [user, class, &tag, &format!("version={version}")] {
                assert!(page.contains(shown), "{host} {protocol}: no {shown} in {page}");
            }
            let pod =
                page.split(|c: char| c.is_whitespace() || "<>".contains(c)).find(|word| word.contains("-deployment-"));
            pods.insert(pod.unwrap_or_else(|| panic!("no pod in {page}")).to_owned());
        }
        echoes_over_websocket(&doorstep, host);
        streams_events(&doorstep, host);
    }
    assert_eq!(pods.len(), environments.len(), "each host has a pod of its own: {pods:?}");
    a_shared_service_answers_beside_them(&doorstep);
    doorstep.stop();
}

fn echoes_over_websocket(doorstep: &Doorstep, host: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(doorstep.http).await.unwrap();
        let (mut socket, _) = tokio_tungstenite::client_async(format!("ws://{host}/ws"), stream).await.unwrap();
        socket.send(Message::text("across the gateway")).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.into_text().unwrap().as_str(), "across the gateway", "{host}");
        socket.close(None).await.unwrap();
    });
}

fn streams_events(doorstep: &Doorstep, host: &str) {
    // The stream never ends, so curl's own time limit does; what it got until then must be there.
    let output = doorstep.curl_output(&["--no-buffer", "--max-time", "1.5", &doorstep.url(host, "/events")]);
    assert!(texts(&output).0.contains("data:"), "{host}: {:?}", texts(&output));
}

fn a_shared_service_answers_beside_them(doorstep: &Doorstep) {
    let manifest = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: dg, labels: {app: dg}}
spec:
  selector: {matchLabels: {app: dg}}
  template:
    metadata: {labels: {app: dg}}
    spec:
      containers:
      - name: dg
        image: registry.example.com/dg:1
        command: [doorstep, sample-front]
        env: [{name: VERSION, value: shared-by-all}]
        ports: [{name: http, containerPort: 9000}]
        readinessProbe: {httpGet: {path: /healthz, port: http}}
---
apiVersion: v1
kind: Service
metadata:
  name: dg
  annotations: {doorstep.dev/host: "dg.shared.localhost"}
spec:
  selector: {app: dg}
  ports: [{name: http, port: 80, targetPort: http}]
"#;
    let applied = doorstep.kubectl_with(&["apply", "-f", "-"], manifest);
    assert!(applied.status.success(), "{:?}", texts(&applied));
    wait_for("the shared service", || match doorstep.curl(&[&doorstep.url("dg.shared.localhost", "/")]) {
        page if page.contains("shared-by-all") => Ok(()),
        page => Err(page),
    });
}

#[test]
fn who_finds_nobody_is_told_why() {
    let doorstep = Doorstep::start();
    let asked = |host: &str, accept: &str| doorstep.ask(host, "/", &["-i", "-H", &format!("Accept: {accept}")]);

    let unknown = asked("nobody.example.test", "*/*");
    assert!(unknown.contains("404 Not Found") && unknown.contains("application/problem+json"), "{unknown}");
    let page = asked("nobody.example.test", "text/html");
    assert!(page.contains("404 Not Found") && page.contains("<html"), "{page}");

    // A personal host whose environment does not exist says how to make it.
    let absent = asked("frontnobody.int.localhost", "text/html");
    assert!(absent.contains("404 Not Found"), "{absent}");
    assert!(absent.contains("doorstep env deploy integration --user nobody"), "{absent}");

    crashing_class(&doorstep);
    doorstep.cli_ok(&["env", "deploy", "crashing", "--user", "haimaz"]);
    wait_for("the reason on the page", || {
        let said = asked("crash-haimaz.crash.localhost", "*/*");
        let told = said.contains("503 Service Unavailable") && said.contains("CrashLoopBackOff");
        if told && said.contains("application/problem+json") { Ok(()) } else { Err(said) }
    });
    let page = asked("crash-haimaz.crash.localhost", "text/html");
    assert!(page.contains("<html") && page.contains("CrashLoopBackOff"), "{page}");

    // An environment that was scaled to nothing has a Service without endpoints.
    doorstep.deploy("haimaz", "integration", "1");
    let patch = r#"{"spec":{"replicas":0}}"#;
    doorstep.kubectl_ok(&["patch", "environmentclass", "integration", "--type=merge", "-p", patch]);
    wait_for("the page without an endpoint", || {
        let said = asked("fronthaimaz.int.localhost", "*/*");
        if said.contains("503 Service Unavailable") && said.contains("problem+json") { Ok(()) } else { Err(said) }
    });
    doorstep.stop();
}

fn crashing_class(doorstep: &Doorstep) {
    let class = r#"
apiVersion: doorstep.dev/v1alpha1
kind: EnvironmentClass
metadata: {name: crashing}
spec:
  host: crash-{user}.crash.{domain}
  port: 8080
  template: {spec: {containers: [{name: front, image: none}]}}
  local: {command: [sh, -c, "echo it went wrong; exit 3"]}
"#;
    let applied = doorstep.kubectl_with(&["apply", "-f", "-"], class);
    assert!(applied.status.success(), "{:?}", texts(&applied));
}

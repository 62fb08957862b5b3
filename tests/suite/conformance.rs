//! HTTP/2 as RFC 9113 and RFC 7541 have it, by the cases of h2spec.

use crate::harness::{Program, binary, curl, texts, wait_for};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A front end of the default classes, ended with the test.
struct Front(Child);

impl Front {
    fn start(address: SocketAddr) -> Self {
        let mut command = Command::new(binary());
        command.arg("sample-front").env("HOST", address.ip().to_string()).env("PORT", address.port().to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        wait_for("the front end", || TcpStream::connect(address).map_err(|error| error.to_string()));
        Self(child)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn http2_over_tls_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let backend = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _front = Front::start(backend);
    let routes = folder.path().join("routes.yaml");
    // h2spec names the address that it calls.
    let text = format!("routes: [{{hosts: [\"*\"], rules: [{{backends: [{{address: \"{backend}\"}}]}}]}}]");
    std::fs::write(&routes, text).unwrap();
    let addresses = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let rest = ["--access-log", "off", "--routes", routes.to_str().unwrap()];
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut gateway = Program::start("gateway", &data, &log, addresses.into_iter().chain(rest));
    let https: SocketAddr = gateway.addresses()["https"].as_str().unwrap().parse().unwrap();
    wait_for("an answer of the front end", || {
        let url = format!("https://{https}/");
        match texts(&curl().args(["--insecure", "--max-time", "5", &url]).output().unwrap()) {
            (said, _) if said.contains("protocol: ") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let (host, port) = (https.ip().to_string(), https.port().to_string());
    let mut h2spec = Command::new("h2spec");
    // Its certificate is the development authority's. An answer that came at once could be whole before what is wrong with the
    // request's end has come, and a stream that has ended breaks no rule.
    h2spec.args(["--tls", "--insecure", "--timeout", "10", "--path", "/slow?ms=300", "--host", &host, "--port", &port]);
    let output = h2spec.output();
    let (said, complained) = texts(&output.expect("h2spec runs (tests/run installs it)"));
    let last = said.lines().last().unwrap_or_default();
    println!("h2spec: {last}");
    assert!(last.contains(" 0 failed") && last.contains(" 0 skipped"), "{said}{complained}");
    assert!(gateway.stop().success());
}

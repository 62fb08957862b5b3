//! The roles by themselves: a gateway before a cluster, and one before a file of routes.

use crate::harness::{Doorstep, Program, binary, curl, signal, texts, wait_for};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `doorstep gateway`.
pub struct Gateway {
    child: Child,
    addresses: Value,
}

impl Gateway {
    /// Starts one and waits until it is ready.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let gateway = Self::begin(folder, arguments);
        wait_for("readiness", || match gateway.get("admin", "/readyz", "localhost") {
            answer if answer == "ok\n" => Ok(()),
            answer => Err(answer),
        });
        gateway
    }

    /// Starts one in `folder`, which may hold the state of an earlier one, and waits until it listens.
    pub fn begin(folder: &Path, arguments: &[&str]) -> Self {
        let _old = std::fs::remove_file(folder.join("addresses.json"));
        let mut child = Command::new(binary())
            .args(["gateway", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(["--access-log", "off"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let addresses = wait_for("the addresses of the gateway", || {
            assert!(child.try_wait().unwrap().is_none(), "the gateway ended");
            let text = std::fs::read_to_string(folder.join("addresses.json")).map_err(|error| error.to_string())?;
            serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())
        });
        Self { child, addresses }
    }

    /// The body of a GET of `path` at one of its ports.
    pub fn get(&self, port: &str, path: &str, host: &str) -> String {
        let url = format!("http://{}{path}", self.addresses[port].as_str().unwrap());
        texts(&curl().args(["-H", &format!("Host: {host}"), &url]).output().unwrap()).0
    }

    /// Ends it as a person would, and asserts a clean end.
    pub fn stop(mut self) {
        signal(self.child.id(), "TERM");
        let status = wait_for("a clean end", || self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()));
        assert!(status.success(), "{status}");
    }
}

#[test]
fn a_gateway_of_its_own_serves_the_same_cluster() {
    let doorstep = Doorstep::start();
    doorstep.deploy("haimaz", "integration", "1.4.2");
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = doorstep.folder.join("kubeconfig");
    let arguments = ["--allow-loopback-endpoints", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let gateway = Gateway::start(folder.path(), &arguments);
    let page = || gateway.get("http", "/", "fronthaimaz.int.localhost");
    assert!(page().contains("TAG_FRONT: 1.4.2"), "{}", page());
    doorstep.deploy("haimaz", "integration", "1.4.3");
    wait_for("the new tag through the other gateway", || match page() {
        page if page.contains("TAG_FRONT: 1.4.3") => Ok(()),
        page => Err(page),
    });
    gateway.stop();
    doorstep.stop();
}

#[test]
fn a_manager_that_goes_answers_on_until_that_was_heard_and_ends_at_once_when_told_again() {
    let doorstep = Doorstep::start();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = doorstep.folder.join("kubeconfig").display().to_string();
    // Longer than this test waits for anything.
    let own = ["--api", "127.0.0.1:0", "--lease", "one-that-goes", "--shutdown-delay", "600"];
    let arguments = [&own[..], &["--allow-loopback-endpoints", "--kubeconfig", &kubeconfig]].concat();
    let mut manager = Program::start("manager", &folder.path().join("data"), &folder.path().join("log"), arguments);
    let api = manager.addresses()["api"].as_str().unwrap().to_owned();
    let told = |path: &str| texts(&curl().arg(format!("http://{api}{path}")).output().unwrap()).0;
    let is = |path: &'static str, wanted: &str| {
        wait_for(wanted, || match told(path) {
            answer if answer == format!("{wanted}\n") => Ok(()),
            answer => Err(answer),
        });
    };
    is("/readyz", "ok");
    signal(manager.pid(), "TERM");
    is("/readyz", "the manager is ending");
    is("/livez", "ok");
    // What comes within a second counts as one signal.
    wait_for("the end", || {
        signal(manager.pid(), "TERM");
        if manager.has_ended() { Ok(()) } else { Err("it goes on".to_owned()) }
    });
    doorstep.stop();
}

#[test]
fn a_gateway_that_is_told_to_end_twice_does_not_wait_any_longer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, "routes: [{hosts: [one.test], rules: [{backends: [{address: \"127.0.0.1:1\"}]}]}]").unwrap();
    let data = folder.path().join("data");
    let mut gateway = Gateway::start(&data, &["--routes", file.to_str().unwrap(), "--shutdown-delay", "600"]);
    signal(gateway.child.id(), "TERM");
    wait_for("that it is going", || match gateway.get("admin", "/readyz", "localhost") {
        answer if answer == "the gateway is ending\n" => Ok(()),
        answer => Err(answer),
    });
    let status = wait_for("a clean end", || {
        signal(gateway.child.id(), "TERM");
        gateway.child.try_wait().unwrap().ok_or_else(|| "it goes on".to_owned())
    });
    assert!(status.success(), "{status}");
}

#[test]
fn a_file_of_routes_needs_no_cluster_and_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("routes.yaml");
    let write = |host: &str| {
        let text = format!("routes: [{{hosts: [{host}], rules: [{{backends: [{{address: \"127.0.0.1:1\"}}]}}]}}]");
        std::fs::write(&file, text).unwrap();
    };
    write("one.test");
    let gateway = Gateway::start(&folder.path().join("data"), &["--routes", file.to_str().unwrap()]);
    let code = |host: &str| {
        let problem: Value = serde_json::from_str(&gateway.get("http", "/", host)).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    // Nobody listens on port 1: a route leads there, and the lack of one does not.
    assert_eq!((code("one.test").as_str(), code("two.test").as_str()), ("ConnectRefused", "NoRoute"));
    write("two.test");
    wait_for("the changed file", || match code("two.test") {
        code if code == "ConnectRefused" => Ok(()),
        code => Err(code),
    });
    // A file with mistakes changes nothing.
    std::fs::write(&file, "routes: 1").unwrap();
    wait_for("a look at the broken file", || {
        assert_eq!(code("two.test"), "ConnectRefused");
        let metrics = gateway.get("admin", "/metrics", "localhost");
        let failing = metrics.lines().any(|line| line == "doorstep_routes_file_mistakes 1");
        if failing { Ok(()) } else { Err("not looked at yet".to_owned()) }
    });
    gateway.stop();
}

//! A control plane with the chart's ServiceAccounts and rights, and the roles as processes that have no more than these.

use crate::harness::{ControlPlane, Program, binary, curl, texts, wait_for};
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Chooses what belongs to this release, and not to the one that every control plane of the tests has.
pub const OURS: &str = "app.kubernetes.io/instance=rights";
/// What `helm template` calls the release.
const RELEASE: &str = "rights";

pub struct Setting {
    pub control_plane: ControlPlane,
    environments: String,
    folder: tempfile::TempDir,
    _node: Program,
    started: Cell<u32>,
}

/// A role that runs.
pub struct Running {
    program: Program,
    addresses: Value,
    data: PathBuf,
}

impl Setting {
    /// A fresh control plane on which the chart's rights are applied; environments live in the namespace `environments`.
    pub fn start(environments: &str, values: &[&str]) -> Self {
        let control_plane = ControlPlane::start();
        control_plane.install();
        if environments != "default" {
            control_plane.kubectl_ok(&["create", "namespace", environments]);
        }
        let rendered = rendered(values);
        let (out, err) = texts(&control_plane.kubectl(&["apply", "--server-side", "-f", "-"], &rendered));
        assert!(out.contains("rolebinding"), "{out}{err}");
        let folder = tempfile::tempdir().unwrap();
        let (kubeconfig, pki) = (control_plane.kubeconfig.to_str().unwrap(), control_plane.pki.to_str().unwrap());
        let arguments = [
            "--kubeconfig",
            kubeconfig,
            "--addresses",
            &control_plane.network,
            "--listen",
            "127.0.0.1:0",
            "--pki",
            pki,
        ];
        let node = Program::start("node", &folder.path().join("node"), &folder.path().join("node.log"), arguments);
        let setting =
            Self { control_plane, environments: environments.to_owned(), folder, _node: node, started: Cell::new(0) };
        for role in ["gateway", "manager"] {
            setting.kubeconfig(role);
        }
        setting
    }

    /// Writes the kubeconfig of a role's ServiceAccount.
    fn kubeconfig(&self, role: &str) {
        let account = format!("{RELEASE}-doorstep-{role}");
        let token = self.control_plane.kubectl_ok(&["create", "token", &account, "--duration", "1h"]);
        let text = std::fs::read_to_string(&self.control_plane.kubeconfig).unwrap();
        let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
        std::fs::write(self.path(&format!("{role}.kubeconfig")), kubeconfig.to_string()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file by which tokens of the cluster are taken.
    pub fn identity(&self) -> String {
        let path = self.path("identity.yaml");
        let grant = json!({"role": "viewer", "when": [{"claim": "username", "equals": "nobody"}]});
        std::fs::write(&path, json!({"kubernetes": {"audiences": ["doorstep"], "grants": [grant]}}).to_string())
            .unwrap();
        path.display().to_string()
    }

    pub fn gateway(&self, more: &[&str]) -> Running {
        let own = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off"];
        self.role("gateway", &[&own, more].concat())
    }

    pub fn manager(&self, more: &[&str]) -> Running {
        let own = [
            "--api",
            "127.0.0.1:0",
            "--local-commands",
            "--lease",
            "default/doorstep-manager",
            "--lease-duration",
            "5",
        ];
        self.role("manager", &[&own, more].concat())
    }

    /// A fresh process in a folder of its own.
    fn role(&self, role: &'static str, arguments: &[&str]) -> Running {
        self.started.set(self.started.get() + 1);
        let data = self.path(&format!("{role}-{}", self.started.get()));
        std::fs::create_dir_all(&data).unwrap();
        let kubeconfig = self.path(&format!("{role}.kubeconfig"));
        let arguments = [&["--kubeconfig", kubeconfig.to_str().unwrap()], arguments].concat();
        let mut program = Program::start(role, &data, &data.join("log"), arguments);
        let addresses = program.addresses();
        Running { program, addresses, data }
    }

    /// `kubectl get OBJECT` with this JSON path, in the environments' namespace.
    pub fn get(&self, object: &str, path: &str) -> String {
        let output = format!("jsonpath={path}");
        texts(&self.control_plane.kubectl(&["get", object, "-n", &self.environments, "-o", &output], "")).0
    }

    /// An Environment that cannot be brought up, as it lacks its parameters.
    pub fn unfinished_environment(&self) {
        self.apply(&json!({"apiVersion": "doorstep.dev/v1alpha1", "kind": "Environment",
            "metadata": {"name": "haimaz-integration"}, "spec": {"user": "haimaz", "class": "integration"}}));
    }

    /// A shared Service that claims a personal host.
    pub fn thief(&self) {
        self.apply(&json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "thief", "annotations": {"doorstep.dev/host": "fronthaimaz.int.localhost"}},
            "spec": {"selector": {"app": "thief"}, "ports": [{"port": 80}]}}));
    }

    fn apply(&self, object: &Value) {
        let arguments = ["apply", "-n", &self.environments, "-f", "-"];
        let output = self.control_plane.kubectl(&arguments, &object.to_string());
        assert!(output.status.success(), "{:?}", texts(&output));
    }

    /// The chart's Roles and ClusterRoles.
    pub fn roles(&self) -> Vec<Value> {
        let chosen = ["get", "roles,clusterroles", "-l", OURS, "-o", "json"];
        let found: Value = serde_json::from_str(&self.control_plane.kubectl_ok(&chosen)).unwrap();
        found["items"].as_array().unwrap().clone()
    }

    /// Runs `look` while the rule `at` of `role` is taken away.
    pub fn without(&self, role: &Value, at: usize, look: impl FnOnce()) {
        let mut less = role.clone();
        less["rules"].as_array_mut().unwrap().remove(at);
        self.replace(&less);
        look();
        self.replace(role);
    }

    fn replace(&self, role: &Value) {
        let mut role = role.clone();
        role["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let output = self.control_plane.kubectl(&["replace", "-f", "-"], &role.to_string());
        assert!(output.status.success(), "{:?}", texts(&output));
    }
}

/// The chart's ServiceAccounts and rights, and nothing else of it.
fn rendered(values: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let built = root.join("tests/.tools/bin/helm");
    let helm = if built.exists() { built } else { PathBuf::from("helm") };
    let shown = ["serviceaccounts", "gateway-rbac", "manager-rbac"].map(|name| format!("templates/{name}.yaml"));
    let mut command = Command::new(helm);
    command.args(["template", RELEASE]).arg(root.join("deploy/chart")).args([
        "--namespace",
        "default",
        "--kube-version",
        "1.36.0",
    ]);
    for file in &shown {
        command.args(["--show-only", file]);
    }
    let output = command.args(values).output().expect("helm runs (tests/run builds it)");
    let (text, said) = texts(&output);
    assert!(output.status.success(), "{said}");
    text
}

impl Running {
    pub fn address(&self, name: &str) -> String {
        self.addresses[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.addresses)).to_owned()
    }

    /// A page beside the API, or of the admin port.
    pub fn page(&self, path: &str) -> String {
        let port = if self.addresses.get("admin").is_some() { "admin" } else { "api" };
        texts(&curl().arg(format!("http://{}{path}", self.address(port))).output().unwrap()).0
    }

    pub fn readyz(&self) -> String {
        self.page("/readyz?verbose")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }

    fn cli(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(binary());
        command.args(arguments).env("DOORSTEP_DATA", &self.data);
        command.env_remove("DOORSTEP_SERVER").env_remove("DOORSTEP_TOKEN").output().unwrap()
    }

    pub fn cli_ok(&self, arguments: &[&str]) {
        let output = self.cli(arguments);
        assert!(output.status.success(), "doorstep {arguments:?}: {:?}\n{}", texts(&output), self.log());
    }

    /// What it said when it failed, as it must after a while.
    pub fn cli_fails(&self, arguments: &[&str]) -> String {
        wait_for("a refusal", || {
            let output = self.cli(arguments);
            if output.status.success() { Err("it went well".to_owned()) } else { Ok(texts(&output).1) }
        })
    }

    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Ends it as a power cut would.
    pub fn kill(self) {
        self.program.kill();
    }

    pub fn stop(self) {
        let status = self.program.stop();
        assert!(status.success(), "{status}");
    }
}

//! A real control plane, started by `tests/cluster`'s program and ended with this process.

use super::{texts, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

/// What `tests/cluster/enter` sets.
const NAMESPACE: &str = "DOORSTEP_TEST_NAMESPACE";
/// So many networks of pods are told apart in 10.244.0.0/16: each has 1,022 addresses.
const NETWORKS: u8 = 60;

/// A running control plane: etcd, kube-apiserver and kube-controller-manager.
pub struct ControlPlane {
    folder: tempfile::TempDir,
    child: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// The API server's URL.
    pub server: String,
    /// Keys and certificates.
    pub pki: PathBuf,
    /// Addresses for pods that no other control plane of this process has.
    pub network: String,
}

impl ControlPlane {
    /// Starts a fresh one and waits until it is ready.
    pub fn start() -> Self {
        assert!(
            std::env::var_os(NAMESPACE).is_some(),
            "a real control plane needs namespaces of its own: run the tests by tests/cluster/enter, as in\n\
             DOORSTEP_TEST_CLUSTER=real tests/cluster/enter cargo test --test suite"
        );
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/bin/control-plane");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(&program)
            .arg("cluster")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not run: {error}; run tests/cluster/build", program.display()));
        let stdin = child.stdin.take().expect("a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        let told: Value = serde_json::from_str(&line).expect("the control plane started; it says why not above");
        let text = |name: &str| told[name].as_str().expect(name).to_owned();
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) % NETWORKS;
        Self {
            kubeconfig: text("kubeconfig").into(),
            server: text("server"),
            pki: text("pki").into(),
            network: format!("10.244.{}.0/22", u16::from(number) * 4),
            pipes: Mutex::new((stdin, stdout)),
            folder,
            child,
        }
    }

    /// A command of the program's own: `stop`, `kill`, `start`, `pause` or `resume` and a program's name, or `compact`.
    pub fn command(&self, command: &str) {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(pipes.0, "{command}").expect("it reads");
        let mut answer = String::new();
        pipes.1.read_line(&mut answer).expect("it answers");
        assert_eq!(answer.trim(), "ok", "{command}");
    }

    /// The process from which all of its programs descend.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// What an administrator installs before Doorstep's roles run: the definitions, the shipped classes, and the roles'
    /// accounts with just the rights of the manifests.
    pub fn install(&self) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let apply = |folder: &str| {
            let folder = root.join(folder);
            self.kubectl_ok(&["apply", "--server-side", "-f", folder.to_str().expect("a path of text")]);
        };
        apply("deploy/crds");
        let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        self.kubectl_ok(&established);
        apply("config/classes");
        let rights = rights(&std::fs::read_to_string(root.join("deploy/manifests/doorstep.yaml")).expect("manifests"));
        let applied = self.kubectl(&["apply", "--server-side", "-f", "-"], &rights);
        assert!(applied.status.success(), "{:?}", texts(&applied));
    }

    /// A kubeconfig of the ServiceAccount `name` of `namespace`, in which its token is; it lies in the control plane's folder.
    pub fn service_account(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self.kubectl_ok(&["create", "token", name, "-n", namespace, "--duration=12h"]);
        let text = std::fs::read_to_string(&self.kubeconfig).expect("a kubeconfig");
        let mut config: Value = serde_json::from_str(&text).expect("the program writes JSON");
        config["users"][0]["user"]["token"] = token.trim().into();
        config["contexts"][0]["context"]["namespace"] = namespace.into();
        let path = self.folder.path().join(format!("{namespace}-{name}.kubeconfig"));
        std::fs::write(&path, config.to_string()).expect("a kubeconfig");
        path
    }

    /// `kubectl ARGUMENTS` as the administrator.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> Output {
        kubectl(&self.kubeconfig, &self.folder.path().join("kubectl-cache"), arguments, input)
    }

    /// The same, which must succeed; gives what it printed.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> String {
        let (out, err) = texts(&self.kubectl(arguments, ""));
        assert!(!out.is_empty() || err.is_empty(), "kubectl {arguments:?} failed: {out}{err}");
        out
    }
}

/// The accounts and rights among the manifests, for environments that live in the namespace `default`.
fn rights(manifests: &str) -> String {
    const KINDS: [&str; 7] =
        ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Lease"];
    let of_kind = |manifest: &&str| {
        let kind = manifest.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap_or_default();
        KINDS.contains(&kind)
    };
    let chosen: Vec<&str> = manifests.split("\n---\n").filter(of_kind).collect();
    chosen.join("\n---\n").replace("namespace: environments", "namespace: default")
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Its programs die with it, however it ends.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `kubectl ARGUMENTS` with `input` on its standard input.
pub(super) fn kubectl(kubeconfig: &Path, cache: &Path, arguments: &[&str], input: &str) -> Output {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/bin/kubectl");
    let program = if built.exists() { built } else { PathBuf::from("kubectl") };
    let mut child = Command::new(program)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        // Its cache of discovery documents must not come from another cluster.
        .arg("--cache-dir")
        .arg(cache)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl runs (tests/cluster/build makes it)");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("kubectl reads");
    drop(stdin);
    child.wait_with_output().expect("kubectl ends")
}

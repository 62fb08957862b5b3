//! A real control plane, started by `tests/cluster`'s program and ended with this process.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running control plane: etcd, kube-apiserver and kube-controller-manager.
pub struct ControlPlane {
    _folder: tempfile::TempDir,
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Keys and certificates.
    pub pki: PathBuf,
    /// The API server's URL.
    server: String,
}

impl ControlPlane {
    /// Starts a fresh one and waits until it is ready.
    pub fn start() -> Self {
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
        let (kubeconfig, pki) = (text("kubeconfig").into(), text("pki").into());
        Self { child, stdin, stdout, kubeconfig, pki, server: text("server"), _folder: folder }
    }

    /// A command of the program's own: `stop`, `kill`, `start`, `pause` or `resume` and a program's name, or `compact`.
    pub fn command(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").expect("it reads");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("it answers");
        assert_eq!(answer.trim(), "ok", "{command}");
    }

    /// Where the API server listens.
    pub fn address(&self) -> SocketAddr {
        self.server.trim_start_matches("https://").parse().expect("an address")
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Its programs die with it, however it ends.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

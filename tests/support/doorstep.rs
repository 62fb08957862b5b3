//! Doorstep running on one of the clusters, and what its users do with it.

use super::control_plane::{self, ControlPlane};
use super::program::Program;
use super::{Cluster, binary, cluster, curl, embedded, real, signal, texts, wait_for};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// A running Doorstep: `doorstep up`, or its roles on a real control plane.
pub struct Doorstep {
    /// Holds `kubeconfig`, `authority.pem`, `access.log`, and what the commands need.
    pub folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
    /// In the order in which they are to be ended.
    programs: Vec<Program>,
    /// The real one, when it runs on such.
    pub control_plane: Option<Arc<ControlPlane>>,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub api: SocketAddr,
}

/// What a cluster makes of a folder.
pub(super) struct Parts {
    pub addresses: Addresses,
    pub programs: Vec<Program>,
    pub control_plane: Option<Arc<ControlPlane>>,
}

/// Where it listens.
pub(super) struct Addresses {
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub api: SocketAddr,
    /// Where the gateway tells of its readiness.
    pub admin: SocketAddr,
}

/// One of the addresses that a program wrote down.
pub(super) fn address(said: &Value, name: &str) -> SocketAddr {
    said[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {said}"))
}

impl Doorstep {
    /// Starts one in a new folder.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one in a new folder, with more arguments for the gateway.
    pub fn start_with(arguments: &[&str]) -> Self {
        let owned = tempfile::tempdir().expect("a temporary folder");
        let mut doorstep = Self::start_in(owned.path(), arguments);
        doorstep._owned = Some(owned);
        doorstep
    }

    /// Starts one in `folder`, which may hold the state of an earlier one.
    pub fn start_in(folder: &Path, arguments: &[&str]) -> Self {
        let Parts { addresses, programs, control_plane } = match cluster() {
            Cluster::Embedded => embedded::start(folder, arguments),
            Cluster::Real => real::start(folder, arguments),
        };
        let Addresses { http, https, api, admin } = addresses;
        let folder = folder.to_owned();
        let mut doorstep = Self { folder, _owned: None, programs, control_plane, http, https, api };
        for address in [api, admin] {
            wait_for("readiness", || {
                doorstep.programs.iter_mut().for_each(Program::assert_running);
                match texts(&curl().arg(format!("http://{address}/readyz")).output().expect("curl runs")).0 {
                    answer if answer.trim() == "ok" => Ok(()),
                    answer => Err(answer),
                }
            });
        }
        doorstep
    }

    /// Strikes all of its processes at once, as a power cut would; [`kill`](Self::kill) still has to collect them.
    pub fn strike(&self) {
        self.programs.iter().for_each(|program| signal(program.pid(), "KILL"));
    }

    /// `doorstep ARGUMENTS` against this one.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(binary())
            .args(arguments)
            .env("DOORSTEP_DATA", &self.folder)
            .env_remove("DOORSTEP_SERVER")
            .env_remove("DOORSTEP_TOKEN")
            .stdin(Stdio::null())
            .output()
            .expect("the command runs")
    }

    /// The same, which must succeed; gives what it printed.
    pub fn cli_ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "doorstep {arguments:?} failed with {}: {out}{err}", output.status);
        out
    }

    /// The same, which must fail with `code`; gives what it said on standard error.
    pub fn cli_fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "doorstep {arguments:?}: {out}{err}");
        err
    }

    /// Deploys and waits; gives the URL.
    pub fn deploy(&self, user: &str, class: &str, tag: &str) -> String {
        let tag = format!("TAG_FRONT={tag}");
        let parameters = ["-p", &tag, "-p", "TAG_ASSETS=7", "-p", "VERSION=3.1.0", "--wait"];
        let arguments = [&["env", "deploy", class, "--user", user], &parameters[..]].concat();
        self.cli_ok(&arguments).trim().to_owned()
    }

    /// `curl` with the authority trusted and every `*.localhost` led to this gateway; gives the body.
    pub fn curl(&self, arguments: &[&str]) -> String {
        texts(&self.curl_output(arguments)).0
    }

    /// The same, with status and standard error.
    pub fn curl_output(&self, arguments: &[&str]) -> Output {
        curl().arg("--cacert").arg(self.folder.join("authority.pem")).args(arguments).output().expect("curl runs")
    }

    /// `curl` of `http://host/path` for a host that no resolver knows.
    pub fn ask(&self, host: &str, path: &str, arguments: &[&str]) -> String {
        let (header, url) = (format!("Host: {host}"), format!("http://{}{path}", self.http));
        self.curl(&[&["-H", &header, &url], arguments].concat())
    }

    /// The records of the access log so far.
    pub fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The URL of `host` and `path` on the plain port.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.http.port())
    }

    /// The URL of `host` and `path` on the TLS port.
    pub fn secure_url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https.port())
    }

    /// `kubectl ARGUMENTS` with the written kubeconfig.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(arguments, "")
    }

    /// The same, with `input` on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        let (kubeconfig, cache) = (self.folder.join("kubeconfig"), self.folder.join("kubectl-cache"));
        control_plane::kubectl(&kubeconfig, &cache, arguments, input)
    }

    /// `kubectl` that must succeed; gives what it printed.
    pub fn kubectl_ok(&self, arguments: &[&str]) -> String {
        let output = self.kubectl(arguments);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "kubectl {arguments:?} failed: {out}{err}");
        out
    }

    /// A GET of the management API.
    pub fn api(&self, path: &str) -> Value {
        let token = std::fs::read_to_string(self.folder.join("api-token")).expect("the token");
        let authorization = format!("Authorization: Bearer {}", token.trim());
        let body = self.curl(&["-H", &authorization, &format!("http://{}/api/v1{path}", self.api)]);
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
    }

    /// Ends it as a person would, and asserts a clean end.
    pub fn stop(mut self) {
        for program in std::mem::take(&mut self.programs) {
            let status = program.stop();
            assert!(status.success(), "doorstep ended with {status}: {}", self.log());
        }
        wait_for("the end of all its processes", || match self.processes() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }

    /// Ends it as a power cut would. A real control plane goes on, until this is dropped.
    pub fn kill(&mut self) {
        self.programs.drain(..).for_each(Program::kill);
    }

    /// What it logged and printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("doorstep.log")).unwrap_or_default()
    }

    /// The ids and command lines of all processes that carry this folder in their environment or arguments.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let needle = self.folder.to_string_lossy().into_owned();
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| *pid != std::process::id())
            .filter_map(|pid| {
                let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let (environment, arguments) = (read("environ"), read("cmdline"));
                let arguments = String::from_utf8_lossy(&arguments).replace('\0', " ");
                let holds = String::from_utf8_lossy(&environment).contains(&needle) || arguments.contains(&needle);
                (holds && !arguments.is_empty()).then_some((pid, arguments))
            })
            .collect()
    }
}

impl Drop for Doorstep {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.programs.is_empty() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the end of doorstep's log");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

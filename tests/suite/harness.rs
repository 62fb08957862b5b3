//! The whole program as its users run it: the real binary, on ports of its own, in a folder of its own.

use serde_json::Value;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. It bounds a hang; it measures nothing.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_doorstep")
}

/// Tests that put the machine under load take turns, so that one's load is not the other's failure.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `condition` gives a value. Fails with `what` and the last thing seen when the deadline passes.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match condition() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > end => panic!("waited in vain for {what}; last seen: {seen}"),
            Err(_) => pause(),
        }
    }
}

/// One step of a wait with a deadline.
fn pause() {
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _timeout = never.recv_timeout(Duration::from_millis(20));
}

/// A running `doorstep up`.
pub struct Doorstep {
    pub folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
    child: Option<Child>,
    pub http: SocketAddr,
    pub https: SocketAddr,
    pub api: SocketAddr,
}

impl Doorstep {
    /// Starts one in a new folder.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one in a new folder, with more arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let owned = tempfile::tempdir().expect("a temporary folder");
        let mut doorstep = Self::start_in(owned.path(), arguments);
        doorstep._owned = Some(owned);
        doorstep
    }

    /// Starts one in `folder`, which may hold the state of an earlier one.
    pub fn start_in(folder: &Path, arguments: &[&str]) -> Self {
        let _old = std::fs::remove_file(folder.join("addresses.json"));
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(folder.join("up.log")).expect("a log file");
        let mut child = Command::new(binary())
            .args(["up", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--api", "127.0.0.1:0"])
            .args(["--kube", "127.0.0.1:0", "--data"])
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let addresses = wait_for("the addresses of doorstep up", || {
            if let Ok(Some(status)) = child.try_wait() {
                let said = std::fs::read_to_string(folder.join("up.log")).unwrap_or_default();
                panic!("doorstep up ended with {status}: {said}");
            }
            let text = std::fs::read_to_string(folder.join("addresses.json")).map_err(|e| e.to_string())?;
            serde_json::from_str::<Value>(&text).map_err(|e| e.to_string())
        });
        let address = |name: &str| addresses[name].as_str().and_then(|text| text.parse().ok()).expect(name);
        let doorstep = Self {
            folder: folder.to_owned(),
            _owned: None,
            child: Some(child),
            http: address("http"),
            https: address("https"),
            api: address("api"),
        };
        wait_for("readiness", || match doorstep.curl(&[&format!("http://{}/readyz", doorstep.api)]) {
            answer if answer.trim() == "ok" => Ok(()),
            answer => Err(answer),
        });
        doorstep
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
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
        use std::io::Write;
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.folder.join("kubeconfig"))
            // Its cache of discovery documents must not come from another cluster.
            .arg("--cache-dir")
            .arg(self.folder.join("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs (tests/run installs it)");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("kubectl reads");
        drop(stdin);
        child.wait_with_output().expect("kubectl ends")
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
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), "TERM");
        let status = wait_for("a clean end", || child.try_wait().ok().flatten().ok_or_else(|| "it runs".to_owned()));
        assert!(status.success(), "doorstep ended with {status}: {}", self.log());
        wait_for("the end of all its processes", || match self.processes() {
            left if left.is_empty() => Ok(()),
            left => Err(format!("{left:?}")),
        });
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }

    /// What it logged and printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("up.log")).unwrap_or_default()
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
        if let Some(mut child) = self.child.take() {
            if std::thread::panicking() {
                let log = self.log();
                let tail: Vec<&str> = log.lines().rev().take(60).collect();
                eprintln!("--- the end of doorstep's log");
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// A `curl` that stays on this machine whatever the environment says.
pub fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
    curl
}

/// Standard output and standard error as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).output().expect("kill runs");
    assert!(sent.status.success(), "kill -{name} {pid}: {}", texts(&sent).1);
}

/// A running `wrk`; its report says how many requests failed.
pub struct Wrk(Child);

impl Wrk {
    /// 64 connections for `seconds` on the page of `host`, whose name is known to the gateway alone.
    pub fn start(doorstep: &Doorstep, host: &str, seconds: u32) -> Self {
        let (header, url) = (format!("Host: {host}"), format!("http://{}/", doorstep.http));
        let child = Command::new("wrk")
            .args(["-t2", "-c64", &format!("-d{seconds}s"), "--timeout", "10s", "-H", &header, &url])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("wrk runs (tests/run installs it)");
        Self(child)
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.0.try_wait().expect("wrk").is_none()
    }

    /// Ends it before its time, which must not be over yet: what happened meanwhile happened under load from first to last.
    pub fn stop_without_failure(mut self) -> u64 {
        assert!(self.runs(), "the load ended before what was to happen under it");
        signal(self.0.id(), "INT");
        self.finish_without_failure()
    }

    /// Waits for the end; gives the number of requests, and asserts that none failed.
    pub fn finish_without_failure(mut self) -> u64 {
        let mut report = String::new();
        self.0.stdout.take().expect("a pipe").read_to_string(&mut report).expect("text");
        assert!(self.0.wait().expect("wrk ends").success(), "{report}");
        for sign in ["Socket errors", "Non-2xx"] {
            assert!(!report.contains(sign), "requests failed:\n{report}");
        }
        let line = report.lines().find(|line| line.contains("requests in")).unwrap_or_default();
        let count = line.split_whitespace().next().and_then(|word| word.parse().ok());
        count.unwrap_or_else(|| panic!("no count in wrk's report:\n{report}"))
    }
}

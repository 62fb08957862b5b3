//! `doorstep gateway` as it runs in a cluster: the real program, a process of its own.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(90);
const PROGRAM: &str = env!("CARGO_BIN_EXE_doorstep");

/// A running one.
pub struct Gateway {
    child: Child,
    folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
    began: Instant,
    pub http: SocketAddr,
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts one in a new folder, before the cluster of this kubeconfig, and waits until it says that it is ready.
    pub fn start(kubeconfig: &Path) -> Self {
        Self::start_new(Command::new(PROGRAM), kubeconfig)
    }

    /// The same, with these processors alone, as in `0,2`.
    pub fn start_on(processors: &str, kubeconfig: &Path) -> Self {
        let mut taskset = Command::new("taskset");
        taskset.args(["--cpu-list", processors, PROGRAM]);
        Self::start_new(taskset, kubeconfig)
    }

    fn start_new(program: Command, kubeconfig: &Path) -> Self {
        let owned = tempfile::tempdir().expect("a temporary folder");
        let mut gateway = Self::start_as(program, owned.path(), kubeconfig, &[]);
        gateway._owned = Some(owned);
        gateway.wait_until_ready();
        gateway
    }

    /// Starts one in `folder`, which may hold what an earlier one left. It need not be ready.
    pub fn start_in(folder: &Path, kubeconfig: &Path, arguments: &[&str]) -> Self {
        Self::start_as(Command::new(PROGRAM), folder, kubeconfig, arguments)
    }

    fn start_as(mut program: Command, folder: &Path, kubeconfig: &Path, arguments: &[&str]) -> Self {
        let file = folder.join("addresses.json");
        let _old = std::fs::remove_file(&file);
        let began = Instant::now();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a log file");
        let mut child = program
            .args(["gateway", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(["--access-log", "off", "--data"])
            .arg(folder)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the gateway starts");
        let addresses: Value = loop {
            match std::fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok()) {
                Some(addresses) => break addresses,
                None => step(began, || format!("the gateway has no address yet: {}", log_of(folder))),
            }
            let ended = child.try_wait().expect("the gateway");
            assert!(ended.is_none(), "the gateway ended: {}", log_of(folder));
        };
        let address = |name: &str| addresses[name].as_str().and_then(|text| text.parse().ok()).expect(name);
        let (http, admin) = (address("http"), address("admin"));
        Self { child, folder: folder.to_owned(), _owned: None, began, http, admin }
    }

    /// Waits until it says that it is ready; gives how long that took from its start.
    pub fn wait_until_ready(&self) -> Duration {
        while !self.is_ready() {
            step(self.began, || format!("the gateway is not ready: {}{}", self.admin("/readyz"), self.log()));
        }
        self.began.elapsed()
    }

    /// Whether it says that it is ready.
    pub fn is_ready(&self) -> bool {
        self.admin("/readyz").starts_with("HTTP/1.1 200")
    }

    /// The answer of an admin page, head and all; empty when there is none.
    pub fn admin(&self, path: &str) -> String {
        get(self.admin, "localhost", path).unwrap_or_default()
    }

    /// The answer for a host's page, head and all; empty when there is none.
    pub fn ask(&self, host: &str) -> String {
        get(self.http, host, "/").unwrap_or_default()
    }

    /// Waits until the answer for a host's page satisfies `expected`; gives it.
    pub fn wait_for(&self, host: &str, what: &str, expected: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let answer = self.ask(host);
            if expected(&answer) {
                return answer;
            }
            step(began, || format!("waited in vain for {what} at {host}; last seen: {answer}"));
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        log_of(&self.folder)
    }

    /// Tells it to end, as a cluster does.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "the gateway was not there any more");
    }

    /// Waits until it has ended.
    pub fn ended(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the gateway") {
                return status;
            }
            step(began, || "the gateway does not end".to_owned());
        }
    }

    /// The memory that it has, in MiB.
    pub fn resident_mebibytes(&self) -> f64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).expect("its memory");
        let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<f64>().ok());
        pages.expect("its pages") * 4096.0 / 1_048_576.0
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("its times");
        let (_, fields) = stat.rsplit_once(')').expect("its name");
        // utime and stime, in ticks of ten milliseconds.
        let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.log());
        }
    }
}

fn get(address: SocketAddr, host: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn log_of(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// One step of a wait with a deadline.
fn step(began: Instant, what: impl FnOnce() -> String) {
    assert!(began.elapsed() < DEADLINE, "{}", what());
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _timeout = never.recv_timeout(Duration::from_millis(2));
}

//! Load by `wrk`, and what its own report says of every request.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// How many connections it has.
pub const CONNECTIONS: u32 = 64;

/// A running `wrk`.
pub struct Wrk {
    child: Child,
    _script: Option<tempfile::NamedTempFile>,
}

/// What it reports at its end.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Requests that were answered.
    pub requests: u64,
    /// The same, each second.
    pub per_second: f64,
    /// Latency in milliseconds: half of the requests took no longer.
    pub p50: f64,
    /// Latency in milliseconds: 99 of 100 requests took no longer.
    pub p99: f64,
    /// What it says of failures, socket errors and other statuses than 2xx and 3xx; empty when there was none.
    pub failures: String,
    /// All of it.
    pub text: String,
}

impl Wrk {
    /// As many requests as 64 connections can have answered, for `seconds`, of the page of `host`, whose name only the
    /// gateway at `address` knows.
    pub fn start(address: SocketAddr, host: &str, seconds: u32) -> Self {
        Self::run(Command::new("wrk"), address, host, seconds, None)
    }

    /// The same, where other programs of this machine have work to do at the same time: the load leaves them the processors. Each of its
    /// connections has a request under way at any time, as before.
    pub fn giving_way(address: SocketAddr, host: &str, seconds: u32) -> Self {
        let mut nice = Command::new("nice");
        nice.args(["-n", "10", "wrk"]);
        Self::run(nice, address, host, seconds, None)
    }

    /// The same, but each connection pauses for so many milliseconds before each request.
    pub fn paced(address: SocketAddr, host: &str, seconds: u32, pause_millis: u32) -> Self {
        Self::run_paced(Command::new("wrk"), address, host, seconds, pause_millis)
    }

    /// The same, with these processors alone, as in `0,2`.
    pub fn paced_on(processors: &str, address: SocketAddr, host: &str, seconds: u32, pause_millis: u32) -> Self {
        let mut taskset = Command::new("taskset");
        taskset.args(["--cpu-list", processors, "wrk"]);
        Self::run_paced(taskset, address, host, seconds, pause_millis)
    }

    fn run_paced(wrk: Command, address: SocketAddr, host: &str, seconds: u32, pause_millis: u32) -> Self {
        let mut script = tempfile::NamedTempFile::with_suffix(".lua").expect("a file");
        writeln!(script, "function delay() return {pause_millis} end").expect("written");
        Self::run(wrk, address, host, seconds, Some(script))
    }

    fn run(
        mut wrk: Command,
        address: SocketAddr,
        host: &str,
        seconds: u32,
        script: Option<tempfile::NamedTempFile>,
    ) -> Self {
        wrk.args(["-t2", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "--timeout", "10s", "--latency"]);
        if let Some(script) = &script {
            wrk.arg("-s").arg(script.path());
        }
        wrk.args(["-H", &format!("Host: {host}"), &format!("http://{address}/")]);
        let child = wrk.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self { child: child.expect("wrk runs (tests/run installs it)"), _script: script }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("wrk").is_none()
    }

    /// Ends it before its time, which must not be over yet: what happened meanwhile happened under load from first to last.
    pub fn stop(mut self) -> Report {
        assert!(self.runs(), "the load ended before what was to happen under it");
        super::signal(self.child.id(), "INT");
        self.finish()
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Report {
        let mut text = String::new();
        self.child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
        assert!(self.child.wait().expect("wrk ends").success(), "{text}");
        Report::read(text)
    }
}

impl Report {
    fn read(text: String) -> Self {
        let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
        let requests = text.lines().find(|line| line.contains(" requests in ")).unwrap_or_default();
        let requests = requests.split_whitespace().next().and_then(|count| count.parse().ok());
        let failing = |line: &&str| ["Socket errors", "Non-2xx"].iter().any(|sign| line.contains(sign));
        Self {
            requests: requests.unwrap_or_else(|| panic!("no count in wrk's report:\n{text}")),
            per_second: number(after("Requests/sec:")),
            p50: millis(after("50%").unwrap_or_default()),
            p99: millis(after("99%").unwrap_or_default()),
            failures: text.lines().filter(failing).collect(),
            text,
        }
    }

    /// Asserts that not one request failed; gives how many there were.
    pub fn without_failure(self) -> u64 {
        assert!(self.failures.is_empty(), "requests failed:\n{}", self.text);
        self.requests
    }
}

/// A duration as `wrk` writes it: `812.00us`, `1.25ms`, `2.00s`.
fn millis(text: &str) -> f64 {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)];
    let of_unit = |(unit, factor): (&str, f64)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor);
    units.into_iter().find_map(of_unit).unwrap_or(f64::NAN)
}

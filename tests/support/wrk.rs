//! `wrk`, which counts the requests that fail.

use super::{Doorstep, signal};
use std::io::Read;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running `wrk`; its report says how many requests failed.
pub struct Wrk(Child);

impl Wrk {
    /// 64 connections for `seconds` on the page of `host`, whose name is known to the gateway alone.
    pub fn start(doorstep: &Doorstep, host: &str, seconds: u32) -> Self {
        Self::at(doorstep.http, host, seconds)
    }

    /// The same, of a gateway at `address`.
    pub fn at(address: SocketAddr, host: &str, seconds: u32) -> Self {
        let (header, url) = (format!("Host: {host}"), format!("http://{address}/"));
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

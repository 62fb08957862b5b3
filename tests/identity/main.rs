//! Who may call, with the real binary: logging in with an issuer, tokens that are made here, TLS and client certificates.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod harness;
#[path = "../support/issuer.rs"]
#[allow(dead_code, reason = "each user of the issuer needs its own part of it")]
mod issuer;

mod kubernetes;
mod login;
mod reload;
mod tls;
mod tokens;

use harness::{binary, texts};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A person at another machine: a data folder of their own, and the manager's address.
pub struct Person {
    folder: tempfile::TempDir,
    server: String,
}

impl Person {
    pub fn of(server: String) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env("DOORSTEP_DATA", self.folder()).env("DOORSTEP_SERVER", &self.server);
        for name in ["DOORSTEP_TOKEN", "DOORSTEP_TOKEN_FILE", "DOORSTEP_CLIENT_CERT", "DOORSTEP_SERVER_CA"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = texts(&output);
        assert!(output.status.success(), "doorstep {arguments:?} failed with {}: {out}{err}", output.status);
        out
    }

    /// It must fail with `code`; gives what it said on standard error.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "doorstep {arguments:?}: {out}{err}");
        err
    }
}

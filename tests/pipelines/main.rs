//! The pipelines of `deploy`, run: the Jenkinsfile by real Groovy, the steps of the two others by the shell that they name, all
//! against a live Doorstep. What somebody types stays data, whatever it is.
//!
//! Groovy is the command `groovy`, or `tests/.tools/groovy.jar` with Java, which `tests/run` fetches.
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

mod azure_devops;
mod endpoint;
mod github;
#[path = "../support/mod.rs"]
mod harness;
#[allow(dead_code, reason = "each binary of tests uses its own part of this")]
#[path = "../support/issuer.rs"]
mod issuer;
mod jenkins;
mod rules;
mod trusting;
mod typed;

//! How environments live: the whole program in this process, by a clock that the test holds. Pods are real processes, and so
//! are requests.
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

mod expiry;
#[path = "../support/mod.rs"]
mod harness;
#[path = "../dns/server.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod name_server;
mod quotas;
mod rollouts;
mod setting;
mod sleep;

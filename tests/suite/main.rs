//! The whole program, tried with the tools that its users have: curl, kubectl, wrk, and its own commands.
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

mod bad_input;
mod conformance;
mod crashes;
mod edge;
mod explained;
#[path = "../support/mod.rs"]
mod harness;
mod hostile_http2;
mod ingress;
mod kubectl;
mod last_good;
mod roles;
mod rollouts;
mod way;

//! What belongs to `doorstep up` alone: its ports, its folder and its database. The rest of it is the suite's.
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

mod commands;
#[path = "../support/mod.rs"]
mod harness;
mod kubeconfigs;
mod refusals;
mod stopped;

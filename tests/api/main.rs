//! The management API from outside, at a live manager: the page of the documentation, and every call by what its description
//! says.
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
mod described;
mod gateways;
mod hostile;
mod page;
#[path = "../support/mod.rs"]
mod support;

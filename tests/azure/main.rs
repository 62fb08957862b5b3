//! Our client of Azure and the zones in it, against an emulator over TLS that behaves as recorded traffic and documents say.
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

mod answers;
mod emulator;
#[path = "../support/mod.rs"]
mod harness;
mod many;
mod operations;
mod tokens;
mod whole;
mod zones;

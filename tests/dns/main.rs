//! Names that resolve, against real name servers: BIND and Knot, as Debian packages them (`tests/run` installs them).
//!
//! Each test starts servers of its own on free loopback ports, in a folder of its own, and ends them.
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

mod fault;
mod many;
mod owners;
mod refusals;
mod resolver;
mod server;
mod updates;
mod whole;

#[path = "../support/mod.rs"]
mod harness;

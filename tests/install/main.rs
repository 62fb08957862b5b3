//! The chart on a real API server: accepted under the restricted profile, upgraded under load, and gone without a trace.
//!
//! Each test enters the namespaces that a control plane needs by itself (`tests/cluster/enter`).
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
mod support;

#[path = "../deploy/helm.rs"]
#[allow(dead_code, reason = "the tests without a cluster use the rest of it")]
mod helm;

#[path = "../deploy/turned.rs"]
mod values_turned;

mod accepted;
mod balancer;
mod cluster;
mod every_gateway;
mod on_the_node;
mod turned;
mod upgraded;

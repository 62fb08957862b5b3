//! Every fault that a cluster has, on a real control plane, with a load that counts each request.
//!
//! Each test runs in namespaces of its own (no root is needed), and takes its turn: all of them load the machine. The
//! control plane's programs and `wrk` are installed by `tests/run`.
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

/// Tests that run in namespaces of their own, one after the other.
macro_rules! faults {
    ($(fn $name:ident() $body:block)*) => {
        $(
            #[test]
            fn $name() {
                crate::world::in_a_namespace(concat!(module_path!(), "::", stringify!($name)), || $body);
            }
        )*
    };
}

mod api_server;
mod bad_objects;
mod deploys;
mod gateways;
mod killed;
mod last_good;
mod updates;
mod world;

#[path = "../azure/emulator/mod.rs"]
#[allow(dead_code, unused_imports, reason = "its own tests use all of it")]
mod emulator;
#[path = "../dns/server.rs"]
#[allow(dead_code, reason = "its own tests use all of it")]
mod name_server;
#[path = "../support/mod.rs"]
mod support;

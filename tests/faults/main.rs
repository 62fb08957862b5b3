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
mod plane;
mod updates;
mod world;

#[path = "../support/fault_proxy.rs"]
mod fault_proxy;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../support/gateway.rs"]
mod gateway;
#[path = "../support/kubeconfig.rs"]
mod kubeconfig;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../support/load.rs"]
mod load;
#[path = "../support/namespace.rs"]
mod namespace;
#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../support/objects.rs"]
mod objects;

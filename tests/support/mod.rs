//! The whole program as its users run it: the real binary, on ports of its own, in a folder of its own.
//!
//! `DOORSTEP_TEST_CLUSTER` chooses the cluster: `embedded` (the default) is `doorstep up`; `real` is the gateway, the manager and
//! the node on a control plane of kube-apiserver, etcd and kube-controller-manager, and needs `tests/cluster/enter`.
#![allow(dead_code, unused_imports, reason = "each binary of tests uses its own part of this")]

mod control_plane;
mod doorstep;
mod embedded;
mod gateway;
mod kubeconfig;
mod program;
mod real;
mod tools;
mod wrk;

pub mod balancer;
pub mod fault_proxy;
pub mod namespace;
pub mod objects;
pub mod postgres;
pub mod receiver;
pub mod trap;

pub use control_plane::ControlPlane;
pub use doorstep::Doorstep;
pub use gateway::Gateway;
pub use kubeconfig::{client_of, write_leading_to};
pub use program::Program;
pub use tools::{DEADLINE, alone, binary, curl, signal, texts, wait_for};
pub use wrk::{CONNECTIONS, Report, Wrk};

/// Which cluster Doorstep runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cluster {
    /// The one that `doorstep up` brings along.
    Embedded,
    /// A real control plane.
    Real,
}

/// The cluster that the environment chooses.
pub fn cluster() -> Cluster {
    match std::env::var("DOORSTEP_TEST_CLUSTER").as_deref() {
        Err(_) | Ok("" | "embedded") => Cluster::Embedded,
        Ok("real") => Cluster::Real,
        Ok(other) => panic!("DOORSTEP_TEST_CLUSTER is {other:?}; it may be embedded or real"),
    }
}

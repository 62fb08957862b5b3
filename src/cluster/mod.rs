//! What it takes to be a client of a Kubernetes cluster for weeks: credentials that rotate, leadership that is fenced, and
//! rights that somebody may take away.
//!
//! [`connect`] gives the ordinary `kube::Client`. [`Election`] says which of several managers acts, by a Lease, and
//! [`fenced`] makes a client whose writes the one that lost it cannot send any more. [`shared`] has one watch of a kind for all
//! in a process who want to know of it.

mod access;
mod clock;
mod connect;
mod election;
mod fence;
mod gone;
mod kubeconfig;
mod lease;
mod recorder;
mod renewing;
pub mod rights;
pub mod shared;
mod term;

pub use access::ClusterAccess;
pub use connect::{Connected, connect};
pub use election::{Election, ElectionConfig, Standing};
pub use fence::{Fenced, fenced};
pub use gone::Gone;
pub use kubeconfig::AccessError;
pub use lease::LeaseName;
pub use recorder::BoundedRecorder;
pub use shared::{Shared, SharedKinds, Subscription, Told};
pub use term::Term;

#[cfg(test)]
mod tests;

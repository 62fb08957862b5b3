//! The small Kubernetes API: storage, verbs, watches.

pub mod apply;
pub mod openapi;
pub mod patch;
pub mod schema;

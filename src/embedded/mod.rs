//! The embedded cluster: a small Kubernetes API, the controllers it needs, and a node that runs pods as local processes.

pub mod api;
pub mod controllers;
pub mod node;

pub use api::{ApiConfig, ApiServer, EmbeddedError, LogError, LogOptions, NodeBackend, PodUsage};

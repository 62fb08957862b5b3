//! Logs, metrics and the access log.

pub mod metrics;

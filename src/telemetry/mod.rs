//! Logs, metrics, the access log, and the pages by which a machine asks how we are.

pub mod access_log;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod recorder;
